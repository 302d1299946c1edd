"""A rule as a monitor of OpenSearch's Alerting plugin, for clusters that have it.

A monitor searches the last interval and knows neither late events nor what it alerted on before:
it is for a cluster where Trailhound itself is not to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from detections.compiled import Query
from detections.rule import Level, Rule

SEVERITY: Mapping[Level, str] = MappingProxyType(
    {"critical": "1", "high": "2", "medium": "3", "low": "4", "informational": "5"}
)
"""The plugin's severities: 1 is the gravest (Alerting API, `triggers.severity`)."""

_LONGEST_MINUTES = 7 * 24 * 60


def monitor(rule: Rule, query: Query, interval: timedelta, index: str) -> dict[str, Any]:
    """The body of `POST _plugins/_alerting/monitors`: a query-level monitor.

    A query that is wider than its rule (`Compiled.decide` is set) stays so: nothing decides here.
    It looks every `interval` (in whole minutes, at least one) at what was ingested in the last
    one, and triggers on any hit. `index` is a pattern of daily indices. It has no actions: those
    name destinations of the cluster's own.
    """
    minutes = min(max(1, -(-int(interval.total_seconds()) // 60)), _LONGEST_MINUTES)
    since = {
        "gte": f"{{{{period_end}}}}||-{minutes}m",
        "lt": "{{period_end}}",
        "format": "epoch_millis",
    }
    ingested = {"range": {"event.ingested": since}}
    return {
        "type": "monitor",
        "monitor_type": "query_level_monitor",
        "name": f"{rule.title} ({rule.id})",
        "enabled": True,
        "schedule": {"period": {"interval": minutes, "unit": "MINUTES"}},
        "inputs": [
            {
                "search": {
                    "indices": [index],
                    "query": {
                        "size": 1,
                        "track_total_hits": True,
                        "query": {"bool": {"filter": [ingested, query]}},
                    },
                }
            }
        ],
        "triggers": [
            {
                "query_level_trigger": {
                    "name": rule.id,
                    "severity": SEVERITY[rule.level],
                    "condition": {
                        "script": {
                            "source": "ctx.results[0].hits.total.value > 0",
                            "lang": "painless",
                        }
                    },
                    "actions": [],
                }
            }
        ],
    }
