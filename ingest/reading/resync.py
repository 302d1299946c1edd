"""After damage: finds the next object that is certainly a record."""

from __future__ import annotations

import re

import msgspec

from ingest.reading.chunk import FAULT_RAW, ReadLimits
from ingest.reading.shapes import Probe, probe
from ingest.reading.values import Broken, Cut, end_of_value
from ingest.reading.window import SlidingWindow

_CANDIDATE = re.compile(rb'\{[ \t\r\n]*+"')
_CUT_CANDIDATE = re.compile(rb"\{[ \t\r\n]{0,1000}+\Z")

# Candidates within candidates are read again for each level, so a hostile file could make this
# quadratic. Past this many bytes tried for each one skipped, the rest is a fault.
_MOST_WORK = 32
_DEEP = 10_000  # about what msgspec reads before nesting stops it
_FREE_WORK = 64 * 1024 * 1024


class Resync:
    """From the window's cursor on; `passed` is the text skipped (its first MiB), of `size`."""

    def __init__(self, window: SlidingWindow, limits: ReadLimits) -> None:
        self._window = window
        self._limits = limits
        self._work = 0
        self.passed = b""
        self.size = 0

    def to_record(self, give_up_after: int | None, *, hopeless: bool = False) -> bool:
        """Put the cursor on the next certain record. False if there is none.

        `give_up_after`: the most bytes to skip, or None for no such limit. `hopeless`: skip all.
        """
        window = self._window
        at = window.at + 1
        while not hopeless and self._work <= _FREE_WORK + _MOST_WORK * self.size:
            if give_up_after is not None and self.size > give_up_after:
                return False
            candidate = _CANDIDATE.search(window.buffer, at)
            if not candidate:
                cut = _CUT_CANDIDATE.search(window.buffer, max(at, len(window.buffer) - 1001))
                self._skip_to(cut.start() if cut else len(window.buffer))
                if not window.more():
                    self._skip_to(len(window.buffer))
                    return False
                at = window.at
                continue
            start = candidate.start()
            try:
                end = end_of_value(window.buffer, start)
            except Cut:
                self._work += len(window.buffer) - start
                at = start + 1
                if not window.ended and len(window.buffer) - start <= self._limits.max_record:
                    self._skip_to(start)
                    window.more()
                    at = window.at
                continue
            except Broken as error:
                self._work += error.offset or _DEEP
                at = start + 1
                continue
            self._work += end - start
            if _is_certain(probe(window.buffer[start:end])):
                self._skip_to(start)
                return True
            at = end
        self._skip_to(len(window.buffer))
        while window.more():
            self._skip_to(len(window.buffer))
        return False

    def _skip_to(self, at: int) -> None:
        window = self._window
        room = FAULT_RAW - len(self.passed)
        self.passed += window.buffer[window.at : min(at, window.at + room)]
        self.size += at - window.at
        window.at = at


def _is_certain(found: Probe) -> bool:
    # `Events` is left out: requests of S3, SNS and others have lists of that name.
    return (
        found.is_certainly_a_record
        or found.is_envelope
        or found.Records is not msgspec.UNSET
        or found.log_events is not msgspec.UNSET
    )
