"""Search replies that are complete: every shard answered, in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trailhound.cluster.refusals import MEMORY_HINT, lacks_memory
from trailhound.errors import RequestFailedError


def search_timeout(seconds: float) -> dict[str, Any]:
    """The member of a search body that makes the engine stop the search after these seconds."""
    return {"timeout": f"{seconds * 1000:.0f}ms"}


_LONGEST_REASON = 500


def require_complete(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reply, if every shard answered in time. Raises `RequestFailedError` otherwise."""
    if "error" in reply:
        raise RequestFailedError(
            f"the cluster refused the query: {_reason(reply['error'])}",
            hint=MEMORY_HINT
            if lacks_memory(reply)
            else "for a rule, `trailhound rules explain` shows the query",
            status=int(reply.get("status") or 0),
        )
    if reply.get("timed_out"):
        raise RequestFailedError(
            "the query took too long and was cut off",
            hint="narrow the rule by eventSource or eventName, a report by its time, and try again",
        )
    shards = reply.get("_shards") or {}
    if shards.get("failed"):
        failures = shards.get("failures") or [{}]
        raise RequestFailedError(
            f"{shards['failed']} of {shards['total']} shards failed: {_reason(failures[0])}",
            hint="check the cluster's health (`trailhound doctor`) and try again",
        )
    return reply


def _reason(fault: Any) -> str:
    """The innermost reason that a reply gives for a failure, on one line."""
    found = fault
    for key in ("reason", "caused_by"):
        while isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if isinstance(fault, Mapping) and fault.get("root_cause"):
        roots = fault["root_cause"]
        found = roots[0] if roots else found
    text = found.get("reason") or found.get("type") if isinstance(found, Mapping) else found
    return " ".join(str(text or "no reason given").split())[:_LONGEST_REASON]
