"""Ctrl-C and SIGTERM: every long command ends with 130 and a sentence, wherever it waits."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.proxy import Fault, Proxy, Request
from tests.helpers.detection_rules import BURST, RULES, write_rules
from tests.helpers.processes import LONGEST, Started, run, start
from tests.helpers.queues import PATIENCE, until
from tests.helpers.trails import backfill, documents, own_settings, prepared, record, write_trail


@dataclass
class Silence:
    """A server that takes connections and never answers: where a command waits for ever."""

    url: str
    asked: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def silence() -> Iterator[Silence]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Silence(f"http://127.0.0.1:{server.getsockname()[1]}")
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                held.append(connection)
                if connection.recv(1):
                    made.asked.set()

        threading.Thread(target=take, daemon=True).start()
        yield made
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=LONGEST)
    finally:
        process.kill()
    return process.returncode, out.decode(), err.decode()


COMMANDS = [
    ["init"],
    ["status"],
    ["backfill", "{trail}"],
    ["backfill", "{trail}", "--dry-run"],
    ["detect"],
    ["rules", "backtest"],
    ["report", "-o", "{folder}/r.html"],
    ["alerts", "list", "--json"],
    ["retry-deadletters"],
    ["dashboards", "import"],
]


@pytest.mark.parametrize(
    ("arguments", "number"),
    [(each, (signal.SIGINT, signal.SIGTERM)[place % 2]) for place, each in enumerate(COMMANDS)],
    ids=lambda each: " ".join(each) if isinstance(each, list) else each.name,
)
def test_a_command_that_waits_ends_with_130(
    arguments: list[str], number: signal.Signals, silence: Silence, tmp_path: Path
) -> None:
    write_trail(tmp_path / "trail", [record()])
    settings = own_settings(silence.url, "x", tmp_path / "home")
    places = {"trail": tmp_path / "trail", "folder": tmp_path}
    env = {"TRAILHOUND_DASHBOARDS__URL": silence.url}
    process = start(settings, *(each.format(**places) for each in arguments), env=env)
    assert silence.asked.wait(PATIENCE), ended(process)
    process.send_signal(number)
    until(lambda: b"stopping" in process.written(1) or process.poll() is not None, "an answer")
    if b"stopping" in process.written(1):  # the first one finishes what is under way, if it can
        process.send_signal(number)
    code, out, err = ended(process)
    assert code == 130, (out, err)
    assert "Traceback" not in err
    assert "interrupted" in err
    if "--json" in arguments:
        assert json.loads(out)["error"]["exit_code"] == 130
    assert not list(tmp_path.glob("*.html"))


def stopped_at_once(process: Started, go: threading.Event) -> str:
    """What a command with `--json` says on stderr that a second signal ends while it waits for an
    answer, which is let go afterwards."""
    process.send_signal(signal.SIGINT)
    until(lambda: b"stopping" in process.written(1), "an answer")
    process.send_signal(signal.SIGINT)
    try:
        code, out, err = ended(process)
    finally:
        go.set()
    assert code == 130, err
    assert json.loads(out)["error"] == {
        "kind": "Interrupted", "message": "interrupted", "hint": "", "exit_code": 130
    }  # fmt: skip
    assert "Traceback" not in err
    return err


def test_a_backfill_that_is_stopped_at_once_says_how_to_go_on(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """Events of two days are indexed, and the answer to a third day's never comes."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    trail = tmp_path / "trail"
    for day in ("01", "02"):
        write_trail(trail, [record(eventTime=f"2025-03-{day}T10:00:00Z")], day)
    waits, go = threading.Event(), threading.Event()

    def hold(request: Request) -> Fault | None:
        if b"2025-03-02T10:00:00Z" in request.body:
            waits.set()
            go.wait(PATIENCE)
        return None

    env = {
        "TRAILHOUND_CLUSTER__TIMEOUT": "300",
        "TRAILHOUND_INGEST__BATCH_SECONDS": "0.1",
    }
    with Proxy(settings.hosts[0], hold) as proxy:
        own = own_settings(proxy.url, namespace, tmp_path / "home")
        process = start(own, "backfill", trail, "--json", env=env)
        assert waits.wait(PATIENCE), ended(process)
        err = stopped_at_once(process, go)
    assert "interrupted: run the same command again to resume" in err
    assert "`trailhound detect --since 2025-03-01 --until 2025-03-02`" in err
    resumed = run(settings, "backfill", trail)
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert len(documents(client, settings)) == 2
    said = " ".join(resumed.stdout.decode().split())
    assert "rules have not looked at 2 events of" in said


@contextmanager
def held_detect(
    engine: str, namespace: str, tmp_path: Path, *command: str
) -> Iterator[tuple[Started, threading.Event]]:
    """`detect --json`, or another command, whose rules wait for answers, and what lets these go."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    write_trail(tmp_path / "trail", [record(errorCode="AccessDenied") for _ in range(6)])
    backfill(settings, tmp_path / "trail")
    waits, go = threading.Event(), threading.Event()
    looked = threading.Event()

    def hold(request: Request) -> Fault | None:
        """The searches of rules that are evaluated beside each other: after a look at all; of
        another command, that look."""
        if request.path.startswith("/_msearch") and not command:
            looked.set()
        elif request.path.startswith("/_msearch") or (
            looked.is_set() and "_search" in request.path
        ):
            waits.set()
            go.wait(PATIENCE)
        return None

    folder = write_rules(tmp_path / "rules")
    burst = RULES.rpartition("---")[2]  # more of these than are evaluated at once
    for number in range(10, 20):
        (folder / f"{number}.yml").write_text(burst.replace(BURST, f"{BURST[:-2]}{number}"))
    env = {"TRAILHOUND_CLUSTER__TIMEOUT": "300", "TRAILHOUND_DETECTIONS__SHIPPED": "false"}
    with Proxy(settings.hosts[0], hold) as proxy:
        own = own_settings(proxy.url, namespace, tmp_path / "home")
        process = start(own, *(command or ("detect",)), "--rules", folder, "--json", env=env)
        assert waits.wait(PATIENCE), ended(process)
        yield process, go


def test_detect_waits_for_no_rule_at_the_second_signal(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    with held_detect(engine, namespace, tmp_path) as (process, go):
        stopped_at_once(process, go)


def test_detect_that_is_stopped_leaves_the_other_rules_and_says_so(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """All of its events are in one piece of history."""
    with held_detect(engine, namespace, tmp_path) as (process, go):
        process.send_signal(signal.SIGINT)
        until(lambda: b"finishing the rule in progress" in process.written(1), "an answer")
        go.set()
        code, out, _ = ended(process)
    found = json.loads(out)
    assert code == 130
    assert found["not_searched"] == {"since": "2025-03-01", "until": "2025-03-01"}
    assert found["events"] == 0


def test_backtest_that_is_stopped_shows_what_it_counted_and_names_the_rest(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """All of its events are in one piece of history."""
    with held_detect(engine, namespace, tmp_path, "rules", "backtest") as (process, go):
        process.send_signal(signal.SIGINT)
        go.set()
        code, out, err = ended(process)
    assert (code, json.loads(out)) == (130, {})
    rest = "--since 2025-03-01 --until 2025-03-01"
    assert f"only the time before was counted; the rest: {rest}" in " ".join(err.split())
    assert "there is no event" not in err
