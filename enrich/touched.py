"""What the records of one call touch, written as JSON members and kept by what it follows from.

Most calls are made again and again with the same parameters: a monitor describes the same
instances, a service decrypts with the same key. What such a record touches follows from its
request, its response and `resources[]` alone, so it is worked out once. Other calls name a new
object or session each time (`GetObject`, `AssumeRole`); keeping these would cost more than it
saves, so a call whose records rarely repeat is not kept for a while.
"""

from __future__ import annotations

from enrich.resources import Plan, members, resources
from enrich.view import RecordView

OF_A_CALL = 256
"""Entries kept of one call; at this number they are dropped, as in `enrich.memo`."""
PAUSE = 4_096
"""Records of a call that are worked out each, once its entries helped fewer than a fifth of them:
to look for an entry and make it costs about a fifth of what one that is found saves."""
LIMIT = 16_384
"""Entries kept of all calls together."""
LONGEST_BODY = 512
"""Bytes of request and response together: longer ones rarely repeat."""
MOST_REFERENCES = 8
"""Items of `resources[]` of a record that is kept."""
LARGEST = 1_024
"""Characters of an entry, key and value. Hostile records fill 16 MiB with them, and 64 where each
takes four bytes."""

_WORTH = 4  # found once for four made: a fifth of the records
_EMPTY = len("null")
_SIZES = tuple(b"%d:" % size for size in range(LONGEST_BODY + 1))

Key = bytes | tuple[bytes | str, ...]
Entries = dict[Key, bytes]


class Room:
    """Bounds the entries of all calls of an enricher."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._made = 0
        self._filled: list[Entries] = []

    def take(self, entries: Entries) -> None:
        """Count an entry about to be added. At the limit the entries of every call are dropped."""
        if self._made >= self._limit:
            for filled in self._filled:
                filled.clear()
            self._filled.clear()
            self._made = 0
        if not entries:
            self._filled.append(entries)
        self._made += 1


class Touched:
    """`resource` and `resource_incomplete` of the records of one call."""

    __slots__ = ("_entries", "_found", "_ids", "_pause", "_reading", "_reads", "_room")

    def __init__(self, reading: Plan, room: Room, *, ids: bool) -> None:
        self._reading, self._ids, self._room = reading, ids, room
        self._reads = bool(reading) or ids
        self._entries: Entries = {}
        self._found = 0
        self._pause = 0

    def of(self, view: RecordView) -> bytes:
        """The members of a record, empty where it touches nothing."""
        request, response, references = (
            view.requestParameters, view.responseElements, view.resources
        )  # fmt: skip
        size, rest = len(request), len(response)
        if not references and (not self._reads or (size <= _EMPTY and rest <= _EMPTY)):
            return b""
        if self._pause:
            self._pause -= 1
            return members(resources(view, self._reading, ids=self._ids))
        if size + rest > LONGEST_BODY or (references and len(references) > MOST_REFERENCES):
            return members(resources(view, self._reading, ids=self._ids))
        # With its size a request ends where it ends: `{}`, then nothing, is not nothing, then `{}`.
        body = b"".join((_SIZES[size], request, response))
        key: Key = body
        if references:
            key = (body, *[item.ARN or item.arn or "" for item in references])
        written = self._entries.get(key)
        if written is not None:
            self._found += 1
            return written
        written = members(resources(view, self._reading, ids=self._ids))
        self._keep(key, written)
        return written

    def _keep(self, key: Key, written: bytes) -> None:
        entries = self._entries
        size = len(key) if isinstance(key, bytes) else sum(map(len, key))
        if size + len(written) > LARGEST:
            return
        if len(entries) >= OF_A_CALL:
            if self._found < OF_A_CALL // _WORTH:
                self._pause = PAUSE
            entries.clear()
            self._found = 0
        self._room.take(entries)
        entries[key] = written
