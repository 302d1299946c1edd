"""Ports for the tests' engines: each is lent to one test of one run at a time.

A look for a port on which nothing listens says nothing of the next second: another worker, or
another checkout's run, finds the same one, and engines take seconds to begin to listen. So a lock
on a file in the machine's temporary folder goes with each port.
"""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trailhound.engine import machine
from trailhound.errors import PortInUseError

LOWEST, HIGHEST = 9220, 9299
"""The engine accepts none above."""
LENT = Path(tempfile.gettempdir()) / f"trailhound-ports-{os.getuid()}"


@contextmanager
def own_port() -> Iterator[int]:
    """A port on which nothing listens, and which no other test is lent until the end.

    Any of them rather than the first: a program that knows no locks begins with the first.
    """
    LENT.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(range(LOWEST, HIGHEST + 1), HIGHEST + 1 - LOWEST):
        with (LENT / str(port)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                machine.require_port(port)
            except (BlockingIOError, PortInUseError):
                continue
            yield port
            return
    raise PortInUseError(
        f"every port from {LOWEST} to {HIGHEST} is taken or lent to a test",
        hint="end test runs that you don't need",
    )
