"""Commands on a terminal of 80 columns."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from tests.helpers.processes import LONGEST, environment
from trailhound.settings import Settings

WIDTH = 80


def on_a_terminal(
    settings: Settings, *arguments: str, env: Mapping[str, str] | None = None, code: int = 0
) -> str:
    """What a command that ends with `code` shows on its standard output."""
    ours, theirs = pty.openpty()
    given = {"TERM": "dumb", "COLUMNS": str(WIDTH), **(env or {})}
    process = subprocess.Popen(
        [sys.executable, "-m", "trailhound", *arguments],
        env=environment(settings, given),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # how a terminal ends on Linux
        while part := os.read(ours, 65_536):
            shown += part
    os.close(ours)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    assert process.wait(LONGEST) == code, (arguments, said)
    return shown.decode().replace("\r\n", "\n")
