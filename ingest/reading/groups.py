"""Taking many values of a window in one call: the elements of a list, or lines."""

from __future__ import annotations

import msgspec

from ingest.reading.shapes import Probe
from ingest.reading.stamps import without_stamp
from ingest.reading.values import REFUSED
from ingest.reading.window import SlidingWindow

_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_PROBES = msgspec.json.Decoder(list[Probe])
_HEAD, _TAIL = b'{"Records":[', b"]}"


class ListGroup:
    """Consecutive elements of a list. `source` is `{"Records":[…]}` round their text."""

    def __init__(self, text: memoryview) -> None:
        self.source = b"".join((_HEAD, text, _TAIL))
        # As a list: within an object the text could close the list and open another.
        self._list = memoryview(self.source)[len(_HEAD) - 1 : -1]
        self.raws = _RAWS.decode(self._list)

    def probes(self) -> list[Probe | None]:
        """The shape of each element; None for all where one can't be decoded so."""
        try:
            return list(_PROBES.decode(self._list))
        except REFUSED:  # an element that's no object, or a key that isn't UTF-8
            return [None] * len(self.raws)


class Groups:
    """Groups from a window's cursor on, which is moved past them. `size` is their most bytes.

    Where a group can't be taken, none is tried again before its end: single steps lead there.
    """

    def __init__(self, window: SlidingWindow, size: int) -> None:
        self._window = window
        self._size = size
        self._singly_until = 0
        self._mark, self._none_before = b"", 0

    def of_list(self, separator: bytes) -> ListGroup | None:
        """Elements up to a later separator, which the cursor is put on."""
        cut = self._last(separator)
        if not cut:
            return None
        try:
            group = ListGroup(memoryview(self._window.buffer)[self._window.at : cut])
        except (msgspec.DecodeError, RecursionError):
            self._singly_until = self._window.base + cut
            return None
        self._window.at = cut
        return group

    def of_lines(self, *, stamped: bool = False) -> list[tuple[bytes, Probe]]:
        """Lines that are one object each, none of them a container; else none at all.

        `stamped`: a time stamp may precede each.

        Joined by commas they are decoded as a list. Each value found being as long as its line,
        no value can lie across two lines, nor two in one.
        """
        cut = self._last(b"\n")
        if not cut:
            return []
        parts = self._window.buffer[self._window.at : cut].split(b"\n")
        lines = [line for part in parts if (line := part.strip())]
        if stamped:
            lines = [without_stamp(line) for line in lines]
        body = b"[" + b",".join(lines) + b"]"
        try:
            lengths = list(map(len, _RAWS.decode(body)))
            found = _PROBES.decode(body)
        except (*REFUSED, RecursionError):
            lengths, found = [], []
        if lengths != list(map(len, lines)) or any(one.is_container for one in found):
            self._singly_until = self._window.base + cut
            return []
        self._window.at = cut
        return list(zip(lines, found, strict=True))

    def _last(self, mark: bytes) -> int:
        """Where `mark` is last found within a group's size; 0 where no group is to be tried.

        A part that was searched without finding it is not searched again for the next value.
        """
        window = self._window
        if window.offset < self._singly_until:
            return 0
        if window.left < self._size:
            window.more()
        begin, end = window.at + 1, window.at + self._size
        if mark == self._mark:
            begin = max(begin, self._none_before - window.base)
        found = window.buffer.rfind(mark, begin, end)
        if found < 0:
            # One that lies across the end begins here at the earliest.
            searched = min(end, len(window.buffer)) - len(mark) + 1
            self._mark, self._none_before = mark, window.base + searched
        return max(0, found)
