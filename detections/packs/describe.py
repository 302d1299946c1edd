"""Describes packs and rules: lists, one rule in full, the query of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, is_dataclass
from typing import Any, Final

from sigma.correlations import SigmaCorrelationRule

from detections.correlations.correlation import Correlation
from detections.events.principal import role_view
from detections.packs.documents import RuleFault
from detections.packs.kinds import KINDS
from detections.packs.lacking import lacking
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.packs.references import referenced_ids
from detections.rule import LEVELS, Rule
from trailhound.plural import plural

_MINUTE: Final = 60_000
"""Milliseconds."""
WITHOUT_DATA: Final = "without data"
"""The state of a rule that finds nothing, since nothing gives its fields a value."""


def listed(pack: Pack, absent: Collection[str] = ()) -> list[dict[str, Any]]:
    """Every rule, the most severe first: `id`, `title`, `level`, `kind`, `state` (`on`, `off`,
    `part of another`, `without data`), `lacks`, `tactics`, `techniques`, `interval` in seconds,
    `place` (file and line). A rule is without data if it finds nothing without those of the
    settings `absent` that `lacks` names."""
    rules = [*pack.rules, *pack.disabled]
    without = lacking(pack, absent)
    rules.sort(key=lambda rule: (-LEVELS.index(rule.level), rule.title))
    return [
        {
            "id": rule.id,
            "title": rule.title,
            "level": rule.level,
            "kind": rule.kind,
            "state": WITHOUT_DATA if rule.id in without else _state(pack, rule),
            "lacks": list(without.get(rule.id, ())),
            "tactics": list(rule.attack.tactics),
            "techniques": list(rule.attack.techniques),
            "interval": rule.interval.total_seconds(),
            "place": str(rule.place),
        }
        for rule in rules
    ]


def _state(pack: Pack, rule: Rule) -> str:
    if rule in pack.disabled:
        return "off"
    return "on" if rule.alerts else "part of another"


def counted(pack: Pack) -> str:
    """The number of rules, as the sum of those that alert, parts of others, and disabled ones."""
    parts = len(pack.rules) - len(pack.alerting)
    off = f", {len(pack.disabled):,} disabled" if pack.disabled else ""
    total = len(pack.rules) + len(pack.disabled)
    alerting = len(pack.alerting)
    alert = f"{alerting:,} that alert{'s' if alerting == 1 else ''}"
    return f"{plural(total, 'rule')}: {alert}, {plural(parts, 'part')} of others{off}"


def listed_exceptions(pack: Pack) -> list[dict[str, Any]]:
    """Every exception, the shipped ones first: what it narrows, and whether it is on."""
    ordered = sorted(pack.exceptions, key=lambda each: (not each.default, each.title))
    return [
        {
            "id": each.id,
            "title": each.title,
            "description": each.description,
            "default": each.default,
            "state": "on" if each.active else "ended" if each.ended else "off",
            "expires": each.expires.isoformat() if each.expires is not None else None,
            "rules": list(each.rules),
            "place": str(each.place),
        }
        for each in ordered
    ]


def problem_lines(pack: Pack) -> list[str]:
    """The problems of rules and their settings, as lines of text.

    First their number by subject, then each with its place, reason and hint. Empty if there are
    none.
    """
    if not pack.problems:
        return []
    counts = Counter(fault.what for fault in pack.problems)
    subjects = ", ".join(_numbered(*each) for each in sorted(counts.items()))
    idle = sum(fault.stops for fault in pack.problems)
    what = "rules and their settings have problems"
    head = f"{what}: {subjects}" + (
        f"; {idle} of them prevent{'s' if idle == 1 else ''} something from being used" * bool(idle)
    )
    return [head, *(line(fault) for fault in pack.problems)]


def _numbered(subject: str, count: int) -> str:
    """A number of faults, which may be several of one rule.

    >>> _numbered("rule", 2), _numbered("warning", 1)
    ('2 faults of rules', '1 warning')
    """
    return (
        plural(count, "warning")
        if subject == "warning"
        else f"{plural(count, 'fault')} of {subject}s"
    )


def line(fault: RuleFault) -> str:
    """A fault with its hint."""
    return f"{fault}" + (f" ({fault.hint})" if fault.hint else "")


_CONSEQUENCES: Final = {
    "rule": "the rule will not run",
    "exception": "the exception is not applied",
    "override": "the override is not applied",
    "placeholder": "it is not used",
    "file": "nothing in it is used",
}


def consequence(fault: RuleFault) -> str:
    """What comes of a fault that stops something; empty for another."""
    return _CONSEQUENCES.get(fault.what, "") if fault.stops else ""


def shown(pack: Pack, rule: Rule, absent: Collection[str] = ()) -> dict[str, Any]:
    """Everything about a rule, for display.

    `lacks` names those of the settings `absent` without which it finds nothing. `options` are those
    of its kind. `correlations` are those that refer to it, `rules` those that it refers to if it is
    one: each with `id`, `title`, and `state` as in `listed`.
    """
    compiled = pack.compiled.get(rule.id)
    known = sorted((*pack.rules, *pack.disabled), key=lambda each: each.title)
    parts = referenced_ids(rule)
    return {
        "title": rule.title,
        "id": rule.id,
        "kind": rule.kind,
        "level": rule.level,
        "severity": rule.severity,
        "description": rule.description,
        "tactics": list(rule.attack.tactics),
        "techniques": list(rule.attack.techniques),
        "file": str(rule.place),
        "alerts": rule.alerts,
        "enabled": rule in pack.rules,
        "lacks": list(lacking(pack, absent).get(rule.id, ())),
        "correlations": [_named(pack, each) for each in known if rule.id in referenced_ids(each)],
        "rules": [_named(pack, each) for each in known if each.id in parts],
        "interval": f"{rule.interval.total_seconds():.0f} s",
        "options": _options(rule),
        "group_by": list(rule.group_by),
        "by_role": list(Correlation.of_rule(rule).of_roles().group_by) if rule.by_role else [],
        "suppress": f"{rule.suppress.total_seconds():.0f} s" if rule.suppress else "",
        "fields": sorted(compiled.matcher.fields) if compiled and compiled.matcher else [],
        "false positives": list(rule.falsepositives),
        "response": list(rule.response),
        "references": list(rule.references),
    }


def _options(rule: Rule) -> dict[str, Any]:
    """The options of the rule's kind as they are in force, overrides included: what counts, over
    which time, from which number on. Empty for plain rules."""
    definition = rule.definition
    if isinstance(definition, SigmaCorrelationRule):
        written = definition.to_dict()["correlation"]
        names = ("type", "timespan", "group-by", "condition")
        return {name: written[name] for name in names if written.get(name)}
    if not is_dataclass(definition) or isinstance(definition, type) or rule.kind not in KINDS:
        return {}
    made = asdict(definition)
    if "window" in made:
        made["minutes"] = made.pop("window") // _MINUTE
    return {name: value for name, value in made.items() if value is not None}


def _named(pack: Pack, rule: Rule) -> dict[str, str]:
    return {"id": rule.id, "title": rule.title, "state": _state(pack, rule)}


def explained(pack: Pack, rule: Rule) -> tuple[dict[str, Any], list[str]]:
    """The query of a rule, or the correlation with the query of each rule that it refers to; and
    notes on it. Raises `UsageError` for a rule that the pack does not have."""
    if isinstance(rule.definition, SigmaCorrelationRule):
        parts = [pack.rule(rule_id(each.rule)) for each in rule.definition.referenced_rules]
        described: dict[str, Any] = {
            "correlation": rule.definition.to_dict()["correlation"],
            "rules": {part.id: explained(pack, part)[0] for part in parts},
        }
        if rule.by_role:
            view = role_view(Correlation.of_rule(rule).group_by)
            where = {"bool": {"filter": list(view.where)}}
            described["by_role"] = {"group-by": list(view.fields), "query": where}
        return described, [note for part in parts for note in explained(pack, part)[1]]
    compiled = pack.compiled[rule.id]
    notes = []
    if compiled.post_filter is not None:
        notes.append("the query is a superset of the rule: the matcher then decides each hit")
    notes += [
        f"the index does not search {path!r}: it is not in the query, and is read from each hit"
        for path in compiled.unsearched
    ]
    return {"query": compiled.plain}, notes
