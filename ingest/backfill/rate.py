"""How fast objects were read into this namespace, from their entries in the ledger.

Entries say when an object was claimed and finished. Of the latest ones, times that overlap or
nearly follow each other are one run. A daemon that waits for files is slow without being at its
limit, so of these runs the one that read the most counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from opensearchpy import OpenSearch

from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState

STATED: Final = 2 * 1024 * 1024
"""Bytes as stored per second, where nothing was measured: one process and one engine on two cores
read some 9,000 events/s, of 260 gzipped bytes each."""
_ENTRIES: Final = 5_000
_LEAST_BYTES: Final = 1024 * 1024
_LEAST_SECONDS: Final = 2.0
"""Less than that says more of the start of a run than of its speed."""
_PAUSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Bytes as stored per second; `objects` by which it was measured, 0 for a stated one, and
    their mean size in bytes."""

    bytes: float = float(STATED)
    objects: int = 0
    object_bytes: float = 0.0

    @property
    def measured(self) -> bool:
        return self.objects > 0

    def larger(self, objects: int, size: int) -> float:
        """How many times larger the measured objects were than these, which have `size` bytes
        together; 1 for a stated rate. Small objects take longer for their bytes: each is asked
        for, claimed and recorded.

        >>> Rate(1000.0, 10, 5_000.0).larger(4, 1000)
        20.0
        """
        return self.object_bytes * objects / size if self.measured and size else 1.0


@dataclass(slots=True)
class _Run:
    since: datetime
    until: datetime
    bytes: int = 0
    objects: int = 0

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()


def rate_of(client: OpenSearch, settings: Settings) -> Rate:
    """The measured rate, else the stated one. Raises `ClusterError`."""
    ledger = IndexReader(
        client,
        Names(settings.prefix).ledger,
        order=[{"finished_at": "desc"}, {"_seq_no": "desc"}],
    )
    done = [{"term": {"kind": ObjectState.kind}}, {"term": {"state": "done"}}]
    fields = {"_source": ["claimed_at", "finished_at", "bytes"]}
    hits = ledger.documents({"bool": {"filter": done}}, fields, limit=_ENTRIES)
    return measured(each["_source"] for each in islice(hits, _ENTRIES))


def measured(entries: Iterable[dict[str, Any]]) -> Rate:
    """The rate that entries of finished objects show; a stated one where they are too few.

    >>> measured([]).measured
    False
    """
    runs = [each for each in _runs(entries) if each.bytes >= _LEAST_BYTES]
    best = max(runs, key=lambda each: each.bytes, default=None)
    if best is None or best.seconds < _LEAST_SECONDS:
        return Rate()
    return Rate(best.bytes / best.seconds, best.objects, best.bytes / best.objects)


def _runs(entries: Iterable[dict[str, Any]]) -> Iterator[_Run]:
    times = sorted(
        (
            datetime.fromisoformat(each["claimed_at"]),
            datetime.fromisoformat(each["finished_at"]),
            int(each.get("bytes") or 0),
        )
        for each in entries
        if each.get("claimed_at") and each.get("finished_at")
    )
    run: _Run | None = None
    for claimed, finished, size in times:
        if run is not None and (claimed - run.until).total_seconds() > _PAUSE_SECONDS:
            yield run
            run = None
        if run is None:
            run = _Run(claimed, finished)
        run.until = max(run.until, finished)
        run.bytes += size
        run.objects += 1
    if run is not None:
        yield run
