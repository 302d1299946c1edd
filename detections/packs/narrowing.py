"""Conditions for an exception, chosen from the events of an alert, and the Sigma filter made of
them. Pure.

By default an exception is narrow, so that other callers still raise the rule: it has a condition on
the principal and one on another field that all events share. A rule that counts all calls of a
principal finds others every day: its exception is by the principal, and by its network where that
is the same in all alerts.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any, Final

import yaml
from sigma.rule import SigmaRule

from detections.events.identity import ARN, INVOKED_BY, ISSUER, NAME, of_identity_center
from detections.matcher.event_values import text, values_at
from detections.packs.reading import rule_id
from detections.suggestions import did_you_mean
from enrich.resources import LEAVES
from trailhound.errors import UsageError

Event = Mapping[str, Any]


NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "principal": (ISSUER, ARN, INVOKED_BY, "userIdentity.principalId", NAME),
    "address": ("sourceIPAddress",),
    "agent": ("userAgent",),
    "resource": (
        *(f"resource.{leaf}" for leaf in ("bucket", "function", "secret", "kms_key", "instance")),
        *(f"resource.{leaf}" for leaf in sorted(LEAVES) if leaf not in ("account", "arn", "id")),
        "resource.arn",
    ),
    "call": ("eventName",),
    "account": ("recipientAccountId",),
    "region": ("awsRegion",),
}
"""Names that `--by` takes instead of a field: the first of the fields that all events have is
used."""

_FEW: Final = 3
"""Most values of the condition beside the principal, when it is not named with `--by`."""
_NETWORK: Final = ("source.ip", "geolocation.asn")
"""The source of a principal's calls, unless that is an AWS service."""
NETWORK_ROOTS: Final = ("userIdentity", "user", "source", "geolocation")
"""The members of events that `choose` needs of `counted`."""
MOST: Final = 20
"""Most principals or calls, and most values of a field named with `--by`."""
_IDS: Final = uuid.UUID("3b0b2e0f-2a3e-5f0c-8a5f-0d6f6b6f1c55")


@dataclass(frozen=True, slots=True)
class Condition:
    """A field, and its values: an event meets the condition if it has one of them."""

    field: str
    values: tuple[str, ...]


def choose(
    events: Sequence[Event], by: Sequence[str] = (), counted: Iterable[Event] | None = None
) -> tuple[Condition, ...]:
    """Conditions that every event meets: on the fields of `by`, else on the principal and on
    another field that they share. `counted`: of a rule that counts the calls of principals, the
    events of all its alerts. Raises `UsageError` where there are none."""
    if by:
        return tuple(dict.fromkeys(_asked(events, name) for name in by))
    who = _first(events, _principals(events), MOST)
    if who is None:
        raise UsageError(
            f"its events are of more than {MOST} principals, or name none",
            hint="say what they share: --by FIELD",
        )
    if counted is not None:
        network = _network(who, chain(events, counted))
        return (who, network) if network is not None else (who,)
    for name in ("address", "agent", "resource", "call"):
        found = _first(events, NAMES[name], MOST if name == "call" else _FEW)
        if found is not None:
            return who, found
    raise UsageError(
        "its events share nothing but the principal",
        hint="to leave out all of its events: --by principal",
    )


def _network(who: Condition, events: Iterable[Event]) -> Condition | None:
    """A condition on the address, or else the network, that all events of a principal have; None if
    there is none."""
    kinds: dict[tuple[tuple[str, ...], ...], Event] = {}
    for event in events:
        if not set(who.values).isdisjoint(_values(event, who.field)):
            kinds.setdefault(tuple(_values(event, field) for field in _NETWORK), event)
    several = list(kinds.values())
    return _first(several, _NETWORK, 1)


def _asked(events: Sequence[Event], name: str) -> Condition:
    fields = _principals(events) if name == "principal" else NAMES.get(name, (name,))
    if "|" in name or not name.strip():
        raise UsageError(f"{name!r} is not a field", hint=f"write {', '.join(NAMES)}, or a field")
    found = _first(events, fields, MOST)
    if found is not None:
        return found
    lacking = sum(not any(_values(event, field) for field in fields) for event in events)
    if lacking:
        raise UsageError(
            f"{lacking:,} of its {len(events):,} events have no {name}",
            hint=did_you_mean(name, [*NAMES, *_fields(events[0])], "see one: trailhound event ID"),
        )
    raise UsageError(
        f"its events have more than {MOST} values of {name}", hint="choose another field"
    )


def _principals(events: Sequence[Event]) -> tuple[str, ...]:
    """The fields that identify a principal: the role instead of each of its sessions, except for
    roles of Identity Center, whose sessions are people."""
    issuers = {value for event in events for value in _values(event, ISSUER)}
    fields = NAMES["principal"]
    return fields[1:] if any(map(of_identity_center, issuers)) else fields


def _first(events: Sequence[Event], fields: Iterable[str], most: int) -> Condition | None:
    """A condition on the first field that all events have, with few enough values."""
    for field in fields:
        each = [_values(event, field) for event in events]
        if not all(each):
            continue
        common = set(each[0]).intersection(*each[1:])
        # Where events have several values in the field, the shared ones identify them all.
        several = any(len(values) > 1 for values in each)
        found = sorted(common) if common and several else sorted({v for vs in each for v in vs})
        if len(found) <= most:
            return Condition(field, tuple(found))
    return None


def _values(event: Event, field: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(written for value in values_at(field)(event) if (written := text(value)))
    )


def _fields(event: Event) -> Iterator[str]:
    """The paths of an event's top two levels, for a hint."""
    for name, value in event.items():
        yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{key}" for key in value)


def escaped(value: str) -> str:
    r"""A text for Sigma to match literally: values of events may contain Sigma's wildcards.

    >>> escaped("a*b\\c?")
    'a\\*b\\\\c\\?'
    """
    return "".join(f"\\{each}" if each in "\\*?" else each for each in value)


def exception_content(
    rules: Sequence[SigmaRule],
    conditions: Sequence[Condition],
    *,
    title: str,
    description: str,
    author: str,
    today: date,
    expires: date | None = None,
) -> dict[str, Any]:
    """The document of an exception that narrows these rules, up to a last day if it `expires`. Its
    id is derived from the rules and the conditions. Raises `UsageError` for a rule that no
    exception can name."""
    names = [_reference(rule) for rule in rules]
    selection = {each.field: [escaped(value) for value in each.values] for each in conditions}
    own = repr((sorted(names), sorted(selection.items())))
    sources = [rule.logsource.to_dict() for rule in rules]
    shared = {key: value for key, value in sources[0].items() if all(
        each.get(key) == value for each in sources
    )}  # fmt: skip
    return {
        "title": title,
        "id": str(uuid.uuid5(_IDS, own)),
        "status": "experimental",
        "description": description,
        "author": author,
        "date": today.isoformat(),
        "logsource": shared or {"product": "aws"},
        **({"trailhound": {"expires": expires.isoformat()}} if expires is not None else {}),
        "filter": {
            "rules": names,
            "known": {
                field: values[0] if len(values) == 1 else values
                for field, values in selection.items()
            },
            "condition": "not known",
        },
    }


def _reference(rule: SigmaRule) -> str:
    if rule.id is not None:
        return str(rule.id)
    if rule.name:
        return str(rule.name)
    raise UsageError(
        f"the rule {rule.title!r} has neither an id nor a `name` for an exception to refer to",
        hint=f"add to it: id: {rule_id(rule)}",
    )


def written(content: Mapping[str, Any]) -> str:
    """The document as YAML. Characters that reorder or hide text are escaped."""
    shown = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=100)
    if all(line.isprintable() for line in shown.split("\n")):  # YAML has further line breaks
        return shown
    return yaml.safe_dump(dict(content), sort_keys=False, width=100)
