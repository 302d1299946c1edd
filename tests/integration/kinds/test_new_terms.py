"""First times, against brute force and at their edges."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from detections.kinds import new_terms
from tests.helpers.event_store import EventStore
from tests.integration.kinds.calls import (
    ARN,
    DAY,
    HOUR,
    RANDOM,
    SEEDS,
    asked,
    compiled,
    event,
    in_short,
    index_of,
    inside,
    span,
)


@RANDOM
@given(seed=SEEDS, decided=st.booleans())
def test_first_times_are_those_of_brute_force(store: EventStore, seed: int, decided: bool) -> None:
    chance = Random(seed)
    days, learn = 2, chance.choice([0, 1, 2])
    events = [
        event(
            number,
            chance.randrange(0, 5 * DAY, HOUR // 2),
            chance.choice([None, "ada", "ada", "bob"]),
            awsRegion=chance.choice(["eu", "us", "us", "us", "ap"]),
            ingested=chance.randrange(0, 6 * DAY, HOUR),
        )
        for number in range(chance.randint(5, 30))
    ]
    clock, since, until = asked(chance, DAY)
    expected = set()
    ordered = sorted(events, key=lambda each: (each["time"], each["id"]))
    for place, each in enumerate(ordered):
        who, region = each["fields"].get(ARN), each["fields"]["awsRegion"]
        if who is None or not inside(each, clock, since, until):
            continue
        memory = [
            other
            for other in events
            if each["time"] - days * DAY <= other["time"] < each["time"]
            and other["fields"].get(ARN) == who
        ]
        earlier_twin = any(
            other["time"] == each["time"]
            and other["fields"].get(ARN) == who
            and other["fields"]["awsRegion"] == region
            and inside(other, clock, since, until)
            for other in ordered[:place]
        )
        known = not learn or any(o["time"] <= each["time"] - learn * DAY for o in memory)
        if (
            known
            and not earlier_twin
            and not any(o["fields"]["awsRegion"] == region for o in memory)
        ):
            expected.add((who, region, each["id"]))
    mark = store.mark()
    store.add(mark, events)
    rule = new_terms.NewTerms("awsRegion", (ARN,), days, learn)
    found = new_terms.findings(
        index_of(store), "rule", rule, compiled(mark, decided=decided), span(clock, since, until)
    )
    assert in_short(list(found), mark) == expected


def test_nothing_is_new_without_history(store: EventStore) -> None:
    """A fresh index, a fresh principal: no alert for anything, until it is known."""
    mark = store.mark()
    events = [event(n, n * HOUR, "ada", awsRegion=f"r{n}") for n in range(30)]
    store.add(mark, events)
    whole = span("@timestamp", 0, 10 * DAY)
    found = new_terms.findings(
        index_of(store),
        "rule",
        new_terms.NewTerms("awsRegion", (ARN,), 30, 1),
        compiled(mark),
        whole,
    )
    # From a day after the first event on, every region that is new is told.
    assert in_short(list(found), mark) == {("ada", f"r{n}", f"e{n:05}") for n in range(24, 30)}


def test_history_has_to_be_within_the_time_of_each_pair(store: EventStore) -> None:
    """`r2` has events of `ada` before and after the time in which she needs one, and none in it."""
    mark = store.mark()
    times = [(2.2, "eu"), (9.7, "eu"), (10, "r1"), (10.5, "r2"), (11, "r3")]
    store.add(
        mark,
        [
            event(number, int(time * DAY), "ada", awsRegion=region)
            for number, (time, region) in enumerate(times)
        ],
    )
    found = new_terms.findings(
        index_of(store),
        "rule",
        new_terms.NewTerms("awsRegion", (ARN,), 8, 1),
        compiled(mark),
        span("@timestamp", 9 * DAY, 12 * DAY),
    )
    assert [each.group[-1][1] for each in found] == ["r1", "r3"]


def test_the_first_call_of_its_kind_is_new_where_any_event_is_history(store: EventStore) -> None:
    """`ada` was there for days and never made the call; `bob` came yesterday."""
    mark = store.mark()
    events = [
        event(0, 0, "ada", awsRegion="eu", eventName="Other"),
        event(1, 8 * DAY, "ada", awsRegion="us"),
        event(2, 7 * DAY, "bob", awsRegion="eu", eventName="Other"),
        event(3, 8 * DAY, "bob", awsRegion="us"),
    ]
    store.add(mark, events)
    by = ["recipientAccountId", ARN]
    for history, expected in (("rule", set()), ("all", {(mark, "ada", "us", "e00001")})):
        rule = new_terms.parse({"field": "awsRegion", "group_by": by, "training_events": history})
        for decided in (False, True):
            found = new_terms.findings(
                index_of(store),
                "rule",
                rule,
                compiled(mark, decided=decided),
                span("@timestamp", 7 * DAY, 9 * DAY),
            )
            assert in_short(list(found), mark) == expected


def test_a_value_of_the_group_itself_is_never_new_where_a_rule_says_so(store: EventStore) -> None:
    mark = store.mark()
    calls = [(0, "eu"), (9 * DAY, "ada"), (9 * DAY + 1, "us")]
    events = [event(n, time, "ada", awsRegion=region) for n, (time, region) in enumerate(calls)]
    store.add(mark, events)
    for other, new in ((False, ["ada", "us"]), (True, ["us"])):
        rule = new_terms.NewTerms("awsRegion", (ARN,), 30, 7, other_than_group=other)
        found = new_terms.findings(
            index_of(store), "rule", rule, compiled(mark), span("@timestamp", 8 * DAY, 10 * DAY)
        )
        assert sorted(each.group[-1][1] for each in found) == new


def test_first_times_of_people_without_an_arn_are_their_own(store: EventStore) -> None:
    mark = store.mark()
    calls = [(0, "ada", "eu"), (0, "bob", "us"), (9 * DAY, "ada", "us"), (9 * DAY, "bob", "us")]
    events = [
        event(number, time, "", user__name=name, awsRegion=region)
        for number, (time, name, region) in enumerate(calls)
    ]
    store.add(mark, events)
    rule = new_terms.NewTerms("awsRegion", (ARN,), 30, 7)
    found = new_terms.findings(
        index_of(store), "rule", rule, compiled(mark), span("@timestamp", 8 * DAY, 10 * DAY)
    )
    assert [each.group for each in found] == [(("user.name", "ada"), ("awsRegion", "us"))]


def test_a_repaired_event_is_remembered_although_the_engine_does_not_find_it(
    store: EventStore,
) -> None:
    mark = store.mark()
    calls = [(0, "eu", {}), (DAY, "us", {"trail__repaired": ["requestParameters"]})]
    calls += [(9 * DAY, "us", {}), (9 * DAY + 1, "af", {})]
    events = [
        event(number, time, "ada", awsRegion=region, **more)
        for number, (time, region, more) in enumerate(calls)
    ]
    store.add(mark, events)
    rule = new_terms.NewTerms("awsRegion", (ARN,), 30, 7)
    found = new_terms.findings(
        index_of(store), "rule", rule, compiled(mark), span("@timestamp", 8 * DAY, 10 * DAY)
    )
    assert [each.group[-1][1] for each in found] == ["af"]


def test_what_an_exception_leaves_out_is_remembered(store: EventStore) -> None:
    """`ada` uses `us` through an address that an exception names, and then through another."""
    mark = store.mark()
    calls = [(0, "eu", "a"), (8 * DAY, "us", "a"), (9 * DAY, "us", "b"), (9 * DAY + 1, "af", "b")]
    events = [
        event(number, time, "ada", awsRegion=region, sourceIPAddress=address)
        for number, (time, region, address) in enumerate(calls)
    ]
    store.add(mark, events)
    whole = compiled(mark)
    known = {"bool": {"must_not": [{"term": {"sourceIPAddress": "a"}}]}}
    narrowed = replace(
        whole,
        query={"bool": {"filter": [whole.query, known]}},
        plain={},
        before_exceptions=whole,
    )
    rule = new_terms.NewTerms("awsRegion", (ARN,), 30, 7)
    for made, new in ((whole, {"us", "af"}), (narrowed, {"af"})):
        found = new_terms.findings(
            index_of(store), "rule", rule, made, span("@timestamp", 7 * DAY, 10 * DAY)
        )
        assert {each.group[-1][1] for each in found} == new
