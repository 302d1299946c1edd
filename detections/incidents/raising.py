"""Whether an incident is more than its worst alert: one whose most severe alert is `medium` is
`high` where facts add up.

Only what was done counts: alerts of level low and above of which a call succeeded, of rules whose
title says what happened, so no alarm, no pattern and none over complete days, nor alerts that were
closed as harmless. A failed sign-in, and a pipeline's change that raises an alarm, stay as they
are. The grounds are few, and named:

- `several`: two rules of level medium or above, or three of low or above with one of medium; of
  different calls, since two rules about one call are one fact.
- `outside`: a medium alert is about data or access that another account was given (ATT&CK T1537).
- `new`: a medium alert is about an identity that the index has nothing of from before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from detections.alerts.disposition import HARMLESS
from detections.alerts.twins import TWIN_KEY
from detections.incidents.document import LINKS, NEW, is_of_days
from detections.incidents.significance import NAMED
from detections.rule import LEVELS, SEVERITIES, Level
from trailhound.plural import plural

Document = Mapping[str, Any]

FROM: Final[Level] = "medium"
TO: Final[Level] = "high"
"""The level that an incident is raised from, and to."""
SEVERAL, OUTSIDE, NEW_IDENTITY = "several", "outside", "new"
GIVEN_AWAY: Final = "T1537"
"""The technique of rules about what another account was given: Transfer Data to Cloud Account."""

_LOWEST: Final = LEVELS.index("low")
_TELLING: Final = LEVELS.index(FROM)
_OF_TELLING: Final = 2
_OF_ANY: Final = 3
_NAMED: Final = 2
"""The most names of a kind in the reason."""
_LONGEST: Final = 80
"""The most characters of one: callers choose names."""

FIELDS: Final = (
    *("rule.id", "rule.name", "rule.kind", "level", "severity", "attempt", "outcome", TWIN_KEY),
    *("state", "disposition", "calls", "attack", f"{LINKS}.{NEW}"),
    "entity.outsider",
)
"""The fields of an alert that are read here."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The level of an incident. `raised_from`: that of its most severe alert, where it is another
    one. `grounds`: which of them hold, at any level, and `because`: the same in words. `rules` and
    `tactics`: of the alerts of level medium and above that count."""

    level: Level
    severity: int
    raised_from: Level | None = None
    because: str = ""
    grounds: frozenset[str] = frozenset()
    rules: int = 0
    tactics: tuple[str, ...] = ()


def standing(alerts: Sequence[Document]) -> Standing:
    """The level of an incident by its alerts, of which `FIELDS` are read.

    >>> def alert(title, call, **more):
    ...     return {"rule": {"id": title, "name": title}, "level": "medium", "severity": 5,
    ...             "attack": {"tactic": ["impact"]}, "calls": [{"name": call}], **more}
    >>> key = alert("Key imported", "ImportKeyMaterial")
    >>> made = standing([key, alert("Key disabled", "DisableKey")])
    >>> made.level, made.because
    ('high', '2 rules of 1 tactic, all succeeded')
    >>> standing([key, alert("Key disabled", "DisableKey", attempt=True)]).level
    'medium'
    """
    worst = min(alerts, key=lambda it: (-LEVELS.index(it["level"]), -it["severity"]))
    level, severity = worst["level"], worst["severity"]
    said = [it for it in alerts if _says_what_was_done(it)]
    telling = [it for it in said if LEVELS.index(it["level"]) >= _TELLING]
    reasons = dict(_reasons(said, telling, alerts)) if telling else {}
    made = Standing(
        level,
        severity,
        because="; ".join(reasons.values()),
        grounds=frozenset(reasons),
        rules=len(_rules(telling)),
        tactics=_tactics(telling),
    )
    if level != FROM or not reasons:
        return made
    return replace(made, level=TO, severity=max(severity, SEVERITIES[TO]), raised_from=FROM)


def _reasons(
    said: Sequence[Document], telling: Sequence[Document], alerts: Sequence[Document]
) -> list[tuple[str, str]]:
    """The grounds that hold, each in words."""
    found: list[tuple[str, str]] = []
    for of, needed in ((said, _OF_ANY), (telling, _OF_TELLING)):
        calls = {each["name"] for it in of for each in it.get("calls") or ()}
        if len(_rules(of)) >= needed and len(calls) > 1:
            number = f"{len(_rules(of))} rules of {plural(len(_tactics(of)), 'tactic')}"
            found.append((SEVERAL, f"{number}, {_success(of, alerts)}"))
            break
    given = [
        it for it in telling if GIVEN_AWAY in map(str.upper, it["attack"].get("technique", ()))
    ]
    if given:
        outside = (name for it in given for name in (it.get("entity") or {}).get("outsider", ()))
        whom = _some(dict.fromkeys(outside)) or "another account"
        found.append((OUTSIDE, f"access or data was given to {whom}"))
    new = dict.fromkeys(name for it in telling for name in newcomers(it))
    if new:
        found.append((NEW_IDENTITY, f"by {_some(new)}, never seen before"))
    return found


def _some(names: Iterable[str]) -> str:
    found = [each if len(each) <= _LONGEST else f"{each[:_LONGEST]}…" for each in names]
    more = f" and {len(found) - _NAMED} more" if found[_NAMED:] else ""
    return ", ".join(found[:_NAMED]) + more


def _success(of: Sequence[Document], alerts: Sequence[Document]) -> str:
    """That all of it succeeded, or that there were attempts besides."""
    failed = any(it.get("outcome") == "mixed" for it in of) or any(
        it.get("attempt") is True for it in alerts
    )
    return "with success, beside attempts" if failed else "all succeeded"


def newcomers(document: Document) -> Sequence[str]:
    """The names of the alert's identities that the index had nothing of before."""
    found: Sequence[str] = (document.get(LINKS) or {}).get(NEW) or ()
    return found


def _says_what_was_done(document: Document) -> bool:
    return (
        LEVELS.index(document["level"]) >= _LOWEST
        and document.get("attempt") is not True
        and document["rule"].get("id") not in NAMED
        and not is_of_days(document)
        and not (document.get("state") == "closed" and document.get("disposition") in HARMLESS)
    )


def _rules(alerts: Sequence[Document]) -> set[str]:
    """The rules of alerts; variants of one that found the same events count as one."""
    by_events: dict[object, str] = {}
    for it in alerts:
        own = it["rule"].get("id") or it["rule"]["name"]
        by_events.setdefault(it.get(TWIN_KEY) or own, own)
    return set(by_events.values())


def _tactics(alerts: Sequence[Document]) -> tuple[str, ...]:
    # Older Sigma rules write tactics with underscores instead of hyphens.
    found = (each.replace("_", "-") for it in alerts for each in it["attack"].get("tactic", ()))
    return tuple(dict.fromkeys(found))
