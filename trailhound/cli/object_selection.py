"""The options that select objects by day, account and region, and the selection they make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer

from trailhound.cli import dates
from trailhound.cli.late_imports import late_imports

with late_imports():
    from ingest.objects import Selection


SinceDay = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        parser=dates.day,
        metavar=dates.METAVAR,
        help="First UTC day: 2025-03-01, or 7d (before now).",
    ),
]
UntilDay = Annotated[
    datetime | None,
    typer.Option(
        "--until", parser=dates.day, metavar=dates.METAVAR, help="Last UTC day (included)."
    ),
]


def selection_of(
    since: datetime | None,
    until: datetime | None,
    accounts: Sequence[str] | None,
    regions: Sequence[str] | None,
) -> Selection:
    """The selection. Raises `UsageError` if the last day is before the first."""
    dates.check_order(since, until)
    return Selection(
        since=since.date() if since else None,
        until=until.date() if until else None,
        accounts=frozenset(accounts or ()),
        regions=frozenset(regions or ()),
    )
