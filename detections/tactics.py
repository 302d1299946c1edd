"""ATT&CK's tactics, as rules are tagged with them and people select by them.

Source: https://attack.mitre.org/tactics/enterprise/ (version 18.1, the last that has Defense
Evasion: version 19 divides it into Stealth and Defense Impairment)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from detections.rule import Rule
from detections.suggestions import did_you_mean
from trailhound.errors import UsageError

TACTICS: Mapping[str, str] = {
    "reconnaissance": "Reconnaissance",
    "resource-development": "Resource Development",
    "initial-access": "Initial Access",
    "execution": "Execution",
    "persistence": "Persistence",
    "privilege-escalation": "Privilege Escalation",
    "defense-evasion": "Defense Evasion",
    "credential-access": "Credential Access",
    "discovery": "Discovery",
    "lateral-movement": "Lateral Movement",
    "collection": "Collection",
    "command-and-control": "Command and Control",
    "exfiltration": "Exfiltration",
    "impact": "Impact",
}
"""ATT&CK's enterprise tactics, in its order."""


def tagged(name: str) -> str:
    """A tactic's name as tags have it.

    >>> tagged("Defense Evasion"), tagged("defense_evasion")
    ('defense-evasion', 'defense-evasion')
    """
    return name.strip().lower().replace(" ", "-").replace("_", "-")


def unknown_tactics(names: Iterable[str], rules: Iterable[Rule]) -> Iterator[UsageError]:
    """An error for each name that neither ATT&CK nor a rule has, with the nearest one: alerts
    selected by it are none."""
    known = {*TACTICS, *(tagged(each) for rule in rules for each in rule.attack.tactics)}
    for name in names:
        if tagged(name) not in known:
            yield UsageError(
                f"ATT&CK has no tactic {name!r}, and no rule is tagged with it",
                hint=did_you_mean(tagged(name), sorted(known), f"there are: {', '.join(TACTICS)}"),
            )
