"""Compares records after a 409: the `_id` exists already, for the same event or a different one.

If the id alone decided, anyone who can write a trail file could hide an event under the eventID of
a harmless one. So the stored record is read and compared.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec
from opensearchpy import OpenSearch

from ingest import canonical
from ingest.bulk.batch import Batch
from ingest.bulk.replies import Disposition, Reply, day_block
from ingest.repair.restore import restore
from trailhound.cluster.raw_documents import RawDocument, raw_documents
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.errors import ClusterBlockedError
from trailhound.state.objects import names_in_events


class _Origin(msgspec.Struct):
    object: str | None = None
    position: int | None = None
    via: str | None = None


class _Stamp(msgspec.Struct):
    ingested: str | None = None


class _Ours(msgspec.Struct):
    trail: _Origin | None = None
    event: _Stamp | None = None


_TEXT = rb'"(?:[^"\\]|\\.)*+"'
_WHOLE = re.compile(
    rb',"trail":\{"object":%b(?:,"account":%b)?+(?:,"via":"\w++")?+,"position":\d++,"integrity":"\w++"'
    % (_TEXT, _TEXT)
    + rb'(?:,"flat":true)?+(?:,"conflict":%b)?+\}' % _TEXT
)
"""A `trail` that has no `original`: the record before it was stored whole, nothing moved."""

LOOKUP: Final = "lookup"
"""`trail.via` of events that were read from the event history."""
_VIA: Final = b'"via":"lookup"'
_CORE: Final = ("eventID", "eventTime", "eventName", "eventSource")
_IDENTITY: Final = (
    "type",
    "principalId",
    "arn",
    "accountId",
    "accessKeyId",
    "userName",
    "invokedBy",
)

_ours = msgspec.json.Decoder(_Ours)


def same_record(source: bytes, record: bytes) -> bool:
    """Whether a stored document was made from this record; a key with `null` counts as absent.

    >>> same_record(b'{"a":1,"risk_score":5}', b'{"a": 1.0}')
    True
    >>> same_record(b'{"a":1,"b":null}', b'{"a":1}')
    True
    >>> same_record(b'{"a":1}', b'{"a":true}')
    False
    """
    # A spliced document starts with the record's own bytes, and ours follow: the usual case.
    if source.startswith(record[:-1]) and _WHOLE.match(source, len(record) - 1):
        return True
    try:
        return restore(source, nulls=False) == canonical.comparable(record)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return False  # written by another tool: not our record


def history_object(source: bytes) -> str:
    """The object (as in `trail.object`) of a stored event that was read from the event history;
    empty for any other event."""
    if _VIA not in source:
        return ""
    try:
        origin = _ours.decode(source).trail
    except msgspec.MsgspecError:
        return ""
    return (origin.object or "") if origin is not None and origin.via == LOOKUP else ""


def same_event(source: bytes, record: bytes, *, looked_up: bool) -> bool:
    """Whether a stored document and a record are the same event in two forms: that of the event
    history and that of a trail. Two records of trails are the same event only if they are equal.

    The two forms may differ in nulls, in missing fields and in values outside the core, which is
    id, time, name, source, account and identity. `looked_up`: the record is from the history.
    """
    if not (looked_up or history_object(source)):
        return False
    try:
        stored, given = json.loads(restore(source, nulls=False)), json.loads(record)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return False
    if not (isinstance(stored, dict) and isinstance(given, dict)):
        return False
    one, other = stored.get("userIdentity"), given.get("userIdentity")
    if not isinstance(one, dict) or not isinstance(other, dict):
        same = one == other
    else:
        named = [key for key in _IDENTITY if one.get(key) and other.get(key)]
        same = bool(named) and all(one[key] == other[key] for key in named)
    return same and all(
        stored.get(key) is not None and stored.get(key) == given.get(key) for key in _CORE
    ) and _account(stored) == _account(given)  # fmt: skip


def _account(record: dict[str, Any]) -> Any:
    return record.get("recipientAccountId")


class Conflicts:
    """Reads stored records."""

    def __init__(self, client: OpenSearch, retry_policy: RetryPolicy) -> None:
        self._client = client
        self._retry_policy = retry_policy

    def stored(self, batch: Batch, items: list[int]) -> list[bytes | Reply | None]:
        """The text of `_source` of each item; None if there is no such document, and a `Reply` if
        the day's index is closed or may not be read.

        Raises `ClusterBlockedError` if it can't be read for another reason.
        """
        targets = [batch.target(item) for item in items]
        docs = self._retry_policy.run(lambda: raw_documents(self._client, targets))
        return [_stored(doc, index) for doc, (index, _) in zip(docs, targets, strict=True)]


def _stored(doc: RawDocument, index: str) -> bytes | Reply | None:
    if doc.error is None:
        return bytes(doc.source) if doc.found else None
    fault = doc.error if isinstance(doc.error, dict) else {}
    kind, reason = str(fault.get("type") or ""), str(fault.get("reason") or doc.error)
    if day_block(kind, reason):
        return Reply(Disposition.DAY_BLOCKED, 403, reason, kind)
    raise ClusterBlockedError(
        f"{index} cannot be read: {reason}",
        hint="make it readable, then run the same command again to resume",
    )


def object_in(source: bytes) -> str:
    """The `trail.object` of a stored document; empty if it can't be read."""
    try:
        found = _ours.decode(source)
    except msgspec.MsgspecError:
        return ""
    return (found.trail.object or "") if found.trail is not None else ""


def written_by_us(source: bytes, batch: Batch, item: int) -> bool:
    """Whether an earlier request with this batch, whose reply was lost, stored exactly this
    document.

    An earlier run's document has the same provenance, and an older stamp than our first send.
    """
    try:
        found = _ours.decode(source)
    except msgspec.MsgspecError:
        return False
    return (
        found.trail is not None
        and found.event is not None
        and found.trail.object in names_in_events(batch.owners[item].item.uri)
        and found.trail.position == batch.positions[item]
        and (found.event.ingested or "") >= batch.first_sent
    )
