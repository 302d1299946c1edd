"""What a profile compares by default: the recent time, and how much before."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

RECENT: Final = timedelta(days=1)
WEEKS: Final = 4
"""Weeks before the recent time."""
