"""Every file beneath some folders, in an order that never changes."""

from __future__ import annotations

import os
from collections.abc import Iterator


class Walk:
    """One walk. Folders are entered once however many links lead to them; hidden ones are not.

    It is iterative, so that depth costs nothing, and names come as text, whichever bytes they have.
    """

    def __init__(self, roots: list[str]) -> None:
        """`roots` are real absolute paths of folders."""
        self._roots = roots
        self.unlisted: list[str] = []
        """Folders that could not be listed."""
        self.special = 0
        """Pipes, sockets and devices: skipped, since reading one may never end."""

    def files(self) -> Iterator[tuple[str, str]]:
        """The path as walked, and the real one behind any link. A folder's files come first."""
        entered: set[tuple[int, int]] = set()
        folders = [(root, root) for root in reversed(self._roots)]
        while folders:
            shown, real = folders.pop()
            try:
                about = os.stat(real)  # noqa: PTH116 - Path costs more than the call
                if (about.st_dev, about.st_ino) in entered:
                    continue
                entered.add((about.st_dev, about.st_ino))
                with os.scandir(real) as scan:
                    entries = sorted(scan, key=lambda entry: entry.name)
            except OSError:
                self.unlisted.append(real)
                continue
            deeper = [entry for entry in entries if _is_folder(entry)]
            for entry in entries:
                if not _is_folder(entry):
                    path = _real(real, entry)
                    if _is_readable_kind(entry):
                        yield f"{shown}/{entry.name}", path
                    else:
                        self.special += 1
            folders += [
                (f"{shown}/{entry.name}", _real(real, entry))
                for entry in reversed(deeper)
                if not entry.name.startswith(".")
            ]


def _real(folder: str, entry: os.DirEntry[str]) -> str:
    path = f"{folder}/{entry.name}"
    return os.path.realpath(path) if entry.is_symlink() else path


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to a place without permission: opening it gives the reason
        return False


def _is_readable_kind(entry: os.DirEntry[str]) -> bool:
    """A file, or a broken link: opening it gives the reason."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110
    except OSError:
        return True
