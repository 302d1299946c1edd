"""Resources of this machine for a local engine: memory, disk, a port."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from trailhound.errors import DiskFullError, PortInUseError

MIB = 1024 * 1024
LOOPBACK = "127.0.0.1"
HEAP_FLOOR_MB, HEAP_CEILING_MB = 512, 4096
CGROUP = Path("/sys/fs/cgroup")
"""Where the kernel shows a container's limits: version 2, and version 1 beneath `memory`."""


def default_heap_mb(memory: int | None = None) -> int:
    """A quarter of `memory` (bytes; default: this machine's), between 512 MiB and 4 GiB.

    >>> default_heap_mb(8 * 1024**3), default_heap_mb(1024**3), default_heap_mb(10**12)
    (2048, 512, 4096)
    """
    quarter = (usable_memory() if memory is None else memory) // 4 // MIB
    return max(HEAP_FLOOR_MB, min(HEAP_CEILING_MB, quarter))


def usable_memory(cgroup: Path = CGROUP) -> int:
    """Bytes of memory this process may use: the machine's, or its container's limit if lower."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_container_limits(cgroup)])


def _container_limits(cgroup: Path) -> list[int]:
    """The memory limits of this process's control group and of all its parents, in bytes."""
    groups = [cgroup / "memory"]
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        _, controllers, name = line.split(":", 2)
        if controllers in ("", "memory"):
            root = cgroup / controllers
            own = root / name.lstrip("/")
            groups += [own, *(each for each in own.parents if each.is_relative_to(root))]
    found = (
        _text(group / name).strip()
        for group in groups
        for name in ("memory.max", "memory.limit_in_bytes")
    )
    return [int(limit) for limit in found if limit.isdecimal()]


def require_port(port: int) -> None:
    """Raises `PortInUseError` where something listens on the loopback address already."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise port_taken(port) from error


def port_taken(port: int) -> PortInUseError:
    """The error for a port that something else listens on."""
    return PortInUseError(
        f"port {port} on {LOOPBACK} is taken by another program",
        hint=f"see which with `ss -ltnp 'sport = :{port}'` or `lsof -i :{port}`; or set another "
        "port (TRAILHOUND_ENGINE__PORT, up to 9299)",
    )


def free_port(lowest: int = 9220, highest: int = 9299) -> int:
    """A port in the range the engine accepts on which nothing listens now."""
    for port in range(lowest, highest + 1):
        try:
            require_port(port)
        except PortInUseError:
            continue
        return port
    raise PortInUseError(
        f"every port from {lowest} to {highest} on {LOOPBACK} is taken",
        hint="stop an engine you don't need",
    )


def require_disk(folder: Path, needed: int) -> None:
    """Raises `DiskFullError` where fewer than `needed` bytes are free where `folder` is or will
    be.
    """
    place = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise disk_full(folder, f"{free // MIB} MiB free, {needed // MIB} MiB needed")


def disk_full(folder: Path, detail: str) -> DiskFullError:
    """The error for a full data disk."""
    return DiskFullError(
        f"too little disk for the engine's data in {folder}: {detail}",
        hint="free disk space, or set TRAILHOUND_HOME to a folder on a larger disk",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
