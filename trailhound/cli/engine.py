"""`trailhound up` and `trailhound down`: the local engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, settings_from
from trailhound.cli.screen import err, say, size
from trailhound.cli.stages import LINE_EVERY, Stage, lines_of

with late_imports():
    from trailhound.engine.artifacts import Progress as Fetching
    from trailhound.engine.local_engine import local_engine
    from trailhound.settings import Settings


def up(config: Config = None) -> None:
    """Start the local OpenSearch and wait until it is ready.

    The first start downloads OpenSearch, about 75 MB. It listens only on this machine's loopback
    address, runs in the background, and keeps its data in the home folder. If it already runs,
    nothing happens.

    Example: `trailhound up`
    """
    start_engine(settings_from(config))


def start_engine(settings: Settings) -> bool:
    """Start the local engine with a bar and a spinner on stderr; `False` if it already ran."""
    engine = local_engine(settings)
    with show_fetching() as progress, err.status("starting OpenSearch …") as spinner:
        spinner.stop()
        started = engine.start(progress, waiting=spinner.start)
    status = engine.status()
    if started:
        say(f"OpenSearch {status.version} is ready at {status.url}, its data in {status.folder}")
    else:
        say(f"OpenSearch {status.version} is already running at {status.url}")
    return started


def down(config: Config = None) -> None:
    """Stop the local OpenSearch. Its data stays.

    Example: `trailhound down`
    """
    engine = local_engine(settings_from(config))
    with err.status("stopping OpenSearch …"):
        stopped = engine.stop()
    said = "stopped" if stopped else "was not running"
    say(f"OpenSearch {said}; its data is in {engine.folder}")


@contextmanager
def show_fetching(line_every: float = LINE_EVERY) -> Iterator[Fetching]:
    """The bytes of a download, of all: a bar on a terminal while it runs, lines in a pipe."""
    with ExitStack() as shown:
        yield _bar(shown) if err.is_terminal else _lines(shown, line_every)


def _bar(shown: ExitStack) -> Fetching:
    bar = Progress(
        TextColumn("fetching OpenSearch"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
    task = bar.add_task("", total=None)
    shown.callback(bar.stop)

    def report(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        if done == 0:
            bar.start()
        if done >= total:
            bar.stop()

    return report


def _lines(shown: ExitStack, line_every: float) -> Fetching:
    stages: list[Stage] = []

    def report(done: int, total: int) -> None:
        if done == 0:
            err.print(f"fetching OpenSearch ({size(total)}) …")
            stages.append(shown.enter_context(lines_of("fetching OpenSearch", "", line_every)))
        stages[0](f"{size(done)} of {size(total)}", 0, 0)

    return report
