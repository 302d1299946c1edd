"""The feeds of the daemon: queues, buckets that are polled, folders that are watched.

A feed submits objects; the daemon claims, fetches and indexes them, and reports the outcome of
each to the feed, so that a queue's message is deleted only after its last document is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from ingest.objects import Source, TrailObject


class Outcome(Enum):
    """The outcome of a submitted object."""

    DONE = "every document acknowledged, and noted in the ledger"
    SKIPPED = "done before, with the same content"
    IGNORED = "it holds something else than CloudTrail records"
    FAILED = "it could not be read to its end"
    NO_BUCKET = "its bucket does not exist, and nothing was ever read from it here"
    RETURNED = "not finished here: another worker has it, or the daemon ends or waits"


@dataclass(slots=True)
class Delivery:
    """An object that is to be read.

    `delivered`: when it was put where it is, in seconds since the epoch; 0 where unknown.
    `finish(outcome)` is called exactly once, from any thread; it neither raises nor blocks.
    """

    item: TrailObject
    source: Source
    feed: str
    delivered: float
    finish: Callable[[Outcome], None]


@dataclass(slots=True)
class FeedStatus:
    """A feed's status, for `status`, the metrics and the log.

    `depth` is what waits there (messages of the queue; objects listed and not yet done), None where
    it is not known. `counters` are totals since the start, by a name in snake_case.
    """

    name: str
    kind: str
    depth: int | None = None
    last_arrival: float = 0.0
    last_error: str = ""
    last_error_at: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)
    failing: str = ""
    """Why it receives nothing now; empty while it works. `last_error` is kept after that."""
    ignored: dict[str, int] = field(default_factory=dict)
    """Messages and objects that were ignored, by kind."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Messages that name no object although they should, by reason."""


Submit = Callable[[Delivery], bool]
"""Gives a delivery to the daemon; blocks while its queue is full. False: the daemon stops, and the
delivery was finished as RETURNED."""


class Feed(Protocol):
    """A source of deliveries with threads of its own.

    No outside error (no network, access denied, a deleted queue) ends it: the error is shown in
    `status`, and the feed tries again with back-off.
    """

    @property
    def name(self) -> str:
        """As users wrote it: the queue's URL or name, `s3://…`, the folder."""

    def start(self, submit: Submit) -> None:
        """Begin to submit, in threads of the feed's own. Called once."""

    def stop(self) -> None:
        """Submit nothing more; returns at once. Submitted objects still get their outcome."""

    def close(self) -> None:
        """Release everything, within seconds. Called after `stop`, when all deliveries are
        finished."""

    def status(self) -> FeedStatus:
        """The present status. Makes no request."""
