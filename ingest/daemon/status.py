"""What a daemon reports about itself: its totals, and its current faults.

A fault is reported for some time after it was last seen: each failed try records it again, and
nothing has to detect its end.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from opensearchpy import OpenSearch

from ingest.counts import Counts
from ingest.daemon.refused_objects import Refusals, RefusedObjects
from ingest.feeds.feed import FeedStatus
from ingest.object_progress import ObjectProgress
from ingest.sources.layout import place_of
from trailhound.settings import Settings

_GRACE = 5.0
"""Seconds after a wait in which the next request may still be in flight."""
_FAULT_SHOWN = 120.0
_UNREACHABLE_SHOWN = 60.0
"""Seconds for which an unreachable feed is shown; longer than until an object is delivered
again."""
_DENIED_SHOWN = 3600.0
"""Seconds for which denied objects are shown; longer than CloudTrail takes to deliver others."""
_DENIED_MANY = 3
"""So many objects in a row that are denied make a source, or a folder of it, faulty: one alone may
be a stray."""
_DENIED_FOLDERS = 1_000
"""With so many folders remembered, those denied long ago are forgotten."""
_DEFERRED_SHOWN = 300.0
"""Seconds for which a deferred object is shown; longer than the longest wait between two tries."""


@dataclass(slots=True)
class DaemonStatus:
    """Totals since the start, and the current state. `waiting_for` is empty unless the daemon
    waits."""

    started: float
    counts: Counts = field(default_factory=Counts)
    again: Counts = field(default_factory=Counts)
    """The part of `counts` that is of objects which had been read before."""
    objects: dict[str, int] = field(default_factory=dict)
    """Finished tries of objects by outcome: `done`, `skipped`, `failed`, `returned`. An object that
    cannot be read is tried again, and counted each time."""
    ignored: Counter[str] = field(default_factory=Counter)
    """Objects that hold something else than CloudTrail records, by kind."""
    bytes: int = 0
    requests: int = 0
    retries: int = 0
    in_flight: int = 0
    waiting_for: str = ""
    stopping: bool = False
    last_error: str = ""
    last_error_at: float = 0.0
    feeds: list[FeedStatus] = field(default_factory=list)
    restarts: int = 0
    """Sessions that an internal error ended and that were started again."""
    failing: str = ""
    """The last such error, for two minutes after it; empty otherwise."""
    stuck: str = ""
    """An object that has been in flight for long without progress; empty if there is none."""
    deferred: int = 0
    """Objects that wait until a fault of this machine is fixed, such as a full disk."""
    deferred_for: str = ""
    """The fault that deferred objects wait for."""
    unreachable: dict[str, str] = field(default_factory=dict)
    """By feed: why its objects cannot be fetched, where the cause is not a single object."""
    refused: str = ""
    """That the last objects brought dead letters alone, and why; empty otherwise."""

    def counts_once(self) -> dict[str, Any]:
        """The records by outcome, without the objects that had been read before: those are under
        `read_again`, where there are any."""
        again = self.again.as_dict()
        once = {name: number - again[name] for name, number in self.counts.as_dict().items()}
        return once | ({"read_again": again} if self.again.read else {})


class CurrentFaults:
    """Faults, with the time at which each was last seen. Several threads write to it."""

    def __init__(self) -> None:
        self._waiting = (0.0, "")
        self._session = (-_FAULT_SHOWN, "")
        self._deferred: dict[str, tuple[float, str]] = {}
        self._unreachable: dict[tuple[str, str], tuple[float, str]] = {}
        """By feed and bucket."""
        self._denied: dict[tuple[str, ...], dict[str, tuple[float, str]]] = {}
        """The objects denied in a row, by feed and each folder that they are in."""
        self._refused = RefusedObjects()
        self.last_error = ""
        self.last_error_at = 0.0

    def record(self, message: str) -> None:
        """Record the last error of any kind."""
        self.last_error, self.last_error_at = message, time.time()

    def wait(self, seconds: float, why: str) -> None:
        """Record that the daemon waits for the cluster for some seconds."""
        self._waiting = (time.monotonic() + seconds + _GRACE, why)

    @property
    def waiting_for(self) -> str:
        """Why it waits for the cluster; empty unless it does."""
        until, why = self._waiting
        return why if time.monotonic() < until else ""

    def session_failed(self, why: str) -> None:
        """Record that an internal error ended a session."""
        self._session = (time.monotonic(), why)

    @property
    def failing(self) -> str:
        """The last internal error that ended a session, for two minutes; empty otherwise."""
        moment, why = self._session
        return why if time.monotonic() - moment < _FAULT_SHOWN else ""

    def defer(self, uri: str, why: str) -> None:
        """Record that an object is deferred."""
        self._deferred[uri] = (time.monotonic(), why)

    def read(self, uri: str) -> None:
        """Record that an object was read to its end."""
        self._deferred.pop(uri, None)

    def deferred(self) -> list[str]:
        """Why each object is deferred; old entries, which another daemon may have, are left out."""
        since = time.monotonic() - _DEFERRED_SHOWN
        return [why for moment, why in list(self._deferred.values()) if moment > since]

    def not_fetched(self, feed: str, uri: str, why: str) -> None:
        """Record that an object of a feed could not be fetched, for a cause beyond the object."""
        self._unreachable[feed, bucket_of(uri)] = (time.monotonic(), why)

    def fetched(self, feed: str, uri: str) -> None:
        """Record that an object of a feed was read."""
        self._unreachable.pop((feed, bucket_of(uri)), None)

    def denied(self, feed: str, uri: str, why: str) -> None:
        """Record that an object of a feed was denied."""
        if len(self._denied) >= _DENIED_FOLDERS:
            since = time.monotonic() - _DENIED_SHOWN
            for group, objects in list(self._denied.items()):
                if all(moment < since for moment, _ in objects.values()):
                    self._denied.pop(group, None)
        for folder in _folders(uri):
            objects = self._denied.get((feed, *folder), {})
            if uri in objects or len(objects) < _DENIED_MANY:
                self._denied[feed, *folder] = {**objects, uri: (time.monotonic(), why)}

    def opened(self, feed: str, uri: str) -> None:
        """Record that an object of a feed was opened, regardless of its content. It shows nothing
        of the folders that it is not in: a bucket policy or a key may deny one account's."""
        if self._denied:
            for folder in _folders(uri):
                self._denied.pop((feed, *folder), None)

    def begin(self, earlier: Refusals) -> None:
        """Take over which objects were refused before this daemon was started."""
        self._refused.begin(earlier)

    def stored(self, run: ObjectProgress) -> None:
        """Record which outcomes the records of an object had."""
        self._refused.add(run)

    def look_again(self, client: OpenSearch, settings: Settings) -> None:
        """Learn which of the refused events do not wait any more. Raises `ClusterError` and
        `SpoolError`."""
        self._refused.look_again(client, settings)

    @property
    def refused(self) -> str:
        """That no event gets in, and why; empty if the last objects had one that did."""
        return self._refused.message

    def unreachable(self) -> dict[str, str]:
        """By feed: why its objects cannot be fetched."""
        now = time.monotonic()
        return {
            feed: why
            for (feed, *_), objects in list(self._denied.items())
            for moment, why in objects.values()
            if len(objects) >= _DENIED_MANY and moment > now - _DENIED_SHOWN
        } | {
            feed: why
            for (feed, _), (moment, why) in list(self._unreachable.items())
            if moment > now - _UNREACHABLE_SHOWN
        }


def bucket_of(uri: str) -> str:
    """The bucket of an object; of a file, nothing.

    >>> bucket_of("s3://trail/AWSLogs/x.gz"), bucket_of("/var/log/x.gz")
    ('s3://trail/', '')
    """
    scheme, mark, rest = uri.partition("://")
    return f"{scheme}{mark}{rest.partition('/')[0]}/" if mark else ""


def _folders(uri: str) -> Iterator[tuple[str, ...]]:
    """The parts of a source that may be denied alone, from all of it to the smallest that an object
    is in: its bucket, its account, its account's region; without these, its first folder."""
    bucket = bucket_of(uri)
    place = place_of(uri)
    yield ()
    yield (bucket,)
    if place is None:
        yield bucket, uri.removeprefix(bucket).partition("/")[0]
    else:
        yield bucket, str(place.account)
        yield bucket, str(place.account), place.kind, str(place.region)
