"""The facts about events that alerts need, read from the daily indices in batches."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from detections.alerts.burst import FAILED, Fact, moment
from detections.alerts.text import one_line
from detections.finding import Finding
from detections.incidents.undoing.outsiders import let_in
from detections.matcher.event_values import leaves

CALLS = 100
"""The number of most frequent calls in an alert."""
LONGEST_VALUE = 1_000
"""The most characters kept of an entity: callers choose names, of thousands of characters too."""
REMEMBERED = 8_192
"""The number of values whose text is remembered: principals, addresses and resources come again."""
SHORT = 256
"""The most characters of a value that is remembered: longer ones would take much memory."""
_NONE: frozenset[str] = frozenset()
LONGEST_CALL = 128
"""The most characters kept of a call's name; AWS's names are shorter."""

FIELDS = (
    "@timestamp",
    "eventName",
    "errorCode",
    "event.outcome",
    "user.name",
    "userIdentity.arn",
    "userIdentity.accountId",
    "source.ip",
    "sourceIPAddress",
    "recipientAccountId",
    "trail.account",
    "awsRegion",
    "resource",
    *("grants.accounts", "grants.principals", "grants.public", "grants.unknown"),
)


def of_one_day_each(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Findings of one event each, in parts in each of which an `_id` is that of one day's event."""
    days: dict[str, list[date]] = {}
    parts: list[list[Finding]] = []
    for finding in findings:
        known = days.setdefault(finding.events[0], [])
        if (day := day_of(finding)) not in known:
            known.append(day)
        if (place := known.index(day)) == len(parts):
            parts.append([])
        parts[place].append(finding)
    return parts


def day_of(finding: Finding) -> date:
    """The UTC day of a finding's first event."""
    return finding.first_seen.astimezone(UTC).date()


def spans_of(findings: Iterable[Finding]) -> dict[str, tuple[datetime, datetime]]:
    """For each event that findings name, the time in which it is."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for finding in findings:
        first, last = moment(finding.first_seen), moment(finding.last_seen)
        for event in finding.events:
            known = spans.get(event, (first, last))
            spans[event] = min(known[0], first), max(known[1], last)
    return spans


def add_fact(
    facts: dict[str, Fact],
    name: str,
    source: Mapping[str, Any],
    spans: Mapping[str, tuple[datetime, datetime]],
) -> None:
    """Add the facts of an event. The same `_id` may be in several days: the event is of its
    finding's time (`spans_of`), the others are forged."""
    known, fact = facts.get(name), fact_of(source)
    first, last = spans[name]
    if known is None or (first <= fact.time <= last and not first <= known.time <= last):
        facts[name] = fact


def fact_of(source: Mapping[str, Any]) -> Fact:
    """The facts of one event, of which `FIELDS` are read."""
    address = _at(source, "source", "ip") or source.get("sourceIPAddress")
    account = source.get("recipientAccountId") or _at(source, "userIdentity", "accountId")
    entities = {
        "principal": _one(_at(source, "user", "name")),
        "arn": _one(_at(source, "userIdentity", "arn")),
        "address": _one(address) if _is_address(address) else _NONE,
        "account": _one(account) | _one(_at(source, "trail", "account")),
        "region": _one(source.get("awsRegion")),
        "resource": _NONE.union(*map(_one, leaves(source.get("resource")))),
        "outsider": _NONE.union(*map(_one, _outsiders(source))),
    }
    return Fact(
        moment(datetime.fromisoformat(str(source["@timestamp"]))),
        {kind: values for kind, values in entities.items() if values},
        next(iter(_one(source.get("eventName"))), "")[:LONGEST_CALL],
        _failed(source),
    )


def _outsiders(source: Mapping[str, Any]) -> Iterator[str]:
    """The account of a caller from outside, and whom the event lets in."""
    own = source.get("recipientAccountId")
    caller = _at(source, "userIdentity", "accountId")
    if isinstance(own, str) and isinstance(caller, str) and caller != own:
        yield caller
    yield from let_in(source, own if isinstance(own, str) else "")


def _failed(source: Mapping[str, Any]) -> bool | None:
    """Whether the call failed; None if the event does not say."""
    failed = FAILED.get(str(_at(source, "event", "outcome")))
    return True if failed is None and source.get("errorCode") else failed


def _at(source: Mapping[str, Any], above: str, name: str) -> Any:
    found: Any = source.get(above)
    # The cheap test first: it is made several times for each event.
    known = type(found) is dict or isinstance(found, Mapping)
    return found.get(name) if known else None


def _one(value: Any) -> frozenset[str]:
    """A text that is kept; nothing where there is none."""
    if not isinstance(value, str) or not value:
        return _NONE
    return _remembered(value) if len(value) <= SHORT else _kept(value)


def _kept(value: str) -> frozenset[str]:
    return frozenset([one_line(value, LONGEST_VALUE)])


_remembered = lru_cache(maxsize=REMEMBERED)(_kept)


def _is_address(value: Any) -> bool:
    """Whether a field of type `ip` accepts the value."""
    return isinstance(value, str) and len(value) <= SHORT and _parses(value)


@lru_cache(maxsize=REMEMBERED)
def _parses(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
