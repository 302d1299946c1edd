"""Whether a call succeeded: a failed sign-in, for one, has no `errorCode`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

OUTCOME: Final = "event.outcome"
SUCCEEDED: Final[dict[str, Any]] = {"term": {OUTCOME: "success"}}
"""The query for calls that succeeded."""
FAILED: Final[dict[str, Any]] = {"term": {OUTCOME: "failure"}}


def failed(event: Mapping[str, Any]) -> bool:
    """Whether the call of a stored event failed, by its outcome; a record alone has its code.

    >>> failed({"event": {"outcome": "failure"}}), failed({"event": {"outcome": "success"}})
    (True, False)
    >>> failed({"errorCode": "AccessDenied"}), failed({})
    (True, False)
    """
    found = event.get("event")
    outcome = found.get("outcome") if isinstance(found, Mapping) else None
    return outcome == "failure" if outcome else bool(event.get("errorCode"))
