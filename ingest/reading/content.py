"""From the bytes as stored to the content: plain or gzipped, whole or in pieces, within a limit.

Gzip is inflated with ISA-L (620 MB/s on the reference machine, zlib 270). ISA-L drops the output
of the call that meets damage, and its state can't be copied; so a damaged file, and any too large
to hold, goes through zlib, which can be set back and fed byte by byte up to the damage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain, islice
from typing import BinaryIO

from ingest.reading.chunk import ReadLimits
from ingest.reading.gzip_layers import (
    GzipDamage,
    LayerTooLarge,
    StreamHash,
    inflated,
    one_member,
)
from ingest.reading.recognise import kind_of
from trailhound.errors import (
    CorruptFileError,
    FileTooLargeError,
    NotATrailFileError,
    TrailFileError,
)

_LEAD = 16
_BLOCK = 1024 * 1024
_MOST_BLOCKS = 4
_AT_ONCE = 32 * 1024 * 1024
"""Blocks as stored, and bytes of content, of a file that is inflated in one go. A larger one is
inflated in pieces, which takes longer and bounds what a file that claims too much can cost."""

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


class Content:
    """One object's content. Ask for `whole` first, and for `pieces` if it gave None.

    `damage` is why the content ended early, to be raised once what came before has been used.
    `proven` is False once a gzip checksum was wrong or never came. `bytes_in` counts bytes as
    stored, `bytes_out` bytes of content. With `hashes`, `sha256` is known once all was read.
    """

    def __init__(
        self, stream: BinaryIO, limits: ReadLimits, *, name: str, hashes: bool = False
    ) -> None:
        self._hashes = hashes
        self._sha256 = ""
        self._hash: StreamHash | None = None
        self.is_whole = False
        """Whether `whole` gave all of it: then `sha256` is known before any of it is used."""
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
        begun = list(islice(blocks, _MOST_BLOCKS + 1))
        content = None
        if len(begun) <= _MOST_BLOCKS:
            content = one_member(b"".join(begun), min(_AT_ONCE, self._whole_limit))
        if content is not None:
            self._held, self.bytes_out, self.is_whole = None, len(content), True
            if self._hashes:
                self._sha256 = hashlib.sha256(content).hexdigest()
            return content
        try:
            quick = inflated(
                chain(begun, blocks), self._limits.max_uncompressed, hashed=self._new_hash()
            )
            parts, total = self._gather(quick)
        except GzipDamage:
            pieces = self.pieces()
            parts, total = self._gather(pieces)
            self._begun = chain(parts, pieces)
        if total > self._whole_limit:
            return None
        self._held, self.is_whole = None, True
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
    def sha256(self) -> str:
        """Of what the object's gzip stream holds, in hexadecimal; empty where it was not read to
        its end, or is not just one whole stream."""
        return self._sha256 or (self._hash.hexdigest if self._hash is not None else "")

    def _new_hash(self) -> StreamHash | None:
        """For a reading from the start."""
        self._hash = StreamHash() if self._hashes else None
        return self._hash

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
        limit = self._limits.max_uncompressed
        try:
            for piece in inflated(blocks, limit, careful=True, hashed=self._new_hash()):
                if self.bytes_out + len(piece) > limit:
                    room = limit - self.bytes_out
                    self.bytes_out = limit
                    self.damage = self._too_large()
                    yield piece[:room]
                    return
                self.bytes_out += len(piece)
                yield piece
        except LayerTooLarge:
            self.damage = self._too_large()
        except GzipDamage as error:
            self.proven = False
            self.damage = CorruptFileError(
                f"{self._name}: {error}",
                hint="the content before the damage was read; fetch the object again, or restore "
                "another version of it",
            )

    def _too_large(self) -> FileTooLargeError:
        limit = self._limits.max_uncompressed
        return FileTooLargeError(
            f"{self._name}: more than {limit:,} bytes uncompressed",
            hint="the content before the limit was read; if the file is genuine, raise the limit",
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


def _popped(reversed_blocks: list[bytes]) -> Iterator[bytes]:
    while reversed_blocks:
        yield reversed_blocks.pop()
