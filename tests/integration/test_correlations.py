"""Correlations at their edges: buckets, ties, late files, hostile keys, many groups, faults."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sigma.rule import SigmaRule

from detections.backend.compiler import compile_rule
from detections.compiled import Compiled
from detections.correlations.correlator import Correlator, Limits
from detections.correlations.parts import AT_ONCE
from detections.events.index import EventIndex, histogram
from detections.finding import Finding
from detections.span import Clock, Span
from tests.helpers.correlation_oracle import SAME_SECOND, SameSecond
from tests.helpers.event_store import EventStore, at, event_store
from tests.helpers.random_trails import index_events
from tests.helpers.sigma_correlations import correlation, exactly, loaded, plain
from tests.helpers.trails import own_settings, prepared
from trailhound.errors import ClusterError, RuleError

ARN = "userIdentity.arn"
Documents = Sequence[dict[str, Any]]


def call(number: int, time: float, name: str = "A", **fields: Any) -> dict[str, Any]:
    """An event; a field's dots are written as double underscores."""
    ingested = fields.pop("ingested", time)
    named = {path.replace("__", "."): value for path, value in fields.items()}
    return {
        "id": f"e{number:06}",
        "time": time,
        "ingested": ingested,
        "fields": {"eventName": name, **named},
    }


def found(
    store: EventStore,
    mark: str,
    documents: Documents,
    since: float = -1000,
    until: float = 100_000,
    clock: Clock = "@timestamp",
    *,
    whole: int = 0,
    compiled: Callable[[SigmaRule], Compiled] | None = None,
) -> list[Finding]:
    """By way of candidates, unless `whole` says otherwise; the earliest first."""
    correlator = Correlator(
        EventIndex(store.client, store.index),
        loaded(*documents),
        compiled or exactly(mark),
        Limits(whole=whole),
    )
    findings = correlator.findings("rule", Span(at(since), at(until), clock))
    return sorted(findings, key=lambda each: (each.first_seen, each.group))


def groups(findings: Sequence[Finding]) -> list[str]:
    return [each.group[0][1] for each in findings]


def numbers(finding: Finding) -> list[int]:
    return [int(name.rpartition("-e")[2]) for name in finding.events]


def burst_of(mark: str, type_: str = "event_count", **changes: Any) -> list[dict[str, Any]]:
    """Three A of one principal within ten seconds."""
    body: dict[str, Any] = {
        "type": type_,
        "rules": ["A"],
        "group_by": [ARN],
        "timespan": "10s",
        "condition": {"gte": 3},
    }
    return [plain("A", mark), plain("B", mark), correlation(**body | changes)]


@pytest.mark.parametrize("type_", ["event_count", "value_count", "temporal", "temporal_ordered"])
def test_no_burst_is_missed_over_a_buckets_edge(store: EventStore, type_: str) -> None:
    """Wherever a burst lies against the buckets of ten seconds; and one that is too long."""
    mark = store.mark()
    events: list[dict[str, Any]] = []
    for offset in range(11):
        for who, length in (("fits", 10), ("long", 10.001)):
            for step, name in zip((0, 4, length), "ABC", strict=True):
                events.append(
                    call(
                        len(events),
                        100 * offset + offset + step,
                        "A" if type_.endswith("count") else name,
                        userIdentity__arn=f"{who} {offset:02}",
                        awsRegion=name,
                    )
                )
    store.add(mark, events)
    changes: dict[str, Any] = {}
    if type_ == "value_count":
        changes = {"condition": {"gte": 3, "field": "awsRegion"}}
    documents = burst_of(mark, type_, **changes)
    if type_.startswith("temporal"):
        documents = [plain("C", mark), *burst_of(mark, type_, rules=["A", "B", "C"])]
    assert groups(found(store, mark, documents)) == [f"fits {offset:02}" for offset in range(11)]


@pytest.mark.parametrize("whole", [0, 10_000])
def test_of_several_fields_the_combinations_are_counted(store: EventStore, whole: int) -> None:
    """`ada` has three of two values each; `bob` two, once in a list; `eve` lacks a value."""
    mark = store.mark()
    pairs: dict[str, list[tuple[Any, Any]]] = {
        "ada": [("eu", "x"), ("eu", "y"), ("us", "x")],
        "bob": [("eu", "x"), (["eu", "us"], "x"), ("us", "x")],
        "eve": [("eu", "x"), ("us", "x"), ("af", None)],
    }
    store.add(
        mark,
        [
            call(3 * number + time, time, userIdentity__arn=who, awsRegion=region, userAgent=agent)
            for number, (who, values) in enumerate(pairs.items())
            for time, (region, agent) in enumerate(values)
        ],
    )
    condition = {"gte": 3, "field": ["awsRegion", "userAgent"]}
    documents = burst_of(mark, "value_count", condition=condition)
    assert groups(found(store, mark, documents, whole=whole)) == ["ada"]


@pytest.mark.parametrize("whole", [0, 10_000])
def test_events_without_a_value_are_in_a_burst_of_values(store: EventStore, whole: int) -> None:
    """Two values in one bucket, and events without one in the buckets beside it and beyond.

    Those add nothing to the count, but windows that meet the condition hold them.
    """
    mark = store.mark()
    both = ["eu", "us"]
    times = {0: None, 11: None, 25: both, 34: None, 36: None, 45: None, 70: both, 81: None}
    store.add(
        mark,
        [
            call(number, time, userIdentity__arn="ada", awsRegion=values)
            for number, (time, values) in enumerate(times.items())
        ],
    )
    documents = burst_of(mark, "value_count", condition={"gte": 2, "field": "awsRegion"})
    first, second = found(store, mark, documents, whole=whole)
    # The window that ends at 25 starts at 15, and the one that ends at 34 at 24.
    assert numbers(first) == [2, 3]
    assert numbers(second) == [6]
    edges = burst_of(
        mark, "value_count", timespan="15s", condition={"gte": 2, "field": "awsRegion"}
    )
    first, second = found(store, mark, edges, whole=whole)
    assert numbers(first) == [1, 2, 3, 4]
    assert numbers(second) == [6, 7]


def test_a_span_that_only_touches_a_burst_finds_all_of_it(store: EventStore) -> None:
    mark = store.mark()
    # 0, 5, … 295: one burst that is 30 timespans long, and then quiet.
    store.add(mark, [call(number, 5 * number, userIdentity__arn="ada") for number in range(60)])
    for since, until in ((0, 1), (150, 151), (295, 296), (100, 120), (-1000, 1000)):
        (burst,) = found(store, mark, burst_of(mark), since, until)
        assert (burst.count, numbers(burst)) == (60, list(range(60)))
        assert (burst.first_seen, burst.last_seen) == (at(0), at(295))
    for since, until in ((-50, 0), (151, 155), (296, 500)):
        assert found(store, mark, burst_of(mark), since, until) == []


def test_a_late_event_completes_a_burst(store: EventStore) -> None:
    """Two events were there; the one between them comes a day later."""
    mark = store.mark()
    store.add(mark, [call(0, 0, userIdentity__arn="ada"), call(2, 8, userIdentity__arn="ada")])
    clock: Clock = "event.ingested"
    assert found(store, mark, burst_of(mark), -10, 60, clock) == []
    store.add(mark, [call(1, 4, userIdentity__arn="ada", ingested=86_400)])
    assert found(store, mark, burst_of(mark), -10, 60, clock) != []  # asked again, it is there
    (burst,) = found(store, mark, burst_of(mark), 86_400, 86_401, clock)
    assert numbers(burst) == [0, 1, 2]
    assert found(store, mark, burst_of(mark), 60, 86_400, clock) == []
    assert found(store, mark, burst_of(mark), 86_401, 90_000, clock) == []


def test_late_files_of_many_days_are_looked_at_where_they_lie(store: EventStore) -> None:
    mark = store.mark()
    events = [
        call(
            10 * day + number, 90_000 * day + 4 * number, userIdentity__arn="ada", ingested=500_000
        )
        for day in range(3)
        for number in range(3)
    ]
    events += [call(90 + n, 45_000 + 4 * n, userIdentity__arn="ada", ingested=1) for n in range(3)]
    store.add(mark, events)
    bursts = found(store, mark, burst_of(mark), 500_000, 500_001, "event.ingested")
    assert [numbers(each) for each in bursts] == [[0, 1, 2], [10, 11, 12], [20, 21, 22]]


def test_a_backfill_of_many_bursts_in_one_interval(store: EventStore) -> None:
    """More stretches than are looked at one by one; between them bursts that came earlier."""
    mark = store.mark()
    events = [
        call(
            10 * hour + n, 3600 * hour + 4 * n, userIdentity__arn="ada", ingested=500_000 - hour % 2
        )
        for hour in range(40)
        for n in range(3)
    ]
    store.add(mark, events)
    bursts = found(store, mark, burst_of(mark), 500_000, 500_001, "event.ingested")
    assert [numbers(each)[0] for each in bursts] == [10 * hour for hour in range(0, 40, 2)]


HOSTILE = [
    "",
    " ",
    '"',
    "'; DROP TABLE",
    '"}},{"match_all":{}}',
    "*",
    "\\",
    "ünï ☃ 𝔘𝔫𝔦",
    "‮evil",
    "a\nb",
    "\x1b[31m",
    "k" * 32_000,
    "k" * 32_001,
]


@pytest.mark.parametrize("whole", [0, 10_000])
def test_hostile_group_keys(store: EventStore, whole: int) -> None:
    mark = store.mark()
    events = [
        call(3 * place + step, step, userIdentity__arn=key, awsRegion=key)
        for place, key in enumerate(HOSTILE)
        for step in range(3)
    ]
    # As many events without the field: they belong to no group.
    events += [call(900 + step, step, awsRegion="us") for step in range(3)]
    store.add(mark, events)
    documents = burst_of(mark, group_by=[ARN, "awsRegion"])
    bursts = found(store, mark, documents, whole=whole)
    # An empty ARN is nobody's.
    expected = {((ARN, key), ("awsRegion", key)) for key in HOSTILE if key}
    assert {each.group for each in bursts} == expected
    assert all(each.count == 3 for each in bursts)


def test_tens_of_thousands_of_groups(store: EventStore) -> None:
    mark = store.mark()
    events = [
        call(number, number % 600, userIdentity__arn=f"u{number}") for number in range(20_000)
    ]
    # Of them one in a hundred is in a burst: two more events each.
    loud = range(0, 20_000, 100)
    events += [
        call(30_000 + 2 * number + more, number % 600 + more, userIdentity__arn=f"u{number}")
        for number in loud
        for more in (1, 2)
    ]
    store.add(mark, events)
    bursts = found(store, mark, burst_of(mark), 0, 1000)
    assert sorted(groups(bursts)) == sorted(f"u{number}" for number in loud)
    assert all(each.count == 3 for each in bursts)


def test_thousands_of_groups_that_must_all_be_looked_at(store: EventStore) -> None:
    """No condition on a sum lets the engine rule a group out."""
    mark = store.mark()
    events = [
        call(n, n % 600, userIdentity__arn=f"u{n}", requestParameters__size=str(n))
        for n in range(3000)
    ]
    store.add(mark, events)
    documents = burst_of(
        mark, "value_sum", condition={"gte": 1500, "field": "requestParameters.size"}
    )
    bursts = found(store, mark, documents, 0, 1000, whole=1000)
    assert sorted(groups(bursts)) == sorted(f"u{n}" for n in range(1500, 3000))


@pytest.mark.parametrize("case", SAME_SECOND)
def test_calls_of_one_second_in_either_order(store: EventStore, case: SameSecond) -> None:
    for events in (case.events(), case.events()[::-1]):
        mark = store.mark()
        index_events(store, mark, events)
        documents = [plain("A", mark), plain("B", mark), correlation(**case.correlation())]
        for whole in (0, 10_000):
            bursts = found(store, mark, documents, whole=whole)
            names = [sorted(id_.removeprefix(f"{mark}-") for id_ in each.events) for each in bursts]
            assert names == case.ids


def test_an_alert_stays_though_a_later_event_breaks_its_condition(store: EventStore) -> None:
    """What was found with the events that were there is not found again once one more is there."""
    mark = store.mark()
    documents = burst_of(mark, condition={"eq": 3})
    store.add(mark, [call(n, n, userIdentity__arn="ada") for n in (0, 1, 2)])
    (burst,) = found(store, mark, documents, -10, 60, "event.ingested")
    assert numbers(burst) == [0, 1, 2]
    store.add(mark, [call(3, 2, userIdentity__arn="ada", ingested=90)])
    assert found(store, mark, documents, 60, 100, "event.ingested") == []


def test_a_burst_of_bursts_counts_once(store: EventStore) -> None:
    """One long burst is one, however many windows it has; it is met where it begins."""
    mark = store.mark()
    store.add(mark, [call(n, 2 * n, userIdentity__arn="ada") for n in range(40)])
    documents = [
        plain("A", mark),
        correlation(
            "many",
            type="event_count",
            rules=["A"],
            group_by=[ARN],
            timespan="5s",
            condition={"gte": 3},
        ),
        correlation(
            type="event_count",
            rules=["many"],
            group_by=[ARN],
            timespan="60s",
            condition={"gte": 1},
        ),
    ]
    (burst,) = found(store, mark, documents, 0, 1)
    assert numbers(burst) == [0, 1, 2]
    assert found(store, mark, documents, 40, 41) == []
    twice = [
        *documents[:2],
        correlation(
            type="event_count", rules=["many"], group_by=[ARN], timespan="60s", condition={"gte": 2}
        ),
    ]
    assert found(store, mark, twice) == []


def test_a_burst_under_way_does_not_begin_where_the_look_begins(store: EventStore) -> None:
    """Of two bursts within ten seconds of each other, one began long before."""
    mark = store.mark()
    times = [*range(0, 53, 2), 58, 59, 60]
    store.add(mark, [call(n, time, userIdentity__arn="ada") for n, time in enumerate(times)])

    def bursts(timespan: str, **condition: int) -> int:
        documents = [
            plain("A", mark),
            correlation(
                "many",
                type="event_count",
                rules=["A"],
                group_by=[ARN],
                timespan="5s",
                condition={"gte": 3},
            ),
            correlation(
                type="event_count",
                rules=["many"],
                group_by=[ARN],
                timespan=timespan,
                condition=condition,
            ),
        ]
        return len(found(store, mark, documents, 60, 61))

    assert bursts("10s", gte=2) == 0
    assert bursts("10s", lt=2) == 1
    assert bursts("60s", gte=2) == 1


def test_failed_logins_then_a_success(store: EventStore) -> None:
    """In order, over a correlation: the success has to come after the burst began."""
    mark = store.mark()
    events = [call(n, n, userIdentity__arn="guessed") for n in range(5)]
    events += [call(10, 50, "B", userIdentity__arn="guessed")]
    events += [call(20, 0, "B", userIdentity__arn="forgot")]
    events += [call(21 + n, 1 + n, userIdentity__arn="forgot") for n in range(5)]
    store.add(mark, events)
    documents = [
        plain("A", mark),
        plain("B", mark),
        correlation(
            "failed",
            type="event_count",
            rules=["A"],
            group_by=[ARN],
            timespan="10s",
            condition={"gte": 5},
        ),
        correlation(type="temporal_ordered", rules=["failed", "B"], group_by=[ARN], timespan="60s"),
    ]
    (burst,) = found(store, mark, documents)
    assert (burst.group, numbers(burst)) == (((ARN, "guessed"),), [0, 1, 2, 3, 4, 10])
    assert burst.count == 6


def test_a_repaired_event_is_decided_as_it_was_sent(store: EventStore) -> None:
    """What a repair moved out of its place is put back before the matcher decides."""
    mark = store.mark()
    moved = {
        "repaired": ["errorMessage"],
        "original": [{"pointer": "/errorMessage", "json": '"denied ' + "x" * 40_000 + '"'}],
    }
    harmless = {**moved, "original": [{"pointer": "/errorMessage", "json": '"fine"'}]}
    events = [
        call(number, number, userIdentity__arn="ada", trail=moved if number < 3 else harmless)
        for number in range(6)
    ]
    store.add(mark, events)
    denied = plain("A", mark)
    denied["detection"]["call"]["errorMessage|startswith"] = "denied"
    documents = [denied, *burst_of(mark)[1:]]
    for whole in (0, 10_000):
        (burst,) = found(store, mark, documents, whole=whole, compiled=compile_rule)
        assert numbers(burst) == [0, 1, 2]


def test_a_value_that_was_moved_counts_as_it_was_sent(store: EventStore) -> None:
    """Both as what a burst is grouped by and as what is counted."""
    mark = store.mark()

    def moved(number: int, name: str) -> dict[str, Any]:
        value = f'"{number % 3}' + "x" * 40_000 + '"'
        trail = {
            "repaired": [f"requestParameters.{name}"],
            "original": [{"pointer": f"/requestParameters/{name}", "json": value}],
        }
        kept = {"a": "one", "b": "one"}
        kept.pop(name)
        return call(number, number, requestParameters=kept, trail=trail)

    store.add(mark, [moved(number, "ab"[number // 9]) for number in range(18)])
    for by, field, bursts in (("a", "b", 4), ("b", "a", 4)):
        condition = {"gte": 1, "field": f"requestParameters.{field}"}
        group = [f"requestParameters.{by}"]
        documents = burst_of(mark, "value_count", group_by=group, condition=condition)
        made = found(store, mark, documents, compiled=compile_rule)
        assert len(made) == bursts, "three long names, and the short one"
        assert sorted(burst.count for burst in made) == [3, 3, 3, 9]


def test_both_generations(each_engine: str, tmp_path: Path) -> None:
    with event_store(each_engine, tmp_path) as store:
        mark = store.mark()
        events = [
            call(n, 4 * n, "AB"[n % 2], userIdentity__arn="ada", awsRegion=f"r{n % 3}")
            for n in range(6)
        ]
        events += [call(10 + n, 100 * n, userIdentity__arn="slow", awsRegion="r") for n in range(6)]
        store.add(mark, events)
        conditions: dict[str, dict[str, Any]] = {
            "event_count": {"condition": {"gte": 3}},
            "value_count": {"condition": {"gte": 3, "field": "awsRegion"}},
            "temporal": {"condition": "A and B"},
            "temporal_ordered": {"condition": {"gte": 2}},
        }
        for type_, condition in conditions.items():
            documents = burst_of(mark, type_, rules=["A", "B"], **condition)
            for whole in (0, 10_000):
                for clock in ("@timestamp", "event.ingested"):
                    (burst,) = found(store, mark, documents, 8, 9, clock, whole=whole)
                    assert (groups([burst]), numbers(burst)) == (["ada"], [0, 1, 2, 3, 4, 5])


def test_no_index_is_no_finding(engine: str, namespace: str, tmp_path: Path) -> None:
    client = prepared(own_settings(engine, namespace, tmp_path / "home"))
    store = EventStore(client, namespace)
    assert found(store, store.mark(), burst_of("none")) == []


def test_times_are_paged_over_days(each_engine: str, tmp_path: Path) -> None:
    """A page that begins after all of a day's events: an engine's own `after` fails there."""
    with event_store(each_engine, tmp_path) as store:
        mark = store.mark()
        store.add(mark, [call(day, 86_400 * day, ingested=5_000_000) for day in range(7)])
        index = EventIndex(store.client, store.index, groups_page=2)
        query = {"term": {"recipientAccountId": mark}}
        with index.snapshot() as snapshot:
            buckets = list(snapshot.buckets(query, [histogram("time", 43_200_000)]))
        assert [int(each["key"]["time"]) // 43_200_000 % 14 for each in buckets] == [
            (int(at(86_400 * day).timestamp()) // 43_200) % 14 for day in range(7)
        ]


def test_a_shard_that_fails_is_an_error(engine: str, namespace: str, tmp_path: Path) -> None:
    """An index of another shape among the days: what it would have held is not known."""
    store = EventStore(prepared(own_settings(engine, namespace, tmp_path / "home")), namespace)
    mark = store.mark()
    store.add(mark, [call(number, number, userIdentity__arn="ada") for number in range(3)])
    assert found(store, mark, burst_of(mark)) != []
    store.client.indices.create(
        index=store.index.replace("*", "odd"),
        body={
            "settings": {"index.sort.field": ["@timestamp"]},  # as the template's fields are texts
            "mappings": {
                "properties": {
                    "@timestamp": {"type": "date"},
                    "eventID": {"type": "text"},
                    "userIdentity": {"properties": {"arn": {"type": "text"}}},
                }
            },
        },
    )
    body = {"@timestamp": "2025-03-01T12:00:00Z", "eventName": "A", "eventID": "x"}
    store.client.index(
        index=store.index.replace("*", "odd"),
        body={**body, "recipientAccountId": mark, "userIdentity": {"arn": "x"}},
        params={"refresh": "true"},
    )
    for whole in (0, 10_000):
        with pytest.raises(ClusterError):
            found(store, mark, burst_of(mark), whole=whole)


@pytest.mark.parametrize("number", [30, AT_ONCE, AT_ONCE + 1])
@pytest.mark.parametrize("repaired", [False, True])
def test_events_that_come_with_their_counts_say_the_same(
    store: EventStore, number: int, repaired: bool
) -> None:
    mark = store.mark()
    events = [
        call(each, each // 3 * 2, "AB"[each % 2], userIdentity__arn="ab"[each % 7 > 2])
        | {"id": str(uuid4())}
        for each in range(number)
    ]
    if repaired:
        events[-1]["fields"]["trail.repaired"] = ["requestParameters.x"]
    store.add(mark, events)
    common: dict[str, Any] = {"timespan": "9s", "group_by": [ARN], "rules": ["A", "B"]}
    parts = [plain("A", mark), plain("B", mark)]
    for document in (
        correlation(type="event_count", condition={"gte": 9}, **common),
        correlation(type="temporal_ordered", **common),
        correlation(type="value_count", condition={"gte": 2, "field": "eventName"}, **common),
    ):
        for since, until in ((-5, 1000), (6, 12)):
            one, other = (
                found(store, mark, [*parts, document], since, until, whole=whole)
                for whole in (10_000, 0)
            )
            assert one == other != []


def test_more_than_memory_holds_is_an_error(store: EventStore) -> None:
    mark = store.mark()
    store.add(mark, [call(number, number, userIdentity__arn="ada") for number in range(50)])
    rule = loaded(*burst_of(mark, timespan="1h", group_by=["requestParameters.x"], rules=["A"]))
    store.add(mark, [call(100 + n, n, requestParameters={"x": "y"}) for n in range(50)])
    correlator = Correlator(
        EventIndex(store.client, store.index), rule, exactly(mark), Limits(whole=0, max_held=20)
    )
    with pytest.raises(RuleError, match="more than 20 events"):
        list(correlator.findings("rule", Span(at(0), at(100))))


NAMELESS = (None, "")


@pytest.mark.parametrize("whole", [0, 10_000])
def test_people_without_an_arn_are_grouped_by_their_names(store: EventStore, whole: int) -> None:
    """Each of three people makes a burst; together they would make one even if each had not."""
    mark = store.mark()
    events: list[dict[str, Any]] = []

    def add(
        count: int, arn: str | None, name: str, user_type: str = "identity_center_user"
    ) -> None:
        for step in range(count):
            fields = {"user__name": name, "user_type": user_type, "awsRegion": f"r{step}"}
            if arn is not None:
                fields["userIdentity__arn"] = arn
            events.append(call(len(events), step, **fields))

    for place, arn in enumerate(NAMELESS):
        add(3, arn, f"person{place}")
        for other in range(4):
            add(2, arn, f"quiet{place}{other}")
        add(3, arn, "ec2.amazonaws.com", "aws_service")
        add(3, arn, "111122223333", "unknown")
        add(3, arn, "HIDDEN_DUE_TO_SECURITY_REASONS", "iam_user")
    add(3, "arn:aws:iam::1:user/ada", "ada", "iam_user")
    store.add(mark, events)
    for type_, condition in (
        ("event_count", {"gte": 3}),
        ("value_count", {"gte": 3, "field": "awsRegion"}),
    ):
        documents = burst_of(mark, type_, condition=condition)
        bursts = found(store, mark, documents, whole=whole)
        assert {each.group for each in bursts} == {
            ((ARN, "arn:aws:iam::1:user/ada"),),
            (("user.name", "person0"),),
            (("user.name", "person1"),),
        }
        assert {each.count for each in bursts} == {3}
