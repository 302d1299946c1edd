"""What the daemon is fed by: queues, buckets that are polled, folders that are watched.

A feed announces objects; the daemon claims, fetches and indexes them, and tells the feed what
became of each, so that a queue's message is deleted only after its last document is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from ingest.objects import Source, TrailObject


class Outcome(Enum):
    """What became of an announced object."""

    DONE = "every document acknowledged, and written into the ledger"
    SKIPPED = "done before, with the same content"
    IGNORED = "it holds something else than CloudTrail records"
    FAILED = "it could not be read to its end"
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
    """How a feed does, for `status`, the metrics and the log.

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
    """Why it gets nothing at the moment; empty while it works. `last_error` stays after that."""
    ignored: dict[str, int] = field(default_factory=dict)
    """What was no reason to read anything, by kind."""
    unknown: dict[str, int] = field(default_factory=dict)
    """What should have named an object and did not, by the reason."""


Submit = Callable[[Delivery], bool]
"""Hands an arrival to the daemon; blocks while there is no room. False: the daemon stops, and the
arrival has been settled as RETURNED."""


class Feed(Protocol):
    """A source of arrivals with threads of its own.

    No fault of a feed's surroundings (no network, access denied, a queue that is gone) ends it: it
    is noted in `status`, and tried again with backoff.
    """

    @property
    def name(self) -> str:
        """As users wrote it: the queue's URL or name, `s3://…`, the folder."""

    def start(self, submit: Submit) -> None:
        """Begin to announce, in threads of the feed's own. Called once."""

    def stop(self) -> None:
        """Submit nothing more; returns at once. What is announced is still looked after."""

    def close(self) -> None:
        """End for good, within seconds. Called after `stop`, when all arrivals are settled."""

    def status(self) -> FeedStatus:
        """How it does now. Makes no request."""
