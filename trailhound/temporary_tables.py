"""Tables in a temporary file, for what may be more than memory holds.

SQLite's own temporary database: a file without a name in `SQLITE_TMPDIR` or `TMPDIR`, which is
written only once there is more than its cache holds, and is gone with the process.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from trailhound.errors import UnusablePathError

CACHE_BYTES: Final = 32 * 1024 * 1024
"""Of a database in memory; the rest is in its file."""


class TemporaryTables:
    """A database of one's own, with the tables that a script makes. For one thread at a time.

    There are no transactions: nobody else reads it, and nothing survives a crash. Methods raise
    `UnusablePathError` where the file cannot be written, as on a full disk.
    """

    def __init__(self, script: str, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in (
            f"cache_size = -{cache_bytes // 1024}",
            "journal_mode = OFF",
            "synchronous = OFF",
            "temp_store = FILE",
            "locking_mode = EXCLUSIVE",
        ):
            self._connection.execute(f"PRAGMA {setting}")
        self.run(script)

    def run(self, script: str) -> None:
        """Statements without values."""
        with _explained():
            self._connection.executescript(script)

    def write(self, statement: str, values: Sequence[Any]) -> int:
        """One statement; how many rows it changed."""
        with _explained():
            return self._connection.execute(statement, values).rowcount

    def write_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """One statement for each row."""
        with _explained():
            self._connection.executemany(statement, rows)

    def rows(self, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """What a query finds, as it is consumed."""
        with _explained():
            yield from self._connection.execute(query, values)

    def close(self) -> None:
        """Give up the file."""
        self._connection.close()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnusablePathError(
            f"a temporary file cannot be used: {error}",
            hint=f"check the free disk of {tempfile.gettempdir()}, or set TMPDIR",
        ) from None
