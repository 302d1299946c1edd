"""Find, read, acknowledge and close alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError

from detections.alerts.document import Document, changed_state, shown, stamp
from detections.alerts.paging import every
from detections.rule import LEVELS, Level
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import existing, revise
from trailhound.errors import UsageError
from trailhound.settings import Settings

STATES = ("open", "acknowledged", "closed")


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts. `level`: this one and above; `rule`: id or title; `principal`: name or ARN;
    `since`: last seen at or after it. Alerts that were merged into others are left out.
    """

    states: tuple[str, ...] = ()
    level: Level = "informational"
    since: datetime | None = None
    rule: str | None = None
    principal: str | None = None

    def query(self) -> list[dict[str, Any]]:
        """As clauses of the query DSL, combined by AND."""
        clauses: list[dict[str, Any]] = [{"terms": {"level": list(levels_from(self.level))}}]
        if self.states:
            clauses.append({"terms": {"state": list(self.states)}})
        if self.since is not None:
            clauses.append({"range": {"last_seen": {"gte": stamp(self.since)}}})
        if self.rule is not None:
            clauses.append(_either(self.rule, "rule.id", "rule.name"))
        if self.principal is not None:
            clauses.append(_either(self.principal, "entity.principal", "entity.arn"))
        return clauses


def levels_from(level: Level) -> tuple[Level, ...]:
    """>>> levels_from("high")
    ('high', 'critical')
    """
    return LEVELS[LEVELS.index(level) :]


def _either(text: str, *fields: str) -> dict[str, Any]:
    clauses = [{"term": {name: {"value": text, "case_insensitive": True}}} for name in fields]
    return {"bool": {"should": clauses, "minimum_should_match": 1}}


class AlertStore:
    """The alerts of one namespace. Raises opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = Names(settings.prefix).alerts

    def find(self, query: AlertQuery, limit: int | None = None) -> list[Document]:
        """The alerts, the last seen first."""
        self._client.indices.refresh(index=self._index)
        found = every(
            self._client,
            self._index,
            query.query(),
            but=[{"exists": {"field": "merged_into"}}],
            sort=[{"last_seen": "desc"}],
            limit=limit,
        )
        return [shown(name, document) for name, document in found]

    def get(self, name: str) -> Document:
        """One alert, with its deliveries. Raises `UsageError` where there is none."""
        if not name:
            raise unknown(name)
        try:
            found = self._client.get(
                index=self._index, id=name, params={"_source_excludes": "counted"}
            )
        except NotFoundError:
            raise unknown(name) from None
        source = found["_source"]
        return shown(name, source) | {"delivery": source.get("delivery", {}).get("log", {})}

    def missing(self, names: Sequence[str]) -> set[str]:
        """The ids without an alert."""
        there = existing(self._client, self._index, [name for name in names if name])
        return set(names) - there

    def acknowledge(self, name: str, by: str, note: str = "") -> Document:
        """Marks an alert as being worked on. Raises `UsageError` for one that is closed."""
        return self._change(name, "acknowledged", by, note)

    def close(self, name: str, by: str, note: str = "") -> Document:
        """Closes an alert: it is not updated any more."""
        return self._change(name, "closed", by, note)

    def _change(self, name: str, state: str, by: str, note: str) -> Document:
        now = datetime.now(UTC)
        if not name:
            raise unknown(name)

        def change(document: Document) -> Document | None:
            if document["state"] == "closed":
                if state == "closed":
                    return None
                raise UsageError(
                    f"the alert {name} is closed, by {document['state_by']}",
                    hint="new events raise a new alert",
                )
            return changed_state(document, state, by, now, note)

        changed = revise(self._client, self._index, name, change)
        if changed is None:
            raise unknown(name)
        return shown(name, changed)


def unknown(*names: str) -> UsageError:
    """The error for ids without an alert."""
    return UsageError(
        f"there is no alert {', '.join(names)}", hint="see `trailhound alerts list --state all`"
    )
