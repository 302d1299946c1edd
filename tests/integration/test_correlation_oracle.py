"""Every correlation type on random trails: the same bursts as by brute force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detections.correlator import Correlator
from detections.event_index import EventIndex
from detections.span import Clock, Span
from tests import correlation_oracle as oracle
from tests.correlation_oracle import Event, Found
from tests.event_store import DAY, EventStore, at, event_store
from tests.sigma_correlations import correlation, exactly, loaded, loosely, plain

ARN = "userIdentity.arn"
REGION = "awsRegion"
FLAT = "requestParameters.bucketName"
MANY = "resources.ARN"
NUMBER = "requestParameters.size"
NASTY = ['"', "'] OR [", "ünïcödé ☃", "", " ", "a\\b", "{}", "*"]

OPERATORS = st.sampled_from(["gte", "gte", "gt", "eq", "lt", "lte", "neq"])
GROUPINGS = st.sampled_from([[], [ARN], [ARN], [ARN, REGION], [FLAT], [MANY], [ARN, FLAT]])


@pytest.fixture(scope="module")
def store(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    with event_store(engine, tmp_path_factory.mktemp("home")) as made:
        yield made


@st.composite
def trails(draw: st.DrawFn) -> list[Event]:
    """Up to 24 events in a minute, many at one instant, some without a field, some late."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 45),
                st.sampled_from("AABC"),
                st.sampled_from([None, "ada", "bob", *NASTY]),
                st.sampled_from(["eu", "us"]),
                st.sampled_from([None, "b1", "b2"]),
                st.sampled_from([None, "r1", ["r1", "r2"], ["r2", "r3", "r4"]]),
                st.sampled_from([None, "1", "2", "3", "10", "-4", "many"]),
                st.integers(0, 5),
            ),
            max_size=24,
        )
    )
    return [
        Event(
            id=f"e{number:02}",
            time=time,
            name=name,
            fields={
                path: value
                for path, value in {
                    ARN: arn,
                    REGION: region,
                    FLAT: bucket,
                    MANY: arns,
                    NUMBER: size,
                }.items()
                if value is not None
            },
            ingested=100 + ingested,
        )
        for number, (time, name, arn, region, bucket, arns, size, ingested) in enumerate(drawn)
    ]


def spans() -> st.SearchStrategy[tuple[Clock, int, int]]:
    """A clock and the two ends in seconds, the second left out."""
    clocks: list[tuple[Clock, int, int, int]] = [
        ("@timestamp", -5, 50, 60),
        ("event.ingested", 99, 106, 4),
    ]
    return st.sampled_from(clocks).flatmap(
        lambda each: st.tuples(
            st.just(each[0]), st.integers(each[1], each[2]), st.integers(1, each[3])
        ).map(lambda drawn: (drawn[0], drawn[1], drawn[1] + drawn[2]))
    )


def indexed(store: EventStore, mark: str, events: list[Event]) -> None:
    documents = [
        {
            "id": event.id,
            "time": event.time,
            "ingested": event.ingested,
            "fields": {"eventName": event.name, **event.fields},
        }
        for event in events
    ]
    store.add(mark, documents)


def expected(found: set[Found], events: list[Event], span: tuple[Clock, int, int]) -> set[Found]:
    """Those of all bursts that hold an event in the span."""
    clock, since, until = span
    inside = {
        event.id
        for event in events
        if since <= (event.time if clock == "@timestamp" else event.ingested) < until
    }
    return {each for each in found if inside.intersection(each.ids)}


def seconds(when: datetime) -> int:
    return round((when - DAY).total_seconds())


def evaluated(
    store: EventStore,
    mark: str,
    documents: list[dict[str, Any]],
    span: tuple[Clock, int, int],
) -> list[set[Found]]:
    """What the correlation finds: by reading all, by way of candidates, and by the matcher."""
    rule = loaded(*documents)
    clock, since, until = span
    answers = []
    for whole, compiled in ((10_000, exactly(mark)), (0, exactly(mark)), (0, loosely(mark))):
        index = EventIndex(store.client, store.index, hits_page=7, groups_page=3)
        findings = list(
            Correlator(index, rule, compiled, whole=whole).findings(
                "rule", Span(at(since), at(until), clock)
            )
        )
        assert all(each.count == len(each.events) for each in findings)
        answers.append(
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
        assert len(answers[-1]) == len(findings), "a burst was given twice"
    return answers


TYPES: dict[str, tuple[str | None, list[str]]] = {
    "event_count": (None, ["A"]),
    "value_count": (REGION, ["A", "B"]),
    "temporal": (None, ["A", "B", "C"]),
    "temporal_ordered": (None, ["A", "B", "C"]),
    "value_sum": (NUMBER, ["A"]),
    "value_avg": (NUMBER, ["A", "B"]),
    "value_percentile": (NUMBER, ["A"]),
    "value_median": (NUMBER, ["A"]),
}


@pytest.mark.parametrize("type_", TYPES)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_finds_what_brute_force_finds(store: EventStore, type_: str, data: st.DataObject) -> None:
    field, names = TYPES[type_]
    if type_ == "value_count":
        field = data.draw(st.sampled_from([REGION, MANY, FLAT]), "field")
    if type_ == "event_count":
        names = data.draw(st.sampled_from([["A"], ["A", "B"]]), "rules")
    events = data.draw(trails(), "events")
    grouping = data.draw(GROUPINGS, "group-by")
    timespan = data.draw(st.integers(1, 12), "timespan")
    op = data.draw(OPERATORS, "operator")
    limit = data.draw(st.integers(1, 4), "limit")
    span = data.draw(spans(), "span")
    condition: dict[str, Any] = {op: limit}
    if field:
        condition["field"] = field
    if type_ == "value_percentile":
        condition["percentile"] = data.draw(st.sampled_from([0, 25, 90, 100]), "percentile")
    mark = store.mark()
    indexed(store, mark, events)
    documents = [
        *(plain(name, mark) for name in names),
        correlation(
            type=type_,
            rules=names,
            group_by=grouping,
            timespan=f"{timespan}s",
            condition=condition,
        ),
    ]
    wanted = expected(
        oracle.bursts(
            events,
            type_=type_,
            rules=[(name, tuple(grouping), field) for name in names],
            timespan=timespan,
            op=op,
            limit=limit,
            percentile=condition.get("percentile", 50),
        ),
        events,
        span,
    )
    for found in evaluated(store, mark, documents, span):
        assert found == wanted
