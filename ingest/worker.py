"""A process that holds claims in the ledger, and whether another such process has ended."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from pathlib import Path

from trailhound.state.workers import WorkerState


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that claims objects. `host` and `boot` identify the machine on which `pid` is
    valid."""

    id: str
    host: str
    boot: str
    pid: int

    @classmethod
    def this(cls) -> Worker:
        return cls(uuid.uuid4().hex, socket.gethostname(), _boot_id(), os.getpid())

    def gone(self, other: WorkerState) -> bool:
        """Whether another worker's process is known to have ended."""
        if other.host != self.host or other.boot != self.boot or other.pid <= 0:
            return False
        try:
            os.kill(other.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return False


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
