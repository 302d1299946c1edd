"""Which alerts are due for a channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import LEARNING, stamp
from detections.alerts.paging import every
from detections.alerts.store import levels_from
from detections.alerts.twins import TWIN_KEY
from detections.incidents.document import INCIDENT
from detections.incidents.significance import FIELDS as SIGNIFICANT
from detections.incidents.significance import significance
from detections.notify.bundles import Due, known_by
from trailhound.settings import ChannelSettings

MAX_READ = 5_000
"""Due alerts of a channel in one run: those that have messages of their own before those of a
learning period, of each the most severe first."""


@dataclass(slots=True)
class DueAlerts:
    """`due`: the alerts to send now, the most severe first, those of a learning period last.
    `inactive`: the number of those that wait for their next attempt. `more`: whether more are due.
    `rules`: the names of the rules of `due`, by alert."""

    due: list[Due] = field(default_factory=list)
    inactive: int = 0
    more: bool = False
    rules: dict[str, str] = field(default_factory=dict)


def due_alerts(
    client: OpenSearch,
    index: str,
    channel: ChannelSettings,
    about: Sequence[str],
    *,
    oldest: datetime,
    now: datetime,
    most: int = MAX_READ,
    tested: Callable[[], str] = lambda: "",
) -> DueAlerts:
    """At most `most` due alerts of a channel. `about`: the fields by which alerts are in one
    message, of which an alert's first counts. Alerts that ended before `oldest` are due only if
    they were marked as pending. `tested` gives when the channel last delivered a test: that
    ends the wait of alerts that failed before. Raises `ClusterError`."""
    name = channel.name
    clauses: list[dict[str, Any]] = [
        *alerts_for(channel),
        _any(
            {"range": {"last_seen": {"gte": stamp(oldest)}}},
            {"term": {"delivery.pending": name}},
        ),
    ]
    found = every(
        client,
        index,
        clauses,
        but=[
            {"term": {"delivery.done": name}},
            {"term": {"state": "closed"}},
            {"exists": {"field": "merged_into"}},
            {"exists": {"field": "catch_up"}},  # in the digest of a catch-up
        ],
        fields=(*SIGNIFICANT, "delivery", "succeeded", LEARNING, INCIDENT, TWIN_KEY),
        # Those of a learning period wait for a day: read first, many would keep the others
        # from being read.
        sort=[
            {LEARNING: {"order": "asc", "missing": "_first", "unmapped_type": "boolean"}},
            {"severity": "desc"},
            {"@timestamp": "asc"},
        ],
    )
    made, last_test = DueAlerts(), None
    for alert, document in found:
        log = document.get("delivery", {}).get("log", {}).get(name, {})
        waits = log.get("next_at") and datetime.fromisoformat(log["next_at"]) > now
        if waits and last_test is None:
            last_test = tested()
        if waits and (last_test or "") <= log["at"]:
            # At most an hour's attempts, and no place of one that can be sent.
            made.inactive += 1
            continue
        if len(made.due) == most:
            made.more = True
            break
        made.rules[alert] = document["rule"]["name"]
        per_incident = INCIDENT in about and INCIDENT in document
        made.due.append(
            Due(
                name=alert,
                level=document["level"],
                last_seen=datetime.fromisoformat(document["last_seen"]),
                pending=bool(log),
                about=next(filter(None, map(document.get, about)), alert),
                learning=bool(document.get(LEARNING)),
                known_by=(
                    known_by(document) if per_incident or document.get("succeeded") else frozenset()
                ),
                significance=significance(document),
            )
        )
    return made


def alerts_for(channel: ChannelSettings) -> list[dict[str, Any]]:
    """Query clauses for the alerts that a channel takes, by level and tactic."""
    clauses: list[dict[str, Any]] = [{"terms": {"level": list(levels_from(channel.level))}}]
    if channel.tactics:
        # Older Sigma rules write tactics with underscores instead of hyphens.
        tactics = {t for each in channel.tactics for t in (each, each.replace("-", "_"))}
        clauses.append({"terms": {"attack.tactic": sorted(tactics)}})
    return clauses


def _any(*clauses: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}
