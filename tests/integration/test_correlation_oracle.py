"""Every correlation type on random trails: the same bursts as by brute force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.correlation_oracle import Plain, Spec, bursts
from tests.helpers.event_store import EventStore
from tests.helpers.random_trails import (
    ARN,
    FLAT,
    MANY,
    NUMBER,
    REGION,
    answers,
    by_sessions,
    in_span,
    index_events,
    of_sessions,
    spans,
    trails,
)
from tests.helpers.sigma_correlations import correlation, over, plain

OPERATORS = st.sampled_from(["gte", "gte", "gt", "eq", "lt", "lte", "neq"])
GROUPINGS = st.sampled_from([[], [ARN], [ARN], [ARN, REGION], [FLAT], [MANY], [ARN, FLAT]])
RANDOM = settings(
    max_examples=settings().max_examples // 12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
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
@RANDOM
@given(data=st.data())
def test_every_type(store: EventStore, type_: str, data: st.DataObject) -> None:
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
    most = data.draw(st.none() | st.integers(1, 6), "at most")
    if most is not None and op != "lte":
        condition["lte"] = most
    if field:
        condition["field"] = field
    if type_ == "value_percentile":
        condition["percentile"] = data.draw(st.sampled_from([0, 25, 90, 100]), "percentile")
    mark = store.mark()
    index_events(store, mark, events)
    documents = over(names, mark, type_, grouping, timespan, condition)
    spec = Spec(
        type_,
        tuple(Plain(name, tuple(grouping), field) for name in names),
        timespan,
        op,
        limit,
        most=condition["lte"] if op != "lte" and most is not None else float("inf"),
        percentile=condition.get("percentile", 50),
    )
    wanted = in_span(bursts(events, spec), events, span)
    for found in answers(store, mark, documents, span):
        assert found == wanted


@pytest.mark.parametrize("type_", ["event_count", "value_count", "temporal", "temporal_ordered"])
@RANDOM
@given(data=st.data())
def test_sessions_of_a_role_together(store: EventStore, type_: str, data: st.DataObject) -> None:
    field, names = TYPES[type_]
    trail = data.draw(trails(), "events")
    events = of_sessions(trail, data.draw(st.integers(0, 2**32), "sessions"))
    grouping = data.draw(st.sampled_from([[ARN], [ARN], [ARN, REGION], [ARN, FLAT]]), "group-by")
    timespan = data.draw(st.integers(1, 12), "timespan")
    limit = data.draw(st.integers(2, 3), "limit")
    span = data.draw(spans(), "span")
    condition: dict[str, Any] = {"gte": limit} | ({"field": field} if field else {})
    mark = store.mark()
    index_events(store, mark, events)
    documents = over(names, mark, type_, grouping, timespan, condition)
    rules = tuple(Plain(name, (), field) for name in names)
    spec = Spec(type_, rules, timespan, "gte", limit)
    wanted = in_span(by_sessions(events, spec, grouping), events, span)
    for found in answers(store, mark, documents, span, by_role=True):
        assert found == wanted


EXPRESSIONS: dict[str, Callable[[set[int]], bool]] = {
    "A and B": lambda has: {0, 1} <= has,
    "(A or B) and C": lambda has: bool({0, 1} & has) and 2 in has,
    "A and not B": lambda has: 0 in has and 1 not in has,
    "A or not C": lambda has: 0 in has or 2 not in has,
    "not A": lambda has: 0 not in has,
}


@RANDOM
@given(data=st.data())
def test_boolean_expressions(store: EventStore, data: st.DataObject) -> None:
    events = data.draw(trails(), "events")
    text = data.draw(st.sampled_from(sorted(EXPRESSIONS)), "condition")
    timespan = data.draw(st.integers(1, 12), "timespan")
    span = data.draw(spans(), "span")
    names = [name for name in "ABC" if name in text]
    positions = {"ABC".index(name): place for place, name in enumerate(names)}
    mark = store.mark()
    index_events(store, mark, events)
    documents = [
        *(plain(name, mark) for name in names),
        correlation(
            type="temporal",
            rules=names,
            group_by=[ARN],
            timespan=f"{timespan}s",
            condition=text,
        ),
    ]
    back = {place: letter for letter, place in positions.items()}
    spec = Spec(
        "temporal",
        tuple(Plain(name, (ARN,)) for name in names),
        timespan,
        expression=lambda has: EXPRESSIONS[text]({back[each] for each in has}),
    )
    wanted = in_span(bursts(events, spec), events, span)
    for found in answers(store, mark, documents, span):
        assert found == wanted


@pytest.mark.parametrize("type_", ["event_count", "value_count", "temporal", "temporal_ordered"])
@RANDOM
@given(data=st.data())
def test_aliases(store: EventStore, type_: str, data: st.DataObject) -> None:
    """The same thing is called `userIdentity.arn` by A and `resources.ARN` by B."""
    events = data.draw(trails(), "events")
    timespan = data.draw(st.integers(1, 12), "timespan")
    limit = data.draw(st.integers(1, 3), "limit")
    other = data.draw(st.sampled_from([MANY, FLAT]), "the other field")
    span = data.draw(spans(), "span")
    # Both fields hold the same names, or no group would meet.
    renamed = {"r1": "ada", "r2": "bob", "b1": "ada", "b2": "bob"}
    for event in events:
        for path in (MANY, FLAT):
            if path in event.fields:
                found = event.fields[path]
                one = renamed.get(found, found) if isinstance(found, str) else None
                event.fields[path] = one or [renamed.get(each, each) for each in found]
    mark = store.mark()
    index_events(store, mark, events)
    condition: dict[str, Any] = {"gte": limit}
    if type_ == "value_count":
        condition["field"] = REGION
    documents = [
        plain("A", mark),
        plain("B", mark),
        correlation(
            type=type_,
            rules=["A", "B"],
            group_by=["who"],
            aliases={"who": {"A": ARN, "B": other}},
            timespan=f"{timespan}s",
            condition=condition,
        ),
    ]
    field = REGION if type_ == "value_count" else None
    rules = (Plain("A", (ARN,), field), Plain("B", (other,), field))
    spec = Spec(type_, rules, timespan, limit=limit)
    wanted = in_span(bursts(events, spec), events, span)
    for found in answers(store, mark, documents, span):
        assert found == wanted


@pytest.mark.parametrize("type_", ["event_count", "value_count", "temporal", "temporal_ordered"])
@RANDOM
@given(data=st.data())
def test_correlations_of_correlations(store: EventStore, type_: str, data: st.DataObject) -> None:
    events = data.draw(trails(), "events")
    inner_span = data.draw(st.integers(1, 8), "inner timespan")
    timespan = data.draw(st.integers(1, 12), "timespan")
    inner_limit = data.draw(st.integers(1, 3), "inner limit")
    limit = data.draw(st.integers(1, 2), "limit")
    span = data.draw(spans(), "span")
    mark = store.mark()
    index_events(store, mark, events)
    condition: dict[str, Any] = {"gte": limit}
    if type_ == "value_count":
        condition["field"] = REGION
    documents = [
        plain("A", mark),
        plain("B", mark),
        correlation(
            "many",
            type="event_count",
            rules=["A"],
            group_by=[ARN, REGION],
            timespan=f"{inner_span}s",
            condition={"gte": inner_limit},
        ),
        correlation(
            type=type_,
            rules=["many", "B"],
            group_by=[ARN],
            timespan=f"{timespan}s",
            condition=condition,
        ),
    ]
    inner = Spec(
        "event_count",
        (Plain("A", (ARN, REGION)),),
        inner_span,
        limit=inner_limit,
        places=(0,),
        place=1 if type_ == "value_count" else None,
    )
    other = Plain("B", (ARN,), REGION if type_ == "value_count" else None)
    spec = Spec(type_, (inner, other), timespan, limit=limit)
    wanted = in_span(bursts(events, spec), events, span)
    for found in answers(store, mark, documents, span):
        assert found == wanted
