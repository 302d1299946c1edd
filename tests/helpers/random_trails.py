"""Random trails for the correlations' tests, and what the engine and brute force find in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from detections.correlations.correlator import Correlator, Limits
from detections.correlations.prospects import KnownEvents
from detections.events.index import EventIndex
from detections.events.vocabulary import Vocabulary
from detections.span import Clock, Span
from tests.helpers.correlation_oracle import Event, Found, Plain, Spec, bursts, left_over
from tests.helpers.event_store import DAY, EventStore, at
from tests.helpers.sigma_correlations import exactly, loaded, loosely

ARN = "userIdentity.arn"
REGION = "awsRegion"
FLAT = "requestParameters.bucketName"
MANY = "resources.ARN"
NUMBER = "requestParameters.size"
ISSUER = "userIdentity.sessionContext.sessionIssuer.arn"
SENT_FROM = "sourceIPAddress"
APP = "arn:aws:iam::111122223333:role/app"
STAFF = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/Staff"
NASTY = ['"', "'] OR [", "ünïcödé ☃", "", " ", "a\\b", "{}", "*"]

Asked = tuple[Clock, int, int]
"""A clock and the two ends in seconds, the second left out."""


def trails() -> st.SearchStrategy[list[Event]]:
    """Up to 40 events in a minute: many at one instant or whole steps apart, some without a field,
    some late. Drawn from a seed, since lists that are drawn piece by piece are mostly short."""
    return st.integers(0, 2**32).map(trail)


def trail(seed: int) -> list[Event]:
    chance = Random(seed)
    step = chance.choice([1, 1, 2, 3, 5])
    principals = chance.choice([["ada"], ["ada", "bob"], ["ada", "bob", *chance.sample(NASTY, 3)]])
    sparse = chance.choice([0.0, 0.15])

    def sometimes(value: Any) -> Any:
        return None if chance.random() < sparse else value

    def one() -> dict[str, Any]:
        return {
            # An empty ARN is nobody's: brute force leaves the field out.
            ARN: sometimes(chance.choice(principals) or None),
            REGION: chance.choice(["eu", "us", "us"]),
            FLAT: sometimes(chance.choice(["b1", "b2"])),
            MANY: sometimes(chance.choice(["r1", ["r1", "r2"], ["r2", "r3", "r4"]])),
            NUMBER: sometimes(chance.choice(["1", "2", "3", "10", "-4", "many"])),
        }

    return [
        Event(
            id=f"e{number:02}",
            time=chance.randrange(0, 46, step),
            name=chance.choice("AAABBC"),
            fields={path: value for path, value in one().items() if value is not None},
            ingested=100 + chance.randrange(6),
        )
        for number in range(chance.randint(4, 40))
    ]


def of_sessions(events: Sequence[Event], seed: int) -> list[Event]:
    """The events, some by sessions of a role: its ARN and that of the session are independent."""
    chance = Random(seed)
    made = []
    for event in events:
        fields = dict(event.fields)
        if role := chance.choice([None, APP, APP, APP, STAFF]):
            fields[ISSUER] = role
        if chance.random() < 0.9:
            fields[SENT_FROM] = chance.choice(["198.51.100.7", "198.51.100.7", "203.0.113.9"])
        made.append(replace(event, fields=fields))
    return made


def by_sessions(events: Sequence[Event], spec: Spec, grouping: Sequence[str]) -> set[Found]:
    """What a correlation finds by the principal, and of the sessions of a role together."""
    named = [ISSUER if name == ARN else name for name in grouping] + [SENT_FROM]

    def by(*fields: str) -> Spec:
        parts = (each for each in spec.rules if isinstance(each, Plain))
        return replace(spec, rules=tuple(replace(each, group_by=fields) for each in parts))

    of_roles = [each for each in events if each.fields.get(ISSUER) == APP and ARN in each.fields]
    more = left_over(of_roles, by(*named, ARN), by(*named))
    return bursts(events, by(*grouping)) | more


def spans() -> st.SearchStrategy[Asked]:
    clocks: list[tuple[Clock, int, int, int]] = [
        ("@timestamp", -5, 50, 60),
        ("event.ingested", 99, 106, 4),
    ]
    return st.sampled_from(clocks).flatmap(
        lambda each: st.tuples(
            st.just(each[0]), st.integers(each[1], each[2]), st.integers(1, each[3])
        ).map(lambda drawn: (drawn[0], drawn[1], drawn[1] + drawn[2]))
    )


def index_events(store: EventStore, mark: str, events: Sequence[Event]) -> None:
    """Put them into the index."""
    store.add(
        mark,
        [
            {
                "id": event.id,
                "time": event.time,
                "ingested": event.ingested,
                "fields": {"eventName": event.name, **event.fields},
            }
            for event in events
        ],
    )


def in_span(found: set[Found], events: Sequence[Event], span: Asked) -> set[Found]:
    """Those of all bursts that hold an event in the span."""
    clock, since, until = span
    inside = {
        event.id
        for event in events
        if since <= (event.time if clock == "@timestamp" else event.ingested) < until
    }
    return {each for each in found if inside.intersection(each.ids)}


def answers(
    store: EventStore,
    mark: str,
    documents: Sequence[dict[str, Any]],
    span: Asked,
    *,
    by_role: bool = False,
) -> list[set[Found]]:
    """What the correlation finds: by reading all, by way of candidates, by the matcher, and by
    queries narrowed to what is known of the span and the times around it."""
    rule = replace(loaded(*documents), by_role=by_role)
    clock, since, until = span
    asked = Span(at(since), at(until), clock)
    around = timedelta(milliseconds=2 * rule.max_window) if clock == "@timestamp" else timedelta(0)
    found = []
    for whole, compiled, narrow in (
        (10_000, exactly(mark), False),
        (0, exactly(mark), False),
        (0, loosely(mark), False),
        (0, exactly(mark), True),
        (10_000, loosely(mark), True),
    ):
        index = EventIndex(store.client, store.index, hits_page=11, groups_page=4)
        known = None
        if narrow:
            wide = Span(asked.since - around, asked.until + around, clock)
            known = KnownEvents(asked, wide, Vocabulary.of(index.search(Vocabulary.request(wide))))
        correlator = Correlator(
            index, rule, compiled, Limits(whole=whole, batch=2, pending=3), known=known
        )
        findings = list(correlator.findings("rule", asked))
        assert all(each.count == len(each.events) for each in findings)
        found.append(
            {
                Found(
                    tuple(value for _, value in each.group),
                    tuple(name.removeprefix(f"{mark}-") for name in each.events),
                    seconds(each.first_seen),
                    seconds(each.last_seen),
                )
                for each in findings
            }
        )
        assert len(found[-1]) == len(findings), "a burst was given twice"
    return found


def seconds(when: datetime) -> int:
    return round((when - DAY).total_seconds())
