"""Small objects are inflated and sliced some at a time, before documents are made of the first.

Inflating and assembling each fill the processor's caches. Where the objects are tiny, going to and
fro between them takes a tenth of a run's time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Final

from ingest.object_progress import ObjectProgress
from ingest.reading import TrailReader
from trailhound.errors import SourceError

SMALL: Final = 64 * 1024
"""Bytes as stored of the largest object that others are begun beside."""
_MOST: Final = 32
_MOST_BYTES: Final = 1024 * 1024
"""Objects begun, and bytes of their content, before documents are made of them: what stays in the
second cache of most processors."""


Begin = Callable[[BinaryIO, ObjectProgress], TrailReader]
"""Reads an object as far as its first records: `Pipeline.begin`."""
Read = Callable[[BinaryIO | SourceError, ObjectProgress, TrailReader | None], None]
"""Reads an object, which may have been begun, to its end: `Pipeline.read`."""


class SmallObjects:
    """Reads objects in their order. Nothing is held back after `finish`."""

    def __init__(self, begin: Begin, read: Read) -> None:
        self._begin, self._read = begin, read
        self._begun: list[tuple[BinaryIO, ObjectProgress, TrailReader]] = []
        self._bytes = 0

    def read(self, stream: BinaryIO | SourceError, run: ObjectProgress) -> None:
        """Read one object: a small one as far as its records, any other to its end."""
        if isinstance(stream, SourceError) or not 0 < run.item.size <= SMALL:
            self.finish()
            self._read(stream, run, None)
            return
        begun = self._begin(stream, run)
        self._begun.append((stream, run, begun))
        self._bytes += begun.bytes_out
        # Of one that is not whole in memory the rest is read before its stream is closed.
        if not begun.is_whole or self._bytes >= _MOST_BYTES or len(self._begun) >= _MOST:
            self.finish()

    def finish(self) -> None:
        """Read to their end all that were begun."""
        begun, self._begun, self._bytes = self._begun, [], 0
        for each in begun:
            self._read(*each)
