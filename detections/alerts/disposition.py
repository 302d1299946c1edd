"""The dispositions of closed alerts."""

from __future__ import annotations

from typing import Final, Literal

Disposition = Literal["true-positive", "false-positive", "benign", "duplicate"]
DISPOSITIONS: Final[tuple[Disposition, ...]] = (
    *("true-positive", "false-positive", "benign", "duplicate"),
)
"""`benign`: the rule was right, but the activity was intended."""
HARMLESS: Final[tuple[Disposition, ...]] = ("false-positive", "benign", "duplicate")
"""Those of alerts that say nothing about an intruder."""
