"""When two spans of time are near enough for their events to be one alert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Nearness:
    """`gap`: the longest pause within an alert. `window`: for rules that evaluate fixed windows
    (counted from 1970, in UTC), whose findings in successive windows are one alert, regardless
    of the pause."""

    gap: timedelta = _NONE
    window: timedelta = _NONE

    @property
    def reach(self) -> timedelta:
        """The longest pause between two events that can be near."""
        return max(self.gap, 2 * self.window)

    def near(
        self, first: datetime, last: datetime, other_first: datetime, other_last: datetime
    ) -> bool:
        """Whether two spans, ends included, overlap or are near.

        >>> day = timedelta(days=1)
        >>> early, late = (datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 2, 23, tzinfo=UTC))
        >>> Nearness(window=day).near(early, early, late, late)
        True
        >>> Nearness(gap=day).near(early, early, late, late)
        False
        """
        if first - self.gap <= other_last and other_first <= last + self.gap:
            return True
        if not self.window:
            return False
        return (
            self._number(first) <= self._number(other_last) + 1
            and self._number(other_first) <= self._number(last) + 1
        )

    def _number(self, when: datetime) -> int:
        return (when - _EPOCH) // self.window
