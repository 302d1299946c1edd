"""Days that a command could not search: as JSON, as warnings, and as its exit code."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.late_imports import late_imports
from trailhound.cli.screen import plural, warn

with late_imports():
    from detections.events.daily_indices import SkippedDay


def skipped_days(skipped: Sequence[SkippedDay]) -> list[dict[str, str]]:
    """As `--json` prints them."""
    return [{"index": each.index, "reason": each.reason} for each in skipped]


def not_searched(skipped: Sequence[SkippedDay]) -> list[str]:
    """A sentence for each day."""
    return [f"not searched: {day}" for day in skipped]


def unreadable_events(
    absent: Sequence[SkippedDay], skipped: Sequence[SkippedDay] = ()
) -> list[str]:
    """A sentence for each day of `absent_events` that is not among the skipped ones."""
    named = {each.index for each in skipped}
    return [f"events cannot be read: {day}" for day in absent if day.index not in named]


def all_skipped(
    skipped: Sequence[SkippedDay], absent: Sequence[SkippedDay]
) -> tuple[SkippedDay, ...]:
    """The skipped days, and those of `absent_events` that are not among them."""
    named = {each.index for each in skipped}
    return (*skipped, *(day for day in absent if day.index not in named))


def warn_skipped(skipped: Sequence[SkippedDay]) -> None:
    """Warn of all days below one heading."""
    if skipped:
        warn(f"{plural(len(skipped), 'day')} not searched:")
    for each in skipped:
        warn(f"  {each}")


def end_with_skipped(skipped: Sequence[SkippedDay]) -> None:
    """Warn of each day, and exit with 1 if there is any."""
    for sentence in not_searched(skipped):
        warn(sentence)
    if skipped:
        raise typer.Exit(ExitCode.INCOMPLETE)
