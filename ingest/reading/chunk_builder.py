"""Builds chunks from what a scan finds: positions, suspects, line breaks, faults."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter

import msgspec

from ingest.reading.chunk import FAULT_RAW, Chunk, Fault
from ingest.reading.sanitize import diagnose, is_utf8, single_line
from ingest.reading.shapes import name_of

_CHUNK_BYTES = 4 * 1024 * 1024
_CHUNK_RECORDS = 10_000
_OBJECT = {ord("{")}
_first_byte = itemgetter(0)

RecordText = msgspec.Raw | bytes


class ChunkBuilder:
    """Collects records and faults in reading order, and yields them as chunks.

    Faults found before anything of a known format are held back, since a file
    that holds nothing else is no trail; `recognise` releases them. `refusal` is the reason of
    the first.
    """

    def __init__(self) -> None:
        self.kind: str | None = None
        self.refusal = ""
        self.doubtful = False
        self._next = 0
        self._records: list[RecordText] = []
        self._positions: list[int] = []
        self._faults: list[Fault] = []
        self._suspects: dict[int, str] = {}
        self._bytes = 0

    @property
    def count(self) -> int:
        """Records and faults so far."""
        return self._next

    @property
    def held_back(self) -> int:
        """Bytes of faults that wait for the format to be recognised."""
        return 0 if self.kind else self._bytes

    def recognise(self, kind: str) -> None:
        """The file's format, by the first thing recognised in it."""
        if self.kind is None:
            self.kind = kind

    def record(self, text: bytes) -> None:
        """One JSON value where a record is due; its grammar was checked, its UTF-8 wasn't."""
        if not text.startswith(b"{"):
            self.fault(text, f"not_an_object: {name_of(text)} in the place of a record")
            return
        self._add(text, "" if is_utf8(text) else "invalid_utf8")

    def suspect(self, text: bytes) -> None:
        """One object that `sanitize` can make valid JSON of; the text as read."""
        self._add(text, diagnose(text))

    def fault(self, raw: bytes, reason: str, *, size: int = 0) -> None:
        """Something that is no record. `size` is its full length where `raw` is only a part."""
        if not self.kind:
            self.refusal = self.refusal or reason
        size = size or len(raw)
        if size > FAULT_RAW:
            reason = f"{reason} (the first {FAULT_RAW:,} of {size:,} bytes are kept)"
        self._faults.append(Fault(self._next, raw[:FAULT_RAW], reason))
        self._next += 1
        self._bytes += min(size, FAULT_RAW) + 200

    def again(self, chunk: Chunk) -> None:
        """What a chunk of content within this one holds."""
        for index, text in enumerate(chunk.records):
            if index in chunk.suspects:
                self.suspect(bytes(text))
            else:
                self.record(bytes(text))
        for fault in chunk.faults:
            self.fault(fault.raw, fault.reason)

    def ready(self) -> Iterator[Chunk]:
        """A chunk, once it is large enough."""
        if self.kind and (self._bytes > _CHUNK_BYTES or len(self._records) > _CHUNK_RECORDS):
            yield from self.flush()

    def flush(self) -> Iterator[Chunk]:
        """A chunk of everything collected and not yielded yet."""
        if not self._records and not self._faults:
            return
        positions: range | list[int] = self._positions
        if positions and positions[-1] - positions[0] == len(positions) - 1:
            positions = range(positions[0], positions[-1] + 1)
        chunk = Chunk(
            self._records, positions, self._faults, self._suspects, doubtful=self.doubtful
        )
        self._records, self._positions, self._faults, self._suspects = [], [], [], {}
        self._bytes = 0
        yield chunk

    def group(self, raws: list[msgspec.Raw], source: bytes) -> Iterator[Chunk]:
        """The values of `source`, which is `{"Records":[…]}`, as a chunk of their own."""
        plain = _all_objects(raws)
        if plain and is_utf8(source) and not _has_breaks(source):
            yield from self.flush()
            positions = range(self._next, self._next + len(raws))
            self._next += len(raws)
            yield Chunk(list(raws), positions, doubtful=self.doubtful)
            return
        if not plain:
            for raw in raws:
                self.record(bytes(raw))
                yield from self.ready()
            return
        yield from self.flush()
        for raw in raws:
            self.record(bytes(raw))
        yield from self.flush()

    def _add(self, text: bytes, suspect: str) -> None:
        if b"\n" in text or b"\r" in text:
            text = single_line(text)
        if suspect:
            self._suspects[len(self._records)] = suspect
        self._positions.append(self._next)
        self._records.append(text)
        self._next += 1
        self._bytes += len(text)


def _all_objects(raws: list[msgspec.Raw]) -> bool:
    views: Iterator[memoryview] = map(memoryview, raws)
    return set(map(_first_byte, views)) == _OBJECT


def _has_breaks(source: bytes) -> bool:
    """Whether there is a CR or LF before the closing brackets, where a record could hold it."""
    last = source.rfind(b"}", 0, source.rfind(b"]"))
    return source.find(b"\n", 0, last) >= 0 or source.find(b"\r", 0, last) >= 0
