"""What one object may add to the cluster's indices, and that a run ends before the shards do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from ingest.bulk.days import Days, shard_room
from tests.helpers.commands import command
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterBlockedError
from trailhound.settings import Settings

OTHERS = 1000
"""More shards than the tests beside this one make or remove meanwhile on the same engine."""
OWN_DAY = datetime(2025, 3, 1, 12, tzinfo=UTC)


def own(engine: str, namespace: str, tmp_path: Path, **ingest: Any) -> Settings:
    return own_settings(engine, namespace, tmp_path / "home", ingest=ingest)


def events(*days: int) -> list[dict[str, Any]]:
    """An event for each of these days, counted from the object's own."""
    return [record(eventTime=f"{OWN_DAY + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}") for day in days]


def days_of(client: OpenSearch, settings: Settings) -> int:
    return len(client.indices.get(index=Names(settings.prefix).days))


def test_an_object_of_a_day_makes_so_many_days_far_from_it(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own(engine, namespace, tmp_path, new_days_per_object=3)
    client = prepared(settings)
    near, far = events(0, 1, -31, 31), events(-32, 32, 400, -900, 401, 402, 402, -32)
    folder = tmp_path / "trail" / "2025" / "03" / "01"
    write_trail(folder, near + far)
    report = backfill(settings, tmp_path / "trail")
    # -32 comes twice: its day is there the second time. 400 is the third new one.
    assert report.counts.as_dict() == {
        "read": 12,
        "indexed": 8,
        "duplicates": 0,
        "dead_lettered": 4,
        "filtered": 0,
    }
    assert report.dead_letter_codes == {"too_many_new_days": 4}
    assert days_of(client, settings) == 7
    letters = dead_letters(client, settings)
    assert all("new_days_per_object" in each["reason"] for each in letters)
    ended = command(settings, "retry-deadletters")
    assert ended.exit_code == 1, ended.output
    assert "0 indexed" in ended.output
    assert "4 events of 3 days without an index" in ended.output
    assert "retry-deadletters --new-days" in ended.output
    assert days_of(client, settings) == 7
    left = json.loads(command(settings, "retry-deadletters", "--json").output.splitlines()[0])
    assert (left["codes"], len(left["new_days_left"])) == ({"too_many_new_days": 4}, 3)
    ended = command(settings, "retry-deadletters", "--new-days")
    assert ended.exit_code == 0, ended.output
    assert documents(client, settings).keys() == {each["eventID"] for each in near + far}
    # Days that are there are not new.
    assert backfill(settings, tmp_path / "trail", force=True).counts.duplicates == 12


def test_an_export_without_a_day_makes_more_and_each_object_has_its_own_count(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own(engine, namespace, tmp_path, new_days_per_object=0, new_days_per_export=2)
    client = prepared(settings)
    write_trail(tmp_path / "exports", events(0, 300, 600), "one")
    write_trail(tmp_path / "exports", events(900, 901, 600, 1200), "two")
    report = backfill(settings, tmp_path / "exports")
    assert (report.counts.indexed, report.counts.dead_lettered) in {(4, 3), (5, 2)}
    assert days_of(client, settings) == 4
    assert "new_days_per_export" in dead_letters(client, settings)[0]["reason"]


def test_a_record_that_needs_repair_counts_like_any_other(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own(engine, namespace, tmp_path, new_days_per_export=1)
    client = prepared(settings)
    odd = [each | {"risk_score": 9} for each in events(0, 50)]
    deep = b'{"eventTime":"2024-01-01T00:00:00Z","eventName":"a","eventSource":"b","x":'
    write_trail(tmp_path / "trail", [*odd, deep + b"[" * 1500 + b"]" * 1500 + b"}"])
    report = backfill(settings, tmp_path / "trail")
    assert report.dead_letter_codes == {"too_many_new_days": 2}
    assert days_of(client, settings) == 1


@pytest.fixture
def few_shards(engine: str, namespace: str, tmp_path: Path) -> tuple[OpenSearch, Settings]:
    settings = own(engine, namespace, tmp_path)
    return prepared(settings), settings


def test_closed_days_take_no_room(few_shards: tuple[OpenSearch, Settings]) -> None:
    client, settings = few_shards
    days = Days(client, settings, RetryPolicy())
    index = days.ensure("2025.03.01")
    client.cluster.health(index=index, params={"wait_for_status": "yellow"})
    before = client.cluster.health(index=index, params={"expand_wildcards": "open"})
    assert before["active_shards"] == 1
    client.indices.close(index=index)
    closed = client.cluster.health(
        index=f"{settings.prefix}cloudtrail-*", params={"expand_wildcards": "open,hidden"}
    )
    assert closed["active_shards"] == 0
    assert shard_room(client) is not None


def test_a_run_stops_with_a_sentence_before_the_shards_are_used_up(
    few_shards: tuple[OpenSearch, Settings],
) -> None:
    client, settings = few_shards
    days = Days(client, settings, RetryPolicy())
    room = shard_room(client)
    assert room is not None
    listed = [f"{OWN_DAY + timedelta(days=number):%Y.%m.%d}" for number in range(room + OTHERS)]
    seen: list[str] = []

    def listing() -> None:
        for day in listed:
            days.reserve(day)
            seen.append(day)

    with pytest.raises(ClusterBlockedError, match="max_shards_per_node"):
        listing()
    assert len(seen) < len(listed)
    assert client.indices.get(index=Names(settings.prefix).days) == {}
