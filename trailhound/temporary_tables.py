"""Tables in a temporary file, for what may be more than memory holds.

SQLite's own temporary database: a file without a name in `SQLITE_TMPDIR` or `TMPDIR`, which is
written only once there is more than its cache holds, and is gone with the process.
"""

from __future__ import annotations

import sqlite3
from typing import Final

CACHE_BYTES: Final = 32 * 1024 * 1024
"""Of a database in memory; the rest is in its file."""


def temporary_tables(script: str) -> sqlite3.Connection:
    """A new database with the tables that a script makes. One thread may use it at a time.

    There are no transactions to commit: nobody else reads it, and nothing survives a crash.
    """
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for setting in (
        f"cache_size = -{CACHE_BYTES // 1024}",
        "journal_mode = OFF",
        "synchronous = OFF",
        "temp_store = FILE",
        "locking_mode = EXCLUSIVE",
    ):
        connection.execute(f"PRAGMA {setting}")
    connection.executescript(script)
    return connection
