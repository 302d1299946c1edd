"""The local engine as a user meets it: started, found, shared by two, stopped, refused."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from ingest.telemetry.endpoint import Endpoint, Health
from ingest.telemetry.metrics import Metrics
from tests.helpers import session
from tests.helpers.engines import START_SECONDS
from tests.helpers.ports import own_port
from tests.helpers.queues import until
from trailhound.app.health.local_daemon import identity
from trailhound.engine import artifacts, machine, node
from trailhound.engine.local_engine import LocalEngine
from trailhound.errors import DiskFullError, EngineStartError, PortInUseError
from trailhound.settings import load

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
NOBODY = 65534
LISTENING = "0A"
"""A socket's state in `/proc/net/tcp`."""


@dataclass
class Home:
    """A home folder of its own, and the commands run in it without anything on the PATH."""

    folder: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()

    @property
    def engine(self) -> LocalEngine:
        return LocalEngine(
            self.folder / "engine", self.port, heap_mb=512, start_timeout=START_SECONDS
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """`trailhound ARGUMENTS`, under way."""
        ours = {
            "TRAILHOUND_HOME": str(self.folder),
            "TRAILHOUND_ENGINE__PORT": str(self.port),
            "TRAILHOUND_ENGINE__HEAP_MB": "512",
            "TRAILHOUND_ENGINE__START_TIMEOUT": str(START_SECONDS),
            "PATH": "/nonexistent",
        }
        return subprocess.Popen(
            [*self.wrapper, sys.executable, "-m", "trailhound.cli.main", *arguments],
            env={**os.environ, **ours, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """`trailhound ARGUMENTS` to its end: exit code, stdout, stderr."""
        return _finish(self.begin(*arguments))

    def run_file(self) -> dict[str, Any]:
        """What is kept of the running engine."""
        content: dict[str, Any] = json.loads((self.folder / "engine" / "engine.json").read_text())
        return content


def _finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=2 * START_SECONDS)
    return process.returncode, out, err


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home without an engine; one that is left is stopped."""
    with own_port() as port:
        made = Home(tmp_path / "home", port)
        yield made
        made.engine.stop()


@dataclass
class Started(Home):
    """A home whose engine runs, started by two commands at once."""

    before: tuple[int, str, str] = (0, "", "")
    """What `status` said before."""
    ends: tuple[tuple[int, str, str], ...] = ()
    """How both commands ended."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """For tests that leave its engine running."""
    with own_port() as port:
        made = Started(tmp_path_factory.mktemp("started") / "home", port)
        made.before = made.run("status", "--json")
        both = [made.begin("up"), made.begin("up")]
        made.ends = tuple(_finish(process) for process in both)
        yield made
        made.engine.stop()


@pytest.fixture(params=["opensearch", "engine_2_19"])
def address(request: pytest.FixtureRequest) -> str:
    """Each generation's engine in turn."""
    return str(request.getfixturevalue(request.param))


def test_takes_documents_and_finds_them(address: str, namespace: str) -> None:
    client = OpenSearch(address)
    index = f"{namespace}-cloudtrail-2024.01.01"
    body = {"properties": {"requestParameters": {"type": "flat_object"}}}
    client.indices.create(index=index, body={"mappings": body})
    client.index(index=index, body={"requestParameters": {"a": {"b": "c"}}}, refresh=True)
    found = client.search(index=index, body={"query": {"term": {"requestParameters.a.b": "c"}}})
    assert found["hits"]["total"] == {"value": 1, "relation": "eq"}


def test_up_twice_at_once_down_and_up_again(started: Started) -> None:
    home = started
    code, out, _ = home.before
    before = json.loads(out)
    assert (code, before["state"], before["ready"]) == (3, "stopped", False)

    assert [code for code, _, _ in home.ends] == [0, 0], home.ends
    said = sorted(out for _, out, _ in home.ends)
    assert "is already running at" in said[0]
    assert "is ready at" in said[1]

    client = OpenSearch(home.engine.url)
    client.index(index="kept", body={"a": 1}, refresh=True)
    limit = client.cluster.get_settings(include_defaults=True, flat_settings=True)
    assert int(limit["defaults"]["cluster.max_shards_per_node"]) >= 5000
    code, out, _ = home.run("status", "--json")
    status = json.loads(out)
    assert (code, status["state"], status["ready"]) == (2, "running", False)  # before `init`
    assert status["version"] == "3.8.0"
    assert status["process"] == home.run_file()["pid"]

    settings = load(None, {"engine": {"port": home.port}})
    metrics = Metrics(lambda: None, tuple, dict)
    daemon = Endpoint("127.0.0.1:0", metrics, lambda: Health(()), identity(settings))
    daemon.start()
    home.environment["TRAILHOUND_RUN__LISTEN"] = daemon.url.removeprefix("http://")
    code, out, err = home.run("down")
    assert (code, "stopped" in out) == (0, True)
    assert f"{socket.gethostname()} {os.getpid()} runs, and is ready" in " ".join(err.split())
    daemon.close()
    machine.require_port(home.port)
    code, out, _ = home.run("down")
    assert (code, "was not running" in out) == (0, True)

    home.environment["TRAILHOUND_ENGINE__START_TIMEOUT"] = "0.1"  # waited for while its log grows
    assert home.run("up")[0] == 0
    assert OpenSearch(home.engine.url).count(index="kept")["count"] == 1


@ON_LINUX
def test_listens_on_the_loopback_address_alone(started: Started) -> None:
    pid = started.run_file()["pid"]
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            sockets.add(str(descriptor.readlink()))
    listening = [
        columns[1].split(":")
        for table in Path(f"/proc/{pid}/net").glob("tcp*")  # tcp6 where there is IPv6
        for columns in map(str.split, table.read_text().splitlines())
        if columns[3] == LISTENING and f"socket:[{columns[9]}]" in sockets
    ]
    ports = {int(port, 16) for _, port in listening}
    assert started.port in ports
    assert len(ports) == 2  # HTTP, and transport, which a node can't do without
    assert {_family_and_address(address) for address, _ in listening} == {"127.0.0.1"}


def _family_and_address(packed: str) -> str:
    """An address of `/proc/net/tcp`: words of 32 bits, each in the machine's byte order."""
    words = [bytes.fromhex(packed[at : at + 8])[::-1] for at in range(0, len(packed), 8)]
    raw = b"".join(words)
    mapped = raw[:12] == b"\0" * 10 + b"\xff\xff"
    return (
        socket.inet_ntop(socket.AF_INET, raw[12:])
        if mapped
        else socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
    )


def test_a_taken_port_is_an_error_of_one_sentence(home: Home) -> None:
    with socket.create_server((machine.LOOPBACK, home.port)):
        code, _, err = home.run("up")
    assert code == 3
    assert f"port {home.port} on 127.0.0.1 is taken" in err
    assert "TRAILHOUND_ENGINE__PORT" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("highest", [False, True])
def test_a_port_taken_since_the_look_is_one_too(home: Home, *, highest: bool) -> None:
    """The runner would take the next port without a word, or end without one if it was the
    highest."""
    home.port = node.HIGHEST_PORT if highest else home.port
    engine = home.engine
    with contextlib.ExitStack() as taken:

        def take(_config: Path) -> None:
            taken.enter_context(socket.create_server((machine.LOOPBACK, home.port)))

        engine.prepare = take
        with pytest.raises(PortInUseError, match=str(home.port)):
            engine.start()
    assert not engine.is_running


def test_jars_that_cannot_be_fetched_are_an_error_of_one_sentence(
    home: Home, tmp_path: Path
) -> None:
    nobody = f"http://127.0.0.1:{home.port}"
    (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = {nobody}\n")
    home.environment = {
        "M2_REPO": str(tmp_path / "empty"),
        "JGO_CONFIG_FILE": str(tmp_path / "jgo.conf"),
    }
    code, _, err = home.run("up")
    assert code == 3
    assert "cannot fetch" in err
    assert "--url" in err
    assert "Traceback" not in err
    assert not home.engine.is_running


def test_an_engine_that_ends_is_told_with_its_last_words(home: Home) -> None:
    engine = home.engine
    engine.settings = {"no.such.setting": 1}
    with pytest.raises(EngineStartError, match=r"unknown setting \[no\.such\.setting\]"):
        engine.start()
    assert not engine.is_running


def test_one_that_gets_nowhere_is_given_up(home: Home) -> None:
    engine = home.engine
    engine.start_timeout, engine.quiet_seconds = 0.1, 0.0
    with pytest.raises(EngineStartError, match=r"not ready within \d+ s") as raised:
        engine.start()
    assert "engine.start_timeout" in raised.value.hint
    assert not engine.is_running


def test_another_programs_process_is_never_stopped(home: Home, started: Started) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        engine = home.engine
        stale = {"pid": other.pid, "port": home.port, "version": "3.8.0"}
        engine.folder.mkdir(parents=True)
        (engine.folder / "engine.lock").touch()
        (engine.folder / "engine.json").write_text(json.dumps(stale))
        assert not engine.is_running
        assert not engine.stop()

        running, ours = started.engine, started.run_file()
        named = running.folder / "engine.json"
        named.write_text(json.dumps({**ours, "pid": other.pid}))
        with pytest.raises(EngineStartError, match="does not name its process"):
            running.stop()
        assert other.poll() is None
        named.write_text(json.dumps(ours))
        other.communicate(b"\n")


@pytest.mark.parametrize(("command", "number"), [("up", signal.SIGTERM), ("demo", signal.SIGINT)])
def test_an_interrupted_start_leaves_no_engine(
    command: str, number: signal.Signals, home: Home, tmp_path: Path
) -> None:
    """Its Java machine halts before its first step, so that no start is over by then."""
    halted, known = tmp_path / "halted", home.folder / "engine" / "engine.json"
    halting = f"-XX:+PauseAtStartup -XX:PauseAtStartupFile={halted}"
    home.environment = {"JAVA_TOOL_OPTIONS": f"{session.JVM} {halting}"}
    starting = home.begin(command)
    until(lambda: halted.exists() and known.exists(), "a start under way")
    starting.send_signal(number)
    assert _finish(starting)[0] == 130
    assert not home.engine.is_running
    machine.require_port(home.port)


def test_a_full_disk_is_told_before_the_start(tmp_path: Path) -> None:
    """On a disk of 64 MiB, which takes root to make."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False, capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("a small disk cannot be mounted here: that takes root")
    try:
        with own_port() as port, pytest.raises(DiskFullError, match="64 MiB free") as caught:
            LocalEngine(folder / "engine", port).start()
        assert "TRAILHOUND_HOME" in caught.value.hint
    finally:
        subprocess.run(["umount", folder], check=True)


def test_works_for_a_user_without_privileges() -> None:
    """As `nobody`, who may read the interpreter and the jars but writes to the home alone."""
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0 or setpriv is None:
        pytest.skip("to become another user takes root and setpriv")
    with tempfile.TemporaryDirectory(prefix="trailhound-nobody-") as folder, own_port() as port:
        os.chown(folder, NOBODY, NOBODY)
        home = Home(Path(folder), port)
        home.environment = {"HOME": "/nonexistent", "M2_REPO": str(artifacts.local_repository())}
        home.wrapper = (
            *(setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
            *("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"),
            "--bounding-set=-all,+dac_read_search",
        )
        try:
            code, _, err = home.run("up")
            assert code == 0, err
            assert Path(f"/proc/{home.run_file()['pid']}").stat().st_uid == NOBODY
        finally:
            assert home.run("down")[0] == 0
