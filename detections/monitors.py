"""A rule as a monitor of OpenSearch's Alerting plugin, for clusters that have it.

A monitor searches the last interval and handles neither late events nor events that it alerted on
before: it is for a cluster where Trailhound itself does not run its rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from detections.compiled import Query
from detections.packs.pack import Pack
from detections.rule import Level, Rule

SEVERITY: Mapping[Level, str] = MappingProxyType(
    {"critical": "1", "high": "2", "medium": "3", "low": "4", "informational": "5"}
)
"""The plugin's severities: 1 is the most severe (Alerting API, `triggers.severity`)."""

_LONGEST_MINUTES = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Exported:
    """Monitors by rule id; `wider` are the titles of those that trigger on more than their rule
    means, `left_out` those of the rules that no monitor can express."""

    monitors: Mapping[str, dict[str, Any]]
    wider: tuple[str, ...]
    left_out: tuple[str, ...]


def exported(pack: Pack, index: str) -> Exported:
    """A monitor for each plain rule of a pack that raises alerts.

    Of events that a repair touched a monitor sees what was left in place: nothing puts it back.
    """
    plain = [rule for rule in pack.alerting if rule.is_plain]
    compiled = {rule.id: pack.compiled[rule.id] for rule in plain}
    return Exported(
        {
            rule.id: monitor(rule, made.plain or made.query, rule.interval, index)
            for rule in plain
            for made in [compiled[rule.id]]
        },
        tuple(rule.title for rule in plain if compiled[rule.id].post_filter is not None),
        tuple(rule.title for rule in pack.alerting if rule.kind != "sigma"),
    )


def monitor(rule: Rule, query: Query, interval: timedelta, index: str) -> dict[str, Any]:
    """The body of `POST _plugins/_alerting/monitors`: a query-level monitor.

    A query that is wider than its rule (`Compiled.post_filter` is set) stays wider.
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
