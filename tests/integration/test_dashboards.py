"""Every shipped panel asks a real engine what Dashboards would, of a sample's events and alerts."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from dashboards import ndjson, shipped
from dashboards.kibana import for_kibana
from tests.conftest import PRODUCT
from tests.helpers.alerts_by_hand import write_alerts
from tests.helpers.engines import remove_namespace
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from tests.helpers.visualizations import Object, Objects, Request
from trailhound.cluster.templates import Names
from trailhound.sample import SampleSpec, write_sample

NAMESPACE = "tdashboards"
EVENTS = 3_000
NOTHING_BY_DESIGN = [
    f"{NAMESPACE}-trailhound-ingest-verdicts",
    f"{NAMESPACE}-trailhound-ingest-odd",
]
"""Panels for which the sample has nothing: it has no digests, and no event of it was repaired or
is in conflict."""
LIVE = 3
"""Events that happened within the last hour."""


@pytest.fixture(scope="module")
def cluster(opensearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSearch]:
    yield from _filled(opensearch, tmp_path_factory.mktemp("dashboards"))


@pytest.fixture(scope="module")
def elasticsearch(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenSearch]:
    ours = (PRODUCT or "").startswith("elasticsearch")
    url = request.getfixturevalue("engine" if ours else "elasticsearch_9")
    yield from _filled(url, tmp_path_factory.mktemp("kibana"))


def _filled(engine: str, folder: Path) -> Iterator[OpenSearch]:
    """A sample trail with one record that cannot be indexed and one file that cannot be read, and
    alerts on its attacks."""
    settings = own_settings(engine, NAMESPACE, folder / "home")
    remove_namespace(engine, NAMESPACE)
    client = prepared(settings)
    sample = write_sample(folder / "trail", SampleSpec(events=EVENTS, days=2))
    broken = record() | {"eventTime": "not a time"}
    signed_in = record(
        userIdentity={"type": "Root", "arn": "arn:aws:iam::111122223333:root"},
        eventName="ConsoleLogin",
        eventSource="signin.amazonaws.com",
        eventTime="2025-03-03T12:00:00Z",
        sourceIPAddress="81.2.69.142",
        additionalEventData={"MFAUsed": "No"},
    )
    denied = signed_in | {"eventID": str(uuid.uuid4()), "errorCode": "AccessDenied"}
    now = datetime.now(UTC)
    live = [record(eventTime=f"{now - timedelta(minutes=10 * n):%FT%TZ}") for n in range(1, 4)]
    write_trail(folder / "odd", [broken, signed_in, denied, *live])
    (folder / "odd" / "torn.json").write_text('{"Records": [')
    report = backfill(settings, folder / "trail", folder / "odd")
    assert report.counts.dead_lettered == 1
    write_alerts(client, Names(settings.prefix), sample.attacks)
    client.indices.refresh(index=f"{NAMESPACE}-*")
    yield client
    remove_namespace(engine, NAMESPACE)


def _objects(name: str) -> Objects:
    return Objects(ndjson.namespaced(shipped.chosen([name]), f"{NAMESPACE}-"))


def _asked(client: OpenSearch, request: Request) -> dict[str, Any]:
    reply: dict[str, Any] = client.search(
        index=request.index, body={**request.body, "track_total_hits": True}
    )
    assert reply["_shards"]["failed"] == 0, reply["_shards"]
    assert reply["_shards"]["total"] > 0, request.index
    assert not reply["timed_out"]
    return reply


def _groups(reply: dict[str, Any], path: tuple[str, ...]) -> list[dict[str, Any]]:
    """The innermost groups of a reply; those of `cases` (by name) only where one holds any."""
    level = [reply.get("aggregations", {})]
    for name in path:
        found: list[dict[str, Any]] = []
        for group in level:
            buckets = group[name]["buckets"]
            found += buckets.values() if isinstance(buckets, dict) else buckets
        level = [group for group in found if group["doc_count"]]
    return level


def test_every_visualization_finds_something(cluster: OpenSearch) -> None:
    empty = _empty(cluster, [_objects(name) for name in shipped.NAMES])
    assert empty == NOTHING_BY_DESIGN


def test_every_panel_in_kibanas_form_finds_something(elasticsearch: OpenSearch) -> None:
    """But for those with a scripted field: painless is not published as an artifact."""
    everything = []
    for name in shipped.NAMES:
        lines = for_kibana(ndjson.namespaced(shipped.chosen([name]), f"{NAMESPACE}-"))
        left_out = [each for each in lines if each["id"].endswith(("ingest-lag", "ingest-fresh"))]
        everything.append(Objects([each for each in lines if each not in left_out]))
    empty = _empty(elasticsearch, everything)
    assert empty == NOTHING_BY_DESIGN
    for objects in everything:
        for each in objects.of("search"):
            [request] = objects.requests(each)
            assert _asked(elasticsearch, request)["hits"]["hits"], each["id"]


def _empty(client: OpenSearch, everything: list[Objects]) -> list[str]:
    """Ids of visualizations that find nothing."""
    empty = []
    for objects in everything:
        for each in objects.of("visualization"):
            for request in objects.requests(each):
                reply = _asked(client, request)
                groups = _groups(reply, request.paths)
                if not reply["hits"]["total"]["value"] or (request.paths and not groups):
                    empty.append(each["id"])
    return empty


def test_every_saved_search_finds_documents_with_its_columns(cluster: OpenSearch) -> None:
    bare: dict[str, list[str]] = {}
    for name in shipped.NAMES:
        objects = _objects(name)
        for each in objects.of("search"):
            [request] = objects.requests(each)
            hits = [hit["_source"] for hit in _asked(cluster, request)["hits"]["hits"]]
            assert hits, each["id"]
            missing = [
                column
                for column in each["attributes"]["columns"]
                if not any(_has(hit, column) for hit in hits)
            ]
            if missing:
                bare[each["id"].removeprefix(f"{NAMESPACE}-trailhound-")] = missing
    assert bare == {}


def _has(document: Object, path: str) -> bool:
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return value is not None


def test_a_filter_of_one_view_fits_the_other(cluster: OpenSearch) -> None:
    """A control on events narrows alerts as well: an alert answers to the events' names."""
    query = {"query": {"exists": {"field": "user.name"}}}
    found = cluster.search(index=f"{NAMESPACE}-trailhound-alerts", body=query)
    assert found["hits"]["total"]["value"] > 0
    fields = [{"exists": {"field": f}} for f in ("source.ip", "recipientAccountId", "awsRegion")]
    narrowed = cluster.search(
        index=f"{NAMESPACE}-trailhound-alerts", body={"query": {"bool": {"filter": fields}}}
    )
    assert narrowed["hits"]["total"] == found["hits"]["total"]


def test_the_lag_is_minutes_from_the_call_to_the_index(cluster: OpenSearch) -> None:
    [lag] = [each for each in _objects("ingest").of("visualization") if "lag" in each["id"]]
    [request] = _objects("ingest").requests(lag)
    buckets = _asked(cluster, request)["aggregations"]["2"]["buckets"]
    values = [
        value for bucket in buckets for value in bucket["1"]["values"].values() if value is not None
    ]
    assert values, "the live events"
    assert 0 < min(values) <= max(values) < 24 * 60


def test_events_that_came_in_a_day_late_are_counted_apart(cluster: OpenSearch) -> None:
    [fresh] = [each for each in _objects("ingest").of("visualization") if "fresh" in each["id"]]
    [request] = _objects("ingest").requests(fresh)
    late = sum(
        region["2"]["value"]
        for account in _asked(cluster, request)["aggregations"]["5"]["buckets"]
        for region in account["6"]["buckets"]
    )
    all_of_them = cluster.count(index=f"{NAMESPACE}-cloudtrail-*")["count"]
    assert late == all_of_them - LIVE


def test_open_alerts_are_listed_by_severity_then_time(cluster: OpenSearch) -> None:
    objects = _objects("alerts")
    [table] = [each for each in objects.of("visualization") if "alerts-open" in each["id"]]
    [request] = objects.requests(table)
    rows = [
        (severity["key"], alert["1"]["value"], alert["4"]["hits"]["hits"][0]["_source"])
        for severity in _asked(cluster, request)["aggregations"][request.paths[0]]["buckets"]
        for alert in severity[request.paths[1]]["buckets"]
    ]
    places = [(severity, last) for severity, last, _ in rows]
    assert len({severity for severity, _ in places}) > 2
    assert places == sorted(places, reverse=True)
    assert all(source["call_summary"] for *_, source in rows)


def test_the_fields_are_those_that_the_cluster_reports(cluster: OpenSearch) -> None:
    """Types and searchability as `_field_caps` has them: a refresh in Dashboards changes none.

    But for fields that doc values alone answer for: OpenSearch calls them not searchable, and
    finds them. A view that said so too would offer no filter by an event's id.
    """
    for name in ("overview", "alerts", "ingest"):
        for view in _objects(name).of("index-pattern"):
            said = cluster.field_caps(index=view["attributes"]["title"], fields="*")["fields"]
            for field in json.loads(view["attributes"]["fields"]):
                if field["scripted"] or not field.get("esTypes"):
                    continue
                caps = said[field["name"]]
                assert set(caps) == set(field["esTypes"]), field["name"]
                [one] = caps.values()
                assert one["aggregatable"] == field["aggregatable"], field["name"]
                searchable = one["searchable"] or one["aggregatable"]
                assert searchable == field["searchable"], field["name"]


def test_the_map_holds_the_shape_of_most_countries_seen(cluster: OpenSearch) -> None:
    body = {"size": 0, "aggs": {"c": {"terms": {"field": "geolocation.country_code", "size": 99}}}}
    buckets = cluster.search(index=f"{NAMESPACE}-cloudtrail-*", body=body)["aggregations"]["c"]
    seen = {bucket["key"] for bucket in buckets["buckets"]}
    topology = json.loads((Path(shipped.__file__).parent / "world.json").read_text("utf-8"))
    shapes = {each.get("id") for each in topology["objects"]["countries"]["geometries"]}
    assert seen
    assert len(seen & shapes) > len(seen) * 0.8
