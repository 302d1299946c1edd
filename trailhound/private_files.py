"""Folders and files that hold raw events are accessible to their owner only: 0700 and 0600.

What an earlier release made with the process's umask is restricted where it is found. Only what is
Trailhound's own is touched: a home that someone shares with other things keeps its mode.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

_FOR_OTHERS = 0o077
_OWN = ("engine", "spool")
_OWN_PREFIX = "demo-"
_SPOOLED = ("deadletters.", "outage-")


def make_private_folder(folder: Path) -> None:
    """The folder, made with mode 0700 where it is not there, as are those above it that are
    missing. Raises `OSError`."""
    if not folder.is_dir():
        if not folder.parent.is_dir():
            make_private_folder(folder.parent)
        with suppress(FileExistsError):  # another process was first
            folder.mkdir(mode=0o700)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file of mode 0600, with any umask. Raises `OSError`."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # another user's file, which we may only write
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & _FOR_OTHERS:
            os.fchmod(descriptor, 0o600)
    return descriptor


def tighten(home: Path, spool: Path) -> list[Path]:
    """Take group's and others' rights from the home and the spool; the paths that were changed.

    The home itself is changed where everything in it is Trailhound's own; else only what is its
    own beneath it. Links are not followed, and what belongs to another user is left as it is.
    """
    changed: list[Path] = []
    entries = _entries(home)
    own = [each for each in entries if each.name in _OWN or each.name.startswith(_OWN_PREFIX)]
    if entries and len(own) == len(entries) and home != Path.home():
        _tighten_tree(home, changed)
    for each in own:
        _tighten_tree(each, changed)
    files = _entries(spool)
    spooled = [each for each in files if each.name.startswith(_SPOOLED)]
    if spooled and len(spooled) == len(files):
        _tighten_tree(spool, changed)
    for each in spooled:
        _tighten_one(each, changed)
    return changed


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _tighten_tree(root: Path, changed: list[Path]) -> None:
    """A path and all beneath it; nothing where the path is private already, for then all is."""
    if not _tighten_one(root, changed) or not root.is_dir():
        return
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            _tighten_one(Path(folder, name), changed)


def _tighten_one(path: Path, changed: list[Path]) -> bool:
    """Whether the mode had to be changed."""
    try:
        about = path.lstat()
        mode = stat.S_IMODE(about.st_mode)
        if stat.S_ISLNK(about.st_mode) or about.st_uid != os.geteuid() or not mode & _FOR_OTHERS:
            return False
        path.chmod(mode & ~_FOR_OTHERS)
    except OSError:
        return False
    changed.append(path)
    return True
