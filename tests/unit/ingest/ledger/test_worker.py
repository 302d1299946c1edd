"""Whether the process that holds a claim is known to have ended."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ingest.ledger.worker import Worker, machine
from trailhound.state.workers import WorkerState


def as_state(worker: Worker) -> WorkerState:
    now = datetime.now(UTC)
    return WorkerState(
        id=worker.id, heartbeat=now, host=worker.host, boot=worker.boot, pid=worker.pid
    )


def test_a_process_has_ended_only_where_its_id_is_valid() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    this = Worker.this()
    other = replace(Worker.this(), pid=ended.pid)
    assert not this.gone(as_state(this))
    assert this.gone(as_state(other))
    assert not this.gone(as_state(replace(other, host="another")))
    assert not this.gone(as_state(replace(other, boot="another")))


def test_containers_with_the_hosts_name_have_process_ids_of_their_own(tmp_path: Path) -> None:
    def made(name: str, namespace: str | None) -> str:
        proc = tmp_path / name
        (proc / "sys/kernel/random").mkdir(parents=True)
        (proc / "sys/kernel/random/boot_id").write_text("one-boot\n")
        (proc / "self/ns").mkdir(parents=True)
        if namespace:
            (proc / "self/ns/pid").symlink_to(namespace)
        return machine(proc)

    one = made("one", "pid:[1]")
    assert one == made("again", "pid:[1]")
    assert len({one, made("other", "pid:[2]"), made("none", None)}) == 3
    assert machine(tmp_path / "no-proc") == ""
