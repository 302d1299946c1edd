"""The timing of scheduled rules, in a module that imports no rules: commands that need only the
timing start faster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class RulePace:
    """The timing of a schedule.

    `lookback` covers request timeout, refresh and clock skew. An event is found if it was ingested
    up to `late` after it happened. A gap is processed in steps of `step`, so that progress in a
    long one is kept.
    """

    lookback: timedelta = timedelta(minutes=5)
    late: timedelta = timedelta(hours=24)
    step: timedelta = timedelta(hours=1)


def pace_of(settings: Settings) -> RulePace:
    """The pace of the schedule, from the settings."""
    chosen = settings.detections
    return RulePace(
        lookback=timedelta(minutes=chosen.lookback_minutes),
        late=timedelta(hours=chosen.late_hours),
    )
