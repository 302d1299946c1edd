"""Trailhound as a process of its own, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

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


def start(
    settings: Settings,
    *arguments: str | Path,
    env: Mapping[str, str] = MappingProxyType({}),
    log: Path | None = None,
) -> subprocess.Popen[bytes]:
    """A command, started; its output waits in pipes, or goes into a file."""
    given = [str(each) for each in arguments]
    with log.open("ab") if log is not None else nullcontext() as file:
        if forks.can_run(env):
            return forks.Forked(
                given, environment(settings, env), log=None if file is None else file.fileno()
            )
        return subprocess.Popen(
            [*PROGRAM, *given],
            cwd=CHECKOUT,
            env=environment(settings, env),
            stdin=subprocess.DEVNULL,
            stdout=file or subprocess.PIPE,
            stderr=file or subprocess.PIPE,
        )


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
