"""What a machine can spare: memory under a container's limit, a free port, disk."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from trailhound.engine import machine
from trailhound.errors import DiskFullError, PortInUseError

GIB = 1024**3


@pytest.mark.parametrize(
    ("memory", "heap"),
    [(GIB, 512), (3 * GIB, 768), (8 * GIB, 2048), (16 * GIB, 4096), (256 * GIB, 4096)],
)
def test_heap_is_a_quarter_within_bounds(memory: int, heap: int) -> None:
    assert machine.default_heap_mb(memory) == heap


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_container_limit_counts(tmp_path: Path, name: str) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / name).write_text(f"{300 * machine.MIB}\n")
    assert machine.usable_memory(tmp_path) == 300 * machine.MIB


def test_no_limit_is_the_machines_memory(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.usable_memory(tmp_path) == machine.usable_memory(tmp_path / "absent") > GIB // 4


def test_a_port_in_use_is_named() -> None:
    with socket.create_server((machine.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)) as caught:
            machine.require_port(port)
    assert "TRAILHOUND_ENGINE__PORT" in caught.value.hint
    machine.require_port(port)


def test_free_port_steps_over_one_in_use() -> None:
    with socket.create_server((machine.LOOPBACK, 0)) as server:
        first = server.getsockname()[1]
        assert first < machine.free_port(first, first + 20) <= first + 20
        with pytest.raises(PortInUseError, match=f"every port from {first} to {first}"):
            machine.free_port(first, first)
    assert 9220 <= machine.free_port() <= 9299


def test_too_little_disk_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "made" / "yet"
    machine.require_disk(folder, 1)
    with pytest.raises(DiskFullError, match="MiB free, 1048576000 MiB needed") as caught:
        machine.require_disk(folder, 1000 * 1024 * GIB)
    assert str(folder) in caught.value.message
    assert "TRAILHOUND_HOME" in caught.value.hint
