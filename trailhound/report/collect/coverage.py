"""ATT&CK coverage, by the loaded rules and the alerts they raised."""

from __future__ import annotations

from collections.abc import Sequence

from detections.rule import Rule
from detections.tactics import TACTICS
from trailhound.report.collect.alerts import Counted
from trailhound.report.collect.attack import belongs_to_tactic, tactic_id
from trailhound.report.value import Coverage, Tactic, Technique


def coverage(rules: Sequence[Rule], count: Counted) -> Coverage:
    """Each tactic with its rules, alerts and techniques, in ATT&CK's order, unknown ones last."""
    watching = [rule for rule in rules if rule.alerts]
    alerts: dict[str, int] = {}
    named: dict[str, set[str]] = {}
    for name, number in count.tactics.items():
        tactic = tactic_id(name)
        alerts[tactic] = alerts.get(tactic, 0) + number
        named.setdefault(tactic, set()).update(count.pairs.get(name, ()))
    of: dict[str, list[Rule]] = {}
    for rule in watching:
        for tactic in {tactic_id(each) for each in rule.attack.tactics}:
            of.setdefault(tactic, []).append(rule)
    others = sorted((of.keys() | alerts.keys()) - TACTICS.keys())
    made = []
    for tactic in (*TACTICS, *others):
        mine = of.get(tactic, [])
        known: dict[str, int] = dict.fromkeys(named.get(tactic, ()), 0)
        for rule in mine:
            for technique in set(rule.attack.techniques):
                known[technique] = known.get(technique, 0) + 1
        techniques = tuple(
            Technique(each, known[each], count.techniques.get(each, 0))
            for each in sorted(known)
            if belongs_to_tactic(each, tactic)
        )
        label = TACTICS.get(tactic, tactic)
        made.append(Tactic(tactic, label, len(mine), alerts.get(tactic, 0), techniques))
    fired = sum(1 for rule in watching if count.rules.get(rule.id))
    return Coverage(len(watching), fired, tuple(made))
