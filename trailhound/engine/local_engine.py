"""The local OpenSearch engine: real, on the loopback address, without Docker or an installed JVM.

The official jars run in a process of their own that outlives the command that started it. Whether
it runs is determined by a lock on `engine.lock`, which the engine's process inherits and the system
releases when it ends: a process id that was reused by another program can't mislead.

    engine = LocalEngine(Path("/tmp/engine"), port=9220)
    engine.start()
    ...
    engine.stop()
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from trailhound.engine import artifacts, machine, node
from trailhound.engine.start_deadline import QUIET_SECONDS, OnWait, StartDeadline
from trailhound.errors import EngineStartError
from trailhound.private_files import make_private_folder
from trailhound.settings import Settings

DEFAULT_VERSION = "3.8.0"
LOCKS = Path(__file__).parent / "locks"
STOP_SECONDS = 60.0
"""An orderly end flushes every shard; it takes about 2 s with 30 indices on 2 cores."""
RED_SECONDS = 15.0
"""How long to wait for shards that make no progress before the engine counts as ready."""
POLL_SECONDS = 0.1
ROOM_MB = node.DISK_LOW + 256
"""Free disk that a start requires: with less the engine would soon reject writes."""

Health = Mapping[str, Any]


@dataclass(frozen=True)
class EngineStatus:
    """What `trailhound status` shows of the local engine."""

    state: Literal["running", "starting", "stopped"]
    url: str
    folder: Path
    log: Path
    version: str
    pid: int | None = None


@dataclass
class LocalEngine:
    """One engine with its data in `folder`, listening on `port` of the loopback address.

    `lock` names the jars (default: those of `version`). `plugins` are classes, `plugin_jars` their
    jars and `settings` lines of `opensearch.yml` to add; `prepare` is called with the node's
    configuration folder before each start; `health` asks a running engine for `_cluster/health`,
    where plain HTTP won't do; `main_class` starts the node, from the jars or from `plugin_jars`.
    After `start_timeout` a start is waited for while its logs grow, at least every `quiet_seconds`.
    """

    folder: Path
    port: int
    version: str = DEFAULT_VERSION
    heap_mb: int | None = None
    start_timeout: float = 120.0
    quiet_seconds: float = QUIET_SECONDS
    lock: Path | None = None
    plugins: tuple[str, ...] = ()
    plugin_jars: tuple[Path, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    health: Callable[[], Health | None] | None = None
    main_class: str = node.MAIN_CLASS

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{machine.LOOPBACK}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether its process runs; it may still be starting."""
        if not self._lock_file.exists():
            return False
        with self._locked() as ours:
            return ours is None

    def status(self) -> EngineStatus:
        """State, address, process. Asks the engine: takes up to 2 s if that hangs."""
        log = node.log_file(self.folder)
        if not self.is_running:
            return EngineStatus(
                state="stopped", url=self.url, folder=self.folder, log=log, version=self.version
            )
        run = self._read_run()
        port, version = run.get("port", self.port), run.get("version", self.version)
        state: Literal["running", "starting"] = "running" if self._ask() else "starting"
        url = f"http://{machine.LOOPBACK}:{port}"
        return EngineStatus(
            state=state, url=url, folder=self.folder, log=log, version=version, pid=run.get("pid")
        )

    def start(
        self,
        progress: artifacts.Progress | None = None,
        waiting: OnWait = lambda _: None,
    ) -> bool:
        """Start it and wait until it takes requests; `False` where it was running already.

        `progress` is called during the download, `waiting` once the process runs, and where it
        takes longer, with what is waited for. A second start at the same time waits for the first.
        Raises `PortInUseError`, `ArtifactsUnavailableError`, `DiskFullError` and
        `EngineStartError`; a process that was started by then is stopped again.
        """
        try:
            make_private_folder(self.folder)
        except OSError as error:
            raise EngineStartError(
                f"the engine's folder {self.folder} cannot be created: {error.strerror}",
                hint="set TRAILHOUND_HOME to a folder you may write to",
            ) from error
        spawned: list[subprocess.Popen[bytes]] = []
        try:
            while True:
                with self._locked() as descriptor:
                    if descriptor is not None:
                        self._spawn(descriptor, progress, spawned)
                        break
                if self._await_other(waiting):
                    return False
            waiting("its process runs, waiting until it answers")
            self._await_ready(spawned[0], waiting)
        except BaseException:
            # Also on Ctrl-C: an engine that nobody waits for would keep the port and the data.
            for process in spawned:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                process.kill()
                process.wait()
            raise
        return True

    def stop(self, timeout: float = STOP_SECONDS) -> bool:
        """Ask it to end (SIGTERM) and wait; `False` where it wasn't running.

        It is never killed, so that no write is lost: raises `EngineStartError` where it has not
        ended
        after `timeout` seconds, or can't be distinguished from other processes.
        """
        if not self.is_running:
            return False
        pid = self._read_run().get("pid")
        if not isinstance(pid, int) or str(self.folder) not in _command_line(pid):
            raise EngineStartError(
                f"{self._lock_file} is locked, but {self._run_file.name} does not name its process",
                hint=f"try again; else find it with `pgrep -f {self.folder}` and end it",
            )
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while self.is_running:
            if time.monotonic() > deadline:
                raise EngineStartError(
                    f"the engine (process {pid}) has not ended within {timeout:.0f} s",
                    hint=f"it may still be writing: try again, or see {node.log_file(self.folder)}",
                )
            time.sleep(POLL_SECONDS)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)  # where this very process started it
        self._run_file.unlink(missing_ok=True)
        return True

    @property
    def _lock_file(self) -> Path:
        return self.folder / "engine.lock"

    @property
    def _run_file(self) -> Path:
        return self.folder / "engine.json"

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int | None]:
        """The lock's descriptor where we got it, `None` where another process has it.

        Our own descriptor is closed at the end; a child that inherited it keeps the lock.
        """
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise EngineStartError(
                f"the engine in {self.folder} belongs to another user",
                hint="use it as that user, or set TRAILHOUND_HOME",
            ) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield descriptor
        finally:
            os.close(descriptor)

    def _spawn(
        self,
        descriptor: int,
        progress: artifacts.Progress | None,
        spawned: list[subprocess.Popen[bytes]],
    ) -> None:
        """Check what a start needs, fetch the jars, start the process with the lock.

        It is added to `spawned` at once, so that the caller ends it after any later interruption.
        """
        self._run_file.unlink(missing_ok=True)
        if self.port > node.HIGHEST_PORT:
            raise EngineStartError(
                f"the engine accepts no port above {node.HIGHEST_PORT}, and {self.port} is set",
                hint="choose a lower one (TRAILHOUND_ENGINE__PORT)",
            )
        machine.require_port(self.port)
        machine.require_disk(self.folder, ROOM_MB * machine.MIB)
        jars = artifacts.read_lock(self.lock or LOCKS / f"opensearch-{self.version}.lock")
        class_path = artifacts.fetch(jars, self.folder / "repository", progress)
        class_path += self.plugin_jars
        node.write_config(self.folder, self.settings)
        if self.prepare:
            self.prepare(node.config_folder(self.folder))
        arguments = ("-pluginTypes", ",".join(self.plugins)) if self.plugins else ()
        heap = self.heap_mb or machine.default_heap_mb()
        command = node.command(
            artifacts.java(), class_path, self.folder, self.port, heap, arguments, self.main_class
        )
        with node.console_file(self.folder).open("wb") as console:
            spawned.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=subprocess.STDOUT,
                    pass_fds=(descriptor,),
                    start_new_session=True,
                    umask=0o077,
                )
            )
        run = {"pid": spawned[0].pid, "port": self.port, "version": self.version}
        self._run_file.write_text(json.dumps(run), encoding="utf-8")

    def _deadline(self, waiting: OnWait) -> StartDeadline:
        return StartDeadline(
            self.folder,
            self.start_timeout,
            time.monotonic(),
            quiet_seconds=self.quiet_seconds,
            on_wait=waiting,
        )

    def _await_ready(self, process: subprocess.Popen[bytes], waiting: OnWait) -> None:
        """Wait until every shard is assigned; longer as long as further shards start."""
        deadline = self._deadline(waiting)
        shards, red_deadline = -1, float("inf")
        while True:
            if process.poll() is not None:
                machine.require_port(self.port)  # taken since we looked, and there was no next one
                what = f"the engine ended unexpectedly (exit code {process.returncode})"
                causes = node.causes(cast("list[str]", process.args), self.folder)
                raise node.explain(self.folder, what, causes)
            if (node.announced_port(self.folder) or self.port) != self.port:
                raise machine.port_taken(self.port)  # since we looked
            now = time.monotonic()
            if health := self._ask():
                if health["status"] != "red":
                    return
                if health["active_shards"] > shards:
                    shards, red_deadline = health["active_shards"], now + RED_SECONDS
                elif now > red_deadline:
                    return  # up, with shards that are lost: `status` shows it red
            elif deadline.is_over(now):
                raise deadline.error(now)
            time.sleep(POLL_SECONDS)

    def _await_other(self, waiting: OnWait) -> bool:
        """Wait for an engine that another process started: ready, or `False` when it is gone."""
        deadline = None
        while self.is_running:
            run = self._read_run()
            if run and run["port"] != self.port:
                raise EngineStartError(
                    f"the engine in {self.folder} already runs, on port {run['port']}, "
                    f"not {self.port}",
                    hint="stop it first (`trailhound down`), or use its port",
                )
            if run and self._ask():
                return True
            if run:  # its jars are present, so the time it may take is bounded
                deadline = deadline or self._deadline(waiting)
                if deadline.is_over(time.monotonic()):
                    what = "the engine is running but does not answer"
                    raise node.explain(self.folder, what)
            time.sleep(POLL_SECONDS)
        return False

    def _read_run(self) -> dict[str, Any]:
        """`pid`, `port` and `version` of the last start; empty where none is written yet."""
        try:
            run = json.loads(self._run_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return run if isinstance(run, dict) and {"pid", "port", "version"} <= run.keys() else {}

    def _ask(self) -> Health | None:
        """Cluster health, or `None` while it doesn't answer (or another cluster does)."""
        if self.health:
            return self.health()
        port = self._read_run().get("port", self.port)
        connection = http.client.HTTPConnection(machine.LOOPBACK, port, timeout=2)
        try:
            connection.request("GET", "/_cluster/health")
            health = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            connection.close()
        return health if health.get("cluster_name") == node.CLUSTER_NAME else None


def local_engine(settings: Settings) -> LocalEngine:
    """The engine that `trailhound up` runs: its data is kept in `<home>/engine`."""
    return LocalEngine(
        settings.home / "engine",
        settings.engine.port,
        heap_mb=settings.engine.heap_mb,
        start_timeout=settings.engine.start_timeout,
    )


def engine_status(settings: Settings) -> EngineStatus:
    """State of the engine that `trailhound up` runs. Changes nothing."""
    return local_engine(settings).status()


def _command_line(pid: int) -> str:
    """The command line of a process; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        found = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
        )
        return found.stdout.decode(errors="replace")
