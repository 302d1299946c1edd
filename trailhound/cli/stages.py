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
"""The width of a terminal below which the elapsed time is left out."""


class Done(ProgressColumn):
    """The number done of the total; only the number done if the total is not known."""

    def render(self, task: Task) -> Text:
        done, total = task.fields["done"], task.fields["of"]
        if total:
            return Text(f"{done:,}/{total:,}", style="progress.download")
        return Text(f"{done:,}" if done else "")


class Left(ProgressColumn):
    """The time left, estimated by the rate so far (`_left`)."""

    def render(self, task: Task) -> Text:
        left = _left(task.elapsed or 0.0, task.completed) if task.total else ""
        return Text(left, style="progress.remaining")


class StageColumn(ProgressColumn):
    """The name of the stage, cut if the terminal is too narrow."""

    def __init__(self, command: str) -> None:
        super().__init__(Column(overflow="ellipsis", no_wrap=True, ratio=1))
        self._command = command

    def render(self, task: Task) -> Text:
        return Text(f"{self._command}: {task.description}")


class Stage(Protocol):
    """Called as a stage begins and progresses: its name, the number done, and the total (0 if it is
    not known). `share`: the share of the work that is done, from 0 to 1, if it differs from that of
    the numbers; the time left is estimated by it."""

    def __call__(self, what: str, done: int, total: int, share: float | None = None, /) -> None: ...


@contextmanager
def show_stages(
    command: str, *, unit: str = "", quiet: bool = False, line_every: float = LINE_EVERY
) -> Iterator[Stage]:
    """Show progress on stderr; a command that ends within `line_every` seconds writes no line.

    `unit` (such as `events`) is what is counted; with it the rate is shown.
    """
    if quiet or is_quiet():
        yield lambda _what, _done, _total, _share=None, /: None
    elif err.is_terminal:
        with bar_of(command, err) as (_, stage):
            yield stage
    else:
        with lines_of(command, unit, line_every) as stage:
            yield stage


@contextmanager
def bar_of(command: str, screen: Console) -> Iterator[tuple[Progress, Stage]]:
    """A progress bar on a terminal; yields the function that updates it."""
    columns = [
        StageColumn(command),
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
def lines_of(command: str, unit: str = "", line_every: float = LINE_EVERY) -> Iterator[Stage]:
    """A line on stderr every `line_every` seconds; yields the function that updates it."""
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
    return progress_line(what, done, total, unit, seconds, share)


def progress_line(
    what: str, done: int, total: int, unit: str, seconds: float, share: float | None = None
) -> str:
    """A line of progress: the stage, how far it is, the elapsed time, and the time left at the rate
    so far, which is left out until a thirtieth of the work is done.

    >>> progress_line("2025-03-01", 500, 2000, "events", 10)
    '2025-03-01, 500 of 2,000 events done, 50/s (10 s, about 30 s left)'
    >>> progress_line("reading alerts", 2, 7, "", 4), progress_line("starting", 0, 0, "", 10)
    ('reading alerts, 2 of 7 done (4 s, about 10 s left)', 'starting (10 s)')
    >>> progress_line("joining alerts", 7, 7, "alerts", 7)
    'joining alerts, all 7 alerts done, 1/s (7 s)'
    """
    text = what
    if total:
        number = f"all {total:,}" if done >= total else f"{done:,} of {total:,}"
        text += f", {number} {unit}".rstrip() + " done"
    elif done and unit:
        text += f", {done:,} {unit} done"
    if unit and done and seconds:
        text += f", {done / seconds:,.0f}/s"
    left = _left(seconds, _part(done, total, share)) if total else ""
    return f"{text} ({_elapsed(seconds)}{left and f', {left}'})"


def _part(done: int, total: int, share: float | None) -> float:
    """The share of the work that is done, from 0 to 1."""
    return done / total if share is None and total else share or 0.0


def _left(seconds: float, part: float) -> str:
    if not _LEAST_SHARE <= part < 1:
        return ""
    return f"about {span(seconds * (1 - part) / part)} left"


def _elapsed(seconds: float) -> str:
    """An elapsed time with seconds, so that two successive lines differ.

    >>> _elapsed(10), _elapsed(70), _elapsed(3_720)
    ('10 s', '1 min 10 s', '1 h 2 min')
    """
    minutes, rest = divmod(int(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, over = divmod(minutes, 60)
    return f"{hours} h {over} min" if hours else f"{minutes} min {rest} s"
