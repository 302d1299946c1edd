"""A ledger with the mapping of the last release, which has an index and doc values of each field:
it is taken as it is, and answers as a new one does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.helpers.trails import backfill, ledger, own_settings, prepared, record, write_trail
from trailhound.app.doctor.template_checks import index_templates, indices
from trailhound.cluster import mappings, templates
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.initialization import init
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.daemons import DaemonState
from trailhound.state.objects import Claim, Integrity, ObjectState, SharedEvents
from trailhound.state.store import StateStore, write

pytestmark = pytest.mark.fresh_namespace

SINCE, AT = "2025-03-01T00:00:00+00:00", "2025-03-02T10:00:00+00:00"


def earlier(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as the last release had them: of each nothing but its type."""
    return {
        name: {"properties": earlier(field["properties"])}
        if "properties" in field
        else {"type": field["type"]}
        for name, field in properties.items()
    }


def as_before(client: OpenSearch, settings: Settings) -> str:
    """Make the ledger anew, as the last release did; its name."""
    name = Names(settings.prefix).ledger
    body = {
        "_meta": {"trailhound": {"kind": "ledger", "fingerprint": "0" * 16}},
        "dynamic": False,
        "properties": earlier(mappings.LEDGER["properties"]),
    }
    client.indices.delete(index=name)
    client.indices.create(index=name, body={"mappings": body})
    return name


def entries() -> Iterator[ObjectState | DaemonState]:
    """What the clauses below look for."""
    whole = ObjectState(
        uri="s3://trail/AWSLogs/a.json.gz",
        etag="e",
        size=5,
        state="done",
        claimed_at=SINCE,
        finished_at=AT,
        read=9,
        indexed=4,
        duplicates=2,
        dead_lettered=3,
        bytes=50,
        events_under=("window",),
        shared=(SharedEvents(object="358fa8d4c258db6d", events=2),),
        integrity=Integrity(verdict="tampered", at=AT),
        claim=Claim(worker="w", token="t", at=AT, etag="e2"),
    )
    yield whole
    yield ObjectState(uri="s3://trail/b.json.gz", state="failed", reason="no JSON", bytes=1)
    yield ObjectState(uri="s3://trail/c.json.gz", etag="e", state="claimed", worker="w")
    yield DaemonState(id="d", heartbeat=datetime.now(UTC), host="h", pid=1)


SHORT = ObjectState(uri="s3://trail/AWSLogs/a.json.gz", state="done").document()["object"]
CLAUSES: tuple[dict[str, Any], ...] = (
    {"term": {"kind": "object"}},
    {"exists": {"field": "kind"}},
    {"terms": {"state": ["failed", "claimed"]}},
    {"prefix": {"uri": "s3://trail/AWSLogs/"}},
    {"wildcard": {"uri": {"value": "*A.JSON*", "case_insensitive": True}}},
    {"term": {"object": SHORT}},
    {"prefix": {"object": SHORT[:6]}},
    {"term": {"reason": "no JSON"}},
    {"term": {"events_under": "window"}},
    {"term": {"shared.object": "358fa8d4c258db6d"}},
    {"exists": {"field": "integrity.verdict"}},
    {"terms": {"integrity.verdict": ["tampered"]}},
    {"range": {"integrity.at": {"gte": SINCE}}},
    {"exists": {"field": "claim.worker"}},
    {"exists": {"field": "finished_at"}},
    {"range": {"claimed_at": {"lt": AT}}},
    {"range": {"finished_at": {"gte": AT}}},
    {"range": {"heartbeat": {"gte": SINCE}}},
    {"range": {"indexed": {"gt": 0}}},
    {"range": {"dead_lettered": {"gt": 2}}},
    {"bool": {"filter": [{"term": {"state": "failed"}}, {"term": {"dead_lettered": 0}}]}},
)
COUNTS = ("read", "indexed", "duplicates", "dead_lettered", "filtered", "bytes", "size")
PANELS: dict[str, Any] = {
    **{name: {"sum": {"field": name}} for name in COUNTS},
    **{name: {"terms": {"field": name}} for name in ("kind", "state", "uri", "reason")},
    "verdicts": {"terms": {"field": "integrity.verdict"}},
    "time": {"date_histogram": {"field": "claimed_at", "fixed_interval": "1d"}},
    "last": {"max": {"field": "claimed_at"}},
}
ORDER = [{"finished_at": {"order": "desc", "missing": "_first"}}, "uri"]


def answers(client: OpenSearch, index: str) -> Iterator[object]:
    client.indices.refresh(index=index)
    for clause in CLAUSES:
        body = {"query": clause, "sort": ORDER, "_source": False}
        found = client.search(index=index, body=body)["hits"]["hits"]
        assert found, clause
        yield [hit["_id"] for hit in found]
    panels = client.search(index=index, body={"size": 0, "aggs": PANELS})["aggregations"]
    assert panels["read"]["value"] == 9
    yield panels


def test_it_is_upgraded_once_and_answers_as_a_new_one(
    each_engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    new = templates.mapping("ledger", settings, dialect_of(client))
    there = client.indices.get_mapping(index=Names(settings.prefix).ledger)
    assert there[Names(settings.prefix).ledger]["mappings"]["properties"] == new["properties"]
    name = as_before(client, settings)
    write(client, name, entries())
    (changed,) = [each for each in init(client, settings) if each.action != "unchanged"]
    assert (changed.name, changed.action) == (name, "upgraded")
    assert {each.action for each in init(client, settings)} == {"unchanged"}
    assert [each(client, settings).verdict for each in (index_templates, indices)] == ["ok", "ok"]
    there = client.indices.get_mapping(index=name)[name]["mappings"]["properties"]
    assert there == earlier(mappings.LEDGER["properties"]), "an index keeps its fields"

    trail = write_trail(tmp_path / "trail", [record(), b"5"], "partial").parent
    assert backfill(settings, trail).counts.dead_lettered == 1
    assert backfill(settings, trail).skipped_objects == 1
    (read,) = [each for each in ledger(client, settings) if each["uri"].endswith("partial.json.gz")]
    assert (read["read"], read["indexed"], read["dead_lettered"]) == (2, 1, 1)
    stored = StateStore(client, settings, ObjectState)
    stored.delete([each.key for each in stored.all({"term": {"object": read["object"]}})])

    beside = f"{name}-new"
    client.indices.create(index=beside, body={"mappings": new})
    write(client, beside, entries())
    assert list(answers(client, name)) == list(answers(client, beside))
