"""Detections put together: the rules in force, what evaluates each kind, and what they raise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from detections.packs.pack import Pack, load
from detections.rule import LEVELS, Rule
from detections.running.detector import Detector, RuleRun
from detections.running.evaluation import Evaluator
from detections.span import Span
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

PIECE = timedelta(days=1)
"""History is looked through day by day: memory stays flat, and progress can be shown."""


@dataclass(slots=True)
class DetectionTotals:
    """What one rule did over all pieces of a history."""

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


def detector(client: OpenSearch, settings: Settings, pack: Pack) -> Detector:
    """What runs the rules of a pack on the settings' cluster."""
    evaluator = Evaluator(client, settings, pack.compiled)
    return Detector(client, settings, pack, evaluator.evaluate, evaluator.idle)


def rules_in_force(settings: Settings, more: Sequence[Path] = ()) -> Pack:
    """The pack that settings and `--rules` name. Raises `UsageError` for a path that is not there.

    A placeholder that has no values, a broken file: faults of the pack, and no errors.
    """
    return load(settings.detections, more)


class History:
    """Runs rules over history, piece by piece. `stop` ends it after the piece under way."""

    def __init__(self, client: OpenSearch, settings: Settings, pack: Pack) -> None:
        self._client = client
        self._index = Names(settings.prefix).days
        self._detector = detector(client, settings, pack)
        self._rules = pack.alerting
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    @property
    def stopped(self) -> bool:
        """Whether it was ended early."""
        return self._stopped

    def run(self, span: Span, *, record: bool = True) -> Iterator[tuple[Span, list[RuleRun]]]:
        """Every rule over every piece of the span.

        A burst that lies across the edge of two pieces is found in both, and is one alert.
        Raises `ClusterError`.
        """
        self._refresh()
        for piece in pieces(span):
            if self._stopped:
                return
            yield piece, list(self._detector.run(self._rules, piece, record=record))

    def bounds(self) -> tuple[datetime, datetime] | None:
        """The first and the last event's time, the latest written included; None for no event."""
        self._refresh()
        body = {
            "size": 0,
            "aggs": {
                "first": {"min": {"field": "@timestamp"}},
                "last": {"max": {"field": "@timestamp"}},
            },
        }
        params = {"ignore_unavailable": "true", "allow_partial_search_results": "false"}
        found = self._client.search(index=self._index, body=body, params=params)
        values = found.get("aggregations", {})
        ends = [values.get(name, {}).get("value_as_string") for name in ("first", "last")]
        if None in ends:
            return None
        first, last = (datetime.fromisoformat(str(end)) for end in ends)
        return first, last

    def _refresh(self) -> None:
        self._client.indices.refresh(index=self._index, params={"ignore_unavailable": "true"})


def pieces(span: Span) -> Iterator[Span]:
    """The span in pieces of a day, which begin at its own beginning.

    >>> from datetime import UTC
    >>> whole = Span(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 3, 6, tzinfo=UTC))
    >>> [str(piece.until) for piece in pieces(whole)][-2:]
    ['2025-03-03 00:00:00+00:00', '2025-03-03 06:00:00+00:00']
    """
    since = span.since
    while since < span.until:
        until = min(since + PIECE, span.until)
        yield Span(since, until, span.clock, span.oldest)
        since = until


def tallied(runs: Iterator[tuple[Span, list[RuleRun]]]) -> dict[str, DetectionTotals]:
    """The runs of a history by rule id, the gravest rules first."""
    found: dict[str, DetectionTotals] = {}
    for _, several in runs:
        for run in several:
            found.setdefault(run.rule.id, DetectionTotals(run.rule)).add(run)
    return dict(
        sorted(
            found.items(), key=lambda item: (-LEVELS.index(item[1].rule.level), item[1].rule.title)
        )
    )
