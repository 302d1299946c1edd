"""Finds duplicate events without an index, by the rules of the index: by id and content.

The index keeps one document for an id and day. An equal record is a duplicate; a different one gets
its own id (`ingest.bulk.result_handler`). Here a digest of each record is kept in a temporary file,
some 60 bytes an event, of which only a cache is in memory.
"""

from __future__ import annotations

import hashlib

from ingest import canonical
from ingest.documents.document_id import conflict_id
from trailhound.temporary_tables import TemporaryTables

_TABLES = "CREATE TABLE seen (id BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID"
_BYTES = 16


class DistinctEvents:
    """`duplicates` counts records that were added before, `conflicts` those that have the id of a
    different record, regardless of the order of records."""

    def __init__(self) -> None:
        self._tables = TemporaryTables(_TABLES)
        self.duplicates = 0
        self.conflicts = 0

    def new_id(self, index: str, identifier: str, record: bytes) -> str | None:
        """The `_id` under which a record would be indexed; None if it is a duplicate.

        >>> events = DistinctEvents()
        >>> [events.new_id("day", "a", each) for each in (b'{"b":1}', b'{"b": 1}')]
        ['a', None]
        """
        content = _digest(canonical.comparable(record))
        given = identifier
        while not self._is_new(f"{index}\0{identifier}", content):
            stored = self._content(f"{index}\0{identifier}")
            if stored == content:
                self.duplicates += 1
                return None
            identifier = conflict_id(identifier, record)
        self.conflicts += identifier != given
        return identifier

    def close(self) -> None:
        """Remove the temporary file."""
        self._tables.close()

    def _is_new(self, key: str, content: bytes) -> bool:
        values = _digest(key.encode("utf-8", "surrogatepass")), content
        return self._tables.write("INSERT OR IGNORE INTO seen VALUES (?, ?)", values) == 1

    def _content(self, key: str) -> bytes:
        name = _digest(key.encode("utf-8", "surrogatepass"))
        ((found,),) = self._tables.rows("SELECT content FROM seen WHERE id = ?", (name,))
        return bytes(found)


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_BYTES).digest()
