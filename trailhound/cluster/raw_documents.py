"""Documents by index and `_id`, their `_source` to the letter.

The client's own decoding would round numbers: no basis for comparing or showing a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from trailhound.cluster.client import raw_request


class RawDocument(msgspec.Struct):
    """`error`: why it could not be looked for; its index may be closed or not readable. `seq_no`
    and `primary_term` are of its version."""

    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw())
    error: Any = None
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    primary_term: int = msgspec.field(name="_primary_term", default=0)


class _Reply(msgspec.Struct):
    docs: list[RawDocument]


_replies = msgspec.json.Decoder(_Reply)


def raw_documents(client: OpenSearch, targets: Sequence[tuple[str, str]]) -> list[RawDocument]:
    """Those of these indices and ids, in their order, in one request. Raises opensearch-py's
    exceptions, and `ValueError` for a reply that is not whole."""
    body = msgspec.json.encode(
        {"docs": [{"_index": index, "_id": identifier} for index, identifier in targets]}
    )
    found = _replies.decode(raw_request(client, "POST", "/_mget", body)).docs
    if len(found) != len(targets):
        raise ValueError(f"{len(targets)} documents asked for, {len(found)} in the reply")
    return found
