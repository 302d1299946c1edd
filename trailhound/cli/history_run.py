"""Runs the rules over history, with progress, and shows what they found: for `detect`, `demo` and
`backfill --detect`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import emit, out, plural, say, table, warn
from trailhound.cli.skipped_days import skipped_days, warn_skipped
from trailhound.cli.stages import Stage, show_stages
from trailhound.cli.stopping import forget_signal, stopped_by_signals
from trailhound.errors import NoEventsIndexError

with late_imports():
    from opensearchpy import OpenSearch

    from detections.automation.left_out import LeftOut
    from detections.history import HistorySlice
    from detections.packs.describe import problem_lines
    from detections.packs.pack import Pack
    from detections.running.recording import RuleRun
    from detections.span import Span
    from trailhound.app.detection.detection import (
        DetectionTotals,
        History,
        rules_in_force,
        totals_by_rule,
    )
    from trailhound.settings import Settings


_STOPPING: Final = "stopping: finishing the rule in progress (repeat to stop at once)"


def run_history(
    history: History, *, record: bool = True, quiet: bool = False
) -> dict[str, DetectionTotals]:
    """Run rules over a history, with progress, and join their alerts into incidents. Ctrl-C ends it
    after the current rule."""
    done = 0
    with (
        stopped_by_signals(history, _STOPPING),
        show_stages("detect", unit="events", quiet=quiet) as stage,
    ):

        def watch(piece: HistorySlice, ran: int, rules: int, title: str) -> None:
            what = f"{_days(piece.span)}, {ran:,} of {plural(rules, 'rule')}"
            if title:
                what += f', at "{title}"'
            part = ran / rules if rules else 1.0
            stage(what, done + int(part * piece.events), history.survey.events)

        def counted() -> Iterator[tuple[HistorySlice, list[RuleRun]]]:
            nonlocal done
            for piece, runs in history.run(record=record, watch=watch):
                done += piece.events
                yield piece, runs

        found = totals_by_rule(counted())
    if history.left is None:
        forget_signal()
    if record and (refused := history.join()):
        warn(f"alerts are not joined into incidents: {refused}")
    if history.skipped:
        warn(history.skipped)
    return found


def pieces_shown(stage: Stage) -> Callable[[HistorySlice, float, int], None]:
    """Shows which days of a history of so many events are looked at, and which share of the work
    on these is done."""
    before = 0
    now: HistorySlice | None = None

    def watch(piece: HistorySlice, share: float, events: int) -> None:
        nonlocal before, now
        if now is not None and piece is not now:
            before += now.events
        now = piece
        stage(_days(piece.span), before + int(share * piece.events), events)

    return watch


def _days(span: Span) -> str:
    """The days of a piece of history, which can be several days with few events.

    >>> _days(Span(datetime(2025, 3, 1, 6), datetime(2025, 3, 2)))
    '2025-03-01'
    >>> _days(Span(datetime(2025, 3, 1), datetime(2025, 3, 9)))
    '2025-03-01 to 2025-03-08'
    """
    first, last = span.since, span.until - timedelta(microseconds=1)
    if first.date() == last.date():
        return f"{first:%Y-%m-%d}"
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"


def show_history(
    pack: Pack,
    found: dict[str, DetectionTotals],
    history: History,
    trusted: Sequence[LeftOut] = (),
    *,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Print what rules found in a history, for people or as JSON. `found`: by rule id."""
    fired = [each for each in found.values() if each.findings or each.errors]
    new = new_alerts(found)
    known = sum(len(each.updated) for each in fired)
    skipped, left = history.survey.skipped, history.left
    if json:
        emit(
            {
                "events": history.events,
                "not_searched": dates_of(left) if left is not None else None,
                "skipped_days": skipped_days(skipped),
                "rules": [each.as_dict() for each in fired],
                "created": new,
                "updated": known,
                "faults": [str(fault) for fault in pack.problems],
                "known_automation": [each.as_dict() for each in trusted],
            }
        )
        return
    for problem in problem_lines(pack):
        warn(problem)
    rows = [
        (each.rule.level, each.rule.title, each.findings, len(each.created), len(each.updated))
        for each in fired
        if each.findings
    ]
    if rows:
        out.print(table(["level", "rule", "#findings", "#new alerts", "#updated"], rows))
    for each in fired:
        for reason in dict.fromkeys(each.errors):
            warn(f"{each.rule.labelled}: {reason}")
    silent = len(pack.alerting) - len(rows)
    what = "nothing was written (--dry-run)" if dry_run else plural(new, "new alert")
    warn_skipped(skipped)
    for trust in trusted:
        say(trust.sentence())
    say(
        f"{plural(history.events, 'event')} searched; {what}; "
        f"{plural(silent, 'rule')} found nothing"
    )
    if left is not None and left.clock == "@timestamp":
        rest = "trailhound detect --since {since} --until {until}".format_map(dates_of(left))
        say(f"interrupted; the rest: `{rest}`")
    if new and not dry_run:
        say("read them with `trailhound incidents list`, each with `trailhound alerts list`")


def dates_of(span: Span) -> dict[str, str]:
    """The first and last day of a span, for `--since` and `--until`."""
    last = span.until - timedelta(microseconds=1)
    return {"since": f"{span.since:%Y-%m-%d}", "until": f"{last:%Y-%m-%d}"}


def new_alerts(found: dict[str, DetectionTotals]) -> int:
    """How many new alerts were raised."""
    return sum(len(each.created) for each in found.values())


@dataclass(frozen=True, slots=True)
class Detected:
    """What the rules found. `faults`: those of rules, exceptions and files that were left out.
    `searched_all`: every day could be searched. `trusted`: what was left out as known
    automation."""

    found: dict[str, DetectionTotals] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    searched_all: bool = True
    trusted: Sequence[LeftOut] = ()

    @property
    def complete(self) -> bool:
        """Whether every rule ran over every day."""
        failed = any(each.errors for each in self.found.values())
        return self.searched_all and not self.faults and not failed

    def as_dict(self) -> dict[str, Any]:
        """The members that `--json` adds to the report of the backfill."""
        errors = {each.rule.title: list(each.errors) for each in self.found.values() if each.errors}
        return {
            "alerts": new_alerts(self.found),
            "rule_faults": self.faults,
            "rule_errors": errors,
            "known_automation": [each.as_dict() for each in self.trusted],
        }


def detect_ingested(
    client: OpenSearch, settings: Settings, since: datetime, *, json: bool
) -> Detected:
    """Run the rules over what a backfill indexed since a moment, by ingest time, not event time."""
    pack = rules_in_force(settings)
    margin = timedelta(seconds=5)
    span = Span(since - margin, datetime.now(UTC) + margin, "event.ingested")
    faults = [str(each) for each in pack.problems if each.stops]
    try:
        history = History(client, settings, pack, span)
    except NoEventsIndexError:  # nothing was indexed, and there is no index
        if not json:
            for problem in problem_lines(pack):
                warn(problem)
        return Detected({}, faults)
    found = run_history(history, quiet=json)
    trusted = history.left_out()
    if not json:
        show_history(pack, found, history, trusted)
    return Detected(found, faults, searched_all=history.complete, trusted=trusted)
