"""A cluster of three engine processes, of which each can be killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.helpers import session
from tests.helpers.engines import START_SECONDS
from tests.helpers.ports import own_port
from tests.helpers.queues import until
from trailhound.engine import artifacts, machine
from trailhound.engine.local_engine import DEFAULT_VERSION, LOCKS, LocalEngine

HERE = Path(__file__).parent
HEAP_MB = 512
NODES = 3


class ThreeNodes:
    """The nodes, by number from 0; each has its own folder, ports and process."""

    def __init__(self, engines: list[LocalEngine]) -> None:
        self.engines = engines

    @property
    def urls(self) -> list[str]:
        """Where they listen."""
        return [engine.url for engine in self.engines]

    def start(self, *numbers: int) -> None:
        """Start these, all at the same time: a majority is needed before any of them answers."""
        with ThreadPoolExecutor(NODES) as pool:
            list(pool.map(lambda number: self.engines[number].start(), numbers))

    def kill(self, number: int) -> None:
        """Kill one without warning, and wait until its process has ended."""
        engine = self.engines[number]
        pid = engine.status().pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        until(lambda: not engine.is_running, "the end of a node")

    def end(self) -> None:
        """Kill all that run: what they hold is of no use."""
        for number, engine in enumerate(self.engines):
            if engine.is_running:
                self.kill(number)


@contextmanager
def three_nodes() -> Iterator[ThreeNodes]:
    """Started as one cluster; ended and removed afterwards."""
    with (
        TemporaryDirectory(prefix="nodes-", dir=session.folder()) as folder,
        ExitStack() as lent,
    ):
        ports = [lent.enter_context(own_port()) for _ in range(NODES)]
        transports = [lent.enter_context(own_port()) for _ in range(NODES)]
        addresses = [f"{machine.LOOPBACK}:{port}" for port in transports]
        classes = _compiled(Path(folder))
        nodes = ThreeNodes(
            [
                LocalEngine(
                    Path(folder) / f"node-{number}",
                    ports[number],
                    heap_mb=HEAP_MB,
                    start_timeout=START_SECONDS,
                    main_class="ClusterNode",
                    plugin_jars=(classes,),
                    prepare=lambda config: _write_lines(config / "cluster-nodes", addresses),
                    settings={
                        "transport.port": str(transports[number]),
                        "discovery.seed_hosts": addresses,
                    },
                )
                for number in range(NODES)
            ]
        )
        try:
            nodes.start(*range(NODES))
            yield nodes
        finally:
            nodes.end()


def _write_lines(file: Path, lines: list[str]) -> None:
    file.write_text("\n".join(lines))


def _compiled(folder: Path) -> Path:
    """The folder of the class `ClusterNode`."""
    repository, classes = folder / "repository", folder / "classes"
    jars = artifacts.fetch(
        artifacts.read_lock(LOCKS / f"opensearch-{DEFAULT_VERSION}.lock"), repository
    )
    (compiler,) = artifacts.fetch(
        artifacts.read_lock(HERE / "locks" / "ecj-3.40.0.lock"), repository
    )
    command = [artifacts.java(), "-jar", compiler, "-21", "-cp", ":".join(map(str, jars))]
    command += ["-d", classes, HERE / "ClusterNode.java"]
    subprocess.run([*map(str, command)], check=True, capture_output=True)
    return classes
