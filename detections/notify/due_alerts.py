"""Which alerts are due for a channel."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import LEARNING, stamp
from detections.alerts.paging import every
from detections.alerts.store import levels_from
from detections.alerts.twins import TWIN_KEY
from detections.incidents.document import INCIDENT
from detections.incidents.raising import FIELDS as RAISING
from detections.incidents.raising import FROM, TO, Standing, standing
from detections.incidents.significance import FIELDS as SIGNIFICANT
from detections.incidents.significance import significance
from detections.notify.bundles import Due, known_by
from detections.rule import LEVELS
from trailhound.batching import weighed
from trailhound.settings import ChannelSettings

Document = Mapping[str, Any]

_AT_ONCE = 500
_RAISABLE = LEVELS[LEVELS.index(FROM) :]
"""Levels of alerts that may make an incident more than it was."""
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
    message, of which an alert's first counts. Where that is the incident, an alert of a lower level
    is due too if facts raise its incident to the channel's. Alerts that ended before `oldest` are
    due only if they were marked as pending. `tested` gives when the channel last delivered a test:
    that ends the wait of alerts that failed before. Raises `ClusterError`."""
    name = channel.name
    clauses: list[dict[str, Any]] = [
        *alerts_for(channel, raised=INCIDENT in about),
        _any(
            {"range": {"last_seen": {"gte": stamp(oldest)}}},
            {"term": {"delivery.pending": name}},
        ),
    ]
    per_incident = INCIDENT in about
    standings = Standings(client, index)
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
    for alert, document in standings.of(found) if per_incident else found:
        standing = standings.known.get(document.get(INCIDENT, ""))
        if not _is_taken(channel, document, standing):
            continue
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
        joined = per_incident and INCIDENT in document
        made.due.append(
            Due(
                name=alert,
                level=document["level"],
                last_seen=datetime.fromisoformat(document["last_seen"]),
                pending=bool(log),
                about=next(filter(None, map(document.get, about)), alert),
                learning=bool(document.get(LEARNING)),
                known_by=(
                    known_by(document) if joined or document.get("succeeded") else frozenset()
                ),
                significance=significance(document),
                standing=standing if document["level"] in _RAISABLE else None,
            )
        )
    return made


class Standings:
    """The standings of incidents, read as their alerts come."""

    def __init__(self, client: OpenSearch, index: str) -> None:
        self._client = client
        self._index = index
        self.known: dict[str, Standing] = {}
        """By id of the incident."""

    def of(self, alerts: Iterable[tuple[str, Document]]) -> Iterator[tuple[str, Document]]:
        """The same alerts; those of the incident of each are known then. Raises `ClusterError`."""
        for several in weighed(alerts, lambda _: 1, _AT_ONCE):
            incidents = {
                document[INCIDENT]
                for _, document in several
                if INCIDENT in document and document["level"] in _RAISABLE
            }
            if missing := incidents - self.known.keys():
                self._read(missing)
            yield from several

    def _read(self, incidents: Collection[str]) -> None:
        groups: dict[str, list[Document]] = {}
        asked = [{"terms": {INCIDENT: sorted(incidents)}}]
        but = [{"exists": {"field": "merged_into"}}]
        fields = (INCIDENT, *RAISING)
        for _, document in every(self._client, self._index, asked, but=but, fields=fields):
            groups.setdefault(document[INCIDENT], []).append(document)
        self.known |= {incident: standing(group) for incident, group in groups.items()}


def _is_taken(channel: ChannelSettings, document: Document, of: Standing | None) -> bool:
    """Whether a channel takes an alert: for its own level, or that of its incident where facts add
    up to it."""
    least = LEVELS.index(channel.level)
    if LEVELS.index(document["level"]) >= least:
        return True
    return of is not None and bool(of.grounds) and LEVELS.index(of.level) >= least


def alerts_for(channel: ChannelSettings, *, raised: bool = False) -> list[dict[str, Any]]:
    """Query clauses for the alerts that a channel takes, by level and tactic; `raised`: also for
    those whose incident may be raised to its level."""
    least = FROM if raised and channel.level == TO else channel.level
    clauses: list[dict[str, Any]] = [{"terms": {"level": list(levels_from(least))}}]
    if channel.tactics:
        # Older Sigma rules write tactics with underscores instead of hyphens.
        tactics = {t for each in channel.tactics for t in (each, each.replace("-", "_"))}
        clauses.append({"terms": {"attack.tactic": sorted(tactics)}})
    return clauses


def _any(*clauses: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}
