"""The events that an alert has counted; counting an event twice changes nothing.

A burst keeps a digest of every event that it counted. While it has all of them (`complete`), the
union of two bursts is exact, in any order and however they overlap. A burst of more than `COUNTED`
events, or a finding with fewer ids than its count, is compared by its span: a burst that covers the
other counted its events too.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from detections.alerts.text import one_line
from detections.finding import EVIDENCE, Finding

COUNTED = 10_000
"""The most events of an alert that have a digest: 107 KB in its document."""

FULL = 9_000
"""The number of events at which a plain rule's alert is full; the next event raises another."""

ENTITIES = 100
"""The most values of a kind (principal, address, …) that an alert keeps."""

LONGEST_DETAIL = 4_000
_DIGEST = 8

Entities = Mapping[str, frozenset[str]]


def digest(event: str) -> bytes:
    """An 8-byte hash of an event's `_id`."""
    return hashlib.blake2b(event.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def pack(known: Iterable[bytes]) -> str:
    """Digests as one text, sorted: equal sets give equal texts."""
    return base64.b64encode(b"".join(sorted(known))).decode()


def unpack(text: str) -> frozenset[bytes]:
    """The inverse of `pack`."""
    raw = base64.b64decode(text)
    return frozenset(raw[at : at + _DIGEST] for at in range(0, len(raw), _DIGEST))


@dataclass(frozen=True, slots=True)
class Fact:
    """Time, entities, call and result of one event. `failed`: None if the event does not say."""

    time: datetime
    entities: Entities = field(default_factory=dict)
    call: str = ""
    failed: bool | None = None


FAILED: Final = {"failure": True, "success": False}
"""`event.outcome` → whether the call failed."""


class EvidenceEvent(NamedTuple):
    """One event of an alert. If it could not be read, or was recorded by the last release, its call
    is "" and its result None."""

    time: datetime
    id: str
    call: str = ""
    failed: bool | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """`evidence` are at most `EVIDENCE` of the earliest events.

    `exact` is false if `count` is a lower bound. `succeeded`: an event is known to have succeeded,
    even if it is no longer among the evidence. `learning`: found only with too little
    history.
    """

    first: datetime
    last: datetime
    count: int
    known: frozenset[bytes]
    evidence: tuple[EvidenceEvent, ...] = ()
    entities: Entities = field(default_factory=dict)
    detail: str = ""
    exact: bool = True
    succeeded: bool = False
    learning: bool = False

    @property
    def complete(self) -> bool:
        """Whether there is a digest of every counted event."""
        return len(self.known) == self.count

    @property
    def named(self) -> bool:
        """Whether every counted event is among the evidence."""
        return len(self.evidence) == self.count

    @property
    def only_attempts(self) -> bool:
        """Whether every event is known to have failed."""
        return (
            not self.succeeded and self.named and all(each.failed is True for each in self.evidence)
        )

    def covers(self, other: Burst) -> bool:
        return self.first <= other.first and other.last <= self.last


def moment(when: datetime) -> datetime:
    """In UTC and whole milliseconds, as stored in the index."""
    utc = when.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def covered(finding: Finding) -> tuple[datetime, datetime]:
    """The first and the last moment of a finding."""
    times = moment(finding.first_seen), moment(finding.last_seen)
    return min(times), max(times)


def burst_of(finding: Finding, facts: Mapping[str, Fact]) -> Burst:
    """A finding as a burst; `facts` by event id, for those that could be read."""
    first, last = covered(finding)
    events = tuple(dict.fromkeys(finding.events))
    count = max(finding.count, len(events))
    otherwise = moment(finding.first_seen)
    evidence = [_evidence(event, facts.get(event), otherwise) for event in events]
    return Burst(
        first,
        last,
        count,
        frozenset(map(digest, events[:COUNTED])),
        _earliest(evidence),
        joined(*(facts[event].entities for event in events if event in facts)),
        one_line("; ".join(filter(None, (finding.detail, finding.learning))), LONGEST_DETAIL),
        succeeded=any(each.failed is False for each in evidence),
        learning=bool(finding.learning),
    )


def _evidence(event: str, fact: Fact | None, otherwise: datetime) -> EvidenceEvent:
    if fact is None:
        return EvidenceEvent(otherwise, event)
    return EvidenceEvent(fact.time, event, fact.call, fact.failed)


def _earliest(*several: Iterable[EvidenceEvent]) -> tuple[EvidenceEvent, ...]:
    """The earliest events of all, each once: as the first one that read it has it."""
    found: dict[str, EvidenceEvent] = {}
    for evidence in several:
        for each in evidence:
            before = found.get(each.id)
            if before is None or (not before.call and each.call):
                found[each.id] = each
    return tuple(sorted(found.values(), key=lambda each: each[:2])[:EVIDENCE])


def joined(*several: Entities) -> dict[str, frozenset[str]]:
    """The distinct entities; of each kind at most the first `ENTITIES` in sort order."""
    made: dict[str, set[str]] = {}
    for entities in several:
        for kind, values in entities.items():
            made.setdefault(kind, set()).update(values)
    return {kind: frozenset(sorted(values)[:ENTITIES]) for kind, values in made.items() if values}


def combined(bursts: Sequence[Burst]) -> Burst:
    """The union of complete bursts, in one pass."""
    known = frozenset().union(*(each.known for each in bursts))
    return Burst(
        min(each.first for each in bursts),
        max(each.last for each in bursts),
        len(known),
        known,
        _earliest(*(each.evidence for each in bursts)),
        joined(*(each.entities for each in bursts)),
        next((each.detail for each in bursts if each.detail), ""),
        all(each.exact for each in bursts),
        any(each.succeeded for each in bursts),
        all(each.learning for each in bursts),
    )


def union(one: Burst, other: Burst) -> Burst:
    """The union; shared events count once."""
    known = one.known | other.known
    exact = one.exact and other.exact
    if one.complete and other.complete:
        count = len(known)
    else:
        count = max(one.count, other.count, len(known))
        if other.covers(one):
            exact = other.exact
        elif one.covers(other):
            exact = one.exact
        else:
            exact = False
    # The detail of the wider burst takes precedence.
    whole, part = (other, one) if other.covers(one) else (one, other)
    return Burst(
        min(one.first, other.first),
        max(one.last, other.last),
        count,
        known if len(known) <= COUNTED else frozenset(sorted(known)[:COUNTED]),
        _earliest(one.evidence, other.evidence),
        joined(one.entities, other.entities),
        whole.detail or part.detail,
        exact,
        one.succeeded or other.succeeded,
        one.learning and other.learning,
    )


def holds(whole: Burst, part: Burst) -> bool:
    """Whether `whole` has counted all events of `part`, as far as known."""
    if whole.complete and part.complete:
        return part.known <= whole.known
    return whole.covers(part) and whole.count >= part.count


def beyond(burst: Burst, counted: Burst, facts: Mapping[str, Fact]) -> Burst | None:
    """The part of a burst that `counted` does not contain; None if there is none."""
    apart = burst.last < counted.first or counted.last < burst.first
    if apart or (burst.complete and counted.complete and not burst.known & counted.known):
        return burst
    if not counted.complete and burst.last <= counted.last:
        return None  # within a burst that is known only by its span
    known = burst.known - counted.known
    if burst.complete:
        count, exact = len(known), burst.exact and counted.complete
    else:
        shared = counted.count if burst.covers(counted) else len(burst.known & counted.known)
        count = max(burst.count - shared, len(known))
        exact = burst.exact and burst.covers(counted)
        if count == 0 and burst.last > counted.last:
            count, exact = 1, False
    if count == 0:
        return None
    evidence = tuple(each for each in burst.evidence if digest(each.id) in known)
    times = [each.time for each in evidence]
    first = min(times, default=max(burst.first, min(counted.last, burst.last)))
    whole = burst.complete and len(evidence) == len(known)
    return replace(
        burst,
        first=first,
        last=max(times) if whole and times else burst.last,
        count=count,
        known=known,
        evidence=evidence,
        entities=joined(*(facts[each.id].entities for each in evidence if each.id in facts)),
        exact=exact,
        succeeded=any(each.failed is False for each in evidence),
    )
