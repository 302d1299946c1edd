"""What is unusual about a subject compared with its own past weeks: new values, and much larger
numbers.

The engine counts all of it, by searches whose number and size do not grow with the events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import fmean, pstdev
from typing import Any, Final

from detections.events.identity import ADDRESS, ISSUER_NAME, KEY, NAME, RECIPIENT
from detections.events.index import EventIndex, histogram
from detections.investigation.nodes import network_of
from detections.span import Span, moment
from trailhound.cluster.queries import Query, both

_NEW: Final = 200
"""The number of most frequent recent values that are looked for in the weeks before."""
_FEW_DAYS: Final = 5
"""The fewest days with events for which volumes are compared."""
_FEW_EVENTS: Final = 50
"""The fewest events for which hours are compared."""
_MANY: Final = 10
"""The fewest events by which a value can be unusual."""
_HOUR: Final = 3_600_000
FAILED: Final = {"term": {"event.outcome": "failure"}}

FIELDS: Final[Mapping[str, str]] = {
    "calls": "eventName",
    "services": "eventSource",
    "countries": "geolocation.country",
    "cities": "geolocation.city",
    "addresses": ADDRESS,
    "tools": "user_agent.name",
    "keys": KEY,
    "roles": ISSUER_NAME,
    "names": NAME,
    "accounts": RECIPIENT,
    "regions": "awsRegion",
    "errors": "errorCode",
}
"""Kinds of values → their field."""
COMPARED: Final = (
    *("calls", "countries", "addresses", "tools", "regions", "roles", "accounts", "errors"),
)
"""Kinds whose values are unusual if they were not seen in the weeks before."""
NETWORKS: Final = "networks"
_BUCKETS: Final = 9_000
"""The most values times spans of time in one search."""
COUNTED: Final = ("calls", "addresses", "tools", "regions", "errors")
"""Kinds whose values are also unusual if they are much more frequent than before."""
_OFTEN: Final = 20
"""The number of most frequent values of a kind whose frequency is compared."""


class Comparison:
    """Compares `now` with the time `before`. `unusual`: the result; `cut`: what was not compared,
    and why. Raises `ClusterError`."""

    def __init__(self, index: EventIndex, own: Query, now: Span, before: Span) -> None:
        """`own`: the query for the subject's events."""
        self._index = index
        self.now, self.before = now, before
        self.unusual: list[dict[str, Any]] = []
        self.cut: list[str] = []
        self._run(own)

    def _run(self, own: Query) -> None:
        recent = self.now.until - self.now.since
        now, before = (both(own, each.query()) for each in (self.now, self.before))
        known = self._index.count(before)
        if not known:
            self.unusual.append(
                {
                    "kind": "new",
                    "value": "",
                    "events": self._index.count(now),
                    "detail": "no event in the weeks before: nothing to compare with",
                }
            )
            return
        values = self._new_values(now, before)
        if known >= _FEW_EVENTS:
            self._new_hours(now, before)
        active = self._volume(now, before, recent)
        if active >= _FEW_DAYS:
            self._more_often(values, before, recent, active)

    def _new_values(self, now: Query, before: Query) -> dict[str, list[tuple[str, int]]]:
        """Adds new values to the result. Returns the others by kind, the most frequent first."""
        found = self._aggregated(
            now, {kind: {"terms": {"field": FIELDS[kind], "size": _NEW}} for kind in COMPARED}
        )
        values = {
            kind: {str(each["key"]): each["doc_count"] for each in found[kind]["buckets"]}
            for kind in COMPARED
        }
        known = self._aggregated(
            before,
            {
                kind: {"terms": {"field": FIELDS[kind], "size": _NEW, "include": sorted(names)}}
                for kind, names in values.items()
                if names
            },
        )
        others: dict[str, list[tuple[str, int]]] = {}
        for kind, names in values.items():
            seen = {str(each["key"]) for each in known[kind]["buckets"]} if names else set()
            others[kind] = [each for each in names.items() if each[0] in seen]
            new = [each for each in names.items() if each[0] and each[0] not in seen]
            if kind == "addresses":
                self._new_networks(new, before)
            for value, count in new:
                self.unusual.append(_never(kind, value, count))
            if found[kind].get("sum_other_doc_count"):
                self.cut.append(f"{kind}: only the {_NEW:,} most frequent ones were compared")
        return others

    def _new_networks(self, addresses: Sequence[tuple[str, int]], before: Query) -> None:
        """Adds the networks of new addresses that had no event before."""
        counts: dict[str, int] = {}
        for address, count in addresses:
            network = network_of(address)
            counts[network] = counts.get(network, 0) + count
        filters = {each: {"term": {ADDRESS: each}} for each in counts}
        found = self._aggregated(
            before, {"of": {"filters": {"filters": filters}}} if filters else {}
        )
        for network, count in counts.items():
            if not found["of"]["buckets"][network]["doc_count"]:
                self.unusual.append(_never(NETWORKS, network, count))

    def _more_often(
        self,
        values: Mapping[str, Sequence[tuple[str, int]]],
        before: Query,
        recent: timedelta,
        active: int,
    ) -> None:
        """Adds values that are much more frequent than before: above the mean plus two standard
        deviations of spans of the same length in which the subject was active."""
        slots, length = _slots(self.before, recent)
        most = max(1, min(_OFTEN, _BUCKETS // slots))
        by_time = {
            "date_histogram": {
                "field": "@timestamp",
                "fixed_interval": f"{length}ms",
                "offset": f"{self.before.milliseconds()[1] % length}ms",
                "min_doc_count": 1,
            }
        }
        values = {kind: values[kind] for kind in COUNTED if values.get(kind)}
        chosen = {kind: dict(several[:most]) for kind, several in values.items()}
        self.cut += [
            f"how often, {kind}: only of the {most:,} most frequent ones"
            for kind, several in values.items()
            if len(several) > most
        ]
        bodies = [
            {
                "query": before,
                "track_total_hits": False,
                "aggs": {
                    "of": {
                        "terms": {"field": FIELDS[kind], "size": most, "include": sorted(names)},
                        "aggs": {"when": by_time},
                    }
                },
            }
            for kind, names in chosen.items()
        ]
        for (kind, names), reply in zip(chosen.items(), self._index.searches(bodies), strict=True):
            for bucket in (reply.get("aggregations") or {"of": {"buckets": []}})["of"]["buckets"]:
                counts = [each["doc_count"] for each in bucket["when"]["buckets"]]
                counts += [0] * (active - len(counts))
                value, mean = str(bucket["key"]), fmean(counts)
                usual, count = mean + 2 * pstdev(counts), names[str(bucket["key"])]
                if count >= _MANY and count > usual:
                    detail = f"{value} {count:,} times; {_compared(mean, usual)}"
                    self.unusual.append(
                        {"kind": kind, "value": value, "events": count, "detail": detail}
                    )

    def _new_hours(self, now: Query, before: Query) -> None:
        hours = [
            {
                moment(int(each["key"]["hour"])).hour: each["doc_count"]
                for each in self._index.buckets(query, [histogram("hour", _HOUR)])
            }
            for query in (now, before)
        ]
        for hour in sorted(hours[0].keys() - hours[1].keys()):
            self.unusual.append(
                {
                    "kind": "hours",
                    "value": f"{hour:02}:00",
                    "events": hours[0][hour],
                    "detail": f"not active from {hour:02}:00 to {hour + 1:02}:00 UTC before",
                }
            )

    def _volume(self, now: Query, before: Query, recent: timedelta) -> int:
        """Adds the volume if the number of events or failures is above the mean plus two standard
        deviations of earlier spans of the same length. Returns in how many of these it was
        active."""
        number, length = _slots(self.before, recent)
        end = self.before.milliseconds()[1]
        active = 0
        for name, query in (("events", None), ("failures", FAILED)):
            asked = both(before, query) if query else before
            slots = [0] * number
            for bucket in self._index.buckets(asked, [histogram("hour", _HOUR)]):
                place = (end - 1 - int(bucket["key"]["hour"])) // length
                if 0 <= place < len(slots):
                    slots[place] += bucket["doc_count"]
            count = self._index.count(both(now, query) if query else now)
            usual = fmean(slots) + 2 * pstdev(slots)
            active = active or sum(map(bool, slots))
            if active >= _FEW_DAYS and count > usual and count > 1:
                self.unusual.append(
                    {
                        "kind": name,
                        "value": str(count),
                        "events": count,
                        "detail": f"{count:,} {name}; {_compared(fmean(slots), usual)}",
                    }
                )
        return active

    def _aggregated(self, query: Query, aggregations: Mapping[str, Any]) -> Mapping[str, Any]:
        if not aggregations:
            return {}
        found: Mapping[str, Any] = self._index.search({"query": query, "aggs": dict(aggregations)})
        return found.get("aggregations") or {name: {"buckets": []} for name in aggregations}


def _slots(before: Span, recent: timedelta) -> tuple[int, int]:
    """The number of spans of the length of `recent` in the time before, and that length in
    milliseconds."""
    begin, end = before.milliseconds()
    length = int(recent.total_seconds() * 1000)
    return max(1, (end - begin) // length), length


def _never(kind: str, value: str, count: int) -> dict[str, Any]:
    detail = f"not in the weeks before: {value}"
    return {"kind": kind, "value": value, "events": count, "detail": detail}


def _compared(mean: float, usual: float) -> str:
    return f"before {mean:,.1f} on average, {usual:,.1f} with two standard deviations"
