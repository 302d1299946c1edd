"""The cluster's reply for each document of a bulk request, and what to do with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from opensearchpy import OpenSearch

FILTER_PATH = (
    "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by"
)
"""The parts of a reply that are requested; the rest would cost time on both sides."""


class Disposition(Enum):
    """What to do next with a document."""

    INDEXED = auto()
    CONFLICT = auto()
    """409: the `_id` exists already; its record has to be compared."""
    RETRY = auto()
    """The cluster was too busy for it."""
    TOO_LARGE = auto()
    """It needs more memory than the node ever gives to one request: send it alone, then give up."""
    REJECTED = auto()
    """Rejected for its content: repair it, or store it as a dead letter."""
    MISSING_INDEX = auto()
    """The index was deleted meanwhile: create it and send again."""
    DAY_BLOCKED = auto()
    """Its day's index is read-only or closed: this event waits, the others are written."""
    BLOCKED = auto()
    """The cluster rejects all writes, and waiting will not change that: stop."""


_ENVIRONMENT = {
    "cluster_block_exception",
    "index_closed_exception",
    "security_exception",
    "validation_exception",
    "invalid_index_name_exception",
    "invalid_alias_name_exception",
}
"""Error types of status 400 and 403 that do not concern the document."""

_BUSY = {429, 500, 502, 503, 504}
_NEEDS = re.compile(r"\b(?:coordinating|primary)_operation_bytes=(\d+), max_\w+=(\d+)")
"""How both products report what an operation needs and what a node has for all of them together."""
_DISK_FULL = "/12/"  # index.blocks.read_only_allow_delete, set by the flood stage of the disk
_INDEX_CLOSED = "/4/"
_INDEX_UNREADABLE = "/7/"


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply for one document."""

    disposition: Disposition
    status: int
    reason: str = ""
    kind: str = ""


INDEXED = Reply(Disposition.INDEXED, 201)
"""The usual reply; always the same object, so that `count` finds batches of only these."""
_TAKEN = Reply(Disposition.CONFLICT, 409)


def post_bulk(
    client: OpenSearch, body: bytes, *, index: str = "", filter_path: str = FILTER_PATH
) -> dict[str, Any]:
    """Send one bulk request, for one index or for those its actions name. Returns the reply.

    Raises opensearch-py's exceptions.
    """
    reply: dict[str, Any] = client.transport.perform_request(
        "POST",
        f"/{index}/_bulk" if index else "/_bulk",
        params={"filter_path": filter_path},
        headers={"content-type": "application/x-ndjson"},
        body=body,
    )
    return reply


def read(reply: dict[str, Any], expected: int) -> list[Reply]:
    """A `Reply` for each document, in the order sent. Raises `ValueError` if the numbers differ.

    >>> [r.disposition.name for r in read({"items": [{"create": {"status": 201}}]}, 1)]
    ['INDEXED']
    """
    items = reply.get("items") or []
    if len(items) != expected:
        raise ValueError(f"{expected} documents sent, {len(items)} replies")
    if reply.get("errors") is False:
        return [INDEXED] * expected
    return [_read_item(next(iter(item.values()))) for item in items]


def too_large(reason: str) -> bool:
    """Whether a 429 is due to the size of the request itself, so that waiting does not help.

    The limit is `indexing_pressure.memory.limit`, a tenth of the heap; Elasticsearch from 9.1 on
    counts large documents several times over.

    >>> too_large("[all_bytes=0, primary_operation_bytes=80, max_primary_bytes=53]")
    True
    >>> too_large("[all_bytes=50, primary_operation_bytes=8, max_primary_bytes=53]")
    False
    """
    needs = _NEEDS.search(reason)
    return needs is not None and int(needs[1]) > int(needs[2])


def day_block(kind: str, reason: str) -> str:
    """The dead-letter code for a block that somebody set on one index; empty for other blocks.

    A full disk blocks indices too, but ends by itself; a block of the whole cluster names none.

    >>> day_block("cluster_block_exception", "index [d] blocked by: [FORBIDDEN/8/index write];")
    'day_read_only'
    >>> day_block("index_closed_exception", "closed")
    'day_closed'
    >>> day_block("cluster_block_exception", "blocked by: [FORBIDDEN/6/cluster read-only (api)];")
    ''
    """
    if kind == "index_closed_exception":
        return "day_closed"
    if kind != "cluster_block_exception" or not reason.startswith("index ["):
        return ""
    if _DISK_FULL in reason:
        return ""
    if _INDEX_CLOSED in reason:
        return "day_closed"
    return "day_unreadable" if _INDEX_UNREADABLE in reason else "day_read_only"


def _read_item(item: dict[str, Any]) -> Reply:
    status = item["status"]
    if status in (200, 201):
        return INDEXED
    if status == 409:
        return _TAKEN
    error = item.get("error") or {}
    kind = error.get("type", "")
    return Reply(
        _disposition(status, kind, error.get("reason") or ""), status, _reason(error), kind
    )


def _disposition(status: int, kind: str, reason: str) -> Disposition:
    if status in _BUSY:
        return Disposition.TOO_LARGE if too_large(reason) else Disposition.RETRY
    if kind == "index_not_found_exception":
        return Disposition.MISSING_INDEX
    if day_block(kind, reason):
        return Disposition.DAY_BLOCKED
    if status in (401, 403) or kind in _ENVIRONMENT:
        return Disposition.BLOCKED
    # Lucene's own ceiling is the shard's fault, under the type of a document's.
    if "number of documents in the" in reason:
        return Disposition.BLOCKED
    return Disposition.REJECTED


def _reason(error: dict[str, Any]) -> str:
    """The reason and its innermost cause: the outer one alone rarely names the field."""
    parts = [str(error.get("reason") or error.get("type") or "")]
    cause = error.get("caused_by")
    while isinstance(cause, dict):
        inner = str(cause.get("reason") or "")
        if inner and inner not in parts[-1]:
            parts.append(inner)
        cause = cause.get("caused_by")
    return ": ".join(parts)[:2000]
