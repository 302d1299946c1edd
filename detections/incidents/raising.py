"""Whether an incident is more than its worst alert: one whose most severe alert is `medium` is
`high` where facts add up.

Only what was done counts: alerts of level low and above of which a call succeeded, of rules whose
title says what happened, so no alarm, no pattern and none over complete days, nor alerts that were
closed as harmless. A failed sign-in, and a pipeline's change that raises an alarm, stay as they
are. The grounds are few, and named:

- `several`: two rules of level medium or above, or three of low or above with one of medium; of
  different calls, since two rules about one call are one fact.
- `outside`: a medium alert is about data or access that another account was given (ATT&CK T1537),
  other than accounts whose own trails are in the index.
- `new`: a medium alert is about an identity that the index has no successful call of from before.

What a session deploys is one fact, however many rules it meets, and none about a new identity: a
new role's, or a new colleague's, first call is often a deploy. That of an IAM user's key counts as
all else does, since a pipeline has a role.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from detections.alerts.disposition import HARMLESS
from detections.alerts.twins import TWIN_KEY
from detections.incidents.document import INSIDE, LINKS, NEW, is_of_days
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

DEPLOYED: Final = frozenset(
    {
        "fdf8e0aa-fcfa-49dd-a424-35d6f011ce7f",  # lambda_code_replaced_by_hand
        "0c1f3a52-7a64-4d0e-9a0f-9f0c5b0e6d41",  # lambda_code_replaced
        "178eb389-7d47-4cce-884c-71a3a94e40e9",  # launch_template_user_data
        "99072239-b9a6-48c9-bb51-6c3a81879cfc",  # traffic_diverted_by_hand
    }
)
"""Ids of shipped rules that every deploy without a history meets."""
FIRST_DEPLOYED: Final = DEPLOYED | {"65f9367e-e69f-4b06-a492-02eb7eec936a"}
"""And those that the first deploy of a new identity meets, which makes its function:
`role_passed_by_workload`."""

_SESSION: Final = ":assumed-role/"
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
    *("entity.arn", "entity.outsider", f"{LINKS}.{INSIDE}"),
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
        calls = {each for it in of for each in _calls(it)}
        if len(_rules(of)) >= needed and len(calls) > 1:
            number = f"{len(_rules(of))} rules of {plural(len(_tactics(of)), 'tactic')}"
            found.append((SEVERAL, f"{number}, {_success(of, alerts)}"))
            break
    if given := [it for it in telling if _gives_away(it)]:
        outside = (name for it in given for name in (it.get("entity") or {}).get("outsider", ()))
        whom = _some(dict.fromkeys(outside)) or "another account"
        found.append((OUTSIDE, f"access or data was given to {whom}"))
    new = dict.fromkeys(name for it in telling if not _deploy(it) for name in newcomers(it))
    if new:
        found.append((NEW_IDENTITY, f"by {_some(new)}, with no successful call before"))
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
    """The names of the alert's identities that the index had no successful call of before."""
    found: Sequence[str] = (document.get(LINKS) or {}).get(NEW) or ()
    return found


def _gives_away(document: Document) -> bool:
    techniques = map(str.upper, document["attack"].get("technique", ()))
    return GIVEN_AWAY in techniques and (document.get(LINKS) or {}).get(INSIDE) is not True


def _deploy(document: Document) -> str:
    """By whom something was deployed, if the alert is about no more than that; else empty. Sessions
    of a role are one."""
    arns = (document.get("entity") or {}).get("arn") or ()
    rules = FIRST_DEPLOYED if newcomers(document) else DEPLOYED
    if document["rule"].get("id") not in rules or not all(_SESSION in each for each in arns):
        return ""
    return ",".join(sorted({each.rpartition("/")[0] for each in arns}))


def _calls(document: Document) -> Iterable[str]:
    """What its calls are, for counting different ones: all of a deploy are one."""
    if who := _deploy(document):
        return [who]
    return [each["name"] for each in document.get("calls") or ()]


def _says_what_was_done(document: Document) -> bool:
    return (
        LEVELS.index(document["level"]) >= _LOWEST
        and document.get("attempt") is not True
        and document["rule"].get("id") not in NAMED
        and not is_of_days(document)
        and not (document.get("state") == "closed" and document.get("disposition") in HARMLESS)
    )


def _rules(alerts: Sequence[Document]) -> set[str]:
    """The rules of alerts; variants of one that found the same events count as one, and so do those
    about one deploy."""
    by_events: dict[object, str] = {}
    for it in alerts:
        if who := _deploy(it):
            by_events[who] = who
            continue
        own = it["rule"].get("id") or it["rule"]["name"]
        by_events.setdefault(it.get(TWIN_KEY) or own, own)
    return set(by_events.values())


def _tactics(alerts: Sequence[Document]) -> tuple[str, ...]:
    # Older Sigma rules write tactics with underscores instead of hyphens.
    found = (each.replace("_", "-") for it in alerts for each in it["attack"].get("tactic", ()))
    return tuple(dict.fromkeys(found))
