"""Makes a `Rule` of a parsed Sigma rule and its keys under `trailhound:`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sigma.correlations import SigmaCorrelationRule, SigmaCorrelationTimespan
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from detections.events.identity import ARN
from detections.packs.kinds import KINDS
from detections.rule import LEVELS, SEVERITIES, Attack, FilePosition, Level, Rule, RuleKind
from trailhound.errors import RuleError

DEFAULT_LEVEL: Level = "medium"
"""The level of a rule without one; Sigma defines no default."""

_NAMELESS = uuid.UUID("6b1c7bd0-3d0e-5a86-9f34-6d4a3a3a6a11")
_MOST_SECONDS = 366 * 86_400


@dataclass(frozen=True, slots=True)
class Extension:
    """The keys under `trailhound:` of any rule; None if not given."""

    severity: int | None = None
    interval: timedelta | None = None
    suppress: timedelta | None = None
    response: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    lower_attempts: bool = True
    by_role: bool = False
    variant_of: str = ""


def rule_id(sigma: SigmaRule | SigmaCorrelationRule) -> str:
    """The rule's UUID; for a rule without one, derived from its name or title."""
    if sigma.id is not None:
        return str(sigma.id)
    return str(uuid.uuid5(_NAMELESS, sigma.name or sigma.title))


def duration(value: object) -> timedelta:
    """`30s`, `5m`, `1h`, `7d`, as in Sigma's `timespan`. Raises `RuleError`.

    >>> duration("90m")
    datetime.timedelta(seconds=5400)
    """
    try:
        seconds = SigmaCorrelationTimespan(str(value)).seconds
    except (SigmaError, ValueError):
        seconds = 0
    if not 0 < seconds <= _MOST_SECONDS:
        raise RuleError(
            f"{value!r} is not a duration", hint="write 30s, 5m, 1h or 7d; at most a year"
        )
    return timedelta(seconds=seconds)


def read(sigma: SigmaRule | SigmaCorrelationRule, place: FilePosition) -> Rule:
    """The `Rule` of a parsed rule that has no errors. Raises `RuleError`."""
    extension, own = _extension(sigma)
    if extension.by_role:
        check_by_role(sigma)
    level = _level(sigma)
    kind: RuleKind = "correlation" if isinstance(sigma, SigmaCorrelationRule) else "sigma"
    definition: Any = sigma
    events = sigma if isinstance(sigma, SigmaRule) else None
    if own is not None:
        if events is None:
            raise RuleError(
                f"`trailhound: {own[0]}` is not allowed in a correlation",
                hint="write a rule with `detection:`, which selects its events",
            )
        kind, content = own
        definition = KINDS[kind](content)
    return Rule(
        id=rule_id(sigma),
        title=sigma.title,
        kind=kind,
        level=level,
        definition=definition,
        place=place,
        severity=extension.severity or SEVERITIES[level],
        description=(sigma.description or "").strip(),
        attack=_attack(sigma),
        references=_texts(sigma.references),
        falsepositives=_texts(sigma.falsepositives),
        response=extension.response,
        interval=extension.interval or timedelta(minutes=5),
        group_by=extension.group_by,
        suppress=extension.suppress or timedelta(0),
        lower_attempts=extension.lower_attempts,
        by_role=extension.by_role,
        variant_of=extension.variant_of,
        events=events,
    )


def check_by_role(sigma: SigmaRule | SigmaCorrelationRule) -> None:
    """Raises `RuleError` where the sessions of a role cannot be counted together."""
    if not isinstance(sigma, SigmaCorrelationRule):
        raise RuleError("`by_role` is for correlations", hint="remove it")
    if ARN not in (sigma.group_by or ()) or sigma.aliases.aliases:
        raise RuleError(
            f"`by_role` is for correlations that group by {ARN}, without aliases",
            hint="remove it",
        )
    parts = (getattr(each, "rule", None) for each in sigma.referenced_rules)
    if any(isinstance(each, SigmaCorrelationRule) for each in parts):
        raise RuleError("`by_role` is not for correlations of correlations", hint="remove it")


def _level(sigma: SigmaRule | SigmaCorrelationRule) -> Level:
    given = sigma.level.name.lower() if sigma.level is not None else DEFAULT_LEVEL
    return next((level for level in LEVELS if level == given), DEFAULT_LEVEL)


def _attack(sigma: SigmaRule | SigmaCorrelationRule) -> Attack:
    names = [tag.name.replace("_", "-") for tag in sigma.tags if tag.namespace == "attack"]
    techniques = tuple(name.upper() for name in names if name[:1] == "t" and name[1:2].isdigit())
    tactics = tuple(name for name in names if not any(each.isdigit() for each in name))
    return Attack(tactics, techniques)


def _texts(values: object) -> tuple[str, ...]:
    return tuple(str(each) for each in values) if isinstance(values, list) else ()


def own_options(sigma: SigmaRule | SigmaCorrelationRule) -> Mapping[str, Any]:
    """The options under the key of the rule's kind; empty for Sigma's own kinds."""
    _, own = _extension(sigma)
    return own[1] if own is not None else {}


def _extension(
    sigma: SigmaRule | SigmaCorrelationRule,
) -> tuple[Extension, tuple[RuleKind, Mapping[str, Any]] | None]:
    """The content of `trailhound:`: the keys of any rule, and the kind with its options."""
    content = sigma.custom_attributes.get("trailhound", {})
    if not isinstance(content, Mapping):
        raise RuleError("`trailhound:` is not a mapping", hint="indent its keys below it")
    unknown = [str(key) for key in content if key not in READERS and key not in KINDS]
    if unknown:
        raise RuleError(
            f"`trailhound:` has no key {unknown[0]!r}",
            hint=f"it takes {', '.join([*KINDS, *READERS])}",
        )
    kinds = [key for key in KINDS if key in content]
    if len(kinds) > 1:
        raise RuleError(
            f"a rule has one kind, not {' and '.join(kinds)}", hint="split it into two rules"
        )
    given = {key: read(key, content[key]) for key, read in READERS.items() if key in content}
    own = None
    if kinds:
        inner = content[kinds[0]]
        if not isinstance(inner, Mapping):
            raise RuleError(f"`trailhound: {kinds[0]}` is not a mapping", hint="see docs/rules.md")
        own = kinds[0], inner
    return Extension(**given), own


def _severity(key: str, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10:
        return value
    raise RuleError(f"`{key}` is {value!r}", hint="it is a whole number from 1 to 10")


def _boolean(key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise RuleError(f"`{key}` is {value!r}", hint="write true or false")


def _text(key: str, value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise RuleError(f"`{key}` is not a text", hint="write a name that its variants share")


def _list(key: str, value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if values and all(isinstance(each, str) and each.strip() for each in values):
        return tuple(values)
    raise RuleError(f"`{key}` is not a list of texts", hint="write a list of texts")


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "severity": _severity,
    "interval": lambda _, value: duration(value),
    "suppress": lambda _, value: duration(value),
    "response": _list,
    "group_by": _list,
    "lower_attempts": _boolean,
    "by_role": _boolean,
    "variant_of": _text,
}
