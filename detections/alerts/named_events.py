"""The events that alerts name, by their ids: read from the index once for all that ask for them.

Several alerts may name the same event, and it is read for what each of them says of it and for the
links that join them. So those that were read are kept, up to a number, for a turn and the next two:
alerts of a turn are joined in the next one, with those of the turn before that went on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts import facts
from detections.alerts.burst import Fact, moment
from detections.events.index import Days, EventIndex
from detections.events.light import Mapped
from detections.finding import Finding
from detections.incidents import acting, actors
from trailhound.batching import batched, weighed

FIELDS: Final = tuple(dict.fromkeys((*facts.FIELDS, *actors.FIELDS, *acting.FIELDS, "eventSource")))
"""The fields of an event that alerts and their links are made of."""
KEPT: Final = 20_000
"""Events that are kept, some 2 KB each: as many as the alerts of a day with 300,000 events name."""
_TURNS: Final = 3
_AT_ONCE: Final = 1_000

Source = Mapping[str, Any]
Span = tuple[datetime, datetime]
"""The times between which an event is, both included, in whole milliseconds."""
Found = tuple[tuple[datetime, Source], ...]
"""The events of one `_id` with their times, the earliest first: one, unless others are forged."""


class NamedEvents:
    """Events of the daily indices, which any thread may read. Raises `ClusterError`."""

    def __init__(self, client: OpenSearch, days: str | Days, most: int = 0) -> None:
        """`days`: the daily indices. `most`: how many events are kept of each turn."""
        self.index = EventIndex(client, days)
        """Where they are read."""
        self._most = most
        self._turns: deque[dict[str, Found]] = deque([{}], maxlen=_TURNS)
        self._lock = threading.Lock()

    def read(self, spans: Mapping[str, Span]) -> dict[str, Source]:
        """`FIELDS` of each event, by `_id`, given the time that each is in.

        An event that is gone (its day was deleted) is left out. The same `_id` may be in several
        days: the event is the one in its time, others are forged.
        """
        sources = self._known(spans)
        # Neighbours in time are together, so that each request searches few days.
        missing = sorted(spans.keys() - sources.keys(), key=lambda name: (spans[name], name))
        for names in batched(missing, _AT_ONCE):
            within = min(spans[name][0] for name in names), max(spans[name][1] for name in names)
            read = self._read(names, within)
            self._keep(read)
            for name, found in read.items():
                source = _at(found, spans[name])
                sources[name] = found[0][1] if source is None else source
        return sources

    def facts(self, findings: Sequence[Finding]) -> dict[str, Fact]:
        """The facts of every event that findings name, by `_id`; of an event that is gone none."""
        made: dict[str, Fact] = {}
        # Neighbours in time are together, so that each request searches few days.
        by_time = sorted(findings, key=lambda each: each.first_seen)
        for part in weighed(by_time, lambda each: len(each.events), _AT_ONCE):
            sources = self.read(facts.spans_of(part))
            made |= {name: facts.fact_of(source) for name, source in sources.items()}
        return made

    def turn(self) -> None:
        """Begin a turn: those that were kept in the last two are kept on, and no others."""
        with self._lock:
            self._turns.append({})

    def _known(self, spans: Mapping[str, Span]) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        with self._lock:
            for kept in self._turns:
                for name in spans.keys() & kept.keys():
                    source = _at(kept[name], spans[name])
                    if source is not None:
                        sources[name] = source
        return sources

    def _keep(self, read: Mapping[str, Found]) -> None:
        """The first ones stay: were they to make room, those that are read again in the same order
        would all be gone."""
        with self._lock:
            kept = self._turns[-1]
            for name, found in read.items():
                if name in kept or len(kept) < self._most:
                    kept[name] = found

    def _read(self, names: Sequence[str], within: Span) -> dict[str, Found]:
        during = {"gte": within[0].isoformat(), "lte": within[1].isoformat()}
        clauses = [{"ids": {"values": list(names)}}, {"range": {"@timestamp": during}}]
        found: dict[str, Found] = {}
        request = {"_source": Mapped(FIELDS)}
        for hit in self.index.documents({"bool": {"filter": clauses}}, request):
            source = hit["_source"]
            time = moment(datetime.fromisoformat(str(source["@timestamp"])))
            found[hit["_id"]] = (*found.get(hit["_id"], ()), (time, source))
        return found


def _at(found: Found, span: Span) -> Source | None:
    """The first event of a time; None if there is none."""
    return next((each for time, each in found if span[0] <= time <= span[1]), None)
