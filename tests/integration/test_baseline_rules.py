"""The kinds of rule that Sigma lacks, each against brute force and at its edges."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from random import Random
from statistics import mean, median, pstdev
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detections.compiled import Compiled
from detections.events.index import EventIndex
from detections.finding import Finding
from detections.kinds import anomaly, baselines, new_terms, travel
from detections.matcher import SigmaMatcher
from detections.span import Clock, Span
from tests.helpers.event_store import EventStore, at
from trailhound.errors import RuleError

ARN = "userIdentity.arn"
DAY = 86_400
HOUR = 3_600
RANDOM = settings(max_examples=8, deadline=None)
SEEDS = st.integers(0, 2**32)
Event = dict[str, Any]


def compiled(mark: str, *, decided: bool = False) -> Compiled:
    query = {"term": {"recipientAccountId": mark}}
    matcher = SigmaMatcher.from_detection({"call": {"eventName": "Call"}})
    if decided:
        return Compiled(query, post_filter=matcher)
    return Compiled({"bool": {"filter": [query, {"term": {"eventName": "Call"}}]}})


def index_of(store: EventStore) -> EventIndex:
    return EventIndex(store.client, store.index, hits_page=50, groups_page=7)


def span(clock: Clock, since: float, until: float) -> Span:
    return Span(at(since), at(until), clock)


def event(number: int, time: int, arn: str | None, **fields: Any) -> Event:
    """A call; a field's dots are written as double underscores."""
    named = {name.replace("__", "."): value for name, value in fields.items()}
    ingested = named.pop("ingested", time)
    if arn is not None:
        named[ARN] = arn
    return {
        "id": f"e{number:05}",
        "time": time,
        "ingested": ingested,
        "fields": {"eventName": "Call", **named},
    }


def in_short(findings: list[Finding], mark: str) -> set[tuple[str, ...]]:
    """Of each finding the values of its group and its first event's id."""
    found = {
        (*(value for _, value in each.group), each.events[0].removeprefix(f"{mark}-"))
        for each in findings
    }
    assert len(found) == len(findings)
    return found


def inside(each: Event, clock: Clock, since: float, until: float) -> bool:
    return bool(since <= each["time" if clock == "@timestamp" else "ingested"] < until)


def asked(chance: Random, day: int) -> tuple[Clock, int, int]:
    clock: Clock = chance.choice(["@timestamp", "event.ingested"])
    since = chance.randrange(0, 4 * day)
    return clock, since, since + chance.randrange(1, 4 * day)


# First times


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


# Anomalies


@RANDOM
@given(seed=SEEDS, decided=st.booleans(), distinct=st.booleans())
def test_outliers_of_a_population_are_those_of_brute_force(
    store: EventStore, seed: int, decided: bool, distinct: bool
) -> None:
    chance = Random(seed)
    users = [f"u{number}" for number in range(chance.choice([3, 5, 6, 7, 12]))]
    events = [
        event(
            number,
            chance.randrange(0, 3 * HOUR, 60),
            chance.choice([None, users[0], users[0], users[0], *users]),
            awsRegion=f"r{chance.randrange(20)}",
            ingested=chance.randrange(0, 4 * HOUR, 60),
        )
        for number in range(chance.randint(20, 60))
    ]
    clock, since, until = asked(chance, HOUR)
    expected = set()
    for start in range(0, 3 * HOUR, HOUR):
        measures = {}
        for user in users:
            own = [
                each
                for each in events
                if start <= each["time"] < start + HOUR and each["fields"].get(ARN) == user
            ]
            if own:
                regions = {each["fields"]["awsRegion"] for each in own}
                measures[user] = len(regions) if distinct else len(own)
        if len(measures) <= 3:
            continue
        limit = mean(measures.values()) + 2 * pstdev(measures.values())
        for user, measure in measures.items():
            own = [
                each
                for each in events
                if start <= each["time"] < start + HOUR and each["fields"].get(ARN) == user
            ]
            if measure > limit + 1e-9 and any(inside(e, clock, since, until) for e in own):
                expected.add((user, min(own, key=lambda e: (e["time"], e["id"]))["id"]))
    mark = store.mark()
    store.add(mark, events)
    rule = anomaly.parse(
        {"group_by": [ARN], "measure": "distinct", "field": "awsRegion"}
        if distinct
        else {"group_by": [ARN]}
    )
    found = baselines.findings(
        index_of(store), "rule", rule, compiled(mark, decided=decided), span(clock, since, until)
    )
    assert in_short(list(found), mark) == expected


def test_five_users_can_have_no_outlier_and_six_can(store: EventStore) -> None:
    for users, outliers in ((5, 0), (6, 1)):
        mark = store.mark()
        calls = [event(n, n, "loud") for n in range(1000)]
        calls += [event(2000 + n, n, f"u{n}") for n in range(users - 1)]
        store.add(mark, calls)
        found = list(
            baselines.findings(
                index_of(store),
                "rule",
                anomaly.parse({"group_by": [ARN]}),
                compiled(mark),
                span("@timestamp", 0, HOUR),
            )
        )
        assert [each.group for each in found] == [((ARN, "loud"),)] * outliers
        assert [(each.count, len(each.events)) for each in found] == [(1000, 1000)] * outliers


@RANDOM
@given(seed=SEEDS, decided=st.booleans())
def test_loud_hours_are_those_of_brute_force(store: EventStore, seed: int, decided: bool) -> None:
    """Of two hours, asked together and one by one; there are more weeks than the rule looks at."""
    chance = Random(seed)
    week, now = 7 * DAY, 4 * 7 * DAY
    events: list[Event] = []
    for user in ("ada", "bob"):
        for back in range(5):
            for hour in range(2):
                events += [
                    event(
                        len(events) + number,
                        now - back * week + hour * HOUR + chance.randrange(HOUR),
                        user,
                    )
                    for number in range(chance.choice([0, 1, 2, 4, 6, 15]))
                ]
    expected = set()
    for user in ("ada", "bob"):
        own = [each for each in events if each["fields"][ARN] == user]

        def count(start: int, own: list[Event] = own) -> int:
            return sum(start <= each["time"] < start + HOUR for each in own)

        for start in (now, now + HOUR):
            known = min(3, (start - min(e["time"] for e in own)) // week) if own else 0
            if known < 2 or count(start) < 5:
                continue
            past = [count(start - back * week) for back in range(1, known + 1)]
            spread = max(1.0, 1.4826 * median(abs(each - median(past)) for each in past))
            if count(start) > median(past) + 3.5 * spread:
                first = min(
                    (e for e in own if start <= e["time"] < start + HOUR),
                    key=lambda e: (e["time"], e["id"]),
                )
                expected.add((user, first["id"]))
    mark = store.mark()
    store.add(mark, events)
    rule = anomaly.parse(
        {
            "group_by": [ARN],
            "baseline": "hour_of_week",
            "weeks": 3,
            "training_weeks": 2,
            "min_count": 5,
        }
    )

    def found(since: int, until: int) -> set[tuple[str, ...]]:
        by = compiled(mark, decided=decided)
        asked = span("@timestamp", since, until)
        return in_short(list(baselines.findings(index_of(store), "rule", rule, by, asked)), mark)

    assert found(now, now + 2 * HOUR) == expected
    assert found(now, now + HOUR) | found(now + HOUR, now + 2 * HOUR) == expected


# Travel

PLACES = {
    "Paris": (48.8566, 2.3522),
    "Lyon": (45.764, 4.8357),
    "New York": (40.7128, -74.006),
    "Sydney": (-33.8688, 151.2093),
}


def flown(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Kilometres by the spherical law of cosines."""
    a, b = map(math.radians, (one[0], other[0]))
    across = math.radians(other[1] - one[1])
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(across)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))


def login(number: int, time: int, arn: str | None, city: str, ingested: int | None = None) -> Event:
    latitude, longitude = PLACES[city]
    return event(
        number,
        time,
        arn,
        ingested=time if ingested is None else ingested,
        geolocation={
            "latitude": latitude,
            "longitude": longitude,
            "city": city,
            "location": {"lat": latitude, "lon": longitude},
        },
    )


@RANDOM
@given(seed=SEEDS, decided=st.booleans())
def test_journeys_are_those_of_brute_force(store: EventStore, seed: int, decided: bool) -> None:
    chance = Random(seed)
    events = [
        login(
            number,
            chance.randrange(0, 3 * DAY, HOUR),
            chance.choice([None, "ada", "ada", "bob"]),
            chance.choice(["Paris", "Paris", "Lyon", "New York", "Sydney"]),
            chance.randrange(0, 4 * DAY, HOUR),
        )
        for number in range(chance.randint(4, 25))
    ]
    clock, since, until = asked(chance, DAY)
    expected = set()
    for user in ("ada", "bob"):
        own = sorted(
            (each for each in events if each["fields"].get(ARN) == user),
            key=lambda each: (each["time"], each["id"]),
        )
        journeys = [
            (one, other)
            for one, other in pairwise(own)
            for km in [flown(*(PLACES[e["fields"]["geolocation"]["city"]] for e in (one, other)))]
            if km >= 500 and km > 900 * (other["time"] - one["time"]) / HOUR
        ]
        expected |= {
            (user, one["id"], other["id"])
            for one, other in journeys
            if inside(one, clock, since, until) or inside(other, clock, since, until)
        }
    mark = store.mark()
    store.add(mark, events)
    rule = travel.parse({"group_by": [ARN]})
    found = list(
        travel.findings(
            index_of(store),
            "rule",
            rule,
            compiled(mark, decided=decided),
            span(clock, since, until),
        )
    )
    pairs = {
        (each.group[0][1], *(name.removeprefix(f"{mark}-") for name in pair))
        for each in found
        for pair in pairwise(each.events)
    }
    # A run of journeys is one finding: it may begin before the span and end after it.
    assert expected <= pairs
    everything = span("@timestamp", -DAY, 10 * DAY)
    runs = travel.findings(index_of(store), "rule", rule, compiled(mark), everything)
    touched = {each["id"] for each in events if inside(each, clock, since, until)}
    for run in runs:
        ids = [name.removeprefix(f"{mark}-") for name in run.events]
        told_of = {pair for pair in pairs if set(pair[1:]) <= set(ids)}
        assert bool(told_of) == bool(touched & set(ids))


def test_a_late_login_makes_the_journey(store: EventStore) -> None:
    mark = store.mark()
    store.add(
        mark,
        [
            login(0, 0, "ada", "Paris"),
            login(1, 2 * HOUR, "ada", "Paris"),
            login(2, HOUR, "ada", "New York", 5 * HOUR),
        ],
    )
    rule = travel.parse({"group_by": [ARN]})
    late = span("event.ingested", 4 * HOUR, 6 * HOUR)
    (found,) = travel.findings(index_of(store), "rule", rule, compiled(mark), late)
    assert [name.removeprefix(f"{mark}-") for name in found.events] == [
        "e00000",
        "e00002",
        "e00001",
    ]
    assert found.detail == "Paris to New York: 5,837 km, 5,837 km/h"


@pytest.mark.parametrize(
    ("parse", "content", "said"),
    [
        (new_terms.parse, {}, "field is None"),
        (new_terms.parse, {"field": "requestParameters.x"}, "cannot group by"),
        (new_terms.parse, {"field": "awsRegion", "days": 0}, "days is 0"),
        (new_terms.parse, {"field": "awsRegion", "day": 3}, "no key 'day'"),
        (new_terms.parse, {"field": "awsRegion", "training_events": "any"}, "one of rule, all"),
        (anomaly.parse, {}, "group_by names no field"),
        (anomaly.parse, {"group_by": [ARN], "measure": "sum"}, "measure is 'sum'"),
        (anomaly.parse, {"group_by": [ARN], "field": "awsRegion"}, "measure: distinct"),
        (
            anomaly.parse,
            {"group_by": [ARN], "baseline": "hour_of_week", "weeks": 2},
            "training_weeks is 4",
        ),
        (travel.parse, {"group_by": []}, "group_by names no field"),
        (travel.parse, {"group_by": [ARN], "max_kmh": True}, "max_kmh is True"),
    ],
)
def test_refuses_what_it_does_not_know(parse: Any, content: dict[str, Any], said: str) -> None:
    with pytest.raises(RuleError, match=said):
        parse(content)


def test_one_population_of_those_with_an_arn_and_those_with_a_name(store: EventStore) -> None:
    """Six quiet users with ARNs; one busy person among the ones who have none."""
    mark = store.mark()
    events: list[Event] = []
    people: list[tuple[str | None, str, int]] = [(f"arn:{i}", f"user{i}", 2) for i in range(6)]
    people += [("", "busy", 40), ("", "calm", 2), (None, "quiet", 2)]
    for arn, name, count in people:
        events += [
            event(len(events) + number, 60 * number, arn, user__name=name)
            for number in range(count)
        ]
    store.add(mark, events)
    rule = anomaly.parse({"group_by": [ARN], "minutes": 60})
    found = baselines.findings(
        index_of(store), "rule", rule, compiled(mark), span("@timestamp", 0, DAY)
    )
    assert [(each.group, each.count) for each in found] == [((("user.name", "busy"),), 40)]


def test_services_and_exceptions_change_nobody_elses_baseline(store: EventStore) -> None:
    """A service-linked role is the busiest, then `loud`, whom an exception names, then `busy`."""
    mark = store.mark()
    issuer = "arn:aws:iam::1:role/aws-service-role/x.amazonaws.com/AWSServiceRoleForX"
    events: list[Event] = []
    calm = [(f"u{number}", 4 + number % 3) for number in range(10)]
    for name, count in [("linked", 400), ("loud", 60), ("busy", 12), *calm]:
        fields = {"userIdentity__sessionContext__sessionIssuer__arn": issuer}
        more = fields if name == "linked" else {}
        events += [event(len(events) + n, 5 * n, name, **more) for n in range(count)]
    store.add(mark, events)

    def outliers(made: Compiled, *, services: bool) -> list[str]:
        rule = anomaly.parse({"group_by": [ARN], "minutes": 60, "services": services})
        when = span("@timestamp", 0, HOUR)
        found = baselines.findings(index_of(store), "rule", rule, made, when)
        return sorted(each.group[0][1] for each in found)

    whole = compiled(mark)
    assert outliers(whole, services=True) == ["linked"]
    assert outliers(whole, services=False) == ["loud"]
    loud = {"bool": {"must_not": [{"term": {ARN: "loud"}}]}}
    query = {"bool": {"filter": [whole.query, loud]}}
    left_out = replace(whole, query=query, plain={})
    assert outliers(left_out, services=False) == ["busy"]
    # The population still has `loud`.
    assert outliers(replace(left_out, before_exceptions=whole), services=False) == []


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
