"""What of ATT&CK is watched for, by the rules that are loaded and the alerts they raised."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.report.value import Coverage, Tactic, Technique
from detections.rule import Rule
from trailhound.report.alerts import Counted

TACTICS: tuple[tuple[str, str], ...] = (
    ("reconnaissance", "Reconnaissance"),
    ("resource-development", "Resource Development"),
    ("initial-access", "Initial Access"),
    ("execution", "Execution"),
    ("persistence", "Persistence"),
    ("privilege-escalation", "Privilege Escalation"),
    ("defense-evasion", "Defense Evasion"),
    ("credential-access", "Credential Access"),
    ("discovery", "Discovery"),
    ("lateral-movement", "Lateral Movement"),
    ("collection", "Collection"),
    ("command-and-control", "Command and Control"),
    ("exfiltration", "Exfiltration"),
    ("impact", "Impact"),
)
"""ATT&CK's enterprise tactics in its own order. Source: https://attack.mitre.org/tactics/enterprise/"""

BEFORE_THE_TRAIL = frozenset({"reconnaissance", "resource-development"})
"""What an attacker does before the first call leaves no record in a trail."""


def tactic_id(text: str) -> str:
    """A tactic however it was written.

    >>> tactic_id("Defense_Evasion"), tactic_id("attack.defense-evasion")
    ('defense-evasion', 'defense-evasion')
    """
    return text.lower().removeprefix("attack.").replace("_", "-").replace(" ", "-")


def coverage(rules: Sequence[Rule], count: Counted) -> Coverage:
    """Each tactic, in ATT&CK's order: rules for it, alerts, techniques. Unknown ones come last."""
    watching = [rule for rule in rules if rule.alerts]
    names = dict(TACTICS)
    alerts: dict[str, int] = {}
    pairs: dict[str, set[str]] = {}
    for name, number in count.tactics.items():
        tactic = tactic_id(name)
        alerts[tactic] = alerts.get(tactic, 0) + number
        pairs.setdefault(tactic, set()).update(count.pairs.get(name, ()))
    of: dict[str, list[Rule]] = {}
    for rule in watching:
        for tactic in {tactic_id(each) for each in rule.attack.tactics}:
            of.setdefault(tactic, []).append(rule)
    others = sorted((of.keys() | alerts.keys()) - names.keys())
    made = []
    for tactic in (*names, *others):
        mine = of.get(tactic, [])
        by_technique: dict[str, int] = dict.fromkeys(pairs.get(tactic, ()), 0)
        for rule in mine:
            for technique in set(rule.attack.techniques):
                by_technique[technique] = by_technique.get(technique, 0) + 1
        techniques = tuple(
            Technique(each, by_technique[each], count.techniques.get(each, 0))
            for each in sorted(by_technique)
        )
        label = names.get(tactic, tactic)
        made.append(Tactic(tactic, label, len(mine), alerts.get(tactic, 0), techniques))
    fired = sum(1 for rule in watching if count.rules.get(rule.id))
    return Coverage(len(watching), fired, tuple(made))
