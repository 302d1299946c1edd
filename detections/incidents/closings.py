"""How the alerts of an incident were closed: disposition, by whom, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

Document = Mapping[str, Any]

CLOSED: Final = "closed"


def closed_as(documents: Iterable[Document]) -> list[dict[str, Any]]:
    """The distinct ways in which alerts were closed, the most frequent first: `disposition` (empty
    if none was given), `by` whom, the `note`, and the number of `alerts`."""
    ways: Counter[tuple[str, str, str]] = Counter()
    for document in documents:
        if document.get("state") == CLOSED:
            ways[
                document.get("disposition") or "", document.get("state_by") or "", _note(document)
            ] += 1
    return [
        {"disposition": as_, "by": by, "note": note, "alerts": alerts}
        for (as_, by, note), alerts in ways.most_common()
    ]


def _note(document: Document) -> str:
    """The latest note of whoever closed the alert, since then: notes of others are about it, and
    that of an earlier disposition was another reason."""
    for entry in reversed(document.get("history") or ()):
        if entry.get("state") != CLOSED:
            break
        if entry.get("note") and entry.get("by") == document.get("state_by"):
            return str(entry["note"])
        if entry.get("disposition"):
            break
    return ""
