"""Which rules are due, and what stretch of time each has to look through; no clock, no cluster.

The clock of a schedule is `event.ingested`. An event becomes searchable some time after its stamp
(the request takes its time, the index is refreshed, two machines' clocks differ), so a run looks
through everything up to now but claims to have seen it only up to `lookback` ago: the next run
looks at that last stretch again. The same event found twice is the same alert.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from detections.rule import Rule
from detections.span import Span
from trailhound.state.rule_checkpoints import RuleCheckpoint

RETRY = timedelta(seconds=30)
"""A rule whose run failed is tried again so soon, or at its interval if that is sooner."""


@dataclass(frozen=True, slots=True)
class RulePace:
    """How a schedule goes.

    `lookback` covers request timeout, refresh and clock skew. An event is still found when it
    came in up to `late` after it happened. A gap is made up in pieces of `step`, so that what has
    been done of a long one is kept.
    """

    lookback: timedelta = timedelta(minutes=5)
    late: timedelta = timedelta(hours=24)
    step: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RuleBatch:
    """Rules that were due at `moment` for the same span; after it, all is seen to `mark`."""

    rules: tuple[Rule, ...]
    span: Span
    mark: datetime
    moment: datetime


def batches(
    rules: Iterable[Rule], marks: Mapping[str, RuleCheckpoint], now: datetime, pace: RulePace
) -> list[RuleBatch]:
    """What is to be run at this moment, the furthest behind first.

    A rule without a mark begins `lookback` ago: history is for `trailhound detect`. A mark later
    than that is of a clock that has been set back since, and is not trusted.
    """
    latest = now - pace.lookback
    due: dict[datetime, list[Rule]] = defaultdict(list)
    for rule in rules:
        mark = marks.get(rule.id)
        if mark is None:
            due[latest].append(rule)
        elif now >= _next(rule, mark, now, pace):
            due[min(mark.seen_until, latest)].append(rule)
    return [_batch(tuple(due[since]), since, now, pace) for since in sorted(due)]


def _next(rule: Rule, mark: RuleCheckpoint, now: datetime, pace: RulePace) -> datetime:
    """When a rule is to run again."""
    if mark.ran_at > now:  # a clock that has been set back
        return now
    if mark.failures:
        return mark.ran_at + min(RETRY, rule.interval)
    behind = mark.ran_at - mark.seen_until > pace.lookback  # only a piece was made up
    return now if behind else mark.ran_at + rule.interval


def _batch(rules: tuple[Rule, ...], since: datetime, now: datetime, pace: RulePace) -> RuleBatch:
    end = since + pace.step
    until, mark = (end, end) if end <= now - pace.lookback else (now, now - pace.lookback)
    span = Span(since, until, "event.ingested", oldest=since - pace.late)
    return RuleBatch(rules, span, mark, now)
