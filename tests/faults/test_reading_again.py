"""A forced reading that is stopped, killed or left without its engine forgets no earlier one."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Drop, Fault, Hold, Proxy, Request
from tests.helpers.processes import LONGEST, Started, printed, run, start
from tests.helpers.queues import until
from tests.helpers.trails import (
    backfill,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.cluster.client import connect
from trailhound.settings import Settings

FIRST = 4_000
"""Events of the first file: more than fit between the reader and a cluster that is silent."""
ENV = {
    "TRAILHOUND_INGEST__BATCH_BYTES": "65536",
    "TRAILHOUND_INGEST__BATCH_SECONDS": "0.1",
    "TRAILHOUND_INGEST__GIVE_UP_AFTER": "1",
    "TRAILHOUND_CLUSTER__TIMEOUT": "300",
}
READ = {"a.json.gz": "done", "partial.json.gz": "done", "torn.json": "failed",
        "vpc.json": "skipped", "whole.json.gz": "done"}  # fmt: skip
Entries = dict[str, dict[str, Any]]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


@pytest.fixture
def trail(settings: Settings, tmp_path: Path) -> Path:
    """A folder with files of every kind, which was read once."""
    folder = tmp_path / "trail"
    write_trail(folder, [record(userAgent="n" * 400) for _ in range(FIRST)], "a")
    write_trail(folder, [record(), b"5"], "partial")
    (folder / "torn.json").write_text('{"Records": [')
    (folder / "vpc.json").write_text('"text"')
    write_trail(folder, [record()], "whole")
    backfill(settings, folder)
    return folder


def entries(settings: Settings) -> Entries:
    found = ledger(connect(settings), settings)
    return {Path(each["uri"]).name: each for each in found}


def known(found: Entries) -> Entries:
    """What is known of earlier readings."""
    return {
        name: {field: value for field, value in each.items() if field != "claim"}
        for name, each in found.items()
    }


class Held:
    """A forced reading that waits for the answer to its first events, all files claimed."""

    def __init__(self, settings: Settings, trail: Path, proxy: Proxy) -> None:
        self.waits, self.go, self.lost = threading.Event(), threading.Event(), threading.Event()
        proxy.script = self._hold
        own = own_settings(proxy.url, settings.namespace, settings.home)
        self.process: Started = start(own, "backfill", trail, "--force", "--json", env=ENV)

    def _hold(self, request: Request) -> Fault | None:
        if request.of_events and not self.go.is_set():
            self.waits.set()
            return Hold(self.go)
        return Drop(forwarded=False) if self.lost.is_set() else None

    def end(self, how: str) -> int:
        if how == "kill":
            self.process.kill()
        elif how == "lost":
            self.lost.set()
            self.go.set()
        else:
            self.process.send_signal(signal.SIGTERM)
            until(lambda: b"stopping" in self.process.written(1), "an answer")
            if how == "at once":
                self.process.send_signal(signal.SIGTERM)
            else:
                self.go.set()
        return self.process.wait(LONGEST)


@pytest.fixture
def held(settings: Settings, trail: Path) -> Iterator[Held]:
    with Proxy(settings.hosts[0], lambda _: None) as proxy:
        made = Held(settings, trail, proxy)
        try:
            yield made
        finally:
            made.go.set()
            made.process.kill()
            made.process.wait()


@pytest.mark.parametrize(
    ("how", "code"), [("stop", 130), ("at once", 130), ("kill", -signal.SIGKILL), ("lost", 3)]
)
def test_what_is_not_read_again_keeps_its_entry(
    how: str, code: int, settings: Settings, trail: Path, request: pytest.FixtureRequest
) -> None:
    before = entries(settings)
    assert {name: each["state"] for name, each in before.items()} == READ
    held: Held = request.getfixturevalue("held")
    until(lambda: held.waits.is_set() or held.process.poll() is not None, "a reading")
    during = entries(settings)
    assert all("claim" in each for each in during.values()), held.process.written(1)
    assert known(during) == before
    assert held.end(how) == code, held.process.written(1)
    after = entries(settings)
    if how == "stop":  # what was begun is finished
        assert after["a.json.gz"]["duplicates"] == FIRST
        assert after["a.json.gz"]["finished_at"] > before["a.json.gz"]["finished_at"]
        before["a.json.gz"] = after["a.json.gz"]
        assert after == before
    assert known(after) == before

    planned = printed(run(settings, "backfill", trail, "--dry-run", "--json").stdout)
    assert (planned["objects"], planned["skipped_objects"], planned["ignored_objects"]) == (1, 3, 1)
    rest = json.loads(run(settings, "backfill", trail, "--json").stdout)
    assert (rest["objects"], rest["failed_objects"], rest["skipped_objects"]) == (1, 1, 3)
    last = entries(settings)
    assert last.pop("torn.json")["reason"] == before.pop("torn.json")["reason"]
    assert last == before, "nobody has claimed them any more"
    assert len(documents(connect(settings), settings)) == FIRST + 2
