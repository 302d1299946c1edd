"""A folder that is followed: whole files, once, and again when they change."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.watch import WatchFeed
from tests.helpers.processes import start
from tests.helpers.queues import until
from tests.helpers.trails import documents, own_settings, prepared, record, write_trail
from trailhound.settings import FeedSettings


@contextmanager
def watching(folder: Path) -> Iterator[tuple[WatchFeed, list[Delivery]]]:
    feed = WatchFeed(FeedSettings(watch=folder, every=0.2))
    arrivals: list[Delivery] = []

    def take(arrival: Delivery) -> bool:
        arrivals.append(arrival)
        return True

    feed.start(take)
    try:
        yield feed, arrivals
    finally:
        feed.stop()
        feed.close()


def names(arrivals: list[Delivery]) -> list[str]:
    return [Path(each.item.uri).name for each in arrivals]


def test_files_are_announced_once_and_again_when_they_change(tmp_path: Path) -> None:
    write_trail(tmp_path, [record()], "a")
    with watching(tmp_path) as (feed, arrivals):
        until(lambda: len(arrivals) == 1, "the first file")
        arrivals[0].settle(Outcome.DONE)
        write_trail(tmp_path / "deeper", [record()], "b")
        until(lambda: len(arrivals) == 2, "a new file")
        arrivals[1].settle(Outcome.FAILED)
        write_trail(tmp_path, [record(), record()], "a")
        until(lambda: len(arrivals) == 3, "the changed file")
        arrivals[2].settle(Outcome.RETURNED)
        until(lambda: len(arrivals) == 4, "what was handed back")
        assert names(arrivals) == ["a.json.gz", "b.json.gz", "a.json.gz", "a.json.gz"]
        assert feed.status().depth == 1
        arrivals[3].settle(Outcome.DONE)
        assert feed.status().counters == {"done_files": 2, "failed_files": 1, "returned_files": 1}


def test_a_file_that_still_grows_is_left_alone(tmp_path: Path) -> None:
    growing = tmp_path / "growing.json"
    with watching(tmp_path) as (_, arrivals):
        for size in range(15):  # longer than ten looks
            growing.write_text("x" * size)
            write_trail(tmp_path, [record()], "whole")
            os.utime(tmp_path / "whole.json.gz", (1_700_000_000, 1_700_000_000))
            time.sleep(0.15)
            assert "growing.json" not in names(arrivals)
        until(lambda: "growing.json" in names(arrivals), "the file at rest")
    assert "whole.json.gz" in names(arrivals)


def test_a_folder_that_vanishes_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "synced"
    with watching(folder) as (feed, arrivals):
        until(lambda: "no folder" in feed.status().last_error, "an error that says so")
        write_trail(folder, [record()], "a")
        until(lambda: len(arrivals) == 1, "the file")
        shutil.rmtree(folder)
        until(lambda: time.time() - feed.status().last_error_at < 1, "another error")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_follows_a_folder_and_stops_when_told_to(
    number: signal.Signals, engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    write_trail(tmp_path / "trail", [record(), record()], "a")
    fast = {"TRAILHOUND_INGEST__BATCH_SECONDS": "0.2", "TRAILHOUND_RUN__LISTEN": "127.0.0.1:0"}
    process = start(settings, "run", "--watch", tmp_path / "trail", env=fast)
    try:
        until(lambda: len(documents(client, settings)) == 2, "two events")
        assert process.poll() is None
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, said.decode()
    assert b'"message": "object indexed"' in said
    assert b'"message": "stopped"' in said


def test_nothing_to_follow_is_wrong_use(engine: str, namespace: str, tmp_path: Path) -> None:
    process = start(own_settings(engine, namespace, tmp_path / "home"), "run")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"--queue" in said
