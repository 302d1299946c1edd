"""`trailhound enrich`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Annotated

import typer

from trailhound.cli import dates
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import is_piped
from trailhound.cli.object_selection import selection_of
from trailhound.cli.options import Accounts, Config, Regions, settings_from
from trailhound.cli.screen import (
    err,
    is_quiet,
    plural,
    say_on_stderr,
    size,
    table,
    warn,
    write_bytes,
)
from trailhound.cli.stages import show_stages
from trailhound.errors import UsageError

with late_imports():
    from ingest.backfill.unmatched import unmatched
    from ingest.bulk.batch import Batch
    from ingest.distinct import DistinctEvents
    from ingest.objects import Selection, Source
    from ingest.offline import OfflineRead, OfflineReport
    from ingest.sources import is_stream, open_source
    from trailhound.app.enrichment import enricher_from
    from trailhound.app.settings_check import check_filter
    from trailhound.settings import Settings


_SHOWN = 10
_BLOCK = 500
"""Lines per write."""


class Output(StrEnum):
    """What `--output` takes."""

    NDJSON = "ndjson"
    CSV = "csv"


def enrich(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            show_default=False,
            help="A file, a folder, a glob, s3://bucket/prefix or -",
        ),
    ],
    output: Annotated[
        Output, typer.Option("--output", help="ndjson: one JSON document a line; csv: a table.")
    ] = Output.NDJSON,
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,…",
            help="With --output csv: the columns, separated by commas, in this order.",
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=dates.day, metavar="YYYY-MM-DD", help="First UTC day of events."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(parser=dates.day, metavar="YYYY-MM-DD", help="Last UTC day, included."),
    ] = None,
    account: Accounts = None,
    region: Regions = None,
    distinct: Annotated[
        bool,
        typer.Option(
            "--distinct",
            help="Write each event once, as in the index, and mark reused eventIDs.",
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Write the enriched events of CloudTrail files to stdout, without a cluster.

    The documents are those that `trailhound backfill` would index. Counts, and what could not be
    read, go to stderr; exits with 1 if anything could not be read.

    Examples:

    `trailhound enrich ./AWSLogs > events.ndjson`

    `trailhound enrich a.json.gz --output csv --fields @timestamp,user.name,eventName`
    """
    if fields is not None and output is not Output.CSV:
        raise UsageError("--fields names columns", hint="add --output csv")
    selection = selection_of(since, until, account, region)
    settings = settings_from(config, check=check_filter)
    opened = [open_source(text, settings, selection) for text in files]
    read = OfflineRead(
        settings,
        enricher_from(settings, warn),
        selection=selection,
        distinct=DistinctEvents() if distinct else None,
    )
    unused: Sequence[str] = ()
    if output is Output.CSV:
        # Imported here: the matcher takes longer to load than everything else.
        from trailhound.cli.event_table import COLUMNS, EventTable

        made = EventTable(_columns(fields) if fields is not None else COLUMNS)
        lines = made.lines(_documents(read, opened))
        blocks = iter(
            lambda: "".join(islice(lines, _BLOCK)).encode("utf-8", "backslashreplace"), b""
        )
        whole = _write_all(read, blocks)
        unused = made.empty if fields is not None and read.report.counts.indexed else ()
    else:
        whole = _write_all(read, (_ndjson(batch) for batch in read.batches(opened)))
    if not whole:
        return  # the reader of the output has ended
    for name in unused:
        warn(f"no event has the field {name}")
    show_reading(read.report, "written")
    problems = unread(read.report, settings, files, selection)
    if problems or not read.report.complete:
        raise typer.Exit(ExitCode.INCOMPLETE)


def _columns(fields: str) -> list[str]:
    names = [name.strip() for name in fields.split(",")]
    if not all(names):
        raise UsageError(
            f"--fields {fields!r} has an empty name", hint="write names with a comma between"
        )
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"--fields names {twice} twice", hint="name each column once")
    return names


def _documents(read: OfflineRead, opened: Sequence[Source]) -> Iterator[bytes]:
    for batch in read.batches(opened):
        yield from map(batch.document, range(len(batch)))


def _blocks(lines: Iterator[str]) -> Iterator[bytes]:
    while block := "".join(islice(lines, _BLOCK)):
        yield block.encode("utf-8", "backslashreplace")


def _ndjson(batch: Batch) -> bytes:
    return b"".join(batch.document(item) + b"\n" for item in range(len(batch)))


def _write_all(read: OfflineRead, blocks: Iterable[bytes]) -> bool:
    """Write all blocks. False if the reader of the output ended before."""
    progress = show_stages("enrich") if is_piped() else nullcontext(_no_stage)
    with progress as stage:
        for block in blocks:
            if not write_bytes(block):
                return False
            stage(f"wrote {read.events:,} events", read.report.objects, 0)
    return True


def _no_stage(_what: str, _done: int, _total: int) -> None:
    """No progress: the events themselves are on the terminal."""


def unread(
    report: OfflineReport, settings: Settings, files: list[str], selection: Selection
) -> list[str]:
    """Warn of accounts, regions, days and files that were asked for and do not exist. Returns those
    that make the run incomplete."""
    opened = [open_source(text, settings) for text in files if not is_stream(text)]
    problems, notes = unmatched(report, opened, selection, report.selected)
    for each in (*problems, *notes):
        warn(each)
    return problems


def show_reading(report: OfflineReport, outcome: str) -> None:
    """Print the counts of the records on stderr; `outcome` heads the column of used ones. With `-q`
    only what could not be read."""
    if not is_quiet():
        _show_counts(report, outcome)
    for each in report.unreadable:
        first = "" if each.records == 1 else ", the first"
        warn(
            f"{each.uri}: {plural(each.records, 'record')} not readable ({each.code}){first} at "
            f"position {each.first:,}: {each.reason}"
        )
    if more := report.counts.dead_lettered - sum(each.records for each in report.unreadable):
        warn(f"{plural(more, 'more record')} not readable")
    for uri, reason in report.failures:
        warn(f"not fully read: {reason if uri in reason else f'{uri}: {reason}'}")
    if more := report.failed_objects - len(report.failures):
        warn(f"{plural(more, 'more object')} not fully read")


def _show_counts(report: OfflineReport, outcome: str) -> None:
    counts = report.counts
    again = f", {report.skipped_objects:,} named twice" if report.skipped_objects else ""
    stored = f" ({size(report.bytes)})" if report.bytes else ""
    say_on_stderr(
        f"{plural(report.objects, 'object')} read{stored}{again}, in {report.seconds:.1f} s"
    )
    named = {
        outcome: counts.indexed,
        **({"duplicates": counts.duplicates} if counts.duplicates else {}),
        "not readable": counts.dead_lettered,
        "filtered": counts.filtered,
    }
    columns: list[str] = ["#read"]
    row: list[object] = [counts.read]
    for name, number in named.items():
        columns += ["=" if len(row) == 1 else "+", f"#{name}"]
        row += ["=" if len(row) == 1 else "+", number]
    err.print(table(columns, [row]))
    if report.ignored_objects:
        kinds = ", ".join(f"{n:,} {kind}" for kind, n in report.ignored_kinds.most_common(_SHOWN))
        skipped = plural(report.ignored_objects, "object")
        say_on_stderr(f"{skipped} skipped: no events ({kinds})")
