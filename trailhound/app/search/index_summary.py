"""The content of an index in a few numbers, for the end of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names

HIGH_RISK = 8
"""The lowest high risk score."""

_ROWS: Final = 5


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """A row of a table: a value, its number of events, and their highest risk score."""

    what: str
    events: int
    risk: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """Exact totals, and the first rows of two tables."""

    events: int
    days: int
    high_risk: int
    top_risks: list[SummaryRow]
    top_countries: list[SummaryRow]


def summarize(client: OpenSearch, prefix: str) -> Summary:
    """Totals over all days of a namespace. Refreshes first, so that all is counted."""
    names = Names(prefix)
    make_searchable(client, names.days, required=True)
    body = {
        "aggs": {
            "high": {
                "filter": {"range": {"risk_score": {"gte": HIGH_RISK}}},
                "aggs": {
                    "calls": {
                        "terms": {
                            "field": "eventName",
                            "size": _ROWS,
                            "order": [{"risk": "desc"}, {"_count": "desc"}],
                        },
                        "aggs": {
                            "risk": {"max": {"field": "risk_score"}},
                            "who": {"terms": {"field": "user.name", "size": 1}},
                        },
                    }
                },
            },
            "countries": {"terms": {"field": "geolocation.country", "size": _ROWS}},
        },
    }
    reply = IndexReader(client, names.alias).search(body)
    days = client.cat.indices(index=names.days, params={"format": "json", "h": "index"})
    high = reply["aggregations"]["high"]
    return Summary(
        events=reply["hits"]["total"]["value"],
        days=len(days),
        high_risk=high["doc_count"],
        top_risks=[
            SummaryRow(_risk_label(bucket), bucket["doc_count"], int(bucket["risk"]["value"]))
            for bucket in high["calls"]["buckets"]
        ],
        top_countries=[
            SummaryRow(bucket["key"], bucket["doc_count"])
            for bucket in reply["aggregations"]["countries"]["buckets"]
        ],
    )


def _risk_label(bucket: dict[str, object]) -> str:
    who = bucket["who"]["buckets"]  # type: ignore[index]
    return f"{bucket['key']}, mostly by {who[0]['key']}" if who else str(bucket["key"])
