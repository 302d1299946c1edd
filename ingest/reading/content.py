"""From the bytes as stored to the content: plain or gzipped, whole or in pieces, within a limit.

Gzip is inflated with ISA-L (620 MB/s on the reference machine, zlib 270). ISA-L drops the output
of the call that meets damage, and its state can't be copied; so a damaged file, and any too large
to hold, goes through zlib, which can be set back and fed byte by byte up to the damage.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator, Iterator
from itertools import chain
from typing import Any, BinaryIO

from isal import igzip_lib, isal_zlib

from ingest.reading.chunk import ReadLimits
from ingest.reading.recognise import kind_of
from trailhound.errors import (
    CorruptFileError,
    FileTooLargeError,
    NotATrailFileError,
    TrailFileError,
)

_GZIP = b"\x1f\x8b"
_GZIP_WBITS = 31
_LEAD = 16
_LEAST_MEMBER = 18  # header 10 and trailer 8 bytes (RFC 1952): a shorter one has no content
_DAMAGE: Any = (zlib.error, igzip_lib.IsalError)
_BLOCK = 1024 * 1024
_CAREFUL_BLOCK = 16 * 1024  # inflates to 16 MiB at the most: deflate's best ratio is 1,032
_STEP = 4 * 1024 * 1024
MOST_LAYERS = 4
"""Layers of gzip that are inflated; Firehose that compresses compressed data makes two."""

_OTHER_FORMATS = (
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard"),
    (b"PAR1", "a Parquet file, as Security Lake (OCSF) and Athena write them"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
    (b"{\x00", "UTF-16 text"),
    (b"\x00{", "UTF-16 text"),
    (b"[\x00", "UTF-16 text"),
    (b"\x00[", "UTF-16 text"),
)
UTF8_BOM = b"\xef\xbb\xbf"


class _GzipDamage(Exception):
    """The gzip stream can't be inflated further; the sentence says why."""


class _LayerTooLarge(_GzipDamage):
    """A gzip layer within another is larger than the limit, before it is inflated itself."""


class Content:
    """One object's content. Ask for `whole` first, and for `pieces` if it gave None.

    `damage` is why the content ended early, to be raised once what came before has been used.
    `proven` is False once a gzip checksum was wrong or never came. `bytes_in` counts bytes as
    stored, `bytes_out` bytes of content.
    """

    def __init__(self, stream: BinaryIO, limits: ReadLimits, *, name: str) -> None:
        self._stream = stream
        self._limits = limits
        self._name = name
        self._held: list[bytes] | None = []
        self._begun: Iterator[bytes] | None = None
        self.damage: TrailFileError | None = None
        self.proven = True
        self.bytes_in = 0
        self.bytes_out = 0

    def whole(self) -> bytes | None:
        """All of the content, or None where it is larger than `slice_whole`."""
        blocks = self._blocks()
        first = lead(blocks)
        blocks = chain([first], blocks)
        limit = self._limits.max_uncompressed
        try:
            quick = _undone(first, blocks, _inflate_quickly, limit)
            parts, total = self._gather(quick)
        except _GzipDamage:
            pieces = self.pieces()
            parts, total = self._gather(pieces)
            self._begun = chain(parts, pieces)
        if total > self._whole_limit:
            return None
        self._held = None
        self.bytes_out = total
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def pieces(self) -> Iterator[bytes]:
        """The content from its start, in pieces of some MiB. Asked for once."""
        if self._begun is not None:
            return self._begun
        held, self._held = self._held or [], None
        held.reverse()
        return self._limited(chain(_popped(held), self._blocks()))

    @property
    def _whole_limit(self) -> int:
        return min(self._limits.slice_whole, self._limits.max_uncompressed)

    def _gather(self, pieces: Iterator[bytes]) -> tuple[list[bytes], int]:
        parts: list[bytes] = []
        total = 0
        for piece in pieces:
            parts.append(piece)
            total += len(piece)
            if total > self._whole_limit:
                break
        return parts, total

    def _blocks(self) -> Iterator[bytes]:
        while block := self._stream.read(_BLOCK):
            self.bytes_in += len(block)
            if self._held is not None:
                self._held.append(block)
            yield block

    def _limited(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        first = lead(blocks)
        blocks = chain([first], blocks)
        limit = self._limits.max_uncompressed
        try:
            for piece in _undone(first, blocks, _inflate_carefully, limit):
                if self.bytes_out + len(piece) > limit:
                    room = limit - self.bytes_out
                    self.bytes_out = limit
                    self.damage = self._too_large()
                    yield piece[:room]
                    return
                self.bytes_out += len(piece)
                yield piece
        except _LayerTooLarge:
            self.damage = self._too_large()
        except _GzipDamage as error:
            self.proven = False
            self.damage = CorruptFileError(
                f"{self._name}: {error}",
                hint="what came before the damage was read; fetch the object again, or restore "
                "another version of it",
            )

    def _too_large(self) -> FileTooLargeError:
        limit = self._limits.max_uncompressed
        return FileTooLargeError(
            f"{self._name}: more than {limit:,} bytes uncompressed",
            hint="what came before the limit was read; if the file is genuine, raise the limit",
        )


def refuse_other_formats(start: bytes, *, name: str) -> None:
    """Raise `NotATrailFileError` where content starts as something known that holds no readable
    JSON.
    """
    for magic, what in _OTHER_FORMATS:
        if start.startswith(magic):
            raise NotATrailFileError(
                f"{name}: the content is {what}",
                hint="trail files are JSON in UTF-8, plain or gzipped: convert it first",
                kind=kind_of(start),
            )


def lead(pieces: Iterator[bytes]) -> bytes:
    """The first pieces, joined: enough to recognise the format by, if there is as much."""
    first = b""
    while len(first) < _LEAD and (piece := next(pieces, b"")):
        first += piece
    return first


def _undone(
    first: bytes,
    blocks: Iterator[bytes],
    inflate: Callable[[Iterator[bytes]], Iterator[bytes]],
    limit: int,
) -> Iterator[bytes]:
    """The content below all gzip layers; `blocks` begin with `first`, and may be no gzip at all.

    Raises `_GzipDamage`, and `_LayerTooLarge` where a layer passes `limit` bytes.
    """
    for _ in range(MOST_LAYERS):
        if not _is_gzip(first):
            return blocks
        inflated = inflate(blocks)
        first = lead(inflated)
        blocks = chain([first], inflated)
        if _is_gzip(first):
            blocks = _bounded(blocks, limit)
    return blocks


def _bounded(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limit:
            raise _LayerTooLarge("a gzip layer within another is too large")
        yield piece


def _is_gzip(first: bytes) -> bool:
    return first.startswith(_GZIP)


def _popped(reversed_blocks: list[bytes]) -> Iterator[bytes]:
    while reversed_blocks:
        yield reversed_blocks.pop()


def _inflate(blocks: Iterator[bytes], new: Callable[[int], Any]) -> Iterator[bytes]:
    """Gzip members one after another. Zero padding after one is skipped, as gzip(1) does."""
    members = _Members(new)
    for block in blocks:
        yield from members.feed(block)
    members.finish()


def _inflate_quickly(blocks: Iterator[bytes]) -> Iterator[bytes]:
    return _inflate(blocks, isal_zlib.decompressobj)


def _inflate_carefully(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """As `_inflate`, and at damage everything that inflates before it."""
    members = _Members(zlib.decompressobj, careful=True)
    for block in blocks:
        for start in range(0, len(block), _CAREFUL_BLOCK):
            yield from members.feed(block[start : start + _CAREFUL_BLOCK])
    members.finish()


class _Members:
    """The state between blocks: the member being inflated, or the bytes before the next one."""

    def __init__(self, new: Callable[[int], Any], *, careful: bool = False) -> None:
        self._new = new
        self._careful = careful
        self._engine: Any = None
        self._between = b""
        self._count = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._engine is None:
                data = (self._between + data).lstrip(b"\0") if self._count else data
                self._between = b""
                if not data.startswith(_GZIP):
                    if len(data) >= _LEAST_MEMBER:
                        raise _GzipDamage("something that isn't gzip follows the gzip data")
                    self._between = data
                    return
                self._engine = self._new(_GZIP_WBITS)
                self._count += 1
            data = yield from self._advance(data)

    def _advance(self, data: bytes) -> Generator[bytes, None, bytes]:
        """Inflate until `data` is used up or the member ends; the bytes after it."""
        engine = self._engine
        while True:
            saved = engine.copy() if self._careful else None
            try:
                out = engine.decompress(data, _STEP)
            except _DAMAGE as error:
                if saved is not None:
                    yield from _salvage(saved, data)
                raise _GzipDamage(f"the gzip data is damaged ({_reason(error)})") from error
            if out:
                yield out
            if engine.eof:
                self._engine = None
                return bytes(engine.unused_data)
            data = engine.unconsumed_tail
            if not data and len(out) < _STEP:
                return b""

    def finish(self) -> None:
        if self._engine is not None:
            raise _GzipDamage("the gzip data ends early")


def _salvage(engine: Any, data: bytes) -> Iterator[bytes]:
    """What `data` still gives before its first byte that can't be inflated, by halving."""
    while data:
        half = max(1, len(data) // 2)
        trial = engine.copy()
        try:
            out = trial.decompress(data[:half])
        except zlib.error:
            if half == 1:
                return
            data = data[:half]
            continue
        engine, data = trial, data[half:]
        if out:
            yield out


def _reason(error: Exception) -> str:
    return str(error).rpartition(": ")[2]
