"""Ports for the tests' engines and daemons: each is lent to one test of one run at a time.

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
from contextlib import ExitStack, contextmanager
from pathlib import Path

from trailhound.engine import machine
from trailhound.errors import PortInUseError

LOWEST, HIGHEST = 9220, 9299
"""The engine accepts none above."""
LOWEST_OF_DAEMONS, HIGHEST_OF_DAEMONS = 21_000, 21_999
"""Below those that a system gives to connections, any of which may be in use the next moment: on
Linux from 32,768 on."""
LENT = Path(tempfile.gettempdir()) / f"trailhound-ports-{os.getuid()}"


_kept = ExitStack()
"""What is lent until this process ends."""


def free_address() -> str:
    """A `HOST:PORT` for a daemon to listen at, and after it for another: no other test gets it as
    long as this process lives."""
    lent = _kept.enter_context(own_port(LOWEST_OF_DAEMONS, HIGHEST_OF_DAEMONS))
    return f"{machine.LOOPBACK}:{lent}"


@contextmanager
def own_port(lowest: int = LOWEST, highest: int = HIGHEST) -> Iterator[int]:
    """A port on which nothing listens, and which no other test is lent until the end.

    Any of them rather than the first: a program that knows no locks begins with the first.
    """
    LENT.mkdir(mode=0o700, exist_ok=True)
    for port in random.sample(range(lowest, highest + 1), highest + 1 - lowest):
        with (LENT / str(port)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                machine.require_port(port)
            except (BlockingIOError, PortInUseError):
                continue
            yield port
            return
    raise PortInUseError(
        f"every port from {lowest} to {highest} is taken or lent to a test",
        hint="end test runs that you don't need",
    )
