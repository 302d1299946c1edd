"""The processes that hold claims in the ledger: this one is registered there, others may have
ended."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.ledger.index import LedgerIndex
from trailhound.state.backfills import BackfillState
from trailhound.state.document import StateDocumentError
from trailhound.state.workers import WorkerState

LOG = logging.getLogger("trailhound.ledger")


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
        return cls(uuid.uuid4().hex, socket.gethostname(), machine(), os.getpid())

    def gone(self, other: WorkerState | BackfillState) -> bool:
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


class WorkerRegistry:
    """The ledger's documents of workers. `this` is active while it renews its own more often than
    every `seconds`. Methods raise `ClusterError`."""

    def __init__(self, entries: LedgerIndex, this: Worker, seconds: float) -> None:
        self._entries = entries
        self._this = this
        self._seconds = seconds

    def renew(self) -> None:
        """Keep the claims of this worker valid."""
        state = WorkerState(
            id=self._this.id,
            heartbeat=datetime.now(UTC),
            host=self._this.host,
            boot=self._this.boot,
            pid=self._this.pid,
        )
        self._entries.bulk([{"index": {"_id": state.identifier}}, state.document()])

    def deregister(self) -> None:
        """End the claims of this worker."""
        self._entries.bulk([{"delete": {"_id": WorkerState.id_prefix + self._this.id}}])

    def active(self, workers: set[str]) -> set[str]:
        """Of these workers, by id, the others that are active."""
        workers = workers - {"", self._this.id}
        names = {WorkerState.id_prefix + worker: worker for worker in workers}
        now = datetime.now(UTC)
        alive = set()
        for name, document in (self._entries.get(list(names)) if names else {}).items():
            try:
                worker = WorkerState.parse(name, document["_source"])
            except StateDocumentError as error:
                LOG.warning("%s", error.message)
                continue
            silent = (now - worker.heartbeat).total_seconds()
            if silent < self._seconds and not self._this.gone(worker):
                alive.add(names[name])
        return alive


def machine(proc: Path = Path("/proc")) -> str:
    """What tells apart where a process id is valid: the boot and, beside containers that share the
    host's name (`hostNetwork` of Kubernetes), the namespace of process ids."""
    try:
        boot = (proc / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    try:
        return f"{boot} {(proc / 'self/ns/pid').readlink()}"
    except OSError:
        return boot
