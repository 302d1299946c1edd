"""The scheduled detections, which one of the daemons runs every few seconds.

Each rule runs at its interval over the events ingested since its checkpoint. The checkpoint
advances only when the alerts are written, so a run that fails or is killed is repeated; the same
findings give the same alerts.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from detections.rule import Rule
from detections.running.detector import Detector
from detections.running.pace import pace_of
from detections.running.recording import RuleRun
from detections.running.schedule import RuleBatch, batches
from detections.running.scheduler import Turn
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints

LOG = logging.getLogger("trailhound.detections")
_REFRESHED = 10.0
"""Seconds between two refreshes of the daily indices, at least: far below any lookback."""
SLOW_SECONDS = 10.0
"""A rule that takes longer is logged as slow."""

Ran = Callable[[RuleRun], None]


class DueRules:
    """Runs due rules and keeps their checkpoints. `ran` is called with each run, for metrics."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        detector: Detector,
        rules: tuple[Rule, ...],
        ran: Ran = lambda _: None,
        forms: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`forms`: of the rules, by id (`detections.packs.forms`)."""
        self._forms = forms
        self._client = client
        self._days = Names(settings.prefix).days
        self._refreshed = -math.inf
        self._checkpoints = RuleCheckpoints(client, settings)
        self._catch_ups = CatchUps(client, settings)
        self._pace = pace_of(settings)
        self._detector = detector
        self._rules = rules
        self._ran = ran
        self.caught_up = datetime.min.replace(tzinfo=UTC)
        """Every rule in force has searched what was ingested before this time."""

    def run_once(self, turn: Turn) -> bool:
        """Runs each due rule over at most one step. True if any was due.

        Raises `TrailhoundError`s and opensearch-py's exceptions if nothing could be run.
        """
        if not turn.holds_lease():
            return False
        known, now = self._checkpoints.read(), datetime.now(UTC)
        catch_up = self._started_catch_up(now)
        new = list(self._new(known, now, catch_up))
        self._checkpoints.write(new)
        known |= {each.rule_id: each for each in new}
        due = batches(self._rules, known, now, self._pace)
        if due:
            self._make_searchable()
        for batch in due:
            if not turn.holds_lease():
                return False
            known |= self._run(batch, known, catch_up)
        searched = (known[rule.id].seen_until for rule in self._rules if rule.id in known)
        self.caught_up = min(searched, default=now)
        if catch_up is not None and not catch_up.done:
            self._finish(catch_up)
        return bool(due)

    def _make_searchable(self) -> None:
        """Refresh the daily indices, regardless of their `refresh_interval`: an event that a
        checkpoint passes before it can be searched is never found."""
        if time.monotonic() - self._refreshed >= _REFRESHED:
            make_searchable(self._client, self._days)
            self._refreshed = time.monotonic()

    def _started_catch_up(self, now: datetime) -> CatchUp | None:
        """The catch-up, if the rules could not run for a time; its end is set when they first run
        again."""
        catch_up = self._catch_ups.get(SCHEDULED_RULES)
        if catch_up is None or catch_up.done or catch_up.until is not None:
            return catch_up
        catch_up = self._catch_ups.revise(
            catch_up, lambda it: msgspec.structs.replace(it, until=it.until or now)
        )
        LOG.warning("the scheduled rules did not run for a while: %s", catch_up.describe())
        return catch_up

    def _new(
        self, known: Mapping[str, RuleCheckpoint], now: datetime, catch_up: CatchUp | None
    ) -> Iterator[RuleCheckpoint]:
        """Checkpoints of new rules, written before the first run so that an interrupted one has the
        same start when repeated; of rules that look for something else now; and those of rules that
        are no longer active."""
        in_force = {rule.id for rule in self._rules}
        begin = now - self._pace.lookback
        if catch_up is not None and not catch_up.done and catch_up.since is not None:
            begin = min(begin, catch_up.since)
        for rule in self._rules:
            before, form = known.get(rule.id), self._forms.get(rule.id, "")
            if before is None:
                ran = begin - rule.interval
                yield RuleCheckpoint(rule.id, rule.title, begin, ran, begun=begin, form=form)
            elif form and before.form != form:
                yield before.reformed(form)
        for each in known.values():
            if each.rule_id not in in_force and not each.inactive:
                yield msgspec.structs.replace(each, inactive=True)

    def _run(
        self, batch: RuleBatch, known: Mapping[str, RuleCheckpoint], catch_up: CatchUp | None
    ) -> dict[str, RuleCheckpoint]:
        """Runs one batch; its checkpoints are written even if the cluster becomes unreachable.
        Returns them by rule id."""
        done: list[RuleCheckpoint] = []
        name = catch_up.name if catch_up is not None and catch_up.covers(batch.span.since) else ""
        try:
            for run in self._detector.run(batch.rules, batch.span, catch_up=name):
                done.append(_checkpoint(run, batch, known.get(run.rule.id)))
                self._ran(run)
                _log(run)
        finally:
            self._checkpoints.write(done)
        return {each.rule_id: each for each in done}

    def _finish(self, catch_up: CatchUp) -> None:
        """Marks the catch-up as done once every working rule has run over all of it."""
        if catch_up.until is None:
            return
        known, until = self._checkpoints.read(), catch_up.until
        for rule in self._rules:
            each = known.get(rule.id)
            if each is None or each.failures:
                continue
            # A run searches everything until now, but its checkpoint stays behind by the lookback.
            if each.ran_at < until or each.seen_until < until - self._pace.lookback:
                return
        self._catch_ups.revise(catch_up, lambda it: msgspec.structs.replace(it, done=True))
        LOG.info("all rules caught up to %s", f"{until:%F %T} UTC")


def _checkpoint(run: RuleRun, batch: RuleBatch, before: RuleCheckpoint | None) -> RuleCheckpoint:
    about: dict[str, Any] = {
        "rule_id": run.rule.id,
        "title": run.rule.title,
        "ran_at": batch.moment,
        "seconds": round(run.seconds, 3),
        "found": run.findings,
        "begun": before.begun if before is not None else batch.span.since,
        "form": before.form if before is not None else "",
        "formed": before.formed if before is not None else None,
    }
    if run.error is None:
        return RuleCheckpoint(**about, seen_until=batch.checkpoint)
    previous = before.seen_until if before is not None else batch.span.since
    failures = before.failures if before is not None else 0
    return RuleCheckpoint(
        **about,
        seen_until=min(previous, batch.span.since),
        failures=failures + 1,
        last_error=run.error.message,
    )


def _log(run: RuleRun) -> None:
    fields = {"rule": run.rule.title, "id": run.rule.id, "seconds": round(run.seconds, 2)}
    if run.error is not None:
        LOG.error("a rule failed: %s", run.error.message, extra={"fields": fields})
    elif run.recorded.created or run.recorded.updated:
        new, known = len(run.recorded.created), len(run.recorded.updated)
        fields = {**fields, "rule_level": run.rule.level, "alerts": new, "updated": known}
        LOG.info("a rule fired", extra={"fields": fields})
    elif run.seconds > SLOW_SECONDS:
        LOG.warning("a rule is slow", extra={"fields": fields})
