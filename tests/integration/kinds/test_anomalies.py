"""Outliers and loud hours, against brute force and at their edges."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from statistics import mean, median, pstdev

from hypothesis import given
from hypothesis import strategies as st

from detections.compiled import Compiled
from detections.kinds import anomaly, baselines
from tests.helpers.event_store import EventStore
from tests.integration.kinds.calls import (
    ARN,
    DAY,
    HOUR,
    RANDOM,
    SEEDS,
    Event,
    asked,
    compiled,
    event,
    in_short,
    index_of,
    inside,
    span,
)


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
