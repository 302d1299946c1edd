"""A part of the content that slides forward: what is before the cursor is dropped."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.reading.values import SPACE


class SlidingWindow:
    """`buffer` from `at` on is content not yet read; `ended` when there is no more.

    `step` is how many bytes are read on at the least.
    """

    __slots__ = ("_pieces", "_step", "at", "base", "buffer", "ended")

    def __init__(
        self, buffer: bytes, pieces: Iterator[bytes] | None = None, *, step: int = 0
    ) -> None:
        self.buffer = buffer
        self.at = 0
        self.base = 0
        self.ended = pieces is None
        self._step = step
        self._pieces = pieces if pieces is not None else iter(())

    @property
    def left(self) -> int:
        """Bytes between the cursor and the end of the buffer."""
        return len(self.buffer) - self.at

    @property
    def offset(self) -> int:
        """The cursor's place in the content."""
        return self.base + self.at

    @property
    def end(self) -> int:
        """The place of the buffer's end in the content."""
        return self.base + len(self.buffer)

    def more(self) -> bool:
        """Drop what is before the cursor and read more: the longer the value, the more.

        False, and nothing changed, at the end of the content.
        """
        if self.ended:
            return False
        wanted = min(max(self._step, self.left), 4 * self._step)
        parts = [self.buffer[self.at :]]
        while wanted > 0:
            piece = next(self._pieces, None)
            if piece is None:
                self.ended = True
                break
            parts.append(piece)
            wanted -= len(piece)
        if len(parts) == 1:
            return False
        self.base += self.at
        self.at = 0
        self.buffer = b"".join(parts)
        return True

    def peek(self) -> int:
        """The next byte that is no blank, with the cursor on it; -1 at the end of the content."""
        while True:
            space = SPACE.match(self.buffer, self.at)
            if space:
                self.at = space.end()
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self.more():
                return -1
