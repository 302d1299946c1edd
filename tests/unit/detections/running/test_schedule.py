"""No gap, whatever fails, pauses or sets the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from detections.rule import FilePosition, Rule
from detections.running.pace import RulePace
from detections.running.schedule import batches
from trailhound.state.rule_checkpoints import RuleCheckpoint

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PACE = RulePace()
MINUTE = timedelta(minutes=1)


def rule(name: str, minutes: int = 5) -> Rule:
    place = FilePosition(Path("x.yml"))
    return Rule(name, name, "sigma", "low", None, place, interval=minutes * MINUTE)


def mark(name: str, seen: timedelta, ran: timedelta, failures: int = 0) -> RuleCheckpoint:
    return RuleCheckpoint(name, name, NOW - seen, NOW - ran, failures=failures)


def test_a_new_rule_begins_now_and_not_with_history() -> None:
    (batch,) = batches([rule("a")], {}, NOW, PACE)
    assert (batch.span.since, batch.span.until) == (NOW - PACE.lookback, NOW)
    assert batch.checkpoint == NOW - PACE.lookback
    assert batch.span.clock == "event.ingested"
    assert batch.span.oldest == batch.span.since - PACE.late


def test_a_rule_runs_at_its_own_interval() -> None:
    rules = [rule("often", 1), rule("seldom", 60)]
    marks = {name: mark(name, 10 * MINUTE, 5 * MINUTE) for name in ("often", "seldom")}
    (batch,) = batches(rules, marks, NOW, PACE)
    assert [each.id for each in batch.rules] == ["often"]


def test_rules_that_stand_at_the_same_mark_go_together_the_furthest_behind_first() -> None:
    rules = [rule("a"), rule("b"), rule("c")]
    marks = {
        "a": mark("a", 10 * MINUTE, 5 * MINUTE),
        "b": mark("b", 10 * MINUTE, 5 * MINUTE),
        "c": mark("c", 600 * MINUTE, 5 * MINUTE),
    }
    found = batches(rules, marks, NOW, PACE)
    assert [[each.id for each in batch.rules] for batch in found] == [["c"], ["a", "b"]]


def test_a_long_gap_is_made_up_piece_by_piece() -> None:
    marks = {"a": mark("a", timedelta(hours=5), timedelta(hours=5))}
    pieces = []
    while True:
        (batch,) = batches([rule("a")], marks, NOW, PACE)
        pieces.append(batch.span)
        marks["a"] = RuleCheckpoint("a", "a", batch.checkpoint, NOW)
        if batch.span.until == NOW:
            break
    assert len(pieces) == 5
    assert pieces[0].since == NOW - timedelta(hours=5)
    assert all(one.until == two.since for one, two in pairwise(pieces))
    assert batches([rule("a")], marks, NOW, PACE) == []


def test_a_failure_is_tried_again_soon_but_not_at_once_and_from_the_same_mark() -> None:
    marks = {"a": mark("a", timedelta(hours=5), 10 * MINUTE / 60, failures=3)}
    assert batches([rule("a", 60)], marks, NOW, PACE) == []
    (batch,) = batches([rule("a", 60)], marks, NOW + MINUTE, PACE)
    assert batch.span.since == NOW - timedelta(hours=5)


def test_a_clock_that_was_set_back_leaves_nothing_out() -> None:
    ahead = {"a": mark("a", -timedelta(days=1), -timedelta(days=1))}
    (batch,) = batches([rule("a")], ahead, NOW, PACE)
    assert (batch.span.since, batch.span.until) == (NOW - PACE.lookback, NOW)


@given(
    st.lists(st.tuples(st.integers(1, 8_000), st.booleans()), min_size=1, max_size=60),
    st.integers(1, 120),
)
def test_every_moment_is_looked_through_after_it_can_be_seen(
    steps: list[tuple[int, bool]], minutes: int
) -> None:
    """Events become visible up to `lookback` after their stamp: one run after that covers each."""
    one = rule("a", minutes)
    marks: dict[str, RuleCheckpoint] = {}
    now, seen = NOW, NOW - PACE.lookback
    for seconds, fails in steps:
        for batch in batches([one], marks, now, PACE):
            before = marks.get("a")
            assert batch.span.since <= seen
            if fails:
                stands = before.seen_until if before else batch.span.since
                marks["a"] = RuleCheckpoint("a", "a", stands, now, failures=1)
                continue
            assert batch.checkpoint <= batch.span.until
            assert batch.checkpoint <= now - PACE.lookback
            seen = max(seen, batch.checkpoint)
            marks["a"] = RuleCheckpoint("a", "a", batch.checkpoint, now)
        now += timedelta(seconds=seconds)
