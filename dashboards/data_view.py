"""Data views: which indices a panel searches, their fields, and how values are shown.

The fields are written into the object, from the same mappings that `trailhound init` puts into
the cluster: so a view also works for users without write access, and before the first event.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboards.palette import DARK_RED, LIGHT_ORANGE
from dashboards.saved_object import SavedObject, compact
from trailhound.cluster import mappings
from trailhound.cluster.templates import MAPPINGS, IndexKind, Names

_TYPES = {
    "keyword": "string",
    "text": "string",
    "wildcard": "string",
    "byte": "number",
    "integer": "number",
    "long": "number",
    "float": "number",
    "date": "date",
    "ip": "ip",
    "geo_point": "geo_point",
    "boolean": "boolean",
}

_SECONDS = {"id": "date", "params": {"pattern": "YYYY-MM-DD HH:mm:ss"}}

_META = (("_id", "string", True), ("_index", "string", True), ("_source", "_source", False))

FLAT_LEAVES = (
    "additionalEventData.MFAUsed",
    "additionalEventData.bytesTransferredIn",
    "additionalEventData.bytesTransferredOut",
    "additionalEventData.LoginTo",
    "requestParameters.bucketName",
    "requestParameters.key",
    "requestParameters.roleArn",
    "requestParameters.userName",
    "requestParameters.policyArn",
    "responseElements.ConsoleLogin",
)
"""Leaves of free-form objects that are worth a column: searchable, but not to aggregate on. The
objects themselves are left out, so that Discover shows every leaf of them by its own path."""


@dataclass(frozen=True, slots=True)
class DataView:
    """A view of one kind of index. Its id is its title, so that any link can name it."""

    kind: IndexKind
    time_field: str
    formats: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scripted: Mapping[str, str] = field(default_factory=dict)
    """Numbers computed by the query: name → Painless."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Field → heading of its column. Only Kibana's data views have these; in OpenSearch Dashboards
    the panels' tables have their own headings."""

    @property
    def title(self) -> str:
        names = Names()
        return names.days if self.kind == "events" else names.single(self.kind)

    def fields(self) -> list[dict[str, Any]]:
        """Every field that can be searched or shown, by name."""
        made = [_field(name, kind, None, aggregatable=agg) for name, kind, agg in _META]
        made += [
            _field(
                name,
                _TYPES[mapping["type"]],
                mapping["type"],
                # Doc values are searched too, where there is no index.
                searchable=mapping.get("index", True) or mapping.get("doc_values", True),
                aggregatable=mapping["type"] != "text" and mapping.get("doc_values", True),
            )
            for name, mapping in self.mapped()
            if mapping["type"] in _TYPES
        ]
        if self.kind == "events":
            made += [_field(name, "string", None, aggregatable=False) for name in FLAT_LEAVES]
        made += [
            _field(name, "number", None) | {"scripted": True, "script": script, "lang": "painless"}
            for name, script in self.scripted.items()
        ]
        return sorted(made, key=lambda each: str(each["name"]))

    def mapped(self) -> Iterator[tuple[str, mappings.Mapping]]:
        """Every leaf of the mapping by its path; an alias as its target."""
        leaves = dict(_leaves(MAPPINGS[self.kind]["properties"], ""))
        for name, mapping in leaves.items():
            yield name, leaves[mapping["path"]] if mapping["type"] == "alias" else mapping

    def _times(self) -> dict[str, Mapping[str, Any]]:
        """Dates to the second: Dashboards' own form needs twice the width of a column."""
        return {each["name"]: _SECONDS for each in self.fields() if each["type"] == "date"}

    def saved_object(self) -> SavedObject:
        return SavedObject(
            "index-pattern",
            self.title,
            {
                "title": self.title,
                "timeFieldName": self.time_field,
                "fields": compact(self.fields()),
                "fieldFormatMap": compact({**self._times(), **self.formats}),
            },
        )


def _leaves(properties: Mapping[str, Any], path: str) -> Iterator[tuple[str, mappings.Mapping]]:
    for name, mapping in properties.items():
        if "properties" in mapping:
            yield from _leaves(mapping["properties"], f"{path}{name}.")
        elif mapping.get("enabled", True):
            yield f"{path}{name}", mapping


def _field(
    name: str, kind: str, es_type: str | None, *, searchable: bool = True, aggregatable: bool = True
) -> dict[str, Any]:
    made = {
        "count": 0,
        "name": name,
        "type": kind,
        "scripted": False,
        "searchable": searchable,
        "aggregatable": aggregatable,
        "readFromDocValues": aggregatable and not name.startswith("_"),
    }
    return made | ({"esTypes": [es_type]} if es_type else {})


def dashboard_link(dashboard: str, query: str) -> Mapping[str, Any]:
    """A format that links a value to a dashboard with a query; `{{value}}` is replaced by the
    value.

    The address begins with `../app`, which works with and without a base path.
    """
    state = f"(query:(language:lucene,query:'{query}'))"
    return {
        "id": "url",
        "params": {
            "urlTemplate": f"../app/dashboards#/view/{dashboard}?_a={state}",
            "labelTemplate": "{{value}}",
            "openLinkInCurrentTab": True,
        },
    }


def document_link(view: str) -> Mapping[str, Any]:
    """A format that links a document's `_id` to the whole document in Discover."""
    return {
        "id": "url",
        "params": {
            "urlTemplate": f"../app/discover#/doc/{view}/{view}?id={{{{value}}}}",
            "labelTemplate": "open",
        },
    }


def _number(pattern: str) -> Mapping[str, Any]:
    return {"id": "number", "params": {"pattern": pattern}}


_ANY = "<insert regex>"
"""The value that Dashboards itself saves for colours by number."""

_RISK = {
    "id": "color",
    "params": {
        "fieldType": "number",
        "colors": [
            {"range": "7:8", "regex": _ANY, "text": "#000000", "background": LIGHT_ORANGE},
            {"range": "9:10", "regex": _ANY, "text": "#FFFFFF", "background": DARK_RED},
        ],
    },
}

PRINCIPAL = "trailhound-principal"
"""Id of the dashboard to which names of principals link."""

_PRINCIPAL_LINK = dashboard_link(PRINCIPAL, 'user.name:"{{value}}"')
_BYTES = {"id": "bytes", "params": {}}

_LIVE = 24 * 60
"""Minutes: a later event was read from old files, and its lag is not that of a delivery."""


def _lag(result: str) -> str:
    """Painless: `result`, where `lag` is the minutes from call to index."""
    return (
        "if (doc['event.ingested'].size() == 0 || doc['@timestamp'].size() == 0) { return null }"
        " double lag = (doc['event.ingested'].value.toInstant().toEpochMilli()"
        f" - doc['@timestamp'].value.toInstant().toEpochMilli()) / 60000.0; return {result};"
    )


EVENTS = DataView(
    "events",
    "@timestamp",
    {
        "risk_score": _RISK,
        "user.name": _PRINCIPAL_LINK,
        "source.ip": dashboard_link(PRINCIPAL, 'source.ip:"{{value}}"'),
        "trail.object": dashboard_link("trailhound-ingest", 'object:"{{value}}"'),
        "ingest_lag": _number("0,0.0"),
        "ingested_later": _number("0,0"),
        "additionalEventData.bytesTransferredIn": _BYTES,
        "additionalEventData.bytesTransferredOut": _BYTES,
    },
    {
        "ingest_lag": _lag(f"lag < {_LIVE} ? lag : null"),
        "ingested_later": _lag(f"lag < {_LIVE} ? 0 : 1"),
    },
)

ALERTS = DataView(
    "alerts",
    # When it happened, as events have it: an alert's `@timestamp` is when it was raised.
    "last_seen",
    {
        "_id": document_link("trailhound-alerts"),
        "entity.principal": _PRINCIPAL_LINK,
        "user.name": _PRINCIPAL_LINK,
        "entity.address": dashboard_link(PRINCIPAL, 'source.ip:"{{value}}"'),
        "evidence.event_id": dashboard_link(PRINCIPAL, 'eventID:"{{value}}"'),
        "evidence.url": {
            "id": "url",
            "params": {"urlTemplate": "{{rawValue}}", "labelTemplate": "events"},
        },
        "severity": _RISK,
    },
    labels={
        "severity": "Severity",
        "level": "Level",
        "rule.name": "Rule",
        "call_summary": "Calls",
        "entity.principal": "Principal",
        "last_seen": "Last seen",
        "evidence.url": "Evidence",
    },
)

LEDGER = DataView(
    "ledger",
    "claimed_at",
    {
        "bytes": _BYTES,
        "size": _BYTES,
        **{
            name: _number("0,0")
            for name in ("read", "indexed", "duplicates", "dead_lettered", "filtered")
        },
    },
)

DEADLETTERS = DataView("deadletter", "at")

VIEWS = (EVENTS, ALERTS, LEDGER, DEADLETTERS)
"""All of them."""
