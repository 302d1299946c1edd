"""What an alert has counted: pure sums over events, that no second count can change.

A burst knows the events it counted by a digest of each. While it knows them all (`complete`), the
union of two bursts is exact whatever they share and in whatever order they come. A burst of more
than `COUNTED` events, or a finding that brings fewer ids than it counts, is summed by its span:
who covers the other counted its events too.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from detections.alerts.text import one_line
from detections.finding import EVIDENCE, Finding

COUNTED = 10_000
"""So many events of an alert are known one by one: 107 KB beside it."""

FULL = 9_000
"""A plain rule's alert of so many events takes in no more; the next event raises another."""

ENTITIES = 100
"""At most so many values of a kind (principal, address, …) are kept with an alert."""

LONGEST_DETAIL = 4_000
_DIGEST = 8

Entities = Mapping[str, frozenset[str]]


def digest(event: str) -> bytes:
    """Eight bytes that stand for an event's `_id`."""
    return hashlib.blake2b(event.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def pack(known: Iterable[bytes]) -> str:
    """Digests as one text, in an order of their own: equal sets make equal texts."""
    return base64.b64encode(b"".join(sorted(known))).decode()


def unpack(text: str) -> frozenset[bytes]:
    """What `pack` made."""
    raw = base64.b64decode(text)
    return frozenset(raw[at : at + _DIGEST] for at in range(0, len(raw), _DIGEST))


@dataclass(frozen=True, slots=True)
class Fact:
    """What an alert wants of one event: when it was, and whom and what it names."""

    time: datetime
    entities: Entities = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Burst:
    """`evidence` are the earliest events as (time, `_id`), `EVIDENCE` of them at most.

    `exact` is false where `count` is the least that it can be.
    """

    first: datetime
    last: datetime
    count: int
    known: frozenset[bytes]
    evidence: tuple[tuple[datetime, str], ...] = ()
    entities: Entities = field(default_factory=dict)
    detail: str = ""
    exact: bool = True

    @property
    def complete(self) -> bool:
        """Whether every event that was counted is known."""
        return len(self.known) == self.count

    def near(self, first: datetime, last: datetime, gap: timedelta) -> bool:
        """Whether a stretch overlaps this one, or is no further from it than `gap`."""
        return self.first - gap <= last and first <= self.last + gap

    def covers(self, other: Burst) -> bool:
        return self.first <= other.first and other.last <= self.last


def moment(when: datetime) -> datetime:
    """In UTC and whole milliseconds, as the index keeps it."""
    utc = when.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def burst_of(finding: Finding, facts: Mapping[str, Fact]) -> Burst:
    """A finding as a burst; `facts` by event id, for those that could be read."""
    first, last = moment(finding.first_seen), moment(finding.last_seen)
    events = tuple(dict.fromkeys(finding.events))
    count = max(finding.count, len(events))
    timed = [(facts[event].time if event in facts else first, event) for event in events]
    return Burst(
        min(first, last),
        max(first, last),
        count,
        frozenset(map(digest, events[:COUNTED])),
        tuple(sorted(timed)[:EVIDENCE]),
        joined(*(facts[event].entities for event in events if event in facts)),
        one_line(finding.detail, LONGEST_DETAIL),
    )


def joined(*several: Entities) -> dict[str, frozenset[str]]:
    """All entities together; of a kind with too many, the first of them in their own order."""
    made: dict[str, set[str]] = {}
    for entities in several:
        for kind, values in entities.items():
            made.setdefault(kind, set()).update(values)
    return {kind: frozenset(sorted(values)[:ENTITIES]) for kind, values in made.items() if values}


def combined(bursts: Sequence[Burst]) -> Burst:
    """The union of several that know all their events, in one pass."""
    known = frozenset().union(*(each.known for each in bursts))
    return Burst(
        min(each.first for each in bursts),
        max(each.last for each in bursts),
        len(known),
        known,
        tuple(sorted({pair for each in bursts for pair in each.evidence})[:EVIDENCE]),
        joined(*(each.entities for each in bursts)),
        next((each.detail for each in bursts if each.detail), ""),
        all(each.exact for each in bursts),
    )


def union(one: Burst, other: Burst) -> Burst:
    """Both together, what they share counted once."""
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
    # What is said of the whole goes before what is said of a part.
    whole, part = (other, one) if other.covers(one) else (one, other)
    return Burst(
        min(one.first, other.first),
        max(one.last, other.last),
        count,
        known if len(known) <= COUNTED else frozenset(sorted(known)[:COUNTED]),
        tuple(sorted({*one.evidence, *other.evidence})[:EVIDENCE]),
        joined(one.entities, other.entities),
        whole.detail or part.detail,
        exact,
    )


def holds(whole: Burst, part: Burst) -> bool:
    """Whether one burst has counted all that another has, as far as can be known."""
    if whole.complete and part.complete:
        return part.known <= whole.known
    return whole.covers(part) and whole.count >= part.count


def beyond(burst: Burst, counted: Burst, facts: Mapping[str, Fact]) -> Burst | None:
    """What of a burst `counted` does not hold: None where there is nothing more."""
    apart = burst.last < counted.first or counted.last < burst.first
    if apart or (burst.complete and counted.complete and not burst.known & counted.known):
        return burst
    if not counted.complete and burst.last <= counted.last:
        return None  # inside of what is only known as a whole
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
    evidence = tuple(each for each in burst.evidence if digest(each[1]) in known)
    times = [time for time, _ in evidence]
    first = min(times, default=max(burst.first, min(counted.last, burst.last)))
    whole = burst.complete and len(evidence) == len(known)
    return replace(
        burst,
        first=first,
        last=max(times) if whole and times else burst.last,
        count=count,
        known=known,
        evidence=evidence,
        entities=joined(*(facts[event].entities for _, event in evidence if event in facts)),
        exact=exact,
    )
