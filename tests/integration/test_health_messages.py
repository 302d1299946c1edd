"""People are told when Trailhound itself does not work: messages, and a heartbeat that ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from opensearchpy import OpenSearch

from tests.faults.proxy import DROP, Proxy
from tests.helpers.processes import LONGEST, Started, start
from tests.helpers.queues import until
from tests.helpers.receiver import Received, Receiver
from tests.helpers.trails import own_settings
from trailhound.app.daemon.health_messages import HealthMessages
from trailhound.app.daemon.own_health import OwnHealth
from trailhound.app.daemon.running import Running
from trailhound.app.daemon.scheduled_jobs import ScheduledJobs
from trailhound.app.enrichment import load_enricher
from trailhound.settings import NotifySettings, Settings
from trailhound.state.leases import LeaseState
from trailhound.state.store import StateStore

SECRET = "s3cr3t-t0ken"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def notify(receiver: Receiver, minutes: float) -> dict[str, Any]:
    """A channel that gets messages about health, one that does not, and a heartbeat."""
    url = f"http://127.0.0.1:{receiver.port}"
    hook = {"kind": "webhook", "secret": SECRET, "level": "critical", "tactics": ["impact"]}
    return {
        "channels": [
            {"name": "hook", "url": f"{url}/hook/{SECRET}", **hook},
            {"name": "tickets", "url": f"{url}/tickets", "health": False, **hook},
        ],
        "health_after_minutes": minutes,
        "heartbeat": {"url": f"{url}/beat/{SECRET}", "minutes": 0.01},
    }


def told(receiver: Receiver) -> list[Received]:
    return [each for each in receiver.received if each.method == "POST"]


def all_well(receiver: Receiver) -> bool:
    """Whether nothing else was told last."""
    return not told(receiver) or bool(told(receiver)[-1].json["health"]["ready"])


def beats(receiver: Receiver) -> int:
    return sum(each.method == "GET" for each in receiver.received)


@contextmanager
def killed(process: Started) -> Iterator[Started]:
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(LONGEST)


@pytest.mark.usefixtures("client")
def test_a_cluster_that_stops_is_told_of_and_that_it_is_back_also_over_a_restart(
    engine: str, settings: Settings, receiver: Receiver, tmp_path: Path
) -> None:
    trail, file, log = tmp_path / "trail", tmp_path / "trailhound.yaml", tmp_path / "log"
    trail.mkdir()
    content = {
        "run": {
            "sources": [{"watch": str(trail), "every": 0.3}],
            "listen": None,
            "lease_seconds": 2,
        },
        "detections": {"shipped": False},
        "notify": notify(receiver, 0.03),
    }
    file.write_text(yaml.safe_dump(content))
    with Proxy(engine, lambda _: None) as proxy:
        behind = own_settings(proxy.url, settings.namespace, settings.home)
        with killed(start(behind, "run", "--config", file, log=log)):
            # A slow start is an outage of its own here, of which the end is told too.
            until(
                lambda: beats(receiver) > 1 and all_well(receiver),
                "heartbeats of a daemon that is ready",
            )
            before = len(told(receiver))
            proxy.script = lambda _: DROP
            until(lambda: len(told(receiver)) > before, "a message")
            during = beats(receiver)
            spool = settings.home / "spool"
            until(lambda: any(spool.glob("outage-*")), "what was told is kept here")
        first = told(receiver)[before]
        assert first.path == f"/hook/{SECRET}"
        assert first.json["kind"] == "health"
        assert first.json["level"] == "high"
        assert first.json["subject"].startswith("Trailhound does not work: ")
        assert {each["code"] for each in first.json["health"]["reasons"]} <= {"cluster", "state"}
        assert "To do: check the cluster" in first.json["text"]
        assert f"(namespace {settings.namespace})" in first.json["text"]
        with killed(start(behind, "run", "--config", file, log=log)):
            proxy.script = lambda _: None
            until(lambda: beats(receiver) > during, "heartbeats go on")
            until(lambda: told(receiver)[-1].json["health"]["ready"], "that it is ready")
            last = told(receiver)[-1].json
            assert last["subject"] == "Trailhound is ready again"
            assert last["health"]["since"] <= first.json["health"]["since"]
            until(lambda: not any(spool.glob("outage-*")), "nothing is kept here any more")
    assert SECRET not in log.read_text()


class Daemon:
    """The part of a daemon that tells people of its health, whose state is not read until `watch`
    is called."""

    def __init__(self, client: OpenSearch, settings: Settings, owner: str) -> None:
        self._client = client
        self._running = Running(settings, load_enricher(settings))
        self._running.jobs = ScheduledJobs(client, settings, owner)
        self._health = OwnHealth(self._running)
        self._health.cluster_answered()
        messages = HealthMessages(self._running, self._health, owner)
        self._threads = [threading.Thread(target=messages.run, args=(client,))]
        self._threads[0].start()

    def watch(self) -> None:
        self._threads.append(threading.Thread(target=self._health.watch, args=(self._client,)))
        self._threads[-1].start()

    def stop(self) -> None:
        self._running.stopping.set()
        for each in self._threads:
            each.join()


def test_one_daemon_of_several_tells_and_the_next_one_knows_what_was_told(
    client: OpenSearch,
    settings: Settings,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    made = NotifySettings.model_validate(notify(receiver, 0.03))
    settings = settings.model_copy(update={"notify": made})
    leases = StateStore(client, settings, LeaseState)

    def holder() -> str:
        lease = leases.one("health")
        return lease.owner if lease is not None else ""

    daemons = {name: Daemon(client, settings, name) for name in ("a", "b")}
    try:
        until(lambda: bool(told(receiver)), "a message")
        first = holder()
        daemons.pop(first).stop()
        (name,) = daemons
        until(lambda: holder() == name, "another holder")
        daemons[name].watch()
        until(lambda: len(told(receiver)) > 1, "that it is ready")
    finally:
        for each in daemons.values():
            each.stop()
    assert [each.json["health"]["ready"] for each in told(receiver)] == [False, True]
    assert not list((settings.home / "spool").glob("outage-*"))
    assert caplog.text.count("channels are told") == 2
