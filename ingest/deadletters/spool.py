"""The spool: a file of this machine for records that even the dead-letter index rejects.

Each line is a JSON object with the `id` of its dead letter, and each id occurs once. Several
processes may append, under a lock of the folder. A write that fails leaves the file unchanged, so
that no torn line is ever followed by a complete one.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson

from trailhound.errors import SpoolError
from trailhound.private_files import make_private_folder, open_private

SPOOL_FILE = "deadletters.jsonl"


class _Line(msgspec.Struct):
    id: str = ""
    dismissed: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(slots=True)
class SpoolCount:
    """The lines of a spool file: those that wait to be retried, and those that were dismissed."""

    waiting: int = 0
    dismissed: int = 0


def count_spooled(folder: Path) -> SpoolCount:
    """Count the lines of the spool file of a folder; none without a file. A line that a crash cut
    off waits. Raises `OSError`."""
    found = SpoolCount()
    try:
        with (folder / SPOOL_FILE).open("rb") as lines:
            for line in lines:
                if _is_dismissed(line):
                    found.dismissed += 1
                else:
                    found.waiting += 1
    except FileNotFoundError:
        pass
    return found


def _is_dismissed(line: bytes) -> bool:
    try:
        return bytes(msgspec.json.decode(line, type=_Line).dismissed) != b"null"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


class Spool:
    """The spool file of a folder. Both are created at the first write, readable only by the
    owner."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / SPOOL_FILE
        self._lock = threading.Lock()
        self._ids: set[str] = set()
        self._read_to = 0
        self._inode = 0
        self._torn = False
        """The last line was cut off by a crash: it gets its end before another one follows."""

    def append(self, identifier: str, line: bytes) -> bool:
        """Write a line, unless the file has one with this id. Returns whether it was written.

        Raises `SpoolError` if the file cannot be written; it is then unchanged.
        """
        try:
            with self._lock, self._exclusive():
                descriptor = open_private(self.file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
                try:
                    return self._append(descriptor, identifier, line)
                finally:
                    os.close(descriptor)
        except OSError as error:
            raise self._error(error) from error

    def rotate(self, to: Path) -> bool:
        """Rename the file, so that a new one is begun. Returns False if there is none.

        If a file of that name exists, the lines are appended to it, perhaps with letters that it
        has already.

        Raises `SpoolError`.
        """
        try:
            if not self.file.exists():
                return False
            with self._lock, self._exclusive():
                if to.exists():
                    descriptor = open_private(to, os.O_WRONLY | os.O_APPEND)
                    with os.fdopen(descriptor, "ab") as kept:
                        kept.write(b"\n" + self.file.read_bytes())
                    self.file.unlink()
                else:
                    self.file.replace(to)
        except OSError as error:
            raise self._error(error) from error
        return True

    def letters(self) -> Iterator[dict[str, Any]]:
        """The letters of the file, without the lines that a crash cut off.

        Raises `SpoolError` if the file cannot be read.
        """
        try:
            with self.file.open("rb") as lines:
                for line in lines:
                    letter = _letter(line)
                    if letter is not None:
                        yield letter
        except FileNotFoundError:
            return
        except OSError as error:
            raise SpoolError(
                f"the spool {self.file} cannot be read: {error.strerror}",
                hint="check its permissions",
            ) from error

    def rewrite(self, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> int:
        """Replace each letter by what `change` returns of it: None removes it, and the same object
        leaves its line as it is. Lines that a crash cut off stay. Returns how many were changed.

        Raises `SpoolError` if the file cannot be written; it is then unchanged.
        """
        part = self.file.with_suffix(".rewriting")
        changed = 0
        try:
            if not self.file.exists():
                return 0
            with self._lock, self._exclusive():
                descriptor = open_private(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                with self.file.open("rb") as lines, os.fdopen(descriptor, "wb") as written:
                    for line in lines:
                        after = _changed(line, change)
                        changed += after is not line
                        written.write(after)
                    written.flush()
                    os.fsync(written.fileno())
                part.replace(self.file)
        except FileNotFoundError:  # a retry has taken it meanwhile
            return 0
        except OSError as error:
            raise self._error(error) from error
        return changed

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """The folder's lock, which other processes use too."""
        make_private_folder(self.file.parent)
        descriptor = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)  # which releases the lock

    def _append(self, descriptor: int, identifier: str, line: bytes) -> bool:
        about = os.fstat(descriptor)
        if about.st_ino != self._inode or about.st_size < self._read_to:
            self._ids, self._read_to, self._inode = set(), 0, about.st_ino
            self._torn = False
        self._read_ids(descriptor, about.st_size)
        if identifier in self._ids:
            return False
        content = (b"\n" if self._torn else b"") + line + b"\n"
        try:
            written = 0
            while written < len(content):
                written += os.write(descriptor, content[written:])
        except OSError:
            os.ftruncate(descriptor, about.st_size)
            raise
        self._ids.add(identifier)
        self._read_to, self._torn = about.st_size + len(content), False
        return True

    def _read_ids(self, descriptor: int, size: int) -> None:
        """Learn the ids of what was appended since the last look."""
        if self._read_to == size:
            return
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(self._read_to)
            last = b"\n"
            for last in file:
                try:
                    self._ids.add(msgspec.json.decode(last, type=_Line).id)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue  # a line that a crash has cut off
        self._read_to, self._torn = size, not last.endswith(b"\n")

    def _error(self, error: OSError) -> SpoolError:
        return SpoolError(
            f"the spool {self.file} cannot be written: {error.strerror or type(error).__name__}",
            hint="free disk space or fix its permissions, or set ingest.spool to another folder; "
            "until then these records stay at their source",
        )


def _letter(line: bytes) -> dict[str, Any] | None:
    try:
        letter = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return letter if isinstance(letter, dict) and "id" in letter else None


def _changed(line: bytes, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> bytes:
    """The line after a change; the same object where it stays."""
    letter = _letter(line)
    after = None if letter is None else change(letter)
    if after is letter:
        return line
    return b"" if after is None else orjson.dumps(after) + b"\n"
