"""The progress of a command: a bar on a terminal, a line every 10 s in a pipe, none with `-q`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from trailhound.cli.dates import span
from trailhound.cli.screen import err, is_quiet, safe

_LEAST_SHARE = 1 / 30
LINE_EVERY = 10.0
"""Seconds between two lines in a pipe."""


_NARROW = 100
"""Columns of a terminal below which the time that has passed is left out for the rest."""


class Done(ProgressColumn):
    """How many of how many; where nobody knows how many there are, what is done alone."""

    def render(self, task: Task) -> Text:
        done, total = task.fields["done"], task.fields["of"]
        if total:
            return Text(f"{done:,}/{total:,}", style="progress.download")
        return Text(f"{done:,}" if done else "")


class Left(ProgressColumn):
    """How long the rest takes at the rate so far, as `_left` says it."""

    def render(self, task: Task) -> Text:
        left = _left(task.elapsed or 0.0, task.completed) if task.total else ""
        return Text(left, style="progress.remaining")


class What(ProgressColumn):
    """What is under way, cut at its end where the terminal is too narrow for it."""

    def __init__(self, command: str) -> None:
        super().__init__(Column(overflow="ellipsis", no_wrap=True, ratio=1))
        self._command = command

    def render(self, task: Task) -> Text:
        return Text(f"{self._command}: {task.description}")


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
        with bar_of(command, err) as (_, stage):
            yield stage
    else:
        with _lines(command, unit, line_every) as stage:
            yield stage


@contextmanager
def bar_of(command: str, screen: Console) -> Iterator[tuple[Progress, Stage]]:
    """A bar on a terminal, and what moves it."""
    columns = [
        What(command),
        BarColumn(bar_width=16),
        Done(),
        *([TimeElapsedColumn()] if screen.width >= _NARROW else []),
        Left(),
    ]
    with Progress(*columns, console=screen, transient=True, expand=True) as bar:
        task = bar.add_task("starting", total=None, done=0, of=0)

        def stage(what: str, done: int, total: int, share: float | None = None, /) -> None:
            bar.update(
                task,
                description=safe(what).plain,
                completed=_part(done, total, share),
                total=1.0 if total else None,
                done=done,
                of=total,
            )

        yield bar, stage


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
    left = _left(seconds, _part(done, total, share)) if total else ""
    return f"{text} ({_elapsed(seconds)}{left and f', {left}'})"


def _part(done: int, total: int, share: float | None) -> float:
    """How much of the work is done, from 0 to 1."""
    return done / total if share is None and total else share or 0.0


def _left(seconds: float, part: float) -> str:
    if not _LEAST_SHARE <= part < 1:
        return ""
    return f"about {span(seconds * (1 - part) / part)} left"


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
