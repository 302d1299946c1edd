"""Daily indices while events are sent: begun, refused, deleted and made again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ingest.backfill.backfill import Backfill
from ingest.bulk.days import Days, shard_room
from ingest.objects import Selection
from ingest.run_report import RunReport
from ingest.sources import open_source
from tests.faults.proxy import Fault, Proxy, Request
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.app.enrichment import enricher_from
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterBlockedError
from trailhound.settings import Settings

OTHERS = 1000
"""More shards than the tests beside this one make or remove meanwhile on the same engine."""

pytestmark = pytest.mark.fresh_namespace
"""They are about the making of what prepared ones have."""


@pytest.mark.parametrize("name", ["closed", "write", "read_only"])
def test_a_blocked_dead_letter_index_stops_the_run_and_loses_nothing(
    name: str, settings: Settings, trail: Path
) -> None:
    """Events of a blocked day wait there (test_blocked_days.py): it cannot be done without."""
    client = prepared(settings)
    index = Names(settings.prefix).deadletter
    write_trail(trail, [record(eventTime="never")], "020")
    if name == "closed":
        client.indices.close(index=index)
    else:
        client.indices.put_settings(index=index, body={f"index.blocks.{name}": True})
    try:
        with pytest.raises(ClusterBlockedError) as refusal:
            backfill(settings, trail)
    finally:
        if name == "closed":
            client.indices.open(index=index)
        else:
            client.indices.put_settings(index=index, body={f"index.blocks.{name}": None})
    assert index in refusal.value.message
    assert "run the same command again" in refusal.value.hint
    assert "done" not in {
        entry["state"] for entry in ledger(client, settings) if entry["uri"].endswith("020.json.gz")
    }
    report = backfill(settings, trail)
    assert report.dead_letter_codes == {"bad_event_time": 1}
    assert len(documents(client, settings)) == 200
    assert len(dead_letters(client, settings)) == 1


def test_days_that_would_pass_the_shard_limit_are_refused(
    engine: str, namespace: str, tmp_path: Path, trail: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    room = shard_room(client)
    assert room is not None
    assert room > 0
    greedy = own_settings(engine, namespace, tmp_path / "home", index={"shards": room + OTHERS})
    days = Days(client, greedy, RetryPolicy())
    with pytest.raises(ClusterBlockedError, match="shards"):
        days.reserve("2025.03.01")
    with pytest.raises(ClusterBlockedError, match="shards") as refusal:
        days.ensure("2025.03.01")
    assert "cluster.max_shards_per_node" in refusal.value.hint
    assert client.cat.indices(index=f"{namespace}-cloudtrail-*") == ""
    modest = Days(client, settings, RetryPolicy())
    modest.check_shard_limit(room - OTHERS)
    with pytest.raises(ClusterBlockedError):
        modest.check_shard_limit(room + OTHERS)
    before = shard_room(client)
    assert before is not None
    modest.ensure("2025.03.01")


def test_days_that_are_begun_are_there_once_they_are_settled(settings: Settings) -> None:
    client = prepared(settings)
    days = Days(client, settings, RetryPolicy())
    names = [f"2025.03.{day:02d}" for day in range(1, 11)]
    begun = [days.begin(day) for day in names]
    assert all(map(days.exists, names))
    assert [days.begin(day) for day in names] == begun
    days.settle()
    assert set(client.indices.get(index=Names(settings.prefix).days)) == set(begun)
    assert days.ensured() == set(begun)


def test_nothing_is_sent_to_a_day_that_another_tool_made_meanwhile(settings: Settings) -> None:
    client = prepared(settings)
    days = Days(client, settings, RetryPolicy())
    client.indices.create(
        index=Names(settings.prefix).day("2025.03.01"), body={"mappings": {"_meta": {}}}
    )
    client.indices.put_mapping(
        index=Names(settings.prefix).day("2025.03.01"), body={"_meta": {"trailhound": None}}
    )
    index = days.begin("2025.03.01")
    for _sender in range(2):
        days.settle()
        assert days.refused()[index].reason == "day_foreign"
    assert days.ensured() == set()


def through(url: str, settings: Settings, trail: Path) -> RunReport:
    far = own_settings(url, settings.namespace, settings.home, ingest={"batch_bytes": 64 * 1024})
    job = Backfill(connect(far), far, enricher_from(far, lambda _: None), selection=Selection())
    return job.run([open_source(str(trail), far)])


def test_an_index_that_goes_away_under_way_is_made_again(settings: Settings, trail: Path) -> None:
    client = prepared(settings)
    day = Names(settings.prefix).day("2025.03.02")
    gone = threading.Event()

    def script(request: Request) -> Fault | None:
        # Before the first batch of its events arrives, retention or somebody removes the index.
        if request.of_events and day.encode() in request.body and not gone.is_set():
            gone.set()
            client.indices.delete(index=day)
        return None

    with Proxy(settings.hosts[0], script) as proxy:
        report = through(proxy.url, settings, trail)
    assert gone.is_set()
    assert (report.counts.read, report.counts.indexed) == (200, 200)
    assert len(documents(client, settings)) == 200
    assert templates.index_marks(client, day)[day]["kind"] == "events"
    assert str(client.indices.get_mapping(index=day)[day]["mappings"]["dynamic"]) == "false"
