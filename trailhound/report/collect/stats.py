"""The numbers of a report: totals, time, risk, places, rankings. All of them exact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from trailhound.report.collect.query import Index, Query, Tally, moment
from trailhound.report.event import HIGH
from trailhound.report.value import (
    Bar,
    CountryPoint,
    Places,
    Ranking,
    Row,
    TimeBucket,
    Timeline,
    Totals,
)

FAILED: Query = {"term": {"event.outcome": "failure"}}
NAMED_ERROR: Query = {"bool": {"must_not": {"term": {"errorCode": ""}}}}
HIGH_RISK: Query = {"range": {"risk_score": {"gte": HIGH}}}
OUTSIDE: Query = {"term": {"risk_reasons": "external_address"}}
"""A clause for events from addresses that are neither AWS's nor private."""
PLACED: Query = {"exists": {"field": "geolocation.country"}}
OF = {"failed": FAILED, "high_risk": HIGH_RISK}
"""What is counted of each value of a ranking, beside its events."""

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS = (
    *(1, 5, 10, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 7 * _DAY, 30 * _DAY, 365 * _DAY),
)
"""Widths of a time bucket in seconds; the first that needs at most `_BUCKETS` buckets is used."""
_BUCKETS = 84
_FEW_BUCKETS = 12
"""With events in at most this many buckets, the timeline shows only the time of the events."""
_COUNTRIES = 1_000


def totals(index: Index) -> Totals:
    """How many events, and between which times. The distinct counts are those of the rankings."""
    reply = index.ask(
        {
            "failed": {"filter": FAILED},
            "high_risk": {"filter": HIGH_RISK},
            "first": {"min": {"field": "@timestamp"}},
            "last": {"max": {"field": "@timestamp"}},
        }
    )
    found = reply["aggregations"]
    return Totals(
        events=reply["hits"]["total"]["value"],
        failed=found["failed"]["doc_count"],
        high_risk=found["high_risk"]["doc_count"],
        first=moment(found["first"]["value"]),
        last=moment(found["last"]["value"]),
    )


def ranking(tally: Tally) -> Ranking:
    """A tally as a ranking."""
    rows = tuple(
        Row(
            value=each.value,
            events=each.events,
            failed=each.of["failed"],
            high_risk=each.of["high_risk"],
            last=each.last,
            note=each.note,
        )
        for each in tally.first
    )
    return Ranking(tally.distinct, tally.events, rows)


def ranked(index: Index, field: str, rows: int, *, note: str | None = None) -> Ranking:
    """The ranking of a field's values."""
    return ranking(index.tally(field, OF, rows, note=note))


def step(since: datetime, until: datetime) -> int:
    """The width of a time bucket, in seconds, for a timeline between two times.

    >>> step(datetime(2025, 3, 1), datetime(2025, 3, 8))
    10800
    """
    span = (until - since).total_seconds()
    return next((each for each in _STEPS if span / each <= _BUCKETS), _STEPS[-1])


def drawn_span(
    since: datetime, until: datetime, first: datetime, last: datetime
) -> tuple[datetime, datetime]:
    """The time that a timeline shows: the requested time, or only that of the events (`first` to
    `last`) if they are in a few of its buckets.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 2, tzinfo=UTC)
    >>> at = day[0] + timedelta(hours=9)
    >>> [f"{each:%H:%M}" for each in drawn_span(*day, at, at + timedelta(minutes=40))]
    ['09:00', '09:40']
    """
    if (last - first).total_seconds() >= _FEW_BUCKETS * step(since, until):
        return since, until
    return max(since, first), min(until, last + timedelta(milliseconds=1))


def timeline(
    index: Index, since: datetime, until: datetime, alerts: dict[datetime, dict[str, int]]
) -> Timeline:
    """The timeline of events by outcome; `alerts` are counted by start of bucket and band
    (`alert_times`)."""
    seconds = step(since, until)
    reply = index.ask(
        {
            "time": {
                "date_histogram": {
                    "field": "@timestamp",
                    "fixed_interval": f"{seconds}s",
                    "min_doc_count": 1,
                },
                "aggs": {"outcome": {"terms": {"field": "event.outcome", "size": 10}}},
            }
        }
    )
    events: dict[datetime, dict[str, int]] = {}
    for bucket in reply["aggregations"]["time"]["buckets"]:
        counts = {each["key"]: each["doc_count"] for each in bucket["outcome"]["buckets"]}
        counts["all"] = bucket["doc_count"]
        events[datetime.fromtimestamp(bucket["key"] / 1000, UTC)] = counts
    buckets = []
    start = floor(since, seconds)
    while start < until:
        of, raised = events.get(start, {}), alerts.get(start, {})
        success, failure = of.get("success", 0), of.get("failure", 0)
        buckets.append(
            TimeBucket(
                start=start,
                success=success,
                failure=failure,
                other=of.get("all", 0) - success - failure,
                high=raised.get("high", 0),
                medium=raised.get("medium", 0),
                low=raised.get("low", 0),
            )
        )
        start += timedelta(seconds=seconds)
    return Timeline(seconds, tuple(buckets))


def floor(when: datetime, seconds: int) -> datetime:
    """The start of the bucket of a time, as OpenSearch's `fixed_interval` sets it.

    >>> floor(datetime(2025, 3, 1, 4, 30, tzinfo=UTC), 10_800).isoformat()
    '2025-03-01T03:00:00+00:00'
    """
    return datetime.fromtimestamp(when.timestamp() // seconds * seconds, UTC)


def risk(index: Index) -> tuple[Bar, ...]:
    """Events by risk score, 1 to 10, including scores without events."""
    reply = index.ask({"risk": {"terms": {"field": "risk_score", "size": 300}}})
    found = {each["key"]: each["doc_count"] for each in reply["aggregations"]["risk"]["buckets"]}
    return tuple(Bar(score, found.get(score, 0)) for score in range(1, max([10, *found]) + 1))


def country_points(index: Index) -> tuple[CountryPoint, ...]:
    """The countries of events, the most events first, each at the centre of its places."""
    reply = index.ask(
        {
            "countries": {
                "terms": {
                    "field": "geolocation.country",
                    "size": _COUNTRIES,
                    "shard_size": _COUNTRIES,
                },
                "aggs": {
                    "middle": {"geo_centroid": {"field": "geolocation.location"}},
                    "high_risk": {"filter": HIGH_RISK},
                    "code": {"terms": {"field": "geolocation.country_code", "size": 1}},
                },
            }
        }
    )
    return tuple(
        CountryPoint(
            country=bucket["key"],
            code=bucket["code"]["buckets"][0]["key"] if bucket["code"]["buckets"] else "",
            latitude=round(bucket["middle"]["location"]["lat"], 2),
            longitude=round(bucket["middle"]["location"]["lon"], 2),
            events=bucket["doc_count"],
            high_risk=bucket["high_risk"]["doc_count"],
        )
        for bucket in reply["aggregations"]["countries"]["buckets"]
        if "location" in bucket["middle"]
    )


def places(index: Index, mapped: Sequence[CountryPoint]) -> Places:
    """The number of events on the map, and why others are not on it."""
    on_map = sum(spot.events for spot in mapped)
    reply = index.ask(
        {"inside": {"filter": {"bool": {"must_not": [OUTSIDE, PLACED]}}}},
    )
    events = reply["hits"]["total"]["value"]
    inside = reply["aggregations"]["inside"]["doc_count"]
    return Places(on_map, inside, max(0, events - on_map - inside))
