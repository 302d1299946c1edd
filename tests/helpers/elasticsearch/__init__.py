"""Real Elasticsearch nodes for the tests, from Maven artifacts alone, on the packaged JVM.

Their jars (Elastic License 2.0, AGPL, SSPL) are for tests only: nothing of them ships, and no
command of the product fetches them. What is not published as an artifact is not tried: painless,
reindex and update by query, ILM, security, `wildcard` fields, Kibana.
"""

from __future__ import annotations

import ctypes.util
import fcntl
import http.client
import json
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.helpers import session
from tests.helpers.ports import own_port
from trailhound.engine import artifacts, machine

HERE = Path(__file__).parent
LOCKS = HERE.parent / "locks"
VERSIONS = ("8.19.21", "9.5.3")
HEAP_MB = 512
START_SECONDS = 240
_MODULE = "transport-netty4"
_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


@dataclass(frozen=True)
class Elasticsearch:
    """One node with its data in `folder`, listening on `port` of the loopback address."""

    folder: Path
    port: int
    version: str
    heap_mb: int = HEAP_MB

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{machine.LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder / "console.log"

    def start(self) -> subprocess.Popen[bytes]:
        """Start it and wait until it answers. Raises `RuntimeError` with its last lines."""
        class_path = self._prepare()
        with self.log.open("wb") as console:
            process = subprocess.Popen(
                [
                    str(artifacts.java()),
                    f"-Xmx{self.heap_mb}m",
                    f"-Djava.io.tmpdir={self.folder / 'tmp'}",
                    "-Des.distribution.type=zip",
                    "-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false",
                    f"-Des.path.home={self.folder}",
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    class_path,
                    "Launcher",
                    str(self.folder),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait()
                said = self.log.read_text("utf-8", "replace")[-2_000:]
                raise RuntimeError(f"Elasticsearch {self.version} did not start:\n{said}")
            time.sleep(0.2)
        return process

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(machine.LOOPBACK, self.port, timeout=2)
        try:
            connection.request("GET", "/_cluster/health")
            return json.loads(connection.getresponse().read()).get("status") in ("green", "yellow")
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()

    def _prepare(self) -> str:
        """Lay out the node's home and compile the launcher. The class path."""
        module = self.folder / "modules" / _MODULE
        native = self.folder / "lib" / "platform" / "linux-x64"
        for each in (self.folder / "config", module, native, self.folder / "tmp"):
            each.mkdir(parents=True, exist_ok=True)
        class_path: list[str] = []
        jars = artifacts.read_lock(LOCKS / f"elasticsearch-{self.version}.lock")
        for jar, path in zip(jars, artifacts.fetch(jars, self.folder / "repository"), strict=True):
            if jar.artifact == _MODULE:
                (module / "plugin-descriptor.properties").write_text(_descriptor(path))
            if jar.artifact == _MODULE or jar.group == "io.netty":
                shutil.copy(path, module)
            else:
                class_path.append(str(path))
        compiler = artifacts.read_lock(LOCKS / "ecj-3.40.0.lock")
        (ecj,) = artifacts.fetch(compiler, self.folder / "repository")
        classes = self.folder / "classes"
        compile_launcher = [artifacts.java(), "-jar", ecj, "-21", "-cp", ":".join(class_path)]
        launcher = HERE / "Launcher.java"
        subprocess.run(
            [*map(str, compile_launcher), "-d", str(classes), str(launcher)],
            check=True,
            capture_output=True,
        )
        zstd = ctypes.util.find_library("zstd") or "libzstd.so.1"
        for place in (Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib64"), Path("/usr/lib")):
            link = native / "libzstd.so"
            if (place / zstd).exists() and not link.exists():
                link.symlink_to(place / zstd)
        settings = {
            "cluster.name": "trailhound",
            "network.host": machine.LOOPBACK,
            "http.port": self.port,
            "transport.port": "9300-9400",
            "discovery.type": "single-node",
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "cluster.max_shards_per_node": 20_000,
            # The serial collector of the tests frees memory only when the heap is nearly full, and
            # by default requests are refused before.
            "indices.breaker.total.use_real_memory": False,
        }
        config = self.folder / "config"
        (config / "elasticsearch.yml").write_text(yaml.safe_dump(settings), "utf-8")
        (config / "log4j2.properties").write_text(_LOGGING, "utf-8")
        return ":".join([*class_path, str(classes)])


def _descriptor(jar: Path) -> str:
    """The module's descriptor, to be loaded from its jars and not as a Java module."""
    with zipfile.ZipFile(jar) as archive:
        text = archive.read(f"META-INF/es-plugins/{_MODULE}/plugin-descriptor.properties").decode()
    return "\n".join(line for line in text.splitlines() if not line.startswith("modulename="))


@contextmanager
def session_elasticsearch(version: str) -> Iterator[str]:
    """The address of the session's node of a version, which all workers share.

    `TRAILHOUND_TEST_ELASTICSEARCH_8` or `…_9` (an address) names one that runs already.
    """
    given = os.environ.get(f"TRAILHOUND_TEST_ELASTICSEARCH_{version.split('.')[0]}")
    if given:
        yield given
        return
    shared = session.folder()
    folder = Path(tempfile.mkdtemp(prefix="elasticsearch-", dir=shared))
    if shared is None:
        raise RuntimeError("an Elasticsearch for tests is started within a pytest session only")
    address = shared / f"elasticsearch-{version}.url"
    with ExitStack() as ours:
        with (shared / f"elasticsearch-{version}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not address.exists():
                port = ours.enter_context(own_port())
                node = Elasticsearch(folder, port, version)
                node.start()  # it ends with the session
                address.write_text(node.url)
        yield address.read_text()
