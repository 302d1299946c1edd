"""A record's `_id`: its eventID where that is a UUID, else made from its content."""

from __future__ import annotations

from enrich.uuids import is_uuid
from ingest import canonical

_LONGEST_KEPT = 64


def document_id(event_id: str | None, record: bytes) -> str:
    """The `_id` of a record.

    A UUID is used as it is. Anything else (`1`, `redacted`) gets the hash of the canonical record
    added, so that two different events never share an id; a missing one is the hash alone.

    >>> document_id("3038ebd2-c98a-4c65-9b6e-e22506292313", b"{}")
    '3038ebd2-c98a-4c65-9b6e-e22506292313'
    >>> document_id("redacted", b"{}") == document_id("redacted", b'{ }')
    True
    """
    if event_id is not None and is_uuid(event_id):
        return event_id
    digest = canonical.digest(record)
    return f"{event_id[:_LONGEST_KEPT]}-{digest[:32]}" if event_id else digest


def conflict_id(event_id: str, record: bytes) -> str:
    """The `_id` of a record whose eventID a different record has."""
    return f"{event_id[:300]}-{canonical.digest(record)[:32]}"
