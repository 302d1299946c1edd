"""Reading one trail file: bytes as stored in, chunks of record slices out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from random import randrange
from typing import BinaryIO

import msgspec

from ingest.reading.chunk import Chunk, ReadLimits
from ingest.reading.chunk_builder import ChunkBuilder
from ingest.reading.content import UTF8_BOM, Content, lead, refuse_other_formats
from ingest.reading.recognise import kind_of, may_be_trail
from ingest.reading.scan import Scan
from ingest.reading.window import SlidingWindow
from trailhound.errors import CorruptFileError, NotATrailFileError
from trailhound.plural import plural


class _TrailFile(msgspec.Struct):
    Records: list[msgspec.Raw]


_TRAIL_FILE = msgspec.json.Decoder(_TrailFile)
_HEAD = re.compile(rb'[ \t\r\n]*+\{[ \t\r\n]*+"Records"[ \t\r\n]*+:[ \t\r\n]*+\[(?=\{)')
_TAIL = re.compile(rb"(?<=\})\][ \t\r\n]*+\}[ \t\r\n]*+\Z")
_TAIL_ROOM = 256
_LARGE = 1024 * 1024
_BYTES_A_COMMA = 16
"""CloudTrail's records have some 25. A list of millions of tiny values would be that many objects,
fifty times as large as its text: it is read a window at a time."""
_SAMPLES, _SAMPLE_BYTES = 64, 1024
_START = 4096
"""Bytes by which to recognise a file that holds no record."""


class TrailReader:
    """The records of one object, in any of CloudTrail's formats.

    `stream` gives the bytes as stored; `name` is put into errors. Read once:

        reader = TrailReader(stream, ReadLimits(), name="s3://trails/AWSLogs/…json.gz")
        for chunk in reader.chunks():
            ...

    `kind` is the format recognised first (`records`, `array`, `objects`, `lookup_events`,
    `cloudwatch_logs`, `eventbridge`), `bytes_in` counts bytes as stored and `bytes_out` bytes
    uncompressed. With `hashes`, `sha256` is what a digest of CloudTrail's would say of the file.
    """

    def __init__(
        self, stream: BinaryIO, limits: ReadLimits, *, name: str, hashes: bool = False
    ) -> None:
        self._content = Content(stream, limits, name=name, hashes=hashes)
        self._limits = limits
        self._name = name
        self._builder = ChunkBuilder()
        self._start = b""
        self._begun: Iterator[Chunk] | None = None

    @property
    def kind(self) -> str | None:
        """The format recognised, once there was something to recognise it by."""
        return self._builder.kind

    @property
    def bytes_in(self) -> int:
        """Bytes read so far, as stored."""
        return self._content.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes of content so far, uncompressed."""
        return self._content.bytes_out

    @property
    def sha256(self) -> str:
        """The SHA-256, in hexadecimal, of what the file's gzip stream holds, once all was read;
        empty where it is not one whole gzip stream and nothing else."""
        return self._content.sha256

    @property
    def is_whole(self) -> bool:
        """Whether all of it was inflated before the first chunk came."""
        return self._content.is_whole

    def begin(self) -> None:
        """Read up to the first chunk, which `chunks` gives then; what this meets, `chunks` raises.

        To read some small files before anything is made of the first one's records takes a tenth
        less than to go to and fro: the processor's caches keep what inflates, then what assembles.
        """
        chunks = self._chunks()
        try:
            first = next(chunks, None)
        except Exception as error:  # noqa: BLE001 - `chunks` raises it
            self._begun = _raising(error)
        else:
            self._begun = chunks if first is None else chain((first,), chunks)

    def chunks(self) -> Iterator[Chunk]:
        """The file's records and faults, in order.

        Raises, after all that could be read was yielded: `CorruptFileError`,
        `FileTooLargeError`, or
        `NotATrailFileError` where nothing was recognised; and what the stream's `read` raises.
        """
        return self._begun if self._begun is not None else self._chunks()

    def _chunks(self) -> Iterator[Chunk]:
        window = self._window()
        start = self._start = window.buffer[:_START]
        refuse_other_formats(start, name=self._name)
        if start.startswith(UTF8_BOM):
            window.at = len(UTF8_BOM)
        self._builder.doubtful = not self._content.proven
        if window.ended and (raws := _slices(window.buffer)):
            self._builder.recognise("records")
            yield from self._builder.group(raws, window.buffer)
            yield from self._builder.flush()
            if self._content.damage is not None:  # a wrong checksum after it all
                raise self._content.damage
            return
        scan = Scan(window, self._builder, self._limits, self._is_damaged)
        yield from scan.chunks()
        self._raise_what_is_wrong(scan)

    def _window(self) -> SlidingWindow:
        whole = self._content.whole()
        if whole is not None:
            return SlidingWindow(whole)
        pieces = self._content.pieces()
        return SlidingWindow(lead(pieces), pieces, step=self._limits.window)

    def _is_damaged(self) -> bool:
        return self._content.damage is not None

    def _raise_what_is_wrong(self, scan: Scan) -> None:
        if self._content.damage is not None:
            raise self._content.damage
        count = plural(self._builder.count, "record")
        if scan.breaks_off:
            raise CorruptFileError(
                f"{self._name}: the JSON ends early after {count}",
                hint="the content before was read; fetch the object again, or restore another "
                "version of it",
            )
        if self.kind is None:
            why = self._builder.refusal or scan.damage
            what = f"no CloudTrail records in it ({why})" if why else "it is empty"
            raise NotATrailFileError(
                f"{self._name}: {what}",
                hint="check what wrote this object, or remove it from the source",
                kind=self._kind_instead(scan),
            )
        if scan.damage:
            raise CorruptFileError(
                f"{self._name}: the JSON is damaged ({scan.damage})",
                hint=f"{count} and faults were read around the damage; compare with another copy",
            )

    def _kind_instead(self, scan: Scan) -> str:
        """What the file is that holds no record; empty where it may be a damaged trail file, or
        one that was never written to its end."""
        damaged = scan.damage or scan.breaks_off
        unsure = not self._start.strip() or (damaged and may_be_trail(self._start))
        return "" if unsure else kind_of(self._start)


def _raising(error: Exception) -> Iterator[Chunk]:
    raise error
    yield  # for a generator, which raises when it is asked for something


def _slices(content: bytes) -> list[msgspec.Raw]:
    """The records of `{"Records":[…]}` as CloudTrail writes it, or none where it isn't just that.

    msgspec takes the last of several `Records` keys and skips all other keys. So the
    lengths are added up: where nothing but head, records, commas and tail is in the content,
    nothing was skipped.
    """
    if len(content) > _LARGE and _is_dense(content):
        return []
    head = _HEAD.match(content)
    tail = _TAIL.search(content, max(0, len(content) - _TAIL_ROOM))
    if not head or not tail:
        return []
    try:
        raws = _TRAIL_FILE.decode(content).Records
    except (msgspec.MsgspecError, RecursionError):
        return []
    written = head.end() + sum(map(len, raws)) + len(raws) - 1 + len(content) - tail.start()
    return raws if written == len(content) else []


def _is_dense(content: bytes) -> bool:
    """Whether there are more commas than CloudTrail's records have.

    Judged by samples from random places, so that no file can be written around them: to count all
    commas takes half as long as to inflate the file. The records are the same either way.
    """
    last = len(content) - _SAMPLE_BYTES
    starts = [randrange(last) for _ in range(_SAMPLES)]
    found = sum(content.count(b",", start, start + _SAMPLE_BYTES) for start in starts)
    return found * _BYTES_A_COMMA > _SAMPLES * _SAMPLE_BYTES
