"""`trailhound sample`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from trailhound.cli import dates
from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Json
from trailhound.cli.screen import emit, plural, say, size
from trailhound.errors import UsageError

with late_imports():
    from trailhound.sample import SampleSpec, write_sample


def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    events: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of distinct events.")
    ] = 20_000,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed gives the same bytes.")] = 1,
    start: Annotated[
        datetime | None,
        typer.Option(
            parser=dates.day,
            metavar=dates.METAVAR,
            help="First UTC day: 2025-03-01, or 7d (before now).",
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, metavar="N", help="Number of days the trail covers.")
    ] = 7,
    accounts: Annotated[int, typer.Option(min=1, metavar="N", help="Number of AWS accounts.")] = 3,
    events_per_file: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Events in one file. Default: varying, as CloudTrail delivers."
        ),
    ] = None,
    attacks: Annotated[bool, typer.Option(help="Put labelled attacks among the events.")] = True,
    json: Json = False,
) -> None:
    """Write a realistic, labelled CloudTrail trail as `AWSLogs/….json.gz` files.

    The attacks are listed in `labels.json` beside `AWSLogs`.

    Example: `trailhound sample /tmp/trail --events 100000 && trailhound backfill /tmp/trail`
    """
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", hint="name a new folder")
    spec = SampleSpec(
        events=events,
        seed=seed,
        days=days,
        accounts=accounts,
        events_per_file=events_per_file,
        attacks=attacks,
    )
    if start:
        spec = replace(spec, start=start.date())
    summary = write_sample(directory, spec)
    if json:
        emit(
            {
                "directory": str(summary.directory),
                "events": summary.events,
                "records": summary.records,
                "files": summary.files,
                "bytes": summary.bytes,
                "distinct_addresses": summary.distinct_addresses,
                "distinct_arns": summary.distinct_arns,
            }
        )
        return
    say(
        f"{plural(summary.events, 'event')} in {plural(summary.files, 'file')} "
        f"({size(summary.bytes)}) below {directory}"
    )
    say(f"try: trailhound backfill {directory}")
