"""A folder that is followed: whole files, once, and again when they change."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from ingest.feeds import watch
from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.watch import WatchFeed
from tests.helpers.ports import free_address
from tests.helpers.processes import LONGEST, printed, run, start
from tests.helpers.queues import until
from tests.helpers.readyz import readiness
from tests.helpers.trails import documents, ledger, own_settings, prepared, record, write_trail
from trailhound.backoff import Backoff
from trailhound.errors import ObjectNotFoundError
from trailhound.settings import FeedSettings
from trailhound.threads import supervised_threads


@contextmanager
def watching(
    folder: Path, at_each: Callable[[], None] = lambda: None
) -> Iterator[tuple[WatchFeed, list[Delivery]]]:
    """A feed and its arrivals; `at_each` is called at each of them, before the look goes on."""
    feed = WatchFeed(FeedSettings(watch=folder, every=0.2))
    arrivals: list[Delivery] = []

    def take(arrival: Delivery) -> bool:
        arrivals.append(arrival)
        at_each()
        return True

    feed.start(take)
    try:
        yield feed, arrivals
    finally:
        feed.stop()
        feed.close()


def names(arrivals: list[Delivery]) -> list[str]:
    return [Path(each.item.uri).name for each in arrivals]


def test_files_are_announced_once_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_BACKOFF", Backoff(3600.0, 3600.0))  # for what failed
    write_trail(tmp_path, [record()], "a")
    with watching(tmp_path) as (feed, arrivals):
        until(lambda: len(arrivals) == 1, "the first file")
        arrivals[0].finish(Outcome.DONE)
        write_trail(tmp_path / "deeper", [record()], "b")
        until(lambda: len(arrivals) == 2, "a new file")
        arrivals[1].finish(Outcome.FAILED)
        write_trail(tmp_path, [record(), record()], "a")
        until(lambda: len(arrivals) == 3, "the changed file")
        arrivals[2].finish(Outcome.RETURNED)
        until(lambda: len(arrivals) == 4, "what was handed back")
        assert names(arrivals) == ["a.json.gz", "b.json.gz", "a.json.gz", "a.json.gz"]
        assert feed.status().depth == 1
        arrivals[3].finish(Outcome.DONE)
        assert feed.status().counters == {"done_files": 2, "failed_files": 1, "returned_files": 1}


def test_a_file_that_still_grows_is_left_alone(tmp_path: Path) -> None:
    """For ten looks: at each, a file beside it that was complete long ago is another one again."""
    sizes = iter(range(1, 11))

    def grow() -> None:
        if size := next(sizes, 0):
            (tmp_path / "growing.json").write_text("x" * size)
            (tmp_path / "old.json").write_text("x" * size)
            os.utime(tmp_path / "old.json", (1_700_000_000, 1_700_000_000))

    grow()
    with watching(tmp_path, grow) as (_, arrivals):
        until(lambda: "growing.json" in names(arrivals), "the file at rest")
    assert names(arrivals) == [*["old.json"] * 10, "growing.json"]


def test_a_folder_that_vanishes_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "synced"
    with watching(folder) as (feed, arrivals):
        until(lambda: "no folder" in feed.status().last_error, "an error that says so")
        write_trail(folder, [record()], "a")
        until(lambda: len(arrivals) == 1, "the file")
        before = feed.status().last_error_at
        shutil.rmtree(folder)
        until(lambda: feed.status().last_error_at > before, "another error")


def test_the_ledger_is_asked_only_once_what_was_there_is_read(tmp_path: Path) -> None:
    """Of files that are still being read when the folder is found empty, it knows nothing yet."""
    (tmp_path / "trail").mkdir()
    asked: list[Path] = []

    def latest(folder: Path) -> str:
        asked.append(folder)
        return "2025-03-01T12:00:00+00:00"

    arrivals: list[Delivery] = []
    feed = WatchFeed(FeedSettings(watch=tmp_path / "trail", every=0.2), latest)
    write_trail(tmp_path / "trail", [record()], "a")

    def take(arrival: Delivery) -> bool:
        arrivals.append(arrival)
        return True

    feed.start(take)
    try:
        until(lambda: len(arrivals) == 1, "the file")
        (tmp_path / "trail").rename(tmp_path / "away")
        (tmp_path / "trail").mkdir()
        until(lambda: not feed._seen, "a look at the empty folder")
        until(lambda: feed.status().failing == "", "no fault")  # between the two, there was one
        assert asked == []
        arrivals[0].finish(Outcome.DONE)
        until(lambda: "may not be mounted" in feed.status().failing, "a fault")
        assert feed.status().depth is None, "what waits there is not known"
        write_trail(tmp_path / "trail", [record()], "b")
        until(lambda: feed.status().failing == "", "a folder with a file")
        assert feed.status().depth is not None

        # What moves files that were read leaves the same folder, and no fault.
        until(lambda: len(arrivals) == 2, "the second file")
        arrivals[1].finish(Outcome.DONE)
        before = len(asked)
        (tmp_path / "trail" / "b.json.gz").unlink()
        until(lambda: not feed._seen, "a look at the empty folder")
        write_trail(tmp_path / "trail", [record()], "c")
        until(lambda: len(arrivals) == 3, "the third file")
        assert (len(asked), feed.status().failing) == (before, "")
    finally:
        feed.stop()
        feed.close()


def test_an_empty_folder_of_which_files_were_read_is_a_fault(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """As where a file system is no longer mounted: at a start and while it is followed, until there
    are files again or those that were read are noted as gone."""
    settings, folder, address = (
        own_settings(engine, namespace, tmp_path / "home"),
        tmp_path / "mount",
        free_address(),
    )
    client = prepared(settings)
    file = tmp_path / "trailhound.yaml"
    content = {
        "run": {"sources": [{"watch": str(folder), "every": 0.3}], "listen": address},
        "ingest": {"batch_seconds": 0.2},
        "detections": {"scheduled": False},
    }
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    folder.mkdir()

    def check() -> tuple[str, str]:
        said = run(settings, "doctor", "--config", file, "--json").stdout
        (found,) = [it for it in printed(said)["findings"] if it["what"] == f"folder {folder}"]
        return found["verdict"], found["fact"]

    assert check() == ("ok", "it may be listed, and is empty: nothing of it was read before")
    write_trail(folder, [record()], "a")
    process = start(settings, "run", "--config", file)
    try:
        until(lambda: len(documents(client, settings)) == 1, "the event")
        until(lambda: readiness(address) == (200, set()), "a folder with a file")
        folder.rename(tmp_path / "away")
        folder.mkdir()
        fault = (503, {("feed", str(folder))})
        until(lambda: readiness(address) == fault, "what an unmounted one leaves")
        process.kill()
        process.communicate()
        verdict, fact = check()
        assert verdict == "failed"
        assert f"the folder {folder} is empty, but objects of it were read, the last at 2" in fact
        process = start(settings, "run", "--config", file)
        until(lambda: readiness(address) == fault, "the same at a start")
        folder.rmdir()
        (tmp_path / "away").rename(folder)
        until(lambda: readiness(address) == (200, set()), "it is mounted again")
        process.kill()
        process.communicate()
        (folder / "a.json.gz").unlink()
        process = start(settings, "run", "--config", file)
        until(lambda: readiness(address) == fault, "it is empty at a start")
        assert run(settings, "reconcile", folder, "--repair").returncode == 0
        until(lambda: readiness(address) == (200, set()), "removed on purpose")
    finally:
        process.kill()
        process.communicate()


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
        _, said = process.communicate(timeout=LONGEST)
    finally:
        process.kill()
    assert process.returncode == 0, said.decode()
    assert b'"message": "object indexed"' in said
    assert b'"message": "stopped"' in said


def test_files_that_cannot_be_read_are_counted_in_status_and_doctor(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """Each once, however often it is tried; until it can be read."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    trail = tmp_path / "trail"
    whole = write_trail(trail, [record()], "a").read_bytes()
    (trail / "cut.json.gz").write_bytes(whole[:-20])
    (trail / "text.json.gz").write_text("skipped: no trail file\n", encoding="utf-8")
    (trail / "empty.json.gz").write_bytes(b"")

    def shown() -> tuple[str, list[str]]:
        lines = run(settings, "status").stdout.decode().splitlines()
        checks = printed(run(settings, "doctor", "--json").stdout)["findings"]
        return (
            next((line for line in lines if line.startswith("not read")), ""),
            [f"{each['verdict']}: {each['fact']}" for each in checks if each["what"] == "objects"],
        )

    assert shown() == ("", ["ok: none that could not be read"])
    file = tmp_path / "trailhound.yaml"
    file.write_text(f"run: {{sources: [{{watch: {trail}, every: 0.3}}]}}\n", encoding="utf-8")
    fast = {"TRAILHOUND_INGEST__BATCH_SECONDS": "0.2", "TRAILHOUND_RUN__LISTEN": "127.0.0.1:0"}
    process = start(settings, "run", "--config", file, env=fast)

    def failed() -> int:
        return sum(each["state"] == "failed" for each in ledger(client, settings))

    try:
        until(lambda: failed() == 2, "both files")
        line, checks = shown()
        assert "2 objects" in line
        assert "`trailhound ledger list --state failed" in line
        assert checks == ["warning: 2 could not be read to the end"]
        assert printed(run(settings, "status", "--json").stdout)["failed_objects"] == 2
        (trail / "cut.json.gz").write_bytes(whole)
        until(lambda: failed() == 1, "the file that is whole now")
        assert "1 object," in shown()[0]
        assert len(documents(client, settings)) == 1
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LONGEST)
    finally:
        process.kill()
        process.wait()
    stopped = next(
        each for each in map(json.loads, said.splitlines()) if each["message"] == "stopped"
    )
    assert stopped["indexed"] == 1
    again = stopped["read_again"]
    assert again["read"] == again["duplicates"] >= 1, "the files that had been tried before"


def test_nothing_to_follow_is_wrong_use(engine: str, namespace: str, tmp_path: Path) -> None:
    process = start(own_settings(engine, namespace, tmp_path / "home"), "run")
    _, said = process.communicate(timeout=LONGEST)
    assert process.returncode == 2
    assert b"--queue" in said


def test_a_folder_that_is_not_there_is_wrong_use_of_the_flag_and_waited_for_in_settings(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    trail = tmp_path / "trail"
    refused = run(settings, "run", "--watch", trail)
    assert refused.returncode == 2
    assert f"--watch {trail}: there is no such folder" in refused.stderr.decode()
    file = tmp_path / "trailhound.yaml"
    file.write_text(f"run: {{sources: [{{watch: {trail}, every: 0.3}}]}}\n", encoding="utf-8")
    fast = {"TRAILHOUND_INGEST__BATCH_SECONDS": "0.2", "TRAILHOUND_RUN__LISTEN": "127.0.0.1:0"}
    process = start(settings, "run", "--config", file, env=fast)
    try:
        warned = f"warning: run.sources.0.watch: there is no folder {trail}".encode()
        until(lambda: warned in process.written(1), "a warning")
        write_trail(trail, [record()], "a")
        until(lambda: len(documents(client, settings)) == 1, "its event, once it is there")
    finally:
        process.kill()
        process.wait()


def test_a_link_that_leads_nowhere_is_that_links_fault(tmp_path: Path) -> None:
    (tmp_path / "trail").mkdir()
    dangling = tmp_path / "trail" / "0.json.gz"
    dangling.symlink_to(tmp_path / "later.json.gz")
    with watching(tmp_path / "trail") as (feed, arrivals):
        write_trail(tmp_path / "trail", [record()], "a")
        until(lambda: "a.json.gz" in names(arrivals), "the file beside it")
        until(lambda: "later.json.gz" in names(arrivals), "the link, for whoever opens it")
        with pytest.raises(ObjectNotFoundError):
            arrivals[0].source.open(
                next(each.item for each in arrivals if "later" in each.item.uri)
            )
        for each in arrivals:
            each.finish(Outcome.FAILED if "later" in each.item.uri else Outcome.DONE)
        write_trail(tmp_path, [record()], "later")
        until(lambda: names(arrivals).count("later.json.gz") == 2, "the file it leads to now")
        assert feed.status().failing == ""
        assert supervised_threads_of("watch") == [""]


def test_a_file_that_could_not_be_read_is_tried_again_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_BACKOFF", Backoff(0.3, 3600.0))
    write_trail(tmp_path, [record()], "denied")
    with watching(tmp_path) as (feed, arrivals):
        until(lambda: len(arrivals) == 1, "the file")
        arrivals[0].finish(Outcome.FAILED)
        until(lambda: len(arrivals) == 2, "the file again")
        arrivals[1].finish(Outcome.DONE)
        assert feed.status().counters == {"failed_files": 1, "done_files": 1}


def test_a_fault_of_one_file_spoils_no_other(tmp_path: Path) -> None:
    for name in ("a", "bad", "c"):
        write_trail(tmp_path, [record()], name)
    feed = WatchFeed(FeedSettings(watch=tmp_path, every=0.2))
    taken: list[str] = []

    def take(arrival: Delivery) -> bool:
        name = Path(arrival.item.uri).name
        if name == "bad.json.gz" and taken.count(name) < 2:
            taken.append(name)
            raise ValueError("a fault that nobody thought of")
        taken.append(name)
        arrival.finish(Outcome.DONE)
        return True

    feed.start(take)
    try:
        counted = {"faulty_files": 2, "done_files": 3}
        until(lambda: feed.status().counters == counted, "the third try")
        assert sorted({*taken}) == ["a.json.gz", "bad.json.gz", "c.json.gz"]
        assert "nobody thought of" in feed.status().last_error
    finally:
        feed.stop()
        feed.close()


def supervised_threads_of(kind: str) -> list[str]:
    return [each.fault for each in supervised_threads() if each.name.startswith(kind)]
