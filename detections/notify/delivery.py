"""The part of an alert's document that says which channels were sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detections.alerts.document import Document


def done_for(document: Mapping[str, Any]) -> list[str]:
    """The channels that are sent nothing more about an alert."""
    done: list[str] = document.get("delivery", {}).get("done", [])
    return done


def with_delivery(
    document: Document, channel: str, entry: Mapping[str, Any], *, done: bool
) -> Document:
    """The document with the result of its delivery to a channel."""
    before = document.get("delivery", {})
    others = {name for name in before.get("pending", []) if name != channel}
    finished = {*done_for(document)} | ({channel} if done else set())
    delivery = {
        "done": sorted(finished),
        "pending": sorted(others if done else others | {channel}),
        "log": {**before.get("log", {}), channel: dict(entry)},
    }
    return document | {"delivery": delivery}
