"""How many alerts a rule raised before about the same principal, for alerts without a group.

Alerts of a group need no search: the group's directory lists them (`Directory.before`). Without a
group a rule's alerts are about anybody, so each is counted with those of its principals alone.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import Document
from trailhound.batching import batched
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable

_AT_ONCE = 100
_FIELDS = ("arn", "principal")
"""What tells principals apart, the best first: an ARN has the account too."""

Key = tuple[str, ...]


def earlier_alerts(
    client: OpenSearch,
    index: str,
    alerts: Mapping[str, Document],
    replaced: Collection[str] = (),
) -> dict[str, Document]:
    """For each alert that will be written, by `_id`, the `before` of its document: `count` and
    `relation` of the alerts that ended before it began, stored and among `alerts`, and the end of
    the `last`.

    `replaced`: stored alerts that are among `alerts`, or that are being merged into others. Raises
    `ClusterError`.
    """
    if not alerts:
        return {}
    make_searchable(client, index, required=True)
    ours = EarlierAlerts()
    for name, alert in alerts.items():
        ours.add(name, alert)
    found: dict[str, Document] = {}
    for part in batched(list(alerts), _AT_ONCE):
        bodies = [_body(alerts[name], replaced) for name in part]
        replies = IndexReader(client, index).searches(bodies)
        for name, reply in zip(part, replies, strict=True):
            count, last = ours.found(alerts[name])
            ends = [] if last is None else [last]
            if (stored := reply["aggregations"]["last"]["value"]) is not None:
                ends.append(datetime.fromtimestamp(stored / 1000, UTC))
            count += int(reply["hits"]["total"]["value"])
            found[name] = _before(count, max(ends, default=None))
    return found


class EarlierAlerts:
    """Alerts in memory: when each ended, by rule and principal."""

    def __init__(self) -> None:
        self._ends: dict[Key, list[tuple[datetime, str]]] = {}

    def add(self, name: str, alert: Document) -> None:
        ended = datetime.fromisoformat(alert["last_seen"])
        for key in _keys(alert):
            insort(self._ends.setdefault(key, []), (ended, name))

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


def _before(count: int, last: datetime | None) -> Document:
    ended = {} if last is None else {"last": last.isoformat(timespec="milliseconds")}
    return {"count": count, "relation": "eq", **ended}


def _principals(alert: Document) -> tuple[str, tuple[str, ...]]:
    """The field that tells this alert's principals apart, and its values; no field without any."""
    entity = alert["entity"]
    return next(((name, tuple(entity[name])) for name in _FIELDS if entity.get(name)), ("", ()))


def _keys(alert: Document) -> list[Key]:
    """The keys of alerts that are counted together, of which one is enough."""
    field, values = _principals(alert)
    rule = alert["rule"]["id"]
    return [(rule, field, value) for value in values] or [(rule,)]


def _body(alert: Document, replaced: Collection[str]) -> dict[str, Any]:
    field, values = _principals(alert)
    clauses: list[dict[str, Any]] = [
        {"term": {"rule.id": alert["rule"]["id"]}},
        {"range": {"last_seen": {"lt": alert["first_seen"]}}},
    ]
    but: list[dict[str, Any]] = [{"exists": {"field": "merged_into"}}]
    if field:
        clauses.append({"terms": {f"entity.{field}": list(values)}})
    else:
        but += [{"exists": {"field": f"entity.{name}"}} for name in _FIELDS]
    if replaced:
        but.append({"ids": {"values": sorted(replaced)}})
    return {
        "query": {"bool": {"filter": clauses, "must_not": but}},
        "aggs": {"last": {"max": {"field": "last_seen"}}},
        "size": 0,
        "track_total_hits": True,
    }
