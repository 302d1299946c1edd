"""The progress of a command: a bar on a terminal, a line every 10 s in a pipe, none with `-q`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from trailhound.cli.dates import span
from trailhound.cli.screen import err, is_quiet, safe

_LEAST_SHARE = 1 / 30
LINE_EVERY = 10.0
"""Seconds between two lines in a pipe."""


class Done(MofNCompleteColumn):
    """How many of how many; where nobody knows how many there are, what is done alone."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text(f"{int(task.completed):,}" if task.completed else "")
        return super().render(task)


class Stage(Protocol):
    """Called as a stage begins: what it does, how many are done, and how many there are in all (0
    where nobody knows). `share`: how much of the work that is, from 0 to 1, where the number does
    not say it; by it the time left is estimated."""

    def __call__(self, what: str, done: int, total: int, share: float | None = None, /) -> None: ...


@contextmanager
def show_stages(
    command: str, *, unit: str = "", quiet: bool = False, line_every: float = LINE_EVERY
) -> Iterator[Stage]:
    """What is under way, on stderr; a command that is done within `line_every` writes no line.

    With `unit` (`events`) what is done is counted in it, and the rate is shown.
    """
    if quiet or is_quiet():
        yield lambda _what, _done, _total, _share=None, /: None
    elif err.is_terminal:
        with _bar(command) as stage:
            yield stage
    else:
        with _lines(command, unit, line_every) as stage:
            yield stage


@contextmanager
def _bar(command: str) -> Iterator[Stage]:
    columns = [
        TextColumn(f"{command}: {{task.description}}"),
        BarColumn(bar_width=20),
        Done(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def stage(what: str, done: int, total: int, _share: float | None = None, /) -> None:
            bar.update(task, description=safe(what).plain, completed=done, total=total or None)

        yield stage


@contextmanager
def _lines(command: str, unit: str, line_every: float) -> Iterator[Stage]:
    now: list[tuple[str, int, int, float | None]] = [("starting", 0, 0, None)]
    began, ended = time.monotonic(), threading.Event()

    def stage(what: str, done: int, total: int, share: float | None = None, /) -> None:
        now[0] = (what, done, total, share)

    def write() -> None:
        while not ended.wait(line_every):
            err.print(safe(f"{command}: {_line(now[0], unit, time.monotonic() - began)}"))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        yield stage
    finally:
        ended.set()
        writer.join()


def _line(now: tuple[str, int, int, float | None], unit: str, seconds: float) -> str:
    what, done, total, share = now
    return said(what, done, total, unit, seconds, share)


def said(
    what: str, done: int, total: int, unit: str, seconds: float, share: float | None = None
) -> str:
    """What is under way, how far it is, and how long the rest takes at the rate so far; too little
    was done to tell before a thirtieth of it.

    >>> said("2025-03-01", 500, 2000, "events", 10)
    '2025-03-01, 500 of 2,000 events done, 50/s (10 s, about 30 s left)'
    >>> said("reading alerts", 2, 7, "", 4), said("starting", 0, 0, "", 10)
    ('reading alerts, 2 of 7 done (4 s, about 10 s left)', 'starting (10 s)')
    """
    text = what
    if total:
        text += f", {done:,} of {total:,} {unit}".rstrip() + " done"
    elif done and unit:
        text += f", {done:,} {unit} done"
    if unit and done and seconds:
        text += f", {done / seconds:,.0f}/s"
    part = done / total if share is None and total else share or 0.0
    known = total and _LEAST_SHARE <= part < 1
    left = f", about {span(seconds * (1 - part) / part)} left" if known else ""
    return f"{text} ({_elapsed(seconds)}{left})"


def _elapsed(seconds: float) -> str:
    """A time in which two lines differ: whole minutes alone would write the same twice.

    >>> _elapsed(10), _elapsed(70), _elapsed(3_720)
    ('10 s', '1 min 10 s', '1 h 2 min')
    """
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, over = divmod(minutes, 60)
    return f"{hours} h {over} min" if hours else f"{minutes} min {rest} s"
