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
