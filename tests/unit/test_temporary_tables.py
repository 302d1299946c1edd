"""Tables in a temporary file: more than the cache holds, and what is said of a full disk."""

from __future__ import annotations

import pytest

from trailhound.errors import UnusablePathError
from trailhound.temporary_tables import TemporaryTables


def test_more_than_the_cache_holds_is_read_back_in_order() -> None:
    tables = TemporaryTables("CREATE TABLE kept (n INTEGER, text TEXT)", cache_bytes=64 * 1024)
    tables.write_many("INSERT INTO kept VALUES (?, ?)", ((n, "x" * 1000) for n in range(1000)))
    assert tables.write("DELETE FROM kept WHERE n < ?", (10,)) == 10
    found = [n for n, _ in tables.rows("SELECT n, text FROM kept ORDER BY text, n DESC")]
    assert found == list(range(999, 9, -1))
    tables.close()


def test_a_full_disk_is_named_as_such() -> None:
    tables = TemporaryTables("CREATE TABLE kept (text TEXT); PRAGMA max_page_count = 20")
    with pytest.raises(UnusablePathError, match="full") as fault:
        tables.write_many("INSERT INTO kept VALUES (?)", (("x" * 1000,) for _ in range(1000)))
    assert "TMPDIR" in fault.value.hint
