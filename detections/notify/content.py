"""What a message about an alert says: the alert with its origin, its twins and its incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from detections.alerts.document import Document, shown, stamp
from detections.alerts.twins import TWIN_KEY, twins_of
from detections.incidents.document import INCIDENT
from detections.notify.bundles import Bundle, marked
from detections.notify.of_incident import (
    IncidentKey,
    OfIncident,
    closed_before,
    incident_key,
    others_of,
)
from detections.notify.origin import origin_of
from trailhound.cluster.templates import Names


@dataclass(frozen=True, slots=True)
class Content:
    """`alert`: what the templates show. `per_incident`: whether the message is about its incident.
    `rules`: those that the message names, as `marked`. `key`: of the messages about its incident;
    None for an alert of none."""

    alert: dict[str, Any]
    per_incident: bool
    rules: frozenset[str]
    key: IncidentKey | None


class Contents:
    """The contents of a channel's messages. `per_incident`: whether one is about all of an
    incident."""

    def __init__(
        self,
        client: OpenSearch,
        names: Names,
        channel: str,
        now: datetime,
        *,
        per_incident: bool,
    ) -> None:
        self._client = client
        self._names = names
        self._channel = channel
        self._now = now
        self._per_incident = per_incident

    def of(self, bundle: Bundle, document: Document) -> Content:
        """The content of the message for a bundle, whose lead is stored as `document`. Raises
        opensearch-py's exceptions, `ClusterError`."""
        name, index = bundle.lead.name, self._names.alerts
        rules = {marked(document["rule"]["name"], document)}
        key: IncidentKey | None = None
        alert = shown(name, document)
        if TWIN_KEY in document:
            twins = twins_of(self._client, index, {name: document[TWIN_KEY]}).get(name, ())
            alert["twins"] = [each for each in twins if each["state"] != "closed"]
            rules |= {marked(it["rule"]["name"], document) for it in alert["twins"]}
        alert["origin"] = origin_of(self._client, self._names.days, alert)
        if INCIDENT in alert:
            key = self._key(alert[INCIDENT])
            alert["incident_key"] = key.id
        per_incident = self._per_incident and INCIDENT in alert
        if (of := bundle.lead.standing) is not None and of.grounds:
            alert["adds_up"] = {
                "level": bundle.lead.told_at,
                "raised_from": of.raised_from or "",
                "because": of.because,
            }
        if per_incident:
            of_incident = self._others_of(alert[INCIDENT], bundle)
            alert["of_incident"] = of_incident.part
            alert["explained_by"] = of_incident.explained_by
            alert["closed_before"] = closed_before(self._client, index, alert[INCIDENT])
            rules |= of_incident.rules
        return Content(alert, per_incident, frozenset(rules), key)

    def _key(self, incident: str) -> IncidentKey:
        index, since = self._names.alerts, stamp(self._now)
        return incident_key(self._client, index, self._channel, incident, since)

    def _others_of(self, incident: str, bundle: Bundle) -> OfIncident:
        due = {each.name for each in bundle.others}
        found = others_of(self._client, self._names.alerts, incident, bundle.lead.name, due)
        if found.part and bundle.before.level is not None:
            found.part["earlier_message"] = bundle.before.by
        return found
