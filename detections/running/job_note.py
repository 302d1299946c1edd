"""The note that the scheduled job leaves: a line on rules that lack history, and one on rules that
lack data, each if there are any."""

from __future__ import annotations

from typing import Final

HISTORY: Final = "there are events on "
"""How the line on history begins."""


def noted(history: str, data: str) -> str:
    """The note of these two lines, either of which may be empty."""
    return "\n".join(filter(None, (history, data)))


def lines_of(note: str) -> tuple[str, str]:
    """The line on history and that on data, empty if there is none.

    >>> lines_of(noted("", "2 rules find nothing")), lines_of("")
    (('', '2 rules find nothing'), ('', ''))
    """
    lines = note.splitlines()
    history = "; ".join(line for line in lines if line.startswith(HISTORY))
    return history, "; ".join(line for line in lines if not line.startswith(HISTORY))
