"""Detections, wired from settings: active rules, what evaluates each kind, and what they raise."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.named_events import KEPT, NamedEvents
from detections.alerts.recounting import Recount
from detections.automation.left_out import LeftOut, left_out
from detections.events.current_days import CurrentDays
from detections.events.index import Days
from detections.finding import Finding
from detections.history import HistorySlice, bounds, survey
from detections.incidents.late_openers import LateOpeners
from detections.incidents.updater import IncidentUpdater
from detections.packs.loading import load
from detections.packs.pack import Pack
from detections.rule import LEVELS, Rule
from detections.running.detector import Detector
from detections.running.evaluation import Evaluator
from detections.running.recording import RuleRun
from detections.span import Span
from trailhound.app.detection.known_automation import AutomationHistory
from trailhound.internal_errors import Skipped
from trailhound.settings import Settings
from trailhound.threads import Beside

LOG = logging.getLogger("trailhound.detections")
AT_ONCE = 2
"""Rules of a history that are evaluated at the same time: the cluster answers one while the
findings of another are recorded."""
TOGETHER = 200
"""Findings of several rules from which on they are recorded, as one of the threads does while the
other one waits for the cluster: more would leave most of it until all rules have run."""
GOING_ON = timedelta(hours=2)
"""An alert that ends so shortly before the end of a piece of a history may go on in the next one,
and is joined into an incident then: joining it twice would read its events twice."""
Watch = Callable[[HistorySlice, int, int, str], None]
"""Called with the current piece of the history, how many of its rules have run, of how many, and
the title of the one that was begun last; empty before the first that is evaluated by itself."""


@dataclass(slots=True)
class DetectionTotals:
    """The results of one rule over all pieces of a history."""

    rule: Rule
    findings: int = 0
    seconds: float = 0.0
    created: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def add(self, run: RuleRun) -> None:
        self.findings += run.findings
        self.seconds += run.seconds
        self.created = (self.created | run.recorded.created) - run.recorded.merged
        self.updated = (self.updated | run.recorded.updated) - self.created
        if run.error is not None:
            self.errors.append(run.error.message)

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "id": self.rule.id,
            "title": self.rule.title,
            "level": self.rule.level,
            "findings": self.findings,
            "created": sorted(self.created),
            "updated": sorted(self.updated),
            "seconds": round(self.seconds, 3),
            "errors": self.errors,
        }


def detector(
    client: OpenSearch,
    settings: Settings,
    pack: Pack,
    index: Days | None = None,
    *,
    at_once: int = 1,
    together: int = 1,
    begun: Callable[[Rule], None] = lambda _: None,
    events: NamedEvents | None = None,
) -> Detector:
    """A detector that runs the rules of a pack on the settings' cluster, over all days or those of
    `index`. Each run uses the known automation of its time; `at_once` and `together` as for
    `Detector`. `begun` is called, in any thread, before a rule is evaluated by itself. `events`:
    through which those of alerts are read, if others read them too."""
    history = AutomationHistory(client, settings, pack)
    trusting = history.pack
    days = index or CurrentDays(client, settings)
    evaluator = Evaluator(client, settings, trusting.compiled, index=days)

    def prepare() -> None:
        days.look()
        history.refresh()

    def evaluate(rule: Rule, span: Span) -> Iterator[Finding]:
        begun(rule)
        return evaluator.evaluate(rule, span)

    return Detector(
        client,
        settings,
        trusting,
        evaluate,
        evaluator.idle,
        index=days,
        prepare=prepare,
        at_once=at_once,
        together=together,
        events=events or NamedEvents(client, days),
    )


def rules_in_force(settings: Settings, more: Sequence[Path] = ()) -> Pack:
    """The pack that settings and `--rules` name. Raises `UsageError` where `--rules` names a path
    that does not exist.

    A missing path of the settings, a placeholder without values and a broken file are faults of the
    pack, not errors.
    """
    return load(settings.detections, more)


class History:
    """Runs rules over the events of a span of history. `stop` ends it after the current rule.

    Creating one searches the index for the days that have events. Raises `NoEventsIndexError`
    if there is no index, `ClusterError` and opensearch-py's errors.
    """

    def __init__(self, client: OpenSearch, settings: Settings, pack: Pack, span: Span) -> None:
        self.survey = survey(client, settings, span)
        self._client = client
        self._settings = settings
        self._pack = pack
        self._rules = pack.alerting
        self._searched: Span | None = None
        self._begun: Callable[[Rule], None] = lambda _: None
        self._events = NamedEvents(client, self.survey.indices, KEPT)
        self._detector = detector(
            client,
            settings,
            pack,
            self.survey.indices,
            at_once=AT_ONCE,
            together=TOGETHER,
            begun=lambda rule: self._begun(rule),
            events=self._events,
        )
        self._skipped = Skipped(LOG)
        self._updater = IncidentUpdater(client, settings, self._events, self._skipped)
        self._refused = ""
        self._stopped = False
        self._left: Span | None = None
        self.events = 0
        """The number of events that every rule has searched."""

    def stop(self) -> None:
        self._stopped = True

    @property
    def left(self) -> Span | None:
        """The part of the span that not every rule has searched, because it was stopped; None if
        every rule has."""
        return self._left

    @property
    def complete(self) -> bool:
        """Whether it was not stopped early, and every day could be read."""
        return self._left is None and not self.survey.skipped and not self.skipped

    @property
    def skipped(self) -> str:
        """What was left out because of internal errors, in words; empty for nothing."""
        return self._skipped.sentence()

    def run(
        self, *, record: bool = True, watch: Watch | None = None
    ) -> Iterator[tuple[HistorySlice, list[RuleRun]]]:
        """Run every rule over every piece of the span; `watch` is called before the first request
        of each piece, and as rules begin and end.

        A burst that crosses the boundary of two pieces is found in both, and raises one alert.
        Raises `ClusterError`.
        """
        with Beside[str]("joining") as joining:
            for piece in self.survey.pieces:
                runs: list[RuleRun] = []
                if not self._stopped:
                    show = self._shown(piece, runs, watch)
                    for each in self._detector.run(self._rules, piece.span, record=record):
                        runs.append(each)
                        show()
                        if self._stopped:
                            break
                self._refused = joining.end() or self._refused
                if len(runs) < len(self._rules):
                    self._left = replace(piece.span, until=self.survey.pieces[-1].span.until)
                    yield piece, runs
                    return
                begin = self._searched or piece.span
                self._searched = replace(begin, until=piece.span.until)
                self.events += piece.events
                self._events.turn()
                if record and not self._refused:
                    # Beside the next piece, and while the events of these alerts are kept. Those
                    # that may go on are joined with the next piece's.
                    joining.begin(partial(self._join_ended, piece.span.until - GOING_ON))
                yield piece, runs
            self._refused = joining.end() or self._refused

    def _join_ended(self, before: datetime) -> str:
        """Join the alerts that ended before a time. Returns why they could not be joined, or ""."""
        return self._updater.run(ended=before).refused

    def _shown(
        self, piece: HistorySlice, runs: Sequence[RuleRun], watch: Watch | None
    ) -> Callable[[], None]:
        """Begins to show a piece; what it returns shows how far its runs are."""
        title = ""

        def show() -> None:
            if watch is not None:
                watch(piece, len(runs), len(self._rules), title)

        def begin(rule: Rule) -> None:
            nonlocal title
            title = rule.title
            show()

        self._begun = begin
        show()
        return show

    def left_out(self) -> list[LeftOut]:
        """What rules left out as known automation, in the pieces that were searched.

        Raises `ClusterError` and opensearch-py's errors.
        """
        if self._searched is None:
            return []
        expression = self.survey.indices.expression
        within = [self._searched.query()]
        return left_out(self._client, self._settings, lambda: self._pack, within, expression)

    def join(self) -> str:
        """Count anew what came before alerts that were there, and join those alerts into incidents
        that were not when their piece was searched, and those of sessions whose opener came late.
        Returns why they could not be joined, or "".

        Raises `ClusterError` and opensearch-py's errors.
        """
        Recount(self._client, self._settings, skipped=self._skipped).run()
        days = self.survey.indices
        LateOpeners(self._client, self._settings, self._skipped, days).mark()
        return self._refused or self._updater.run().refused

    def bounds(self) -> tuple[datetime, datetime] | None:
        """The first and the last event's time in the whole index; None for no event."""
        return bounds(self._client, self.survey.indices)


def totals_by_rule(
    runs: Iterator[tuple[HistorySlice, list[RuleRun]]],
) -> dict[str, DetectionTotals]:
    """The runs of a history by rule id, the most severe rules first."""
    found: dict[str, DetectionTotals] = {}
    for _, several in runs:
        for run in several:
            found.setdefault(run.rule.id, DetectionTotals(run.rule)).add(run)
    return dict(
        sorted(
            found.items(), key=lambda item: (-LEVELS.index(item[1].rule.level), item[1].rule.title)
        )
    )
