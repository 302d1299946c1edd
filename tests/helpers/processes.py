"""Trailhound as a process of its own, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from trailhound.settings import Settings

PROGRAM = (sys.executable, "-m", "trailhound.cli.main")
CHECKOUT = Path(__file__).parents[2]


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
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment(settings, env),
        input=stdin,
        capture_output=True,
        timeout=240,
        check=False,
    )


def start(
    settings: Settings, *arguments: str | Path, env: Mapping[str, str] = MappingProxyType({})
) -> subprocess.Popen[bytes]:
    """A command, started; its output waits in pipes."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        cwd=CHECKOUT,
        env=environment(settings, env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
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
