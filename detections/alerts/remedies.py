"""What would make a rule raise fewer alerts, and what that would hide. Pure.

An exception for a principal alone leaves out whoever has its credentials, from anywhere: it is
never suggested. What is suggested is bound to the networks from which the same came before: as an
entry of known automation where a rule leaves that out, else as an exception. Alerts from other
networks are named as those that have to stay.
"""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from detections.alerts.disposition import HARMLESS
from detections.automation.relation import network_of
from trailhound.plural import plural

FIELDS: Final = (
    *("state", "disposition", "first_seen", "calls.name"),
    *("entity.address", "entity.arn", "entity.principal"),
)
"""The fields of an alert that are read here."""
_V4, _V6 = 24, 48
_NAMED: Final = 4
"""The most networks and alerts that a reason names."""
_DAYS: Final = 2
"""Days on which a network has to come up to be a usual one, where no alert was judged."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to do, why, and the command that tries or does it. `hides`: the number of alerts that it
    would have hidden, by network; `keeps`: alerts that differ (id → network), which have to stay.
    `looked_at`: whether any of the alerts was closed as harmless."""

    reason: str = ""
    command: str = ""
    hides: Mapping[str, int] = field(default_factory=dict)
    keeps: Mapping[str, str] = field(default_factory=dict)
    looked_at: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "reason": self.reason,
            "command": self.command,
            "hides": dict(self.hides),
            "keeps": dict(self.keeps),
            "looked_at": self.looked_at,
        }


def about_principal(
    who: str,
    of_rule: int,
    alerts: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    role: str = "",
    rule: str = "",
    elsewhere: int = 0,
) -> Suggestion:
    """For a rule most of whose alerts are about one principal: `alerts` are these, the latest
    first, `of_rule` the number of all. `role`: the ARN of its role, where the rule leaves out known
    automation and the principal can be that; `rule`: the rule's id; `elsewhere`: further alerts,
    about the same name in other accounts."""
    networks = {name: networks_of(document) for name, document in alerts}
    usual = _usual(alerts, networks)
    hidden = [name for name, found in networks.items() if found and found <= usual]
    keeps = {
        name: ", ".join(sorted(found - usual)) or "no network"
        for name, found in networks.items()
        if name not in hidden
    }
    looked_at = any(_is_harmless(document) for _, document in alerts)
    head = f"{len(alerts) + elsewhere:,} of {of_rule:,} are about {who}"
    if elsewhere:
        head += f" ({elsewhere:,} of them not about this account's alone: look at these apart)"
    if not looked_at:
        head += "; nobody has closed one of them as harmless: look at them first"
    show = ["trailhound", "alerts", "list", "--flat", "--rule", rule, "--principal", who]
    if not hidden:
        return Suggestion(
            f"{head}; no network is usual for them, so nothing tells them from whoever has the "
            "credentials",
            shlex.join(show),
            keeps=keeps,
            looked_at=looked_at,
        )
    by_network = Counter(network for name in hidden for network in sorted(networks[name]))
    what = f"{len(hidden):,}, from {_some(by_network)}"
    stay = (
        f"; {plural(len(keeps), 'other')} from {_some(keeps.values())} must stay" if keeps else ""
    )
    documents = dict(alerts)
    calls = sorted({each["name"] for name in hidden for each in documents[name].get("calls") or ()})
    if role and calls:
        words = ["trailhound", "automation", "trust", "--role", role]
        words += [word for call in calls for word in ("--call", call)]
        words += [word for network in sorted(by_network) for word in ("--network", network)]
        how = "trust the role’s call as known automation from where it usually comes: would hide"
    else:
        example = next((it for it in hidden if _is_harmless(documents[it])), hidden[0])
        words = ["trailhound", "rules", "except", example]
        words += ["--by", "principal", "--by", "address", "--dry-run"]
        how = "an exception for it at the addresses of one alert; from usual networks are"
    return Suggestion(
        f"{head}; {how} {what}{stay}", shlex.join(words), dict(by_network), keeps, looked_at
    )


def identity_of(document: Mapping[str, Any]) -> str:
    """The ARN of whom an alert is about, of a session that of all sessions of its role; empty if it
    is about several.

    >>> identity_of({"entity": {"arn": ["arn:aws:sts::1:assumed-role/ci/a"]}})
    'arn:aws:sts::1:assumed-role/ci'
    """
    arns = {
        each.rpartition("/")[0] if ":assumed-role/" in each else each
        for each in (document.get("entity") or {}).get("arn") or ()
    }
    return arns.pop() if len(arns) == 1 else ""


def _usual(
    alerts: Iterable[tuple[str, Mapping[str, Any]]], networks: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    """The networks of alerts that were judged harmless; where none was, those of alerts that began
    on several days. One of an alert that was right is none."""
    days: defaultdict[str, set[str]] = defaultdict(set)
    judged: set[str] = set()
    bad: set[str] = set()
    for name, document in alerts:
        for network in networks[name]:
            days[network].add(str(document["first_seen"])[:10])
        if _is_harmless(document):
            judged |= networks[name]
        elif document.get("disposition") == "true-positive":
            bad |= networks[name]
    usual = judged or {network for network, found in days.items() if len(found) >= _DAYS}
    return frozenset(usual - bad)


def networks_of(document: Mapping[str, Any]) -> frozenset[str]:
    """The networks that an alert's events are from: /24, of IPv6 /48."""
    addresses = (document.get("entity") or {}).get("address") or ()
    return frozenset(filter(None, (network_of(each, _V4, _V6) for each in addresses)))


def _is_harmless(document: Mapping[str, Any]) -> bool:
    return document.get("state") == "closed" and document.get("disposition") in HARMLESS


def _some(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" and {len(found) - _NAMED} more" if found[_NAMED:] else ""
    return ", ".join(found[:_NAMED]) + more
