"""What a search's reply must be before it counts as an answer: whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trailhound.errors import RequestFailedError

LONGEST_REASON = 500


def whole(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """`reply`, if every shard answered in time. Raises `RequestFailedError`: a part is no
    answer.
    """
    if "error" in reply:
        raise RequestFailedError(
            f"OpenSearch refused the query: {_reason(reply['error'])}",
            hint="`trailhound rules explain` shows the query",
            status=int(reply.get("status") or 0),
        )
    if reply.get("timed_out"):
        raise RequestFailedError(
            "the query took too long and was cut off",
            hint="narrow the rule by eventSource or eventName; it is tried again",
        )
    shards = reply.get("_shards") or {}
    if shards.get("failed"):
        failures = shards.get("failures") or [{}]
        raise RequestFailedError(
            f"{shards['failed']} of {shards['total']} shards failed: {_reason(failures[0])}",
            hint="check the cluster's health; it is tried again",
        )
    return reply


def _reason(fault: Any) -> str:
    """The innermost reason of a fault."""
    found = fault
    for key in ("reason", "caused_by"):
        while isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if isinstance(fault, Mapping) and fault.get("root_cause"):
        roots = fault["root_cause"]
        found = roots[0] if roots else found
    text = found.get("reason") or found.get("type") if isinstance(found, Mapping) else found
    return " ".join(str(text or "no reason given").split())[:LONGEST_REASON]
