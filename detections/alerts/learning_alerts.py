"""How many alerts were found while their rules had too little history, for `status` and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import LEARNING
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.plural import plural


@dataclass(frozen=True, slots=True)
class LearningAlerts:
    """The number of alerts of one rule that were found while learning."""

    rule: str
    alerts: int

    def sentence(self) -> str:
        """What was not sent, and where it is listed.

        >>> LearningAlerts("Spike", 1).sentence()[:55]
        'Spike: 1 alert was found before there was enough histor'
        """
        number = f"{plural(self.alerts, 'alert')} {'was' if self.alerts == 1 else 'were'}"
        return (
            f"{self.rule}: {number} found before there was enough history: channels get one "
            "message a day about these"
        )

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"rule": self.rule, "alerts": self.alerts}


def learning_alerts(
    client: OpenSearch, prefix: str, since: datetime, until: datetime | None = None
) -> Sequence[LearningAlerts]:
    """By rule, the most alerts first: those that are not closed and have an event in the span.

    Raises opensearch-py's exceptions, `ClusterError`.
    """
    alerts = Names(prefix).alerts
    make_searchable(client, alerts, required=False)
    asked: list[Mapping[str, Any]] = [
        {"term": {LEARNING: True}},
        {"range": {"last_seen": {"gte": since.isoformat()}}},
    ]
    if until is not None:
        asked.append({"range": {"first_seen": {"lt": until.isoformat()}}})
    query = {
        "bool": {
            "filter": asked,
            "must_not": [{"term": {"state": "closed"}}, {"exists": {"field": "merged_into"}}],
        }
    }
    by_rule = [{"rule": {"terms": {"field": "rule.name"}}}]
    found = [
        LearningAlerts(each["key"]["rule"], each["doc_count"])
        for each in IndexReader(client, alerts).buckets(query, by_rule)
    ]
    return sorted(found, key=lambda each: (-each.alerts, each.rule))
