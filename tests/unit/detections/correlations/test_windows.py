"""Windows and bursts by themselves, against brute force and by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.correlations.occurrences import Firing, Occurrence
from detections.correlations.window_counts import EventCount, Threshold
from detections.correlations.windows import Burst, Windows
from detections.finding import EVIDENCE
from tests.helpers.correlation_oracle import Plain, Spec, grouped
from tests.helpers.correlation_oracle import bursts as by_force
from tests.helpers.correlation_oracle import firings as firings_by_force
from tests.helpers.random_trails import ARN, MANY, NUMBER, REGION, trails
from tests.helpers.sigma_correlations import correlation, loaded, plain

TYPES: dict[str, str | None] = {
    "event_count": None,
    "value_count": MANY,
    "temporal": None,
    "temporal_ordered": None,
    "value_sum": NUMBER,
    "value_avg": NUMBER,
    "value_percentile": NUMBER,
    "value_median": NUMBER,
}


@pytest.mark.parametrize("type_", TYPES)
@given(data=st.data())
def test_bursts_are_those_of_brute_force(type_: str, data: st.DataObject) -> None:
    events = data.draw(trails(), "events")
    grouping = data.draw(st.sampled_from([(), (ARN,), (ARN, REGION)]), "group-by")
    timespan = data.draw(st.integers(1, 12), "timespan")
    op = data.draw(st.sampled_from(["gte", "gte", "gt", "eq", "lt", "lte", "neq"]), "operator")
    limit = data.draw(st.integers(1, 6), "limit")
    field = TYPES[type_]
    condition: dict[str, Any] = {op: limit}
    if field:
        condition["field"] = field
    if type_ == "value_percentile":
        condition["percentile"] = data.draw(st.sampled_from([0, 25, 90, 100]), "percentile")
    names = "ABC"
    rule = loaded(
        *(plain(name, "m") for name in names),
        correlation(
            type=type_,
            rules=list(names),
            group_by=list(grouping),
            timespan=f"{timespan}s",
            condition=condition,
        ),
    )
    spec = Spec(
        type_,
        tuple(Plain(name, grouping, field) for name in names),
        timespan,
        op,
        limit,
        percentile=condition.get("percentile", 50),
    )
    found = set()
    fired = []
    for key, members in grouped(events, spec).items():
        fired_at_once: list[Firing] = []
        windows = Windows(
            timespan,
            rule.tally(),
            since=0,
            on_fire=partial(keep, fired_at_once),
        )
        given_: list[Burst] = []
        for member in sorted(members, key=lambda each: (each.time, min(e.id for e in each.events))):
            (event,) = member.events
            values = tuple(member.values)
            given_ += windows.feed(Occurrence(event.time, event.id, member.parts, values))
        given_ += windows.end()
        found |= {(key, tuple(burst.ids), burst.first, burst.last) for burst in given_}
        fired += [(key, frozenset(event.id for event in each.events())) for each in fired_at_once]
    assert found == {
        (each.group, each.ids, each.first, each.last) for each in by_force(events, spec)
    }
    assert fired == [
        (key, frozenset(event.id for member in window for event in member.events))
        for key, windows_ in firings_by_force(events, spec).items()
        for window in windows_
    ]


def keep(fired_at_once: list[Firing], firing: Firing, _first: bool) -> None:
    fired_at_once.append(firing)


def bursts(times: list[int], at_least: int, timespan: int) -> list[list[str]]:
    windows = Windows(timespan, EventCount(Threshold("gte", at_least)), since=0)
    found: list[Burst] = []
    for number, time in enumerate(times):
        found += windows.feed(Occurrence(time, str(number)))
    return [burst.ids for burst in (*found, *windows.end())]


def test_an_event_exactly_one_timespan_later_is_in() -> None:
    assert bursts([0, 300], 2, 300) == [["0", "1"]]
    assert bursts([0, 301], 2, 300) == []


def test_windows_that_share_an_event_are_one_burst() -> None:
    assert bursts([0, 1, 9, 10], 2, 1) == [["0", "1"], ["2", "3"]]
    assert bursts([0, 5, 10, 15, 20], 3, 10) == [["0", "1", "2", "3", "4"]]


def test_a_burst_keeps_the_first_ids_and_counts_all() -> None:
    windows = Windows(10, EventCount(Threshold("gte", 2)), since=0)
    for number in range(EVIDENCE + 5):
        assert not list(windows.feed(Occurrence(number, str(number))))
    (burst,) = windows.end()
    assert (burst.count, len(burst.ids), burst.ids[0]) == (EVIDENCE + 5, EVIDENCE, "0")
    assert windows.held <= 12


def test_what_lies_before_since_only_fills_windows() -> None:
    windows = Windows(10, EventCount(Threshold("gte", 2)), since=5)
    for time in (0, 1, 6):
        assert not list(windows.feed(Occurrence(time, str(time))))
    (burst,) = windows.end()
    assert (burst.ids, burst.start, burst.first_fired) == (["0", "1", "6"], 0, 6)
