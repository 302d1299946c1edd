"""Daemons that are killed, doubled or left without their cluster: every event is in, once."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.faults.queue_daemons import daemon, environment, everything_is_in, filled
from tests.helpers.processes import start
from tests.helpers.queues import Queue, until
from tests.helpers.trails import (
    own_settings,
    prepared,
)
from trailhound.settings import Settings

KILLS = 20


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


@pytest.fixture
def queue(s3_endpoint: str) -> Queue:
    return Queue(s3_endpoint, receives=1000)


def test_killed_at_twenty_moments_under_load(
    bucket: str, s3_endpoint: str, queue: Queue, settings: Settings
) -> None:
    """Two daemons on one queue, one after the other killed; the last one ends the work."""
    dice = random.Random(11)
    ids = filled(bucket, queue, dice)
    env = environment(s3_endpoint)
    running: list[subprocess.Popen[bytes]] = []
    for _ in range(KILLS):
        while len(running) < 2:
            running.append(start(settings, "run", "--queue", queue.name, env=env))
        time.sleep(dice.uniform(0.2, 1.3))
        victim = running.pop(0)
        victim.kill()
        victim.communicate()
    for victim in running:
        victim.kill()
        victim.communicate()
    with daemon(settings, queue, s3_endpoint):
        until(lambda: queue.left() == 0, "an empty queue")
    everything_is_in(settings, ids)


def test_two_daemons_share_a_queue_and_stop_in_the_middle(
    bucket: str, s3_endpoint: str, queue: Queue, settings: Settings
) -> None:
    ids = filled(bucket, queue, random.Random(3))
    total = queue.left()
    with daemon(settings, queue, s3_endpoint):
        until(lambda: queue.left() < total * 0.8, "some of it done")
    with daemon(settings, queue, s3_endpoint), daemon(settings, queue, s3_endpoint):
        until(lambda: queue.left() == 0, "an empty queue")
    everything_is_in(settings, ids)
