"""The progress of a command that works in stages: a bar on a terminal, lines in a pipe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from trailhound.cli.screen import err, safe

LINE_EVERY = 10.0
"""Seconds between two lines in a pipe."""

Stage = Callable[[str, int, int], None]
"""Called as a stage begins: what it does, how many are done, and how many there are in all."""


@contextmanager
def show_stages(command: str, *, line_every: float = LINE_EVERY) -> Iterator[Stage]:
    """What is under way, on stderr; a command that is done within `line_every` writes no line."""
    if err.is_terminal:
        with _bar(command) as stage:
            yield stage
    else:
        with _lines(command, line_every) as stage:
            yield stage


@contextmanager
def _bar(command: str) -> Iterator[Stage]:
    columns = [
        TextColumn(f"{command}: {{task.description}}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    ]
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def stage(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield stage


@contextmanager
def _lines(command: str, line_every: float) -> Iterator[Stage]:
    now: list[tuple[str, int, int]] = [("starting", 0, 0)]
    began, ended = time.monotonic(), threading.Event()

    def stage(what: str, done: int, total: int) -> None:
        now[0] = (what, done, total)

    def write() -> None:
        while not ended.wait(line_every):
            what, done, total = now[0]
            of = f", {done} of {total} done" if total else ""
            err.print(safe(f"{command}: {what}{of} ({time.monotonic() - began:.0f} s)"))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield stage
    finally:
        ended.set()
        writer.join()
