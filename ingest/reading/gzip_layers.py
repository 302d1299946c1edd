"""Gzip undone wherever it is: members one after another, within others, beside plain content.

Firehose compresses what CloudWatch Logs compressed already, and files are put together with `cat`:
`gzip(gzip(A) + B) + C` holds A, B and C. Each layer turns every gzip member of what it gets into
what that inflates to, and leaves the rest as it is.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
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
_FIRST_FEED: Final = 1024
_LARGEST_FEED: Final = 1024 * 1024
_STEP: Final = 4 * 1024 * 1024
_MEMBER_COST: Final = 1024
"""Bytes that a member of a layer within another counts for beside its own: one of 20 bytes takes as
much time, and a layer of nothing but those compresses a thousandfold."""
_PADDING: Final = re.compile(rb"[\0 \t\r\n]*+")
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
        """Record that the object ended without damage after this many streams."""
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
    """The state between blocks: in a member, in plain content, or before what comes next.

    `_data` is the block at hand, of which everything before `_at` is done with: nothing of it is
    copied for each member, of which a block may hold thousands.
    """

    def __init__(self, *, careful: bool, limit: int | None, hashed: StreamHash | None) -> None:
        self._hashed = hashed
        self._new: Callable[[int], Any] = zlib.decompressobj if careful else isal_zlib.decompressobj
        self._careful = careful
        self._room = limit
        self._engine: Any = None
        self._feed = _FIRST_FEED
        """Bytes that the engine gets next: more with each call, as members are small or large."""
        self._plain = False
        self._last = 0
        """The byte of plain content before the next one; 0 at its start."""
        self._data = b""
        self._at = 0
        self._held = b""
        self._count = 0

    def undo(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._data, self._at, self._held = self._held + piece, 0, b""
            while self._at < len(self._data):
                if self._engine is not None:
                    yield from self._inflate()
                elif self._plain:
                    yield from self._pass()
                else:
                    self._begin()
        if self._engine is not None:
            raise GzipDamage("the gzip data ends early")
        if self._hashed is not None:
            self._hashed.mixed |= bool(self._held)
            self._hashed.end(self._count)
        if self._held and (self._plain or not self._count):
            yield self._held

    def _begin(self) -> None:
        """Decide on what comes next, or hold it until there is enough to decide by."""
        data, at = self._data, self._at
        if self._count:  # zero padding after a member is skipped, as gzip(1) does
            if self._hashed is not None:
                self._hashed.mixed = True
            padding = _PADDING.match(data, at)
            assert padding is not None, "it matches nothing too"  # noqa: S101
            self._use(padding.end() - at)
            at = padding.end()
        if data.startswith(GZIP, at):
            self._use(_MEMBER_COST)
            self._engine, self._feed = self._new(_WBITS), _FIRST_FEED
            self._count += 1
        elif len(data) - at < (_LEAST_MEMBER if self._count else len(GZIP)):
            self._held, at = data[at:], len(data)
        elif self._count and (data[at + 1 : at + 3] == _MEMBER[1:] or not _PLAIN.match(data, at)):
            # Also a member whose first byte was changed to one that JSON begins with.
            raise GzipDamage("something that isn't gzip follows the gzip data")
        else:
            self._plain, self._last = True, 0
        self._at = at

    def _pass(self) -> Iterator[bytes]:
        """Plain content up to a gzip member in it."""
        data, start = self._data, self._at
        at = _member_in(data, start)
        while at >= 0 and (data[at - 1] if at > start else self._last) not in _ENDS:
            at = _member_in(data, at + 1)
        if at >= 0:
            self._plain, self._at = False, at
            if at > start:
                yield data[start:at]
            return
        cut = len(data)
        for length in (2, 1):
            if data.endswith(_MEMBER[:length], start):
                cut -= length
                break
        self._held, self._at = data[cut:], len(data)
        if cut > start:
            self._last = data[cut - 1]
            yield data[start:cut]

    def _inflate(self) -> Iterator[bytes]:
        """Inflate until the block is used up or the member ends."""
        engine = self._engine
        while self._at < len(self._data):
            fed = block = self._data[self._at : self._at + self._feed]
            self._use(len(fed))
            while True:
                saved = engine.copy() if self._careful else None
                try:
                    out = engine.decompress(block, _STEP)
                except _DAMAGE as error:
                    if saved is not None:
                        yield from _salvage(saved, block)
                    raise GzipDamage(f"the gzip data is damaged ({_reason(error)})") from error
                if out:
                    if self._hashed is not None:
                        self._hashed.update(out)
                    yield out
                if engine.eof:
                    after = len(engine.unused_data)
                    self._use(-after)
                    self._at += len(fed) - after
                    self._engine = None
                    return
                block = engine.unconsumed_tail
                if not block and len(out) < _STEP:
                    break
            self._at += len(fed)
            self._feed = min(2 * self._feed, _CAREFUL_BLOCK if self._careful else _LARGEST_FEED)

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
