"""A trail of two days, whose indices the tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.trails import (
    record,
    write_trail,
)


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """Two days of events, ten files each."""
    folder = tmp_path / "trail"
    for number in range(20):
        day = 1 + number // 10
        write_trail(
            folder,
            [record(eventTime=f"2025-03-0{day}T00:00:{second:02}Z") for second in range(10)],
            f"{number:03}",
        )
    return folder
