"""Rules over files: every correlation type finds the same bursts as brute force, in any order of
the events, and no more is kept than what rules match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sigma.rule import SigmaRule

from detections.backend.compiler import compile_rule
from detections.correlations.correlation import Correlation
from detections.finding import Finding
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import FilePosition, Rule
from detections.running.file_rules import FileRules
from detections.running.rule_matching import RuleMatching
from detections.span import Span
from tests.helpers.correlation_oracle import (
    SAME_SECOND,
    Event,
    Found,
    Plain,
    SameSecond,
    Spec,
    bursts,
)
from tests.helpers.event_store import DAY, at
from tests.helpers.random_trails import (
    ARN,
    FLAT,
    MANY,
    NUMBER,
    REGION,
    by_sessions,
    in_span,
    of_sessions,
    seconds,
    trails,
)
from tests.helpers.sigma_correlations import correlation, over, parsed, plain

MARK = "111122223333"
WHOLE = Span(at(-3600), at(3600))
RANDOM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
GROUPINGS = st.sampled_from([[], [ARN], [ARN, REGION], [FLAT], [MANY], [ARN, FLAT]])
TYPES: dict[str, tuple[str | None, list[str]]] = {
    "event_count": (None, ["A", "B"]),
    "value_count": (REGION, ["A", "B"]),
    "temporal": (None, ["A", "B", "C"]),
    "temporal_ordered": (None, ["A", "B", "C"]),
    "value_sum": (NUMBER, ["A"]),
    "value_median": (NUMBER, ["A"]),
}


def pack_of(*documents: dict[str, Any], by_role: bool = False) -> Pack:
    """A pack whose one alerting rule is the correlation `found`."""
    definition = parsed(*documents)
    place = FilePosition(Path("rule.yml"))
    rule = Rule("found", "found", "correlation", "high", definition, place, by_role=by_role)
    leaves = Correlation.of(definition).leaves()
    return Pack((rule,), {rule_id(each): compile_rule(each) for each in leaves})


def document(event: Event) -> dict[str, Any]:
    """An event as it would be indexed."""
    made: dict[str, Any] = {"eventName": event.name, "recipientAccountId": MARK}
    for path, value in event.fields.items():
        *parents, last = path.split(".")
        inner = made
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return made


def found_in(rules: FileRules, events: Sequence[Event]) -> list[Finding]:
    for event in events:
        source = document(event)
        if matched := rules.matches(source):
            rules.events.add(event.id, milliseconds(at(event.time)), source, matched)
    return list(rules.findings(rules.rules[0]))


def milliseconds(when: datetime) -> int:
    return round(DAY.timestamp() * 1000) + seconds(when) * 1000


def answers(pack: Pack, events: Sequence[Event], span: Span) -> set[Found]:
    rules = FileRules(pack, span)
    findings = found_in(rules, events)
    assert all(each.count == len(each.events) for each in findings)
    found = {
        Found(
            tuple(value for _, value in each.group),
            tuple(sorted(each.events)),
            seconds(each.first_seen),
            seconds(each.last_seen),
        )
        for each in findings
    }
    assert len(found) == len(findings), "a burst was given twice"
    return found


def wanted(spec: Spec, events: Sequence[Event], span: tuple[int, int]) -> set[Found]:
    return {
        Found(each.group, tuple(sorted(each.ids)), each.first, each.last)
        for each in in_span(bursts(events, spec), events, ("@timestamp", *span))
    }


@pytest.mark.parametrize("type_", TYPES)
@RANDOM
@given(data=st.data())
def test_every_type(type_: str, data: st.DataObject) -> None:
    field, names = TYPES[type_]
    if type_ == "value_count":
        field = data.draw(st.sampled_from([REGION, MANY, FLAT]), "field")
    events = data.draw(trails(), "events")
    shuffled = list(events)
    Random(data.draw(st.integers(0, 99), "order")).shuffle(shuffled)
    grouping = data.draw(GROUPINGS, "group-by")
    timespan = data.draw(st.integers(1, 12), "timespan")
    op = data.draw(st.sampled_from(["gte", "gte", "gt", "eq", "lt", "neq"]), "operator")
    limit = data.draw(st.integers(1, 4), "limit")
    most = data.draw(st.none() | st.integers(1, 6), "at most")
    since = data.draw(st.integers(-5, 50), "since")
    until = since + data.draw(st.integers(1, 60), "length")
    condition: dict[str, Any] = {op: limit} | ({"field": field} if field else {})
    if most is not None:
        condition["lte"] = most
    pack = pack_of(*over(names, MARK, type_, grouping, timespan, condition))
    spec = Spec(
        type_,
        tuple(Plain(name, tuple(grouping), field) for name in names),
        timespan,
        op,
        limit,
        most=float("inf") if most is None else most,
    )
    found = answers(pack, shuffled, Span(at(since), at(until)))
    assert found == wanted(spec, events, (since, until))


@pytest.mark.parametrize("type_", ["event_count", "value_count", "temporal", "temporal_ordered"])
@RANDOM
@given(data=st.data())
def test_sessions_of_a_role_together(type_: str, data: st.DataObject) -> None:
    field, names = TYPES[type_]
    trail = data.draw(trails(), "events")
    events = of_sessions(trail, data.draw(st.integers(0, 2**32), "sessions"))
    grouping = data.draw(st.sampled_from([[ARN], [ARN, REGION], [ARN, FLAT]]), "group-by")
    timespan = data.draw(st.integers(1, 12), "timespan")
    limit = data.draw(st.integers(2, 3), "limit")
    since = data.draw(st.integers(-5, 50), "since")
    until = since + data.draw(st.integers(1, 60), "length")
    pack = pack_of(
        *(plain(name, MARK) for name in names),
        correlation(
            type=type_,
            rules=names,
            group_by=grouping,
            timespan=f"{timespan}s",
            condition={"gte": limit} | ({"field": field} if field else {}),
        ),
        by_role=True,
    )
    rules = tuple(Plain(name, (), field) for name in names)
    spec = Spec(type_, rules, timespan, "gte", limit)
    everything = in_span(by_sessions(events, spec, grouping), events, ("@timestamp", since, until))
    found = answers(pack, events, Span(at(since), at(until)))
    assert found == {replace(each, ids=tuple(sorted(each.ids))) for each in everything}


@pytest.mark.parametrize("case", SAME_SECOND)
def test_calls_of_one_second_in_either_order(case: SameSecond) -> None:
    pack = pack_of(plain("A", MARK), plain("B", MARK), correlation(**case.correlation()))
    for events in (case.events(), case.events()[::-1]):
        found = found_in(FileRules(pack, WHOLE), events)
        assert [sorted(each.events) for each in found] == case.ids


@RANDOM
@given(trails(), st.integers(1, 6), st.integers(6, 20))
def test_a_correlation_of_correlations(events: list[Event], inner: int, outer: int) -> None:
    pack = pack_of(
        plain("A", MARK),
        plain("B", MARK),
        correlation(
            "burst",
            type="event_count",
            rules=["A"],
            group_by=[ARN],
            timespan=f"{inner}s",
            condition={"gte": 2},
        ),
        correlation(type="temporal", rules=["burst", "B"], group_by=[ARN], timespan=f"{outer}s"),
    )
    burst = Spec("event_count", (Plain("A", (ARN,)),), inner, "gte", 2, places=(0,))
    spec = Spec("temporal", (burst, Plain("B", (ARN,))), outer, "gte", 2)
    assert answers(pack, events, WHOLE) == wanted(spec, events, (-3600, 3600))


def test_only_what_rules_match_is_kept_and_of_it_only_what_is_read() -> None:
    pack = pack_of(
        plain("A", MARK),
        correlation(
            type="event_count", rules=["A"], group_by=[ARN], timespan="1s", condition={"gte": 2}
        ),
    )
    rules = FileRules(pack, WHOLE)
    bulky = {"requestParameters.body": "x" * 10_000, ARN: "arn:aws:iam::1:user/ada"}
    events = [Event(f"e{n}", n // 2, "A" if n < 100 else "B", bulky) for n in range(5_000)]
    found = found_in(rules, events)
    assert [each.count for each in found] == [100]
    assert rules.events.kept == 100
    assert rules.events.kept_bytes < 100 * 200


def test_more_in_windows_than_the_limit_is_an_error_of_the_rule() -> None:
    pack = pack_of(
        plain("A", MARK),
        correlation(type="event_count", rules=["A"], timespan="1h", condition={"gte": 2}),
    )
    rules = FileRules(pack, WHOLE, max_held=10)
    with pytest.raises(Exception, match="more than 10 events at once"):
        found_in(rules, [Event(f"e{n}", n, "A") for n in range(50)])


def test_an_odd_call_is_asked_of_every_rule() -> None:
    rules = [compile_rule(parsed_plain(name)) for name in ("A", "B")]
    matching = RuleMatching(rules)
    account = {"recipientAccountId": MARK}
    assert matching.of({"eventName": "A"}) == []
    assert matching.of({"eventSource": "x", "eventName": "B", **account}) == [1]
    assert matching.of(account) == []
    assert matching.of({"eventName": ["A", "B"], **account}) == [0, 1]


def parsed_plain(name: str) -> SigmaRule:
    return SigmaRule.from_dict(plain(name, MARK))
