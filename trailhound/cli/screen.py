"""What people see: colour on a terminal alone, hostile text made harmless, errors in two lines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trailhound.errors import TrailhoundError

_PIPED_WIDTH = 160
"""Of tables that go into a file or another program: there is no edge to break them at."""

out = Console(
    highlight=False,
    soft_wrap=True,
    width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH,
)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def safe(text: object) -> Text:
    """Text from an event, a key or a cluster: no markup, no control characters.

    >>> safe("[red]a\\x1b[2Jb").plain
    '[red]a\\\\x1b[2Jb'
    """
    return Text(str(text).translate(_CONTROLS))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A plain table. A column whose name starts with `#` holds numbers and is set right; one named
    `id` holds what people copy, and is never cut."""
    made = Table(title=title or None, box=None, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(
            column.removeprefix("#"),
            justify="right" if column.startswith("#") else "left",
            no_wrap=column == "id",
        )
    for row in rows:
        made.add_row(*(safe(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row))
    return made


def say(text: str) -> None:
    """A line for people, without markup of its own."""
    out.print(safe(text))


def warn(text: str) -> None:
    """A line on stderr that stops nothing."""
    err.print(Text("warning: ", style="yellow") + safe(text))


def fail(error: TrailhoundError) -> None:
    """An error's two sentences: what happened, what to do."""
    for number, line in enumerate(error.message.splitlines() or [""]):
        err.print((Text("error: ", style="bold red") if number == 0 else Text()) + safe(line))
    if error.hint:
        err.print(Text("  try: ", style="cyan") + safe(error.hint))


def emit(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(json.dumps(value) + "\n")


def size(number: float) -> str:
    """Bytes for people.

    >>> size(1536)
    '1.5 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def plural(number: int, noun: str) -> str:
    """>>> plural(1, "object"), plural(2000, "object")
    ('1 object', '2,000 objects')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
