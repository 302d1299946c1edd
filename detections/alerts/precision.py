"""How often a rule was right, by the dispositions of its closed alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.disposition import DISPOSITIONS
from detections.alerts.store import AlertQuery
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.settings import Settings


@dataclass(slots=True)
class Precision:
    """The alerts of one rule, or of all (`id` is then empty).

    `as_` counts those closed with each disposition, `without_disposition` those closed with none,
    `not_closed` the others. Precision is the share of true positives among the alerts closed as
    true positive, false positive or benign; duplicates are not counted.
    """

    id: str
    title: str
    as_: Counter[str] = field(default_factory=Counter)
    without_disposition: int = 0
    not_closed: int = 0

    @property
    def judged(self) -> int:
        """The number of alerts that count for the precision."""
        return self.as_.total() - self.as_["duplicate"]

    @property
    def closed(self) -> int:
        """The number of closed alerts."""
        return self.as_.total() + self.without_disposition

    @property
    def ratio(self) -> float | None:
        """The precision, from 0 to 1; None if no alert counts for it."""
        return self.as_["true-positive"] / self.judged if self.judged else None

    @property
    def rounded(self) -> float | None:
        """The ratio to four digits, as it is printed."""
        return None if self.ratio is None else round(self.ratio, 4)

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            **({"id": self.id, "title": self.title} if self.id else {}),
            **{name.replace("-", "_"): self.as_[name] for name in DISPOSITIONS},
            "without_disposition": self.without_disposition,
            "not_closed": self.not_closed,
            "judged": self.judged,
            "precision": self.rounded,
        }


def precision(client: OpenSearch, settings: Settings, query: AlertQuery) -> list[Precision]:
    """Every rule with an alert that matches: the lowest precision first, rules without one last.
    Raises `ClusterError`."""
    index = Names(settings.prefix).alerts
    make_searchable(client, index, required=True)
    sources: list[dict[str, Any]] = [
        {"id": {"terms": {"field": "rule.id"}}},
        {"title": {"terms": {"field": "rule.name"}}},
        {"state": {"terms": {"field": "state"}}},
        {"as": {"terms": {"field": "disposition", "missing_bucket": True}}},
    ]
    asked = {
        "bool": {"filter": query.query(), "must_not": [{"exists": {"field": "merged_into"}}]},
    }
    found: dict[str, Precision] = {}
    for bucket in IndexReader(client, index).buckets(asked, sources):
        key, count = bucket["key"], bucket["doc_count"]
        rule = found.setdefault(key["id"], Precision(key["id"], key["title"]))
        if key["state"] != "closed":
            rule.not_closed += count
        elif key["as"]:
            rule.as_[key["as"]] += count
        else:
            rule.without_disposition += count
    return sorted(
        found.values(),
        key=lambda each: (each.ratio is None, each.ratio or 0.0, -each.judged, each.title),
    )


def total(rules: Iterable[Precision]) -> Precision:
    """The sum over rules."""
    made = Precision("", "")
    for rule in rules:
        made.as_ += rule.as_
        made.without_disposition += rule.without_disposition
        made.not_closed += rule.not_closed
    return made
