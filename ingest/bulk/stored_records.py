"""The records that this run knows to be in the index, whose copies need no comparison there.

CloudTrail delivers an event more than once, mostly within minutes. A record enters here when the
cluster has replied 201 for it, or when it was read back and found the same; never before.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Final

_GENERATION: Final = 65_536
"""Records in a generation. Two generations are kept: the latest 65,536 to 131,072 records, in at
most 12 MB."""


def _keyed() -> bool:
    """Whether Python's hash of bytes has a secret key (SipHash, PEP 456), so that nobody can
    construct two records with the same hash. It has, unless PYTHONHASHSEED fixes it."""
    return os.environ.get("PYTHONHASHSEED", "") in ("", "random")


def _strong(record: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(record, digest_size=16).digest(), "big")


digest_of = hash if _keyed() else _strong
"""A number for a record's own bytes. A record decides its `_id` and its day, so the same bytes are
the same document."""


class StoredRecords:
    """Digests of records that are in the index, and the object that each was indexed from. Many
    threads may share one."""

    def __init__(self, generation: int = _GENERATION) -> None:
        self._generation = generation
        self._lock = threading.Lock()
        self._recent: dict[int, str] = {}
        self._older: dict[int, str] = {}

    @property
    def known(self) -> tuple[Mapping[int, str], Mapping[int, str]]:
        """The digests, in two mappings that change meanwhile: for a loop over many records."""
        return self._recent, self._older

    def __contains__(self, digest: int) -> bool:
        return digest in self._recent or digest in self._older

    def object_of(self, digest: int) -> str:
        """The name of the object that a record was indexed from; empty if it is not known."""
        return self._recent.get(digest) or self._older.get(digest) or ""

    def add(self, digests: Iterable[int], objects: Iterable[str] = repeat("")) -> None:
        """Add stored records, and the object of each; the oldest ones are forgotten."""
        with self._lock:
            self._recent.update(zip(digests, objects, strict=False))
            if len(self._recent) >= self._generation:
                self._older, self._recent = self._recent, {}

    def clear(self) -> None:
        """Forget all records, since an index was deleted."""
        with self._lock:
            self._recent.clear()
            self._older.clear()
