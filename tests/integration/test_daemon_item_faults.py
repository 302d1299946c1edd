"""A fault of one object, or of this machine, is not the daemon's: it goes on with the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from opensearchpy import OpenSearch

from ingest.bulk.batch import Batch
from ingest.bulk.result_handler import BulkResultHandler
from ingest.daemon import daemon as daemon_module
from ingest.daemon import delivered_objects, delivery_queue
from ingest.daemon.delivery_queue import unusable
from ingest.deadletters.spool import SPOOL_FILE
from ingest.feeds.feed import Delivery, Outcome
from ingest.objects import TrailObject
from ingest.sources import LocalSource
from tests.faults.proxy import Answer, Fault, Proxy, Request
from tests.helpers.daemons import running
from tests.helpers.hand_feed import HandFeed
from tests.helpers.queues import PATIENCE, until
from tests.helpers.trails import documents, ledger, own_settings, reached_at, record, write_trail
from trailhound.backoff import Backoff
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


class ReturningFeed(HandFeed):
    """Announces again what was handed back, as a queue does."""

    def follow(self, paths: list[Path]) -> Callable[[], bool]:
        """To be called again and again: whether each has an outcome that is final."""
        for path in paths:
            self.bring(path)
        returned: dict[Path, int] = dict.fromkeys(paths, 0)

        def settled() -> bool:
            done = True
            for path in paths:
                outcomes = self.of(path)
                if outcomes and outcomes[-1] is not Outcome.RETURNED:
                    continue
                done = False
                if outcomes.count(Outcome.RETURNED) > returned[path]:
                    returned[path] += 1
                    self.bring(path)
            return done

        return settled


def test_the_object_that_ends_sessions_is_found_and_fails_alone(
    client: OpenSearch, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in a sender, which serves all objects at once."""
    process = BulkResultHandler.process

    def faulty(self: BulkResultHandler, batch: Batch) -> None:
        if any("poison" in owner.item.uri for owner in batch.owners):
            raise ValueError("a fault that nobody thought of")
        process(self, batch)

    monkeypatch.setattr(BulkResultHandler, "process", faulty)
    monkeypatch.setattr(daemon_module, "_BACKOFF", Backoff(0.1, 60.0))
    files = [write_trail(tmp_path, [record(), record()], f"{n}") for n in range(5)]
    files.insert(2, write_trail(tmp_path, [record()], "poison"))
    feed = ReturningFeed()
    with running(settings, feed) as daemon:
        until(feed.follow(files), "every file settled")
        assert daemon.status().restarts >= 1
        assert "nobody thought of" in daemon.status().failing
        write_trail(tmp_path, [record()], "after")
        assert feed.bring(tmp_path / "after.json.gz")
        until(lambda: feed.of(tmp_path / "after.json.gz") == [Outcome.DONE], "one file more")
    assert len(documents(client, settings)) == 11
    assert {path.name for path in files if feed.of(path)[-1] is Outcome.FAILED} == {
        "poison.json.gz"
    }
    states = {Path(each["uri"]).name: each for each in ledger(client, settings) if "uri" in each}
    assert states["poison.json.gz"]["state"] == "failed"
    assert "internal error" in states["poison.json.gz"]["reason"]


def test_an_object_that_the_reader_fails_at_fails_alone(
    client: OpenSearch, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [write_trail(tmp_path, [record(), record()], f"{n}") for n in range(3)]
    bad = tmp_path / "1.json.gz"
    opened = LocalSource.open

    class Broken:
        def __enter__(self) -> Broken:
            return self

        def __exit__(self, *_: Any) -> None:
            return None

        def read(self, _: int = -1) -> bytes:
            raise ValueError("a fault that nobody thought of")

        def close(self) -> None:
            return None

    monkeypatch.setattr(
        LocalSource,
        "open",
        lambda self, item: Broken() if item.uri == str(bad) else opened(self, item),
    )
    feed = HandFeed()
    with running(settings, feed) as daemon:
        for path in files:
            assert feed.bring(path)
        assert feed.await_outcomes(3) == {"DONE": 2, "FAILED": 1}
        assert daemon.status().restarts == 0
        assert "nobody thought of" in daemon.status().last_error
    assert len(documents(client, settings)) == 4


@pytest.mark.parametrize(
    "item",
    [
        TrailObject("s3://b/\ud800.json", "e", 1),
        TrailObject("s3://b/k.json", "\ud800", 1),
        TrailObject("s3://b/" + "k" * 40_000, "e", 1),
        TrailObject("s3://b/k.json", "e" * 40_000, 1),
        TrailObject("s3://b/k.json", "e", 2**63),
        TrailObject("s3://b/k.json", "e", -1),
    ],
    ids=["name", "etag", "long name", "long etag", "size", "negative size"],
)
def test_what_the_ledger_cannot_hold_fails_alone(
    item: TrailObject, client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    assert unusable(item)
    good = write_trail(tmp_path, [record()], "good")
    feed = HandFeed()
    outcomes: list[Outcome] = []
    with running(settings, feed) as daemon:
        assert feed.begun.wait(PATIENCE)
        source = LocalSource(str(tmp_path))
        submit = feed._submit
        assert submit is not None
        assert submit(Delivery(item, source, feed.name, 0.0, outcomes.append))
        assert feed.bring(good)
        assert feed.await_outcomes(1) == {"DONE": 1}
        assert outcomes == [Outcome.FAILED]
        assert daemon.status().last_error
    assert len(documents(client, settings)) == 1


def test_a_full_disk_puts_off_what_needs_the_spool_and_nothing_else(
    client: OpenSearch, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_queue, "_DEFERRAL", Backoff(0.4, 30.0))
    big = write_trail(tmp_path, [record(), record(requestParameters={"x": "y" * 30_000})], "big")
    small = [write_trail(tmp_path, [record()], f"{n}") for n in range(3)]
    settings.spool.parent.mkdir(parents=True, exist_ok=True)
    settings.spool.touch()  # a file where the folder should be

    def script(request: Request) -> Fault | None:
        return Answer(413) if len(request.body) > 20_000 else None

    feed = HandFeed()
    with Proxy(settings.hosts[0], script) as proxy:
        through = reached_at(settings, proxy.url)
        with running(through, feed) as daemon:
            assert feed.bring(big)
            until(lambda: daemon.status().deferred == 1, "an object that is put off")
            assert "Not a directory" in daemon.status().deferred_for
            for path in small:
                assert feed.bring(path)
            assert feed.await_outcomes(3) == {"DONE": 3}
            assert feed.of(big) == []
            settings.spool.unlink()
            assert feed.await_outcomes(4) == {"DONE": 4}
            assert daemon.status().deferred == 0
    assert len(documents(client, settings)) == 4
    assert len((settings.spool / SPOOL_FILE).read_bytes().splitlines()) == 1


def test_an_object_without_progress_is_named(
    client: OpenSearch, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivered_objects, "STUCK_SECONDS", 0.5)
    held = write_trail(tmp_path, [record()], "held")
    opened, seen = LocalSource.open, threading.Event()

    def slow(self: LocalSource, item: TrailObject) -> BinaryIO:
        assert seen.wait(PATIENCE)
        return opened(self, item)

    monkeypatch.setattr(LocalSource, "open", slow)
    feed = HandFeed()
    with running(settings, feed) as daemon:
        assert feed.bring(held)
        until(lambda: daemon.status().stuck == str(held), "an object that is stuck")
        seen.set()
        assert feed.await_outcomes(1) == {"DONE": 1}
        assert daemon.status().stuck == ""
