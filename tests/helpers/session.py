"""What the workers of one test session share, and how all of it ends.

A session has a folder; its name stands in the environment of every process that the session
starts, by which those that are left at the end are known.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from trailhound.engine.local_engine import LocalEngine
from trailhound.errors import EngineStartError

MARK = "PYTEST_SESSION_FOLDER"
JVM = (
    "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
    " -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
    " -XX:MetaspaceSize=256m -XX:ReservedCodeCacheSize=192m -XX:-UsePerfData"
)
"""An engine that lives for minutes at the most spends half its time on optimising its own code:
without the optimising compiler it starts with half the work. A collector that works beside the
program takes the processors from the other tests. Jars whose hashes are checked need not be
verified class by class, which is a quarter of the rest of a start. Each time that the room for
classes grew from its first 21 MiB on, the whole heap was collected: five times a start; and each
time that the room for code, 48 MiB without the optimising compiler, filled by some more. Counters
for `jstat`, which nothing here reads, are kept in a file on the disk: a twentieth of a start."""

_asked = False
"""Whether a signal has asked this process to end."""

_OF_TERMINALS = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS")
"""Variables by which rich and typer write other lines than into a pipe."""
_WITHOUT_PROXY = "127.0.0.1,localhost,::1,[::1]"
_NO_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

ROOM = 12 * 1024**3
"""What engines (five of up to 1.5 GiB at once) and their data need in memory at the most."""


def folder() -> Path | None:
    """The session's folder; `None` outside of pytest."""
    named = os.environ.get(MARK)
    return Path(named) if named else None


def watch_signals() -> None:
    """Let SIGTERM and Ctrl-C end this process's tests, also where a command that a test runs within
    the process has taken them for itself, and ended with 130: see `end_if_asked`."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _asked_to_end)


def _asked_to_end(_number: int, _frame: object) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt


def end_if_asked() -> None:
    """Raise `KeyboardInterrupt` if a signal has asked this process to end."""
    if _asked:
        raise KeyboardInterrupt


def begin() -> None:
    """Make the folder, and an environment in which nothing is of whoever runs the tests."""
    _settle_environment()
    shared = os.environ[MARK] = tempfile.mkdtemp(prefix="trailhound-tests-", dir=_memory())
    # The tests' own folders go with it; `--basetemp` keeps them.
    os.environ["PYTEST_DEBUG_TEMPROOT"] = shared
    os.environ.setdefault("JAVA_TOOL_OPTIONS", JVM)
    # Each of the session's processes would compile every module anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def _settle_environment() -> None:
    """Leave out settings and AWS logins of whoever runs the tests, and what changes the form of
    output. A proxy, which the engines' jars may need, is none for servers of the tests."""
    for name in list(os.environ):
        own = name.startswith(("TRAILHOUND_", "AWS_")) and not name.startswith("TRAILHOUND_TEST_")
        if own or name in _OF_TERMINALS:
            del os.environ[name]
    os.environ.update(_NO_AWS)
    for name in ("no_proxy", "NO_PROXY"):
        given = os.environ.get(name)
        os.environ[name] = f"{given},{_WITHOUT_PROXY}" if given else _WITHOUT_PROXY


def _memory() -> Path | None:
    """A folder in memory where there is room for the engines and their data; `None`: there isn't.

    An engine writes to the disk, and waits for it, at every index that is made or removed, which
    is much of what tests let it do: a third of their time.
    """
    folder = Path("/dev/shm")
    try:
        free = shutil.disk_usage(folder).free
        memory = dict(
            line.split()[:2] for line in Path("/proc/meminfo").read_text("ascii").splitlines()
        )
    except OSError:
        return None
    room = min(free, int(memory.get("MemAvailable:", 0)) * 1024)
    runs_code = not os.statvfs(folder).f_flag & os.ST_NOEXEC  # engines unpack libraries
    return folder if room >= ROOM and runs_code and os.access(folder, os.W_OK) else None


def end() -> None:
    """Stop its engines, kill whatever else is left of it, remove the folder."""
    shared = folder()
    if shared is None:
        return
    for run_file in sorted(shared.glob("*/**/engine.json")):
        with suppress(EngineStartError):
            LocalEngine(run_file.parent, port=0).stop(timeout=20)
    for pid in _left(shared):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(shared, ignore_errors=True)
    del os.environ[MARK]


def _left(shared: Path) -> Iterator[int]:
    """Processes that carry the session's mark, where the system shows them (`/proc`)."""
    mark = f"{MARK}={shared}".encode()
    for each in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(each.name) != os.getpid() and mark in (each / "environ").read_bytes().split(
                b"\0"
            ):
                yield int(each.name)
