"""Daemons under storms, wrong clocks and dying neighbours: every event is in, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import (
    DROP,
    LOSE_REPLY,
    Answer,
    BusyItems,
    Delay,
    Fault,
    LyingItems,
    Proxy,
    Replace,
    Request,
)
from tests.faults.queue_daemons import daemon, environment, everything_is_in, filled
from tests.helpers.processes import CHECKOUT, LONGEST, start
from tests.helpers.queues import Queue, until
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.settings import Settings

FAULTS = 24
CLOCK = Path(__file__).parent / "clock"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


@pytest.fixture
def queue(s3_endpoint: str) -> Queue:
    return Queue(s3_endpoint, receives=1000)


def test_a_storm_of_refusals_and_slow_replies(
    bucket: str,
    s3_endpoint: str,
    queue: Queue,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """A third of the requests that write, of events and of the ledger, until the storm is over."""
    dice = random.Random(23)
    ids = filled(bucket, queue, dice)
    faults: list[Fault] = [
        *[Answer(429)] * 4,
        *[Delay(0.3)] * 3,
        Answer(503),
        Replace(502),
        DROP,
        LOSE_REPLY,
    ]
    of_documents: list[Fault] = [BusyItems(3), LyingItems(4)]
    met: list[Fault] = []

    def script(request: Request) -> Fault | None:
        if "_bulk" not in request.path or len(met) >= FAULTS or dice.random() < 0.66:
            return None
        met.append(dice.choice(faults + of_documents if request.of_events else faults))
        return met[-1]

    with Proxy(settings.hosts[0], script) as proxy:
        far = own_settings(proxy.url, settings.namespace, tmp_path / "home")
        with daemon(far, queue, s3_endpoint):
            until(lambda: queue.left() == 0, "an empty queue")
    assert len(met) >= FAULTS / 2
    everything_is_in(settings, ids)


def test_clocks_that_are_wrong_and_step(
    bucket: str,
    s3_endpoint: str,
    queue: Queue,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """One is two hours ahead and falls back, one behind and jumps ahead, in the middle."""
    ids = filled(bucket, queue, random.Random(29))
    total = queue.left()
    clocks = [tmp_path / "ahead", tmp_path / "behind"]
    living: list[subprocess.Popen[bytes]] = []
    try:
        for clock, offset in zip(clocks, (7200, -7200), strict=True):
            clock.write_text(str(offset))
            env = environment(s3_endpoint) | {
                "TRAILHOUND_TEST_CLOCK": str(clock),
                "PYTHONPATH": f"{CLOCK}{os.pathsep}{CHECKOUT}",
            }
            living.append(start(settings, "run", "--queue", queue.name, env=env))

        def some_are_done() -> bool:
            ended = [each.communicate() for each in living if each.poll() is not None]
            assert not ended, "a daemon has ended"
            return queue.left() < total * 0.7

        until(some_are_done, "some of it done")
        for clock, offset in zip(clocks, (-3600, 86_400), strict=True):
            clock.write_text(str(offset))
        until(lambda: queue.left() == 0, "an empty queue")
        said = []
        for process in living:
            process.send_signal(signal.SIGTERM)
            said.append(process.communicate(timeout=LONGEST)[1])
            assert process.returncode == 0, said[-1].decode()[-2000:]
    finally:
        for process in living:
            process.kill()
    # They did live by those clocks: their first lines are four hours apart.
    first, second = (
        datetime.fromisoformat(each.split(b'"time": "')[1].split(b'"')[0].decode()) for each in said
    )
    assert timedelta(hours=3) < first - second < timedelta(hours=5), (first, second)
    everything_is_in(settings, ids)


def test_the_holder_of_the_lease_is_killed(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "trail").mkdir()
    client = connect(settings)
    index = templates.Names(settings.prefix).ledger
    env = {"TRAILHOUND_RUN__LISTEN": "127.0.0.1:0", "TRAILHOUND_RUN__LEASE_SECONDS": "4"}

    def stored(identifier: str) -> dict[str, Any]:
        found = client.get(index=index, id=identifier, params={"ignore": 404})
        source: dict[str, Any] = found.get("_source", {})
        return source

    def leader() -> tuple[int, int]:
        """The process that holds the lease (0: none that is known), and the lease's term."""
        lease = stored("lease-housekeeping")
        daemon = stored(f"daemon-{lease.get('owner') or 'nobody'}")
        return int(daemon.get("pid", 0)), int(lease.get("term", 0))

    def ran() -> bool:
        return bool(stored("job-housekeeping"))

    running = {}
    try:
        for _ in range(2):
            process = start(settings, "run", "--watch", tmp_path / "trail", env=env)
            running[process.pid] = process
        led: list[tuple[int, int]] = []

        def leads() -> bool:
            led.append(leader())  # asked again, it may be another one: a machine may halt
            return led[-1][0] in running

        until(lambda: leads() and ran(), "a leader that has run its job")
        first, term = led[-1]
        running[first].kill()
        running.pop(first).communicate()
        # Whoever comes next finds the job undone, and does it.
        client.delete(index=index, id="job-housekeeping")
        until(leads, "another leader")
        assert led[-1][1] > term
        until(ran, "the job done by the other one")
    finally:
        for process in running.values():
            process.terminate()
            process.communicate(timeout=LONGEST)
