"""Decides which rules are due, and over which span; no clock, no cluster.

Spans are in `event.ingested`. An event becomes searchable some time after that timestamp (request
duration, index refresh, clock skew between machines), so a run searches everything up to now, but
its checkpoint is `lookback` ago: the next run searches that last interval again. The same event
found twice gives the same alert.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from detections.rule import Rule
from detections.running.pace import RulePace
from detections.span import Span
from trailhound.state.rule_checkpoints import RuleCheckpoint

RETRY = timedelta(seconds=30)
"""Delay after a failed run, or the rule's interval if that is shorter."""


@dataclass(frozen=True, slots=True)
class RuleBatch:
    """Rules due at `moment` for the same span, and their `checkpoint` after it."""

    rules: tuple[Rule, ...]
    span: Span
    checkpoint: datetime
    moment: datetime


def batches(
    rules: Iterable[Rule], checkpoints: Mapping[str, RuleCheckpoint], now: datetime, pace: RulePace
) -> list[RuleBatch]:
    """The batches to run now, the furthest behind first.

    A rule without a checkpoint begins `lookback` ago: history is for `trailhound detect`. A later
    checkpoint was written before the clock was set back, and is ignored.
    """
    latest = now - pace.lookback
    due: dict[datetime, list[Rule]] = defaultdict(list)
    for rule in rules:
        checkpoint = checkpoints.get(rule.id)
        if checkpoint is None:
            due[latest].append(rule)
        elif now >= _next(rule, checkpoint, now, pace):
            due[min(checkpoint.seen_until, latest)].append(rule)
    return [_batch(tuple(due[since]), since, now, pace) for since in sorted(due)]


def _next(rule: Rule, checkpoint: RuleCheckpoint, now: datetime, pace: RulePace) -> datetime:
    """When a rule runs next."""
    if checkpoint.ran_at > now:  # a clock that has been set back
        return now
    if checkpoint.failures:
        return checkpoint.ran_at + min(RETRY, rule.interval)
    behind = (
        checkpoint.ran_at - checkpoint.seen_until > pace.lookback
    )  # only one step of a gap was processed
    return now if behind else checkpoint.ran_at + rule.interval


def _batch(rules: tuple[Rule, ...], since: datetime, now: datetime, pace: RulePace) -> RuleBatch:
    end = since + pace.step
    until, checkpoint = (end, end) if end <= now - pace.lookback else (now, now - pace.lookback)
    span = Span(since, until, "event.ingested", oldest=since - pace.late)
    return RuleBatch(rules, span, checkpoint, now)
