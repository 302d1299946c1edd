"""Trailhound as a process of its own, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from tests.helpers import forks
from tests.helpers.forks import CHECKOUT as CHECKOUT
from trailhound.settings import Settings

PROGRAM = (sys.executable, "-m", "trailhound.cli.main")
LONGEST = 240
"""Seconds until a command counts as hanging."""


def environment(settings: Settings, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that works under these settings."""
    kept = {name: value for name, value in os.environ.items() if "TRAILHOUND" not in name}
    return kept | {
        "TRAILHOUND_HOME": str(settings.home),
        "TRAILHOUND_NAMESPACE": settings.namespace,
        "TRAILHOUND_CLUSTER__HOSTS": json.dumps(settings.hosts),
        **more,
    }


def run(
    settings: Settings,
    *arguments: str | Path,
    stdin: bytes = b"",
    env: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[bytes]:
    """A command, run to its end; `env` is added to its environment."""
    given = [str(each) for each in arguments]
    if forks.can_run(env):
        return forks.run(given, environment(settings, env), stdin, LONGEST)
    return subprocess.run(
        [*PROGRAM, *given],
        cwd=CHECKOUT,
        env=environment(settings, env),
        input=stdin,
        capture_output=True,
        timeout=LONGEST,
        check=False,
    )


class Started(subprocess.Popen[bytes]):
    """A process whose output goes into files: it never waits until someone reads a full pipe.

    `stdout` and `stderr` are None. Where `start` was given a log, both are there and not here.
    """

    files: tuple[BinaryIO, ...] = ()

    def communicate(
        self,
        input: bytes | None = None,  # noqa: A002, ARG002 - as `Popen` names it; there is no input
        timeout: float | None = None,
    ) -> tuple[bytes, bytes]:
        """All output and all errors, once the process has ended."""
        self.wait(timeout)
        return self.written(0), self.written(1)

    def written(self, number: int) -> bytes:
        """What it has written so far: 0 for output, 1 for errors."""
        if not self.files:
            return b""
        file = self.files[number].fileno()
        # The process writes at the same offset, so that a `read` here would move it.
        return os.pread(file, os.fstat(file).st_size, 0)


class _StartedFork(Started, forks.Forked):
    pass


def start(
    settings: Settings,
    *arguments: str | Path,
    env: Mapping[str, str] = MappingProxyType({}),
    log: Path | None = None,
) -> Started:
    """A command, started; its output and errors go into files, or both into `log`."""
    given = [str(each) for each in arguments]
    files: tuple[BinaryIO, BinaryIO]
    process: Started
    with ExitStack() as ours:
        if log is not None:
            files = (ours.enter_context(log.open("ab")),) * 2
        else:  # read and closed with the process
            files = (tempfile.TemporaryFile(), tempfile.TemporaryFile())  # noqa: SIM115
        if forks.can_run(env):
            out, err = (file.fileno() for file in files)
            process = _StartedFork(given, environment(settings, env), output=(out, err))
        else:
            process = Started(
                [*PROGRAM, *given],
                cwd=CHECKOUT,
                env=environment(settings, env),
                stdin=subprocess.DEVNULL,
                stdout=files[0],
                stderr=files[1],
            )
        if log is None:
            process.files = files
            for file in files:
                weakref.finalize(process, file.close)
        return process


def printed(stdout: bytes) -> dict[str, Any]:
    """The one JSON object on stdout; anything more, or less, is an error."""
    lines = stdout.splitlines()
    assert len(lines) == 1, stdout
    value = json.loads(lines[0])
    assert isinstance(value, dict)
    return value


def identity_holds(report: Mapping[str, int]) -> bool:
    """read = indexed + duplicates + dead_lettered + filtered, of a printed object."""
    terms = ("indexed", "duplicates", "dead_lettered", "filtered")
    return report["read"] == sum(report[term] for term in terms)
