"""Documents by index and `_id`, with their exact `_source`.

The client's own decoding would round numbers, so that records could not be compared or shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from trailhound.cluster.client import raw_request


class RawDocument(msgspec.Struct):
    """A document. `error`: why it could not be read, such as a closed index. `seq_no` and
    `primary_term` are those of its version."""

    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw())
    error: Any = None
    seq_no: int = msgspec.field(name="_seq_no", default=-1)
    primary_term: int = msgspec.field(name="_primary_term", default=0)


class _Reply(msgspec.Struct):
    docs: list[RawDocument]


_replies = msgspec.json.Decoder(_Reply)


def raw_documents(client: OpenSearch, targets: Sequence[tuple[str, str]]) -> list[RawDocument]:
    """The documents of these indices and ids, in their order, by one request. Raises
    opensearch-py's exceptions, and `ValueError` for an incomplete reply."""
    body = msgspec.json.encode(
        {"docs": [{"_index": index, "_id": identifier} for index, identifier in targets]}
    )
    found = _replies.decode(raw_request(client, "POST", "/_mget", body)).docs
    if len(found) != len(targets):
        raise ValueError(f"{len(targets)} documents asked for, {len(found)} in the reply")
    return found
