"""The reader of all searches: every document and every group, however few come with a request."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.faults.proxy import Fault, Proxy, Request, Say, no_point_in_time
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster.client import connect
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names
from trailhound.cluster.waiting import days_with_letters, waiting
from trailhound.errors import ClusterError, RequestFailedError
from trailhound.settings import Settings

EVERYTHING: dict[str, Any] = {"match_all": {}}
LETTERS = 450


@pytest.fixture
def client(settings: Settings) -> OpenSearch:
    """With dead letters: each of a code of its own, but for the last, which has none."""
    client = prepared(settings)
    lines: list[dict[str, object]] = []
    for number in range(LETTERS):
        code = {"code": f"code_{number:03}"} if number < LETTERS - 1 else {}
        at = datetime(2026, 3, 1, 12, number // 60, number % 60, tzinfo=UTC).isoformat()
        lines += [{"index": {}}, {"at": at, "day": f"2026.03.{1 + number % 20:02}", **code}]
    client.bulk(body=lines, index=Names(settings.prefix).deadletter, params={"refresh": "true"})
    return client


@pytest.mark.parametrize("page", [7, LETTERS - 1, LETTERS, LETTERS + 1])
@pytest.mark.parametrize("limit", [None, 1, 7, 8, LETTERS, 1_000])
def test_documents_come_once_each_up_to_the_limit(
    client: OpenSearch, settings: Settings, page: int, limit: int | None
) -> None:
    reader = IndexReader(client, Names(settings.prefix).deadletter, hits_page=page)
    found = list(reader.documents(EVERYTHING, {"_source": ["at"]}, limit=limit))
    assert len({hit["_id"] for hit in found}) == len(found) == min(limit or LETTERS, LETTERS)
    assert [hit["_source"]["at"] for hit in found] == sorted(hit["_source"]["at"] for hit in found)


@pytest.mark.parametrize("page", [7, LETTERS])
def test_a_cluster_that_keeps_no_more_points_in_time_is_read_as_it_is(
    client: OpenSearch, settings: Settings, tmp_path: Path, page: int
) -> None:
    index = Names(settings.prefix).deadletter
    by_day = [{"day": {"terms": {"field": "day"}}}]
    whole = IndexReader(client, index, groups_page=page)
    with Proxy(settings.hosts[0], no_point_in_time) as proxy:
        there = connect(own_settings(proxy.url, settings.namespace, tmp_path / "far"))
        reader = IndexReader(there, index, hits_page=page, groups_page=page)
        found = [hit["_id"] for hit in reader.documents(EVERYTHING, {"_source": ["at"]})]
        assert len(set(found)) == len(found) == LETTERS
        assert list(reader.buckets(EVERYTHING, by_day)) == list(whole.buckets(EVERYTHING, by_day))
        with reader.snapshot() as snapshot:
            (answer,) = snapshot.searches([{"query": EVERYTHING, "track_total_hits": True}])
            number = snapshot.count(EVERYTHING)
        assert answer["hits"]["total"]["value"] == number == LETTERS


def test_no_document_is_read_twice(client: OpenSearch, settings: Settings) -> None:
    reader = IndexReader(client, Names(settings.prefix).deadletter, hits_page=50)
    ask, sent = client.transport.perform_request, 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal sent
        reply = ask(*arguments, **named)
        if isinstance(reply, dict) and isinstance(reply.get("hits"), dict):
            sent += len(reply["hits"]["hits"])
        return reply

    client.transport.perform_request = counted  # type: ignore[method-assign]
    for limit, expected in ((200, 200), (1_000, LETTERS), (50, 50)):
        sent = 0
        found = list(reader.documents(EVERYTHING, {"_source": ["at"]}, limit=limit))
        assert len(found) == sent == expected
    sent = 0
    few = {"range": {"at": {"lt": "2026-03-01T12:00:10Z"}}}
    assert len(list(reader.documents(few, {"_source": ["at"]}, limit=200))) == sent == 10


def test_no_documents_and_no_groups_where_there_is_no_index(client: OpenSearch) -> None:
    reader = IndexReader(client, "no-such-index-of-anybody")
    assert list(reader.documents(EVERYTHING, refresh=True)) == []
    assert list(reader.buckets(EVERYTHING, [{"code": {"terms": {"field": "code"}}}])) == []


def test_a_closed_index_is_an_error_and_not_empty(client: OpenSearch, settings: Settings) -> None:
    index = Names(settings.prefix).deadletter
    client.indices.close(index=index)
    reader = IndexReader(client, index)
    with pytest.raises(RequestFailedError, match=f"{index} is closed"):
        reader.count(EVERYTHING)
    with pytest.raises(RequestFailedError, match=f"{index} is closed"):
        list(reader.documents(EVERYTHING))
    assert IndexReader(client, f"{index}*").count(EVERYTHING) == 0


def test_dead_letters_are_counted_by_every_code_and_day(
    client: OpenSearch, settings: Settings
) -> None:
    names = Names(settings.prefix)
    found = waiting(client, names)
    assert len(found) == LETTERS
    assert {each.number for each in found} == {1}
    (without,) = [each for each in found if not each.code]
    assert without.oldest == datetime(2026, 3, 1, 12, 7, 29, tzinfo=UTC)
    days = days_with_letters(client, names, ["2026.03.01", "2026.03.20", "2026.03.21"])
    assert days == {"2026.03.01": 23, "2026.03.20": 22}


def test_several_searches_fail_together_and_one_look_does_not(
    client: OpenSearch, settings: Settings
) -> None:
    reader = IndexReader(client, Names(settings.prefix).deadletter)
    wrong = {"term": {"at": "no date"}}
    counted = reader.searches([{"query": EVERYTHING}, {"query": {"term": {"code": "code_001"}}}])
    assert [each["hits"]["total"]["value"] for each in counted] == [LETTERS, 1]
    with pytest.raises(RequestFailedError, match="failed to parse date"):
        reader.searches([{"query": EVERYTHING}, {"query": wrong}])
    none = reader.none_match([EVERYTHING, {"term": {"code": "x"}}, wrong])
    assert none == [False, True, False]


@pytest.mark.parametrize("status", [429, 500])  # the latter where an aggregation found it
@pytest.mark.parametrize(("seconds", "answered"), [(0.0, False), (30.0, True)])
def test_a_busy_cluster_is_asked_again_for_as_long_as_is_said(
    client: OpenSearch,
    settings: Settings,
    tmp_path: Path,
    status: int,
    seconds: float,
    *,
    answered: bool,
) -> None:
    refused = [0]

    def script(request: Request) -> Fault | None:
        if "_search" in request.path and not refused[0]:
            refused[0] = 1
            error = {"type": "circuit_breaking_exception", "reason": "busy"}
            return Say(status, {"error": error, "status": status})
        return None

    with Proxy(settings.hosts[0], script) as proxy:
        far = own_settings(proxy.url, settings.namespace, tmp_path / "far")
        index = Names(settings.prefix).deadletter
        reader = IndexReader(connect(far), index, busy_seconds=seconds)
        if answered:
            assert reader.count(EVERYTHING) == LETTERS
            return
        with pytest.raises(ClusterError, match="busy"):
            reader.count(EVERYTHING)


def test_a_search_of_several_waits_for_a_shard_that_is_starting(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """As that of a day which was created a moment ago."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client, index = prepared(settings), Names(settings.prefix).day("2025.03.01")
    nowhere = "index.routing.allocation.require._name"
    client.indices.create(
        index=index, body={"settings": {nowhere: "x"}}, params={"wait_for_active_shards": "0"}
    )
    asked = 0

    def start(request: Request) -> Fault | None:
        nonlocal asked
        if request.path.startswith("/_msearch"):
            asked += 1
            if asked > 1:
                client.indices.put_settings(index=index, body={nowhere: None})
                client.cluster.health(index=index, params={"wait_for_status": "yellow"})
        return None

    with Proxy(settings.hosts[0], start) as proxy:
        own = connect(own_settings(proxy.url, namespace, tmp_path / "home"))
        reader = IndexReader(own, index)
        assert reader.none_match([EVERYTHING, EVERYTHING]) == [True, True]
    assert asked == 2
