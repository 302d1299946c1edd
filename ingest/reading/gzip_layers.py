"""Gzip undone wherever it is: members one after another, within others, beside plain content.

Firehose compresses what CloudWatch Logs compressed already, and files are put together with `cat`:
`gzip(gzip(A) + B) + C` holds A, B and C. Each layer turns every gzip member of what it gets into
what that inflates to, and leaves the rest as it is.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from isal import igzip_lib, isal_zlib

MOST_LAYERS: Final = 4
"""Layers of gzip that are inflated; Firehose that compresses compressed data makes two."""
GZIP: Final = b"\x1f\x8b"
_MEMBER: Final = b"\x1f\x8b\x08"
_FIRST: Final = _MEMBER[0]
_WBITS: Final = 31
_LEAST_MEMBER: Final = 18  # header 10 and trailer 8 bytes (RFC 1952): a shorter one has no content
_DAMAGE: Any = (zlib.error, igzip_lib.IsalError)
_CAREFUL_BLOCK: Final = 16 * 1024  # inflates to 16 MiB at the most: deflate's best ratio is 1,032
_STEP: Final = 4 * 1024 * 1024
_PADDING: Final = b"\0 \t\r\n"
_PLAIN: Final = re.compile(rb'(?:\xef\xbb\xbf[ \t\r\n]*)?(?:[{\["]|\d{4}-\d\d-\d\d)')
"""What JSON, JSON Lines and CloudWatch Logs' exports begin with."""
_ENDS: Final = frozenset(b'}]"\0 \t\r\n')
"""What a gzip member can follow in plain content: within JSON's text its first byte is invalid."""


class GzipDamage(Exception):
    """The gzip stream can't be inflated further; the sentence says why."""


class LayerTooLarge(GzipDamage):
    """A gzip layer within another is larger than the limit, before it is inflated itself."""


class StreamHash:
    """The SHA-256 of what one gzip stream holds, as CloudTrail's digests have it of a file: before
    any further layer is undone. `hexdigest` is empty where the object is not one whole gzip stream
    and nothing else; such a one is no file that CloudTrail wrote.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._whole = False
        self.mixed = False
        """Whether there is anything beside one stream."""

    def update(self, content: bytes) -> None:
        self._hash.update(content)

    def end(self, streams: int) -> None:
        """The object ended, without damage, after so many streams."""
        self._whole = streams == 1

    @property
    def hexdigest(self) -> str:
        return self._hash.hexdigest() if self._whole and not self.mixed else ""


def inflated(
    blocks: Iterator[bytes], limit: int, *, careful: bool = False, hashed: StreamHash | None = None
) -> Iterator[bytes]:
    """The content below all gzip layers of `blocks`, which may hold no gzip at all.

    With `careful`, everything that inflates before damage comes; it is slower. `hashed` gets what
    the first layer holds. Raises `GzipDamage`, and `LayerTooLarge` where the gzip in a layer below
    the first passes `limit` bytes.
    """
    for number in range(MOST_LAYERS):
        own = None if number else hashed
        blocks = _Layer(careful=careful, limit=limit if number else None, hashed=own).undo(blocks)
    return blocks


def one_member(data: bytes, limit: int) -> bytes | None:
    """What `inflated` makes of `data` where that is one gzip member with up to `limit` bytes of
    plain content, as CloudTrail writes it; None for anything else, damage included.

    The layers' steps, and their pieces of content, take longer than to inflate it.
    """
    if not data.startswith(GZIP):
        return None
    engine = isal_zlib.decompressobj(_WBITS)
    try:
        content: bytes = engine.decompress(data, limit)
    except _DAMAGE:
        return None
    if not engine.eof or engine.unused_data or content.startswith(GZIP):
        return None
    return None if _member_in(content) >= 0 else content


def _member_in(data: bytes, start: int = 0) -> int:
    """Where the first gzip member in `data` may begin; -1 without any.

    JSON cannot hold its first byte: one byte is found ten times as fast as three.
    """
    at = data.find(_FIRST, start)
    return at if at < 0 else data.find(_MEMBER, at)


class _Layer:
    """The state between blocks: in a member, in plain content, or before what comes next."""

    def __init__(self, *, careful: bool, limit: int | None, hashed: StreamHash | None) -> None:
        self._hashed = hashed
        self._new: Callable[[int], Any] = zlib.decompressobj if careful else isal_zlib.decompressobj
        self._careful = careful
        self._room = limit
        self._engine: Any = None
        self._plain = False
        self._last = 0
        """The byte of plain content before the next one; 0 at its start."""
        self._held = b""
        self._count = 0

    def undo(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            data = piece
            while data:
                if self._engine is not None:
                    data = yield from self._inflate(data)
                elif self._plain:
                    data = yield from self._pass(data)
                else:
                    data = self._begin(data)
        if self._engine is not None:
            raise GzipDamage("the gzip data ends early")
        if self._hashed is not None:
            self._hashed.mixed |= bool(self._held)
            self._hashed.end(self._count)
        if self._held and (self._plain or not self._count):
            yield self._held

    def _begin(self, data: bytes) -> bytes:
        """Decide on what comes next; empty until there is enough to decide by."""
        data = self._held + data
        self._held = b""
        if self._count and self._hashed is not None:
            self._hashed.mixed = True
        if self._count:  # zero padding after a member is skipped, as gzip(1) does
            self._use(len(data))
            data = data.lstrip(_PADDING)
        if data.startswith(GZIP):
            self._engine = self._new(_WBITS)
            self._count += 1
        elif len(data) < (_LEAST_MEMBER if self._count else len(GZIP)):
            self._held = data
            return b""
        elif self._count and (data[1:3] == _MEMBER[1:] or not _PLAIN.match(data)):
            # Also a member whose first byte was changed to one that JSON begins with.
            raise GzipDamage("something that isn't gzip follows the gzip data")
        else:
            self._plain, self._last = True, 0
        return data

    def _pass(self, data: bytes) -> Generator[bytes, None, bytes]:
        """Plain content up to a gzip member in it; the member and what follows."""
        data = self._held + data
        self._held = b""
        at = _member_in(data)
        while at >= 0 and (data[at - 1] if at else self._last) not in _ENDS:
            at = _member_in(data, at + 1)
        if at >= 0:
            self._plain = False
            if at:
                yield data[:at]
            return data[at:]
        cut = len(data)
        for length in (2, 1):
            if data.endswith(_MEMBER[:length]):
                cut -= length
                break
        self._held = data[cut:]
        if cut:
            self._last = data[cut - 1]
            yield data[:cut] if self._held else data
        return b""

    def _inflate(self, data: bytes) -> Generator[bytes, None, bytes]:
        """Inflate until `data` is used up or the member ends; the bytes after it."""
        if self._careful and len(data) > _CAREFUL_BLOCK:
            rest = yield from self._inflate(data[:_CAREFUL_BLOCK])
            return rest + data[_CAREFUL_BLOCK:]
        engine = self._engine
        self._use(len(data))
        while True:
            saved = engine.copy() if self._careful else None
            try:
                out = engine.decompress(data, _STEP)
            except _DAMAGE as error:
                if saved is not None:
                    yield from _salvage(saved, data)
                raise GzipDamage(f"the gzip data is damaged ({_reason(error)})") from error
            if out:
                if self._hashed is not None:
                    self._hashed.update(out)
                yield out
            if engine.eof:
                self._engine = None
                return bytes(engine.unused_data)
            data = engine.unconsumed_tail
            if not data and len(out) < _STEP:
                return b""

    def _use(self, number: int) -> None:
        """Count bytes of a layer that is compressed itself."""
        if self._room is None:
            return
        self._room -= number
        if self._room < 0:
            raise LayerTooLarge("a gzip layer within another is too large")


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
