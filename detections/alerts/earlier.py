"""How many alerts a rule raised before about the same group or principals.

While they are written, alerts of a group need no search: the group's directory lists them
(`Directory.before`). Without a group a rule's alerts are about any principal, so each is counted
only with those of its own principals.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from opensearchpy import OpenSearch

from detections.alerts.document import Document
from trailhound.batching import batched
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable

_AT_ONCE = 100
_FIELDS = ("arn", "principal")
"""What distinguishes principals, the best first: an ARN has the account too."""
_GROUP = "group_key"
_NEWEST = {
    "query": {"match_all": {}},
    "size": 1,
    "sort": [{"_seq_no": "desc"}],
    "seq_no_primary_term": True,
    "_source": False,
    "track_total_hits": False,
}
"""A search for the alert that was written last."""

Key = tuple[str, ...]


class Earlier(NamedTuple):
    """The `before` of an alert's document, None if that is not known; and whether stored alerts,
    which may count this one, began after it."""

    before: Document | None
    followed: bool = False


@dataclass(frozen=True, slots=True)
class EarlierFound:
    """What `earlier_alerts` found, by `_id`. `seen`: the sequence number of the last write that it
    saw; None if there was nothing to ask."""

    of: Mapping[str, Earlier]
    seen: int | None = None

    def alone(self, written: Collection[int]) -> bool:
        """Whether nobody else wrote alerts between these searches and our writes, of these sequence
        numbers.

        >>> EarlierFound({}, 7).alone([8, 9]), EarlierFound({}, 7).alone([8, 10])
        (True, False)
        """
        if self.seen is None or not written:
            return True
        return max(written) - self.seen == len(written)


def earlier_alerts(
    client: OpenSearch,
    index: str,
    alerts: Mapping[str, Document],
    replaced: Collection[str] = (),
) -> EarlierFound:
    """For each alert that will be written, by `_id`, the `before` of its document: `count` and
    `relation` of the alerts that ended before it began, stored and among `alerts`, and the end of
    the `last`.

    `replaced`: stored alerts that are among `alerts`, or that are being merged into others. Raises
    `ClusterError`.
    """
    if not alerts:
        return EarlierFound({})
    make_searchable(client, index, required=True)
    ours = EarlierAlerts.of(alerts)
    found: dict[str, Earlier] = {}
    stored = _Counts(client, index)
    for name, counts in stored.of(alerts, replaced):
        count, last = ours.found(alerts[name])
        ends = [each for each in (last, counts.last) if each is not None]
        before = _before(count + counts.count, max(ends, default=None))
        found[name] = Earlier(before, counts.followers > 0)
    return EarlierFound(found, stored.seen)


def overtaken(
    client: OpenSearch, index: str, alerts: Mapping[str, Document], found: EarlierFound
) -> set[str]:
    """Those of the alerts that were written, by `_id`, that have another `before` by now, or that
    others follow by now: another writer wrote meanwhile. Raises `ClusterError`."""
    make_searchable(client, index, required=True)
    ours = EarlierAlerts.of(alerts)
    made: set[str] = set()
    for name, counts in _Counts(client, index).of(alerts, ()):
        earlier = found.of[name]
        known = earlier.followed or counts.followers == ours.followers(alerts[name])
        if not known or earlier.before != _before(counts.count, counts.last):
            made.add(name)
    return made


def stored_before(
    client: OpenSearch, index: str, alerts: Mapping[str, Document]
) -> dict[str, Document]:
    """The `before` of alerts that are stored, by `_id`, as of the last refresh. Raises
    `ClusterError`."""
    return {
        name: _before(stored.count, stored.last)
        for name, stored in _Counts(client, index).of(alerts, ())
    }


@dataclass(frozen=True, slots=True)
class _Stored:
    """About the stored alerts: how many ended before one began, when the last of them did, and
    how many began after it."""

    count: int
    last: datetime | None
    followers: int


class _Counts:
    """Counts the stored alerts before and after others, as of the last refresh. `seen`: the highest
    sequence number among them as they were first asked; -1 for none."""

    def __init__(self, client: OpenSearch, index: str) -> None:
        self._reader = IndexReader(client, index)
        self.seen: int | None = None

    def of(
        self, alerts: Mapping[str, Document], replaced: Collection[str]
    ) -> Iterator[tuple[str, _Stored]]:
        """Of each alert, without those that are `replaced`."""
        for part in batched(list(alerts), _AT_ONCE):
            bodies = [_body(alerts[name], replaced) for name in part]
            *replies, newest = self._reader.searches([*bodies, _NEWEST])
            if self.seen is None:
                hits = newest["hits"]["hits"]
                self.seen = hits[0]["_seq_no"] if hits else -1
            for name, reply in zip(part, replies, strict=True):
                before, later = (reply["aggregations"][each] for each in ("before", "later"))
                ended = before["last"]["value"]
                last = None if ended is None else datetime.fromtimestamp(ended / 1000, UTC)
                yield name, _Stored(int(before["doc_count"]), last, int(later["doc_count"]))


class EarlierAlerts:
    """Alerts in memory: when each began and ended, by rule and principal."""

    def __init__(self) -> None:
        self._begins: dict[Key, list[tuple[datetime, str]]] = {}
        self._ends: dict[Key, list[tuple[datetime, str]]] = {}

    @classmethod
    def of(cls, alerts: Mapping[str, Document]) -> Self:
        """These alerts, by `_id`."""
        made = cls()
        for name, alert in alerts.items():
            made.add(name, alert)
        return made

    def add(self, name: str, alert: Document) -> None:
        began, ended = (datetime.fromisoformat(alert[each]) for each in ("first_seen", "last_seen"))
        for key in _keys(alert):
            insort(self._begins.setdefault(key, []), (began, name))
            insort(self._ends.setdefault(key, []), (ended, name))

    def followers(self, alert: Document) -> int:
        """The number of alerts that began after this one."""
        began = datetime.fromisoformat(alert["first_seen"])
        lists = [self._begins[key] for key in _keys(alert) if key in self._begins]
        parts = [each[bisect_right(each, began, key=_time) :] for each in lists]
        names = {name for each in parts for _, name in each}
        return len(names)

    def before(self, alert: Document) -> Document:
        """The `before` of an alert's document."""
        return _before(*self.found(alert))

    def found(self, alert: Document) -> tuple[int, datetime | None]:
        """The number of alerts that ended before this one began, and when the last of them did."""
        began = datetime.fromisoformat(alert["first_seen"])
        lists = [self._ends[key] for key in _keys(alert) if key in self._ends]
        parts = [each[:place] for each in lists if (place := bisect_left(each, (began,)))]
        if not parts:
            return 0, None
        # An alert about two of its principals counts once.
        number = (
            len(parts[0]) if len(parts) == 1 else len({name for each in parts for _, name in each})
        )
        return number, max(each[-1][0] for each in parts)


def _time(item: tuple[datetime, str]) -> datetime:
    return item[0]


def _before(count: int, last: datetime | None) -> Document:
    ended = {} if last is None else {"last": last.isoformat(timespec="milliseconds")}
    return {"count": count, "relation": "eq", **ended}


def subjects(alert: Document) -> tuple[str, tuple[str, ...]]:
    """The field that says what this alert is about, and its values: its group, else its
    principals; no field without any."""
    if alert.get("group"):
        return _GROUP, (alert[_GROUP],)
    entity = alert.get("entity", {})
    return next(
        ((f"entity.{name}", tuple(entity[name])) for name in _FIELDS if entity.get(name)), ("", ())
    )


def _keys(alert: Document) -> list[Key]:
    """The keys of alerts that are counted together, of which one is enough."""
    field, values = subjects(alert)
    rule = alert["rule"]["id"]
    return [(rule, field, value) for value in values] or [(rule,)]


def alerts_about(rule: str, field: str, values: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """`filter` and `must_not` for the alerts of a rule that are about the same: `subjects`."""
    clauses: list[dict[str, Any]] = [{"term": {"rule.id": rule}}]
    if field:
        return {"filter": [*clauses, {"terms": {field: sorted(values)}}], "must_not": []}
    return {
        "filter": clauses,
        "must_not": [{"exists": {"field": f"entity.{name}"}} for name in _FIELDS],
    }


def _body(alert: Document, replaced: Collection[str]) -> dict[str, Any]:
    asked = alerts_about(alert["rule"]["id"], *subjects(alert))
    but = [*asked["must_not"], {"exists": {"field": "merged_into"}}]
    if replaced:
        but.append({"ids": {"values": sorted(replaced)}})
    return {
        "query": {"bool": {"filter": asked["filter"], "must_not": but}},
        "aggs": {
            "before": {
                "filter": {"range": {"last_seen": {"lt": alert["first_seen"]}}},
                "aggs": {"last": {"max": {"field": "last_seen"}}},
            },
            "later": {"filter": {"range": {"first_seen": {"gt": alert["first_seen"]}}}},
        },
        "size": 0,
        "track_total_hits": False,
    }
