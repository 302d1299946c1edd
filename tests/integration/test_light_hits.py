"""Hits by doc values alone say what the stored records say, and come in the same order."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from detections.alerts import facts
from detections.events.index import SORT, EventIndex
from detections.events.light import Mapped, light_search
from detections.incidents.actors import actor_of
from detections.incidents.links import links_of
from detections.investigation.nodes import actor_node
from detections.investigation.sessions import session_of
from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.trails import backfill, prepared, reached_at, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.reader import Hit, IndexReader
from trailhound.cluster.templates import Names
from trailhound.sample import SampleSpec, write_sample
from trailhound.settings import Settings

FIELDS = [
    *facts.FIELDS,
    *("userIdentity", "user_type", "eventSource", "sharedEventID", "user_agent.name", "risk_score"),
]
EVERYTHING: Mapping[str, Any] = {"match_all": {}}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, SampleSpec(events=2_000, days=2, events_per_file=250))
    return folder


def both(
    client: OpenSearch, settings: Settings, page: int, query: Mapping[str, Any] = EVERYTHING
) -> tuple[list[Hit], list[Hit]]:
    """The hits by doc values, and those of the stored records."""
    days = Names(settings.prefix).days
    light = EventIndex(client, days, hits_page=page)
    stored = IndexReader(client, days, order=SORT)
    wanted = list(FIELDS)
    return (
        list(light.documents(query, {"_source": Mapped(wanted)})),
        list(stored.documents(query, {"_source": wanted})),
    )


def said(hit: Hit) -> tuple[object, ...]:
    """What the product reads of an event."""
    source = hit["_source"]
    named = [source.get(name) for name in ("user_type", "user", "eventSource", "sharedEventID")]
    return (
        hit["_id"],
        hit["_index"],
        int(hit["sort"][0]),
        facts.fact_of(source),
        actor_of(source),
        actor_node(source),
        session_of(source),
        links_of([source], {}),
        source.get("user_agent"),
        source.get("risk_score"),
        source.get("errorCode"),
        *named,
    )


def test_a_sample_is_the_same_by_doc_values(settings: Settings, sample: Path) -> None:
    client = prepared(settings)
    backfill(settings, sample)
    client.indices.refresh(index=Names(settings.prefix).days)
    for page in (5_000, 400):
        light, stored = both(client, settings, page)
        assert len(stored) == 2_000
        assert [said(each) for each in light] == [said(each) for each in stored]
        with EventIndex(client, Names(settings.prefix).days, hits_page=page).snapshot() as snapshot:
            asked = {"_source": False, "docvalue_fields": ["eventName"]}
            ids = [hit["_id"] for hit in snapshot.hits(EVERYTHING, asked)]
            some = [hit["_id"] for hit in snapshot.hits(EVERYTHING, asked, ordered=False)]
        assert ids == [each["_id"] for each in stored]
        assert sorted(some) == sorted(ids)


def test_recordings_are_the_same_by_doc_values(
    settings: Settings, tmp_path: Path, shared_data: Path
) -> None:
    client = prepared(settings)
    records = []
    for path in sorted((shared_data / "stratus").rglob("*.json*"))[:12]:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        held = json.loads(content)
        records += held["Records"] if isinstance(held, dict) else held
    assert records
    write_trail(tmp_path / "trail", records)
    backfill(settings, tmp_path / "trail")
    client.indices.refresh(index=Names(settings.prefix).days)
    light, stored = both(client, settings, 5_000)
    assert stored
    assert [said(each) for each in light] == [said(each) for each in stored]


@pytest.mark.parametrize("page", [2, 4, 7, 40])
def test_many_hits_of_one_moment_each_come_once(
    settings: Settings, tmp_path: Path, page: int
) -> None:
    """More than a page has, within a second, a minute, and on several days; one that is no UUID."""
    client = prepared(settings)
    times = ["2025-03-01T12:00:00Z"] * 6
    times += [f"2025-03-01T12:00:{second:02}Z" for second in range(1, 60, 5)]
    times += [f"2025-03-0{day}T{hour:02}:59:59Z" for day in (1, 3) for hour in range(0, 24, 5)]
    events = [record(eventTime=time) for time in times]
    events.append(record(eventID="redacted", eventTime="2025-03-02T00:00:00Z"))
    write_trail(tmp_path / "trail", events)
    backfill(settings, tmp_path / "trail")
    days = Names(settings.prefix).days
    client.indices.refresh(index=days)
    light, stored = both(client, settings, page)
    assert len(stored) == len(events)
    assert [said(each) for each in light] == [said(each) for each in stored]
    first = {"range": {"@timestamp": {"lt": "2025-03-02"}}}
    asked = {"_source": False, "docvalue_fields": ["eventName"]}
    whole = {"_source": ["requestParameters"]}  # doc values don't have it
    ids = [hit["_id"] for hit in stored if hit["_source"]["@timestamp"] < "2025-03-02"]
    with EventIndex(client, days, hits_page=page).snapshot() as snapshot:
        for request, many in ((asked, False), (asked, True), (whole, True)):
            assert [hit["_id"] for hit in snapshot.hits(first, request, many=many)] == ids
        some = [hit["_id"] for hit in snapshot.hits(first, asked, ordered=False)]
    assert sorted(some) == sorted(ids)


@pytest.mark.parametrize("more", [1, 12])
def test_a_hit_that_is_not_of_the_slice_is_none(
    settings: Settings, tmp_path: Path, more: int
) -> None:
    """The engine adds to the hits of a slice of time some that are of another time: so many that
    they take the place of others, where the slice is not put in another way."""
    client = prepared(settings)
    times = [f"2025-03-01T12:00:{second:02}Z" for second in range(10)]
    times += [f"2025-03-01T12:{30 + minute}:00Z" for minute in range(15)]
    write_trail(tmp_path / "trail", [record(eventTime=time) for time in times])
    backfill(settings, tmp_path / "trail")
    client.indices.refresh(index=Names(settings.prefix).days)
    stored = both(client, settings, 5_000)[1]
    added = []

    def add(request: Request) -> Fault | None:
        asked = json.loads(request.body) if request.path.startswith("/_search") else {}
        if not asked.get("size"):
            return None
        reply = client.search(body=asked)
        if "must_not" in asked["query"]["bool"]:
            return Say(200, reply)
        slice_, later = asked["query"]["bool"]["filter"][1], {"gte": "2025-03-01T12:30:00Z"}
        if slice_["range"]["@timestamp"]["lt"] < int(stored[10]["sort"][0]):
            other = {"range": {"@timestamp": later}}
            astray = client.search(body={**asked, "query": other, "size": more})["hits"]["hits"]
            reply["hits"]["hits"] = [*astray, *reply["hits"]["hits"]][: asked["size"]]
            added.append(slice_)
        return Say(200, reply)

    with Proxy(settings.hosts[0], add) as proxy:
        through = connect(reached_at(settings, proxy.url))
        index = EventIndex(through, Names(settings.prefix).days, hits_page=10)
        for request in ({"_source": False, "docvalue_fields": ["eventName"]}, {"_source": True}):
            with index.snapshot() as snapshot:
                hits = list(snapshot.hits(EVERYTHING, request, many=True))
            assert [hit["_id"] for hit in hits] == [each["_id"] for each in stored]
    assert len(added) == 2


def test_ids_that_are_no_event_id_are_read_as_they_are(settings: Settings, tmp_path: Path) -> None:
    """An eventID that is no UUID, none at all, and two records of one eventID."""
    client = prepared(settings)
    twice = "3038ebd2-c98a-4c65-9b6e-e22506292313"
    events = [
        record(eventID="redacted"),
        record(eventID=None),
        record(eventID=twice, eventName="GetObject"),
        record(eventID=twice, eventName="PutObject"),
        record(),
    ]
    write_trail(tmp_path / "trail", events)
    backfill(settings, tmp_path / "trail")
    client.indices.refresh(index=Names(settings.prefix).days)
    for page in (5_000, 2):
        light, stored = both(client, settings, page)
        assert len(stored) == 5
        assert [said(each) for each in light] == [said(each) for each in stored]
    plain = {"bool": {"must_not": [{"exists": {"field": "trail.conflict"}}]}}
    conflicts = len(both(client, settings, 5_000, plain)[1])
    assert conflicts < 5, "one of the two is marked"


def test_what_the_mapping_does_not_say_is_not_light() -> None:
    assert light_search({"_source": Mapped(["userIdentity", "resource"])}) is not None
    assert light_search({"_source": False}) is not None
    assert light_search({"_source": ["userIdentity"]}) is None, "it may have more members"
    assert light_search({"_source": Mapped(["requestParameters.bucketName"])}) is None
    assert light_search({"_source": Mapped(["readOnly"])}) is None, "a boolean in the record"
    assert light_search({"_source": True}) is None
    assert light_search({}) is None
    assert light_search({"_source": False, "version": True}) is None
