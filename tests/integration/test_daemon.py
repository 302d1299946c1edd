"""The daemon itself: submitted objects are indexed, and their feed gets the outcome."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from ingest.daemon.daemon import Daemon
from ingest.feeds.feed import Outcome
from tests.faults.proxy import Answer, Fault, Proxy, Request
from tests.helpers.daemons import running
from tests.helpers.hand_feed import HandFeed
from tests.helpers.queues import PATIENCE
from tests.helpers.trails import documents, ledger, own_settings, reached_at, record, write_trail
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.errors import ForeignTemplateError
from trailhound.settings import Settings


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(
        engine,
        namespace,
        tmp_path / "home",
        ingest={"batch_seconds": 0.2},
        run={"stop_seconds": 10, "objects_in_flight": 8},
    )


def test_what_is_announced_is_indexed_once(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    feed = HandFeed()
    files = [write_trail(tmp_path, [record(), record()], f"{n:03}") for n in range(20)]
    broken = tmp_path / "broken.json.gz"
    broken.write_bytes(files[0].read_bytes()[:60])
    with running(settings, feed) as daemon:
        for path in (*files, broken):
            assert feed.bring(path)
        assert feed.await_outcomes(21) == {"DONE": 20, "FAILED": 1}
        assert feed.bring(files[3])
        assert feed.await_outcomes(22) == {"DONE": 20, "FAILED": 1, "SKIPPED": 1}
        status = daemon.status()
    assert len(documents(client, settings)) == 40
    assert status.counts.indexed == 40
    assert status.objects == {"done": 20, "failed": 1, "skipped": 1}
    assert "broken" in status.last_error
    assert feed.closed.is_set()
    states = {entry["uri"]: entry["state"] for entry in ledger(client, settings)}
    assert states[str(broken)] == "failed"
    assert all(states[str(path)] == "done" for path in files)


def test_a_stop_hands_back_what_is_not_finished(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    """The cluster takes nothing, so that everything is under way when the stop comes."""
    files = [write_trail(tmp_path, [record()], f"{n:03}") for n in range(5)]
    feed = HandFeed()
    hasty = settings.model_copy(
        update={"run": settings.run.model_copy(update={"stop_seconds": 1.0})}
    )
    with Proxy(settings.hosts[0], _full) as proxy:
        through = reached_at(hasty, proxy.url)
        with running(through, feed) as daemon:
            for path in files:
                assert feed.bring(path)
            refused = threading.Event()
            while not any(request.number for request, _ in proxy.seen):
                refused.wait(0.05)
            daemon.stop()
            assert feed.await_outcomes(5) == {"RETURNED": 5}
    assert documents(client, settings) == {}
    again = HandFeed()
    with running(settings, again):
        for path in files:
            assert again.bring(path)
        assert again.await_outcomes(5) == {"DONE": 5}
    assert len(documents(client, settings)) == 5


def _full(request: Request) -> Fault | None:
    return Answer(429) if request.number else None


def test_a_cluster_that_refuses_is_waited_for_with_bounded_room(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    """Read-only for a while: the session ends, its objects are handed back, another begins."""
    feed = HandFeed()
    blocked = threading.Event()
    blocked.set()

    def script(request: Request) -> Fault | None:
        return Answer(403, "blocked") if request.number and blocked.is_set() else None

    files = [write_trail(tmp_path, [record()], f"{n:03}") for n in range(3)]
    with Proxy(settings.hosts[0], script) as proxy:
        through = reached_at(settings, proxy.url)
        with running(through, feed) as daemon:
            for path in files:
                assert feed.bring(path)
            assert feed.await_outcomes(3) == {"RETURNED": 3}
            assert daemon.status().last_error
            blocked.clear()
            for path in files:
                assert feed.bring(path)
            assert feed.await_outcomes(6) == {"RETURNED": 3, "DONE": 3}
    assert len(documents(client, settings)) == 3


@pytest.mark.fresh_namespace
def test_a_cluster_without_our_templates_is_an_error_at_the_start(settings: Settings) -> None:
    daemon = Daemon(connect, settings, enricher_from(settings, lambda _: None), [HandFeed()])
    with pytest.raises(ForeignTemplateError):
        daemon.run()


def test_two_daemons_share_the_work(client: OpenSearch, settings: Settings, tmp_path: Path) -> None:
    files = [write_trail(tmp_path, [record()], f"{n:03}") for n in range(30)]
    feeds = [HandFeed(), HandFeed()]
    with running(settings, feeds[0]) as one, running(settings, feeds[1]) as two:
        threads = [
            threading.Thread(target=lambda feed=feed: [feed.bring(path) for path in files])
            for feed in feeds
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        for feed in feeds:
            feed.await_outcomes(30)
        assert one.status().counts.duplicates == two.status().counts.duplicates == 0
        assert one.status().counts.indexed + two.status().counts.indexed == 30
    assert len(documents(client, settings)) == 30
    for path in files:
        fates = [outcome for feed in feeds for outcome in feed.of(path)]
        assert fates.count(Outcome.DONE) == 1
