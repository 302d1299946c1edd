"""An engine that is killed or stopped under load is waited for: every event is in, once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.proxy import Barrier, Proxy
from tests.faults.queue_daemons import daemon, everything_is_in, filled, unchanged
from tests.faults.undisturbed import (
    EACH,
    FILES,
    SMALL,
    Content,
    check_ledger,
    content,
    content_of_a_run,
    hostile_trail,
)
from tests.helpers.engines import running_engine
from tests.helpers.processes import LONGEST, printed, start
from tests.helpers.queues import Queue, until
from tests.helpers.trails import own_settings, prepared
from trailhound.engine.local_engine import LocalEngine

ENGINE_KILLS = int(os.environ.get("TRAILHOUND_TEST_ENGINE_KILLS", "1"))
"""An engine takes seconds to come back: twenty of these are for a run by hand."""


@pytest.fixture(scope="module")
def own_engine() -> Iterator[LocalEngine]:
    """An engine of these tests alone, to be stopped and killed."""
    with running_engine() as made:
        yield made


@pytest.fixture
def queue(s3_endpoint: str) -> Queue:
    return Queue(s3_endpoint, receives=1000)


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_trail(tmp_path_factory.mktemp("killed") / "trail")


@pytest.fixture(scope="module")
def undisturbed(
    own_engine: LocalEngine, trail: Path, tmp_path_factory: pytest.TempPathFactory
) -> Content:
    return content_of_a_run(own_engine.url, trail, tmp_path_factory.mktemp("home"))


def test_killed_at_random_moments_it_is_waited_for_by_a_daemon_and_a_backfill(
    own_engine: LocalEngine,
    bucket: str,
    s3_endpoint: str,
    queue: Queue,
    trail: Path,
    undisturbed: Content,
    tmp_path: Path,
) -> None:
    dice = random.Random()
    followed = own_settings(own_engine.url, "followed", tmp_path / "home")
    filled_in = own_settings(own_engine.url, "backfilled", tmp_path / "home")
    for each in (followed, filled_in):
        prepared(each)
    ids = filled(bucket, queue, dice)
    barrier, barrier_of_backfill = Barrier(dice.randrange(4, 12)), Barrier(12)
    with (
        Proxy(own_engine.url, barrier) as road,
        Proxy(own_engine.url, barrier_of_backfill) as road_of_backfill,
    ):
        far = own_settings(road_of_backfill.url, "backfilled", tmp_path / "home")
        backfill = start(far, "backfill", trail, "--json", env=SMALL)
        far = own_settings(road.url, "followed", tmp_path / "home")
        with daemon(far, queue, s3_endpoint) as process:
            until(
                lambda: barrier_of_backfill.met.is_set() or backfill.poll() is not None,
                "some of the backfill sent",
            )
            for _ in range(ENGINE_KILLS):
                until(
                    lambda: barrier.met.is_set() or process.poll() is not None,  # noqa: B023
                    "some more of it sent",
                )
                assert queue.left() > 0, "there is no load left"
                held = barrier
                road.script = barrier = Barrier(held.number + dice.randrange(4, 12))
                held.go.set()  # what has waited is under way, and more comes
                pid = own_engine._read_run()["pid"]
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                barrier_of_backfill.go.set()
                assert backfill.poll() is None, backfill.communicate()
                own_engine.start()
                assert process.poll() is None
            barrier.go.set()
            out, said = backfill.communicate(timeout=LONGEST)
            until(lambda: queue.left() == 0, "an empty queue")
    everything_is_in(followed, ids)
    assert backfill.returncode in (0, 1), said.decode()
    report = printed(out)
    assert b"waiting" in said
    assert report["retries"] > 0
    assert (report["objects"], report["read"]) == (FILES, FILES * EACH)
    assert content(filled_in) == undisturbed
    assert report["indexed"] == len(undisturbed[0])
    check_ledger(filled_in)


def test_stopped_it_is_waited_for_by_a_daemon(
    own_engine: LocalEngine,
    bucket: str,
    s3_endpoint: str,
    queue: Queue,
    tmp_path: Path,
) -> None:
    settings = own_settings(own_engine.url, "stopped", tmp_path / "home")
    prepared(settings)
    ids = filled(bucket, queue, random.Random(5))
    total = queue.left()
    # Else a fast daemon were done before a slow engine has stopped.
    barrier = Barrier(20)
    with Proxy(own_engine.url, barrier) as road:
        far = own_settings(road.url, "stopped", tmp_path / "home")
        with daemon(far, queue, s3_endpoint) as process:
            until(lambda: barrier.met.is_set() and queue.left() < total, "some of it done")
            own_engine.stop()
            barrier.go.set()
            until(lambda: unchanged(queue), "messages of what was done before, deleted")
            assert process.poll() is None
            assert queue.left() > 0, "deleted without being indexed"
            own_engine.start()
            until(lambda: queue.left() == 0, "an empty queue")
    everything_is_in(settings, ids)
