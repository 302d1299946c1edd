"""Where a broken value ends by its brackets alone, with the effort limited.

Of values within one that has no end it is known already: each of thousands would be followed to the
end of the content.
"""

from __future__ import annotations

from ingest.reading.values import balance
from ingest.reading.window import SlidingWindow

_MOST_OPEN = 1_000_000
"""Brackets remembered as open."""
_FREE_WORK, _MOST_WORK = 64 * 1024 * 1024, 16
"""How much may be followed without an end: this many bytes, plus this many times the content.
"""


class LostSync(Exception):
    """The structure is lost from here on; the cursor is on the broken value."""


class Brackets:
    """Of the content of a window. `gave_up`: too much of it was followed without result."""

    def __init__(self, window: SlidingWindow) -> None:
        self.gave_up = False
        self._window = window
        self._open: set[int] = set()
        """Places of brackets that are not closed up to `_open_at`."""
        self._open_at = -1
        self._mismatched: set[int] = set()
        """Places of brackets of which a bracket of the other kind closes the last one open."""
        self._in_vain = 0
        """Bytes that were followed for the end of a value and had none."""

    def end(self) -> int | None:
        """`balanced_end` of the value at the cursor.

        Raises `LostSync` where too much was followed without result: the rest is a fault.
        """
        window = self._window
        if self._open_at != window.end:
            self._open, self._open_at = set(), window.end
        if window.offset in self._open:
            return 0
        if window.offset in self._mismatched:
            return None
        if self._in_vain > _FREE_WORK + _MOST_WORK * window.end:
            self.gave_up = True
            raise LostSync("broken_json: too much of it is damaged")
        end, opened = balance(window.buffer, window.at)
        if not end and opened:
            known = self._mismatched if end is None else self._open
            known.update(window.base + at for at in opened[: _MOST_OPEN - len(known)])
            self._in_vain += (window.end if end == 0 else window.base + opened[-1]) - window.offset
        return end
