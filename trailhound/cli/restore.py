"""`trailhound backfill --restore`: requests archived objects from S3 and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from trailhound.cli.consent import agree
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import plural, say_on_stderr, size, warn
from trailhound.cli.stages import show_stages
from trailhound.cli.stopping import stopped_by_signals
from trailhound.errors import UsageError

with late_imports():
    from ingest.backfill.backfill import Backfill
    from ingest.backfill.restore import Archived, Restore, Returned, cost_of
    from ingest.objects import Selection
    from ingest.run_report import RunReport
    from ingest.sources import open_source
    from ingest.sources.s3 import S3Source
    from trailhound.app.enrichment import enricher_from
    from trailhound.cluster.client import connect
    from trailhound.settings import Settings


DAYS: Final = 7
"""Days for which S3 keeps the restored copies."""
_LOOK_EVERY: Final = 300.0
_SHOWN: Final = 10
_CENT: Final = 0.01


def check_restore(sources: Sequence[str]) -> None:
    """Raises `UsageError` if a source is not a bucket."""
    for text in sources:
        if not text.startswith("s3://"):
            raise UsageError(
                f"{text}: only objects of a bucket are archived", hint="leave out --restore"
            )


def restore(
    settings: Settings,
    sources: Sequence[str],
    selection: Selection,
    report: RunReport,
    *,
    yes: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Request the archived objects, and read them once they are restored, into `report`.

    Returns members of the JSON object. Raises `UsageError` if nobody can be asked about the cost.
    """
    asked = 0
    still = 0
    dollars = 0.0
    for text in sources:
        source = open_source(text, settings)
        assert isinstance(source, S3Source)  # noqa: S101 - `check_restore` has seen to it
        job = Restore(connect(settings), settings, source, selection)
        found = job.find()
        cost = cost_of(found, DAYS)
        if cost.objects:
            dollars += cost.dollars
            _confirm(cost.objects, _sentence(found, text), yes=yes)
            asked += job.ask(found, DAYS)
            found = job.look([each.item for each in found])
        if found:
            still += _read(settings, job, source, found, selection, report, quiet=quiet)
        still += len(job.unknown)
        for uri, reason in job.unknown[:_SHOWN]:
            warn(reason if uri in reason else f"{uri}: {reason}")
    report.archived_objects = still
    return {"restore": {"asked": asked, "archived": still, "dollars": round(dollars, 4)}}


def _sentence(found: list[Archived], text: str) -> str:
    cost = cost_of(found, DAYS)
    classes = ", ".join(f"{number:,} {name}" for name, number in sorted(cost.classes.items()))
    return (
        f"{text}: {plural(cost.objects, 'object')} archived ({classes}; {size(cost.bytes)}). A "
        f"bulk restore, readable for {DAYS} days, costs {_dollars(cost.dollars)} at the list price "
        "of us-east-1 (requests, retrieval, storage of the copies), and takes 5 to 48 hours"
    )


def _dollars(cost: float) -> str:
    return f"about ${cost:,.2f}" if cost >= _CENT else "less than $0.01"


def _confirm(objects: int, sentence: str, *, yes: bool) -> None:
    say_on_stderr(sentence)
    if not yes:
        what = f"a restore of {plural(objects, 'object')} costs money"
        agree("Ask for it?", what, "check the cost, and add --yes", left="no restore was asked for")


def _read(
    settings: Settings,
    job: Restore,
    source: S3Source,
    found: list[Archived],
    selection: Selection,
    report: RunReport,
    *,
    quiet: bool,
) -> int:
    """Read objects as they are restored, until all are or a signal ends it. Returns how many are
    still archived."""
    returned = Returned(job, source, found, _LOOK_EVERY)
    backfill = Backfill(
        connect(settings), settings, enricher_from(settings, warn), selection=selection
    )
    with (
        stopped_by_signals(backfill),
        show_stages("restore", unit="objects", quiet=quiet) as stage,
    ):
        stage("waiting for S3; Ctrl-C ends, the same command goes on later", 0, len(found))
        try:
            more = backfill.run([returned])
        except KeyboardInterrupt:
            report.add(backfill.snapshot())
            raise
    report.add(more)
    report.seconds += more.seconds
    return len(returned.waiting) + more.archived_objects
