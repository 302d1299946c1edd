"""The scheduled detections: what one of the daemons does every few seconds.

Each rule runs at its interval over what came in since its mark. Its mark goes on only when its
alerts are written, so what fails, or is killed in between, is run again; the same findings make
the same alerts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from detections.rule import Rule
from detections.running.checkpoints import Mark, Marks
from detections.running.detector import Detector, RuleRun
from detections.running.schedule import RuleBatch, RulePace, batches
from detections.running.scheduler import Turn
from trailhound.settings import Settings

LOG = logging.getLogger("trailhound.detections")
SLOW_SECONDS = 10.0
"""A rule that takes longer is told of by name."""

Ran = Callable[[RuleRun], None]


def pace_of(settings: Settings) -> RulePace:
    """The schedule's pace that settings give."""
    chosen = settings.detections
    return RulePace(
        lookback=timedelta(minutes=chosen.lookback_minutes),
        late=timedelta(hours=chosen.late_hours),
    )


class DueRules:
    """Runs what is due, and keeps the marks. `ran` hears of each rule's run, for metrics."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        detector: Detector,
        rules: tuple[Rule, ...],
        ran: Ran = lambda _: None,
    ) -> None:
        self._marks = Marks(client, settings)
        self._pace = pace_of(settings)
        self._detector = detector
        self._rules = rules
        self._ran = ran

    def turn(self, turn: Turn) -> None:
        """Run every rule that is due, and go on where one is far behind.

        Raises errors of the tree and opensearch-py's where nothing could be run.
        """
        while self.round(turn):
            pass

    def round(self, turn: Turn) -> bool:
        """Run each rule that is due over one piece of what it has to see; whether any was due.

        Raises as `turn` does.
        """
        if not turn.holds_lease():
            return False
        marks, now = self._marks.read(), datetime.now(UTC)
        self._marks.write(self._unmarked(marks, now))
        due = batches(self._rules, marks, now, self._pace)
        for batch in due:
            if not turn.holds_lease():
                return False
            self._run(batch, marks)
        return bool(due)

    def _unmarked(self, marks: Mapping[str, Mark], now: datetime) -> Iterator[Mark]:
        """Marks of rules that are new, set before they first run: should that be cut short, the
        next run begins where it would have. And of those that are no longer in force."""
        in_force = {rule.id for rule in self._rules}
        for rule in self._rules:
            if rule.id not in marks:
                begin = now - self._pace.lookback
                yield Mark(rule.id, rule.title, begin, ran_at=begin - rule.interval)
        for mark in marks.values():
            if mark.rule_id not in in_force and not mark.inactive:
                yield replace(mark, inactive=True)

    def _run(self, batch: RuleBatch, marks: Mapping[str, Mark]) -> None:
        """One batch; its marks are written even when the cluster goes away half-way."""
        done: list[Mark] = []
        try:
            for run in self._detector.run(batch.rules, batch.span):
                done.append(_mark(run, batch, marks.get(run.rule.id)))
                self._ran(run)
                _tell(run)
        finally:
            self._marks.write(done)


def _mark(run: RuleRun, batch: RuleBatch, before: Mark | None) -> Mark:
    about: dict[str, Any] = {
        "rule_id": run.rule.id,
        "title": run.rule.title,
        "ran_at": batch.moment,
        "seconds": round(run.seconds, 3),
        "found": run.findings,
    }
    if run.error is None:
        return Mark(**about, seen_until=batch.mark)
    stood = before.seen_until if before is not None else batch.span.since
    failures = before.failures if before is not None else 0
    return Mark(
        **about,
        seen_until=min(stood, batch.span.since),
        failures=failures + 1,
        last_error=run.error.message,
    )


def _tell(run: RuleRun) -> None:
    fields = {"rule": run.rule.title, "id": run.rule.id, "seconds": round(run.seconds, 2)}
    if run.error is not None:
        LOG.error("a rule failed: %s", run.error.message, extra={"fields": fields})
    elif run.recorded.created or run.recorded.updated:
        new, known = len(run.recorded.created), len(run.recorded.updated)
        said = {**fields, "rule_level": run.rule.level, "alerts": new, "updated": known}
        LOG.info("a rule fired", extra={"fields": said})
    elif run.seconds > SLOW_SECONDS:
        LOG.warning("a rule is slow", extra={"fields": fields})
