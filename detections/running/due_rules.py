"""The scheduled detections: what one of the daemons does every few seconds.

Each rule runs at its interval over what came in since its mark. Its mark goes on only when its
alerts are written, so what fails, or is killed in between, is run again; the same findings make
the same alerts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from detections.rule import Rule
from detections.running.detector import Detector, RuleRun
from detections.running.schedule import RuleBatch, RulePace, batches
from detections.running.scheduler import Turn
from trailhound.settings import Settings
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints

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
    """Runs what is due, and keeps the checkpoints. `ran` hears of each rule's run, for metrics."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        detector: Detector,
        rules: tuple[Rule, ...],
        ran: Ran = lambda _: None,
    ) -> None:
        self._checkpoints = RuleCheckpoints(client, settings)
        self._repairs = CatchUps(client, settings)
        self._pace = pace_of(settings)
        self._detector = detector
        self._rules = rules
        self._ran = ran

    def run_once(self, turn: Turn) -> bool:
        """Run each rule that is due over one piece of what it has to see; whether any was due.

        Raises errors of the tree and opensearch-py's where nothing could be run.
        """
        if not turn.holds_lease():
            return False
        known, now = self._checkpoints.read(), datetime.now(UTC)
        repair = self._begun(now)
        new = list(self._new(known, now, repair))
        self._checkpoints.write(new)
        known |= {each.rule_id: each for each in new}
        due = batches(self._rules, known, now, self._pace)
        for batch in due:
            if not turn.holds_lease():
                return False
            self._run(batch, known, repair)
        if repair is not None and not repair.done:
            self._finish(repair)
        return bool(due)

    def _begun(self, now: datetime) -> CatchUp | None:
        """The repair of rules that could not run; it ends with what was ingested until now."""
        repair = self._repairs.get(SCHEDULED_RULES)
        if repair is None or repair.done or repair.until is not None:
            return repair
        repair = self._repairs.revise(
            repair, lambda it: msgspec.structs.replace(it, until=it.until or now)
        )
        LOG.warning("the scheduled rules did not run for a while: %s", repair.describe())
        return repair

    def _new(
        self, known: Mapping[str, RuleCheckpoint], now: datetime, repair: CatchUp | None
    ) -> Iterator[RuleCheckpoint]:
        """Checkpoints of rules that are new, set before they first run: should that be cut short,
        the next run begins where it would have. And of those that are no longer in force."""
        in_force = {rule.id for rule in self._rules}
        begin = now - self._pace.lookback
        if repair is not None and not repair.done and repair.since is not None:
            begin = min(begin, repair.since)
        for rule in self._rules:
            if rule.id not in known:
                yield RuleCheckpoint(rule.id, rule.title, begin, begin - rule.interval)
        for each in known.values():
            if each.rule_id not in in_force and not each.inactive:
                yield msgspec.structs.replace(each, inactive=True)

    def _run(
        self, batch: RuleBatch, known: Mapping[str, RuleCheckpoint], repair: CatchUp | None
    ) -> None:
        """One batch; its checkpoints are written even when the cluster goes away half-way."""
        done: list[RuleCheckpoint] = []
        name = repair.name if repair is not None and repair.covers(batch.span.since) else ""
        try:
            for run in self._detector.run(batch.rules, batch.span, catch_up=name):
                done.append(_checkpoint(run, batch, known.get(run.rule.id)))
                self._ran(run)
                _tell(run)
        finally:
            self._checkpoints.write(done)

    def _finish(self, repair: CatchUp) -> None:
        """Note that the repair is done, once every rule that can run has run over all of it."""
        if repair.until is None:
            return
        known, until = self._checkpoints.read(), repair.until
        for rule in self._rules:
            each = known.get(rule.id)
            if each is None or each.failures:
                continue
            # A run looks at everything until now, and claims it only up to the lookback.
            if each.ran_at < until or each.seen_until < until - self._pace.lookback:
                return
        self._repairs.revise(repair, lambda it: msgspec.structs.replace(it, done=True))
        LOG.info("all rules caught up to %s", f"{until:%F %T} UTC")


def _checkpoint(run: RuleRun, batch: RuleBatch, before: RuleCheckpoint | None) -> RuleCheckpoint:
    about: dict[str, Any] = {
        "rule_id": run.rule.id,
        "title": run.rule.title,
        "ran_at": batch.moment,
        "seconds": round(run.seconds, 3),
        "found": run.findings,
    }
    if run.error is None:
        return RuleCheckpoint(**about, seen_until=batch.mark)
    stood = before.seen_until if before is not None else batch.span.since
    failures = before.failures if before is not None else 0
    return RuleCheckpoint(
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
