"""Killed at any moment, stopped, doubled, or left without its cluster: the index ends the same."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.faults.proxy import Barrier, Proxy
from tests.faults.undisturbed import (
    FILES,
    SMALL,
    Content,
    check_ledger,
    content,
    content_of_a_run,
    hostile_trail,
)
from tests.helpers.processes import LONGEST, identity_holds, printed, run, start
from tests.helpers.queues import until
from tests.helpers.trails import documents, ledger, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

CLAIMED_OR_DONE = {"claimed", "done"}


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_trail(tmp_path_factory.mktemp("killed") / "trail")


@pytest.fixture(scope="module")
def undisturbed(engine: str, trail: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    return content_of_a_run(engine, trail, tmp_path_factory.mktemp("home"))


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


@pytest.fixture
def barrier() -> Barrier:
    """Behind some of the seventy requests: until it goes, a run is in its middle."""
    return Barrier(12)


@pytest.fixture
def halted(settings: Settings, barrier: Barrier) -> Iterator[Settings]:
    """The same over a road to the engine with the barrier."""
    with Proxy(settings.hosts[0], barrier) as road:
        try:
            yield own_settings(road.url, settings.namespace, settings.home)
        finally:
            barrier.go.set()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    """Exit code, stdout and stderr of a process that is about to end."""
    out, err = process.communicate(timeout=LONGEST)
    return process.returncode, out, err.decode()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Until it holds. The process must not have ended by itself."""
    until(lambda: condition() or process.poll() is not None, "what is waited for")
    assert process.poll() is None, ended(process)


def only_claims_are_left(settings: Settings) -> Callable[[], bool]:
    """Whether two workers are there, and all is done but what one of them has claimed."""
    client = connect(settings)
    workers = {"query": {"term": {"kind": "worker"}}}

    def left() -> bool:
        entries = ledger(client, settings)  # refreshes
        claimed = {entry["worker"] for entry in entries if entry["state"] == "claimed"}
        states = {entry["state"] for entry in entries}
        both = client.count(index=Names(settings.prefix).ledger, body=workers)["count"] == 2
        return both and len(entries) == FILES and len(claimed) == 1 and states <= CLAIMED_OR_DONE

    return left


def test_killed_at_many_moments_it_ends_like_an_undisturbed_run(
    settings: Settings, trail: Path, undisturbed: Content
) -> None:
    """While requests have not reached the engine yet, and while some are under way."""
    dice = random.Random()
    for number, held in ((1, True), (10, False), (12, True), (14, False)):
        barrier = Barrier(number)
        with Proxy(settings.hosts[0], barrier) as road:
            far = own_settings(road.url, settings.namespace, settings.home)
            process = start(far, "backfill", trail, "--json", env=SMALL)
            wait_for(barrier.met.is_set, process)
            if not held:
                barrier.go.set()
                time.sleep(dice.random() * 0.2)
            process.send_signal(signal.SIGKILL)
            code, _, err = ended(process)
            barrier.go.set()
        assert code == -signal.SIGKILL or not held, err
    last = run(settings, "backfill", trail, "--json", env=SMALL)
    report = printed(last.stdout)
    assert last.returncode in (0, 1), last.stderr.decode()
    assert identity_holds(report)
    assert report["failed_objects"] == 0
    assert content(settings) == undisturbed
    check_ledger(settings)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_run_finishes_what_it_has_begun(
    number: signal.Signals,
    settings: Settings,
    halted: Settings,
    barrier: Barrier,
    trail: Path,
    undisturbed: Content,
) -> None:
    process = start(halted, "backfill", trail, "--json", env=SMALL)
    wait_for(barrier.met.is_set, process)
    process.send_signal(number)
    until(lambda: b"stopping" in process.written(1), "an answer")
    barrier.go.set()
    code, out, err = ended(process)
    assert code == 130, err
    report = printed(out)
    assert report["interrupted"] is True
    assert identity_holds(report)
    assert 0 < report["objects"] < FILES
    entries = ledger(connect(settings), settings)
    states = [entry["state"] for entry in entries]
    assert states.count("done") == report["objects"]
    assert set(states) <= {"done", "released"}
    found = documents(connect(settings), settings)
    assert len(found) == report["indexed"]
    rest = printed(run(settings, "backfill", trail, "--json", env=SMALL).stdout)
    assert rest["skipped_objects"] == report["objects"]
    assert rest["objects"] == FILES - report["objects"]
    assert content(settings) == undisturbed
    check_ledger(settings)


def test_two_workers_share_a_folder(settings: Settings, trail: Path, undisturbed: Content) -> None:
    pair = [start(settings, "backfill", trail, "--json", env=SMALL) for _ in range(2)]
    reports = []
    for process in pair:
        code, out, err = ended(process)
        assert code in (0, 1), err
        reports.append(printed(out))
    assert all(identity_holds(report) for report in reports)
    assert content(settings) == undisturbed
    check_ledger(settings)
    assert sum(report["objects"] for report in reports) <= FILES * 1.1
    assert sum(report["indexed"] for report in reports) == len(undisturbed[0])
    assert sum(report["objects"] + report["skipped_objects"] for report in reports) >= 2 * FILES


def test_a_worker_takes_over_from_one_that_was_killed(
    settings: Settings, halted: Settings, barrier: Barrier, trail: Path, undisturbed: Content
) -> None:
    first = start(halted, "backfill", trail, "--json", env=SMALL)
    wait_for(barrier.met.is_set, first)
    second = start(settings, "backfill", trail, "--json", env=SMALL)
    first.send_signal(signal.SIGKILL)
    ended(first)
    barrier.go.set()
    code, out, err = ended(second)
    assert code in (0, 1), err
    assert identity_holds(printed(out))
    assert content(settings) == undisturbed
    check_ledger(settings)


def test_a_worker_that_waits_for_another_can_be_stopped(
    settings: Settings, halted: Settings, barrier: Barrier, trail: Path
) -> None:
    patient = SMALL | {"TRAILHOUND_INGEST__CLAIM_SECONDS": "3600"}
    holder = start(halted, "backfill", trail, "--json", env=patient)
    try:
        wait_for(barrier.met.is_set, holder)
        holder.send_signal(signal.SIGSTOP)
        waiting = start(settings, "backfill", trail, "--json", env=patient)
        wait_for(only_claims_are_left(settings), waiting)
        waiting.send_signal(signal.SIGTERM)
        code, out, err = ended(waiting)
        assert code == 130, err
        assert printed(out)["interrupted"] is True
    finally:
        holder.kill()
        holder.communicate()


def test_a_stopped_worker_that_goes_on_leaves_the_entry_of_who_took_over(
    settings: Settings, tmp_path: Path
) -> None:
    number = 4_000
    for name in ("a", "b"):
        write_trail(
            tmp_path / "trail",
            [record(requestParameters={"note": "n" * 400}) for _ in range(number // 2)],
            name,
        )
    soon = SMALL | {"TRAILHOUND_INGEST__CLAIM_SECONDS": "3"}
    barrier = Barrier(4)
    with Proxy(settings.hosts[0], barrier) as road:
        far = own_settings(road.url, settings.namespace, settings.home)
        stopped = start(far, "backfill", tmp_path / "trail", "--json", env=soon)
        try:
            wait_for(barrier.met.is_set, stopped)
            stopped.send_signal(signal.SIGSTOP)
            barrier.go.set()
            second = run(settings, "backfill", tmp_path / "trail", "--json", env=soon)
            assert second.returncode == 0, second.stderr.decode()
            before = ledger(connect(settings), settings)
            assert sum(entry["read"] for entry in before) == number
            stopped.send_signal(signal.SIGCONT)
            code, out, err = ended(stopped)
        finally:
            stopped.kill()
            stopped.communicate()
        assert code == 0, err
        assert printed(out)["lost_claims"] == 2
        assert "another worker" in err
    assert ledger(connect(settings), settings) == before
    assert len(documents(connect(settings), settings)) == number


@pytest.fixture
def makes_no_index(settings: Settings) -> Iterator[OpenSearch]:
    """The engine, which makes none of the namespace's indices by itself."""
    client, name = connect(settings), "action.auto_create_index"
    client.cluster.put_settings(body={"persistent": {name: f"-{settings.prefix}*,+*"}})
    yield client
    client.cluster.put_settings(body={"persistent": {name: None}})


def test_without_a_ledger_no_run_is_a_success(
    makes_no_index: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    client = makes_no_index
    write_trail(tmp_path / "trail", [record() for _ in range(50)])
    index = Names(settings.prefix).ledger
    client.indices.delete(index=index)
    for workers in ("1", "2"):
        one = run(settings, "backfill", tmp_path / "trail", "--workers", workers)
        assert one.returncode == 3, one.stderr
        said = " ".join(one.stderr.decode().split())
        assert f"the index {index} does not exist" in said
        assert "trailhound init" in said
    assert run(settings, "init").returncode == 0
    assert run(settings, "backfill", tmp_path / "trail").returncode == 0
    assert {entry["state"] for entry in ledger(client, settings)} == {"done"}
    client.indices.delete_index_template(name=Names(settings.prefix).template("ledger"))
    # The ledger is there with today's mapping: no template would apply.
    assert run(settings, "backfill", tmp_path / "trail", "--force").returncode == 0
    client.indices.delete(index=index)
    without = run(settings, "backfill", tmp_path / "trail", "--force")
    assert without.returncode == 3, without.stderr
    assert "trailhound init" in " ".join(without.stderr.decode().split())
