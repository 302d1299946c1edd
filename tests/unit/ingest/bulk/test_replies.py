"""What the cluster says of a document, and what that means for it."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.bulk.replies import INDEXED, Disposition, read

ITEMS: list[tuple[int, str, str, Disposition]] = [
    (201, "", "", Disposition.INDEXED),
    (200, "", "", Disposition.INDEXED),
    (409, "version_conflict_engine_exception", "document already exists", Disposition.CONFLICT),
    (429, "rejected_execution_exception", "queue", Disposition.RETRY),
    (
        429,
        "es_rejected_execution_exception",
        (
            "rejected execution of primary operation [coordinating_and_primary_bytes=20001338, "
            "replica_bytes=0, all_bytes=20001338, primary_operation_bytes=80004296, "
            "max_primary_bytes=53687091]"
        ),
        Disposition.TOO_LARGE,
    ),
    (
        429,
        "rejected_execution_exception",
        (
            "rejected execution of coordinating operation "
            "[coordinating_and_primary_bytes=53000000, replica_bytes=0, all_bytes=53000000, "
            "coordinating_operation_bytes=4000000, "
            "max_coordinating_and_primary_bytes=53687091]"
        ),
        Disposition.RETRY,
    ),
    (
        429,
        "cluster_block_exception",
        "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk]",
        Disposition.RETRY,
    ),
    (503, "unavailable_shards_exception", "primary shard is not active", Disposition.RETRY),
    (500, "null_pointer_exception", "", Disposition.RETRY),
    (400, "mapper_parsing_exception", "failed to parse", Disposition.REJECTED),
    (400, "illegal_argument_exception", "immense term", Disposition.REJECTED),
    (400, "strict_dynamic_mapping_exception", "", Disposition.REJECTED),
    (413, "", "", Disposition.REJECTED),
    (404, "index_not_found_exception", "no such index [x]", Disposition.MISSING_INDEX),
    (400, "index_closed_exception", "closed", Disposition.DAY_BLOCKED),
    (
        403,
        "cluster_block_exception",
        "index [x] blocked by: [FORBIDDEN/5/index read-only (api)];",
        Disposition.DAY_BLOCKED,
    ),
    (
        403,
        "cluster_block_exception",
        "index [x] blocked by: [FORBIDDEN/8/index write (api)];",
        Disposition.DAY_BLOCKED,
    ),
    (
        403,
        "cluster_block_exception",
        "blocked by: [FORBIDDEN/6/cluster read-only (api)];",
        Disposition.BLOCKED,
    ),
    (
        403,
        "cluster_block_exception",
        "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];",
        Disposition.BLOCKED,
    ),
    (403, "security_exception", "no permissions", Disposition.BLOCKED),
    (401, "security_exception", "", Disposition.BLOCKED),
    (400, "validation_exception", "maximum shards open", Disposition.BLOCKED),
    (
        400,
        "illegal_argument_exception",
        "number of documents in the index cannot exceed 2147483519",
        Disposition.BLOCKED,
    ),
]


@pytest.mark.parametrize(("status", "kind", "reason", "disposition"), ITEMS)
def test_each_kind_of_reply_has_its_fate(
    status: int, kind: str, reason: str, disposition: Disposition
) -> None:
    item: dict[str, Any] = {"status": status}
    if kind:
        item["error"] = {"type": kind, "reason": reason}
    (reply,) = read({"errors": status > 299, "items": [{"create": item}]}, 1)
    assert reply.disposition is disposition
    if disposition not in (Disposition.INDEXED, Disposition.CONFLICT):
        assert (reply.status, reply.kind) == (status, kind)


def test_replies_keep_the_order_of_the_documents() -> None:
    statuses = [201, 409, 400, 201, 429]
    items = [{"create": {"status": status}} for status in statuses]
    found = [reply.disposition for reply in read({"errors": True, "items": items}, 5)]
    assert found == [
        Disposition.INDEXED,
        Disposition.CONFLICT,
        Disposition.REJECTED,
        Disposition.INDEXED,
        Disposition.RETRY,
    ]
    fine = read({"errors": False, "items": items[:1] * 3}, 3)
    assert all(reply is INDEXED for reply in fine)


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_reply_for_another_number_of_documents_is_an_error(number: int) -> None:
    with pytest.raises(ValueError, match=f"{number} documents"):
        read({"errors": False, "items": [{"create": {"status": 201}}] * 2}, number)


def test_the_innermost_cause_is_told() -> None:
    error = {
        "type": "mapper_parsing_exception",
        "reason": "failed to parse",
        "caused_by": {"reason": "middle", "caused_by": {"reason": "field [x] is at fault"}},
    }
    item = {"create": {"status": 400, "error": error}}
    (reply,) = read({"errors": True, "items": [item]}, 1)
    assert reply.reason == "failed to parse: middle: field [x] is at fault"
