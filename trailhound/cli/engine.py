"""`trailhound up` and `trailhound down`: the local engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from trailhound.cli.late_imports import late_imports
from trailhound.cli.options import Config, settings_from
from trailhound.cli.screen import err, is_quiet, say, size, warn
from trailhound.cli.stages import LINE_EVERY, Stage, lines_of

with late_imports():
    from trailhound.app.health.local_daemon import ask_daemon
    from trailhound.engine.artifacts import Progress as Fetching
    from trailhound.engine.local_engine import local_engine
    from trailhound.engine.start_deadline import OnWait
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
    """Start the local engine and show on stderr what it does; `False` if it already ran."""
    engine = local_engine(settings)
    with show_start() as (fetching, starting):
        started = engine.start(fetching, waiting=starting)
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
    settings = settings_from(config)
    engine = local_engine(settings)
    daemon = None if settings.cluster.hosts else ask_daemon(settings)
    with err.status("stopping OpenSearch …"):
        stopped = engine.stop()
    result = "stopped" if stopped else "was not running"
    say(f"OpenSearch {result}; its data is in {engine.folder}")
    if stopped and daemon is not None and daemon.runs:
        warn(
            f"a daemon used it and is still there ({daemon.message} until now): it reads no new "
            "files and runs no rules before the next `trailhound up`"
        )


@contextmanager
def show_start(line_every: float = LINE_EVERY) -> Iterator[tuple[Fetching, OnWait]]:
    """What a start does: a bar and a spinner on a terminal, lines in a pipe. Yields what to call
    with the bytes of a download, of all, and what to call with what is waited for then."""
    with ExitStack() as shown:
        if is_quiet():
            yield lambda _done, _total: None, lambda _: None
        else:
            yield _on_terminal(shown) if err.is_terminal else _in_pipe(shown, line_every)


def _on_terminal(shown: ExitStack) -> tuple[Fetching, OnWait]:
    spinner = shown.enter_context(err.status("starting OpenSearch …"))
    spinner.stop()

    def starting(what: str) -> None:
        spinner.update(f"starting OpenSearch: {what} …")
        spinner.start()

    return _bar(shown), starting


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


def _in_pipe(shown: ExitStack, line_every: float) -> tuple[Fetching, OnWait]:
    current = shown.enter_context(ExitStack())  # each stage has its own elapsed time
    stages: list[Stage] = []
    waits: list[Stage] = []

    def fetching(done: int, total: int) -> None:
        if done == 0:
            err.print(f"fetching OpenSearch ({size(total)}) …")
            stages.append(current.enter_context(lines_of("fetching OpenSearch", "", line_every)))
        progress = f"{size(done)} of {size(total)}"
        stages[0](progress if done < total else f"all {size(total)} are here, checking them", 0, 0)

    def starting(what: str) -> None:
        if not waits:
            current.close()
            waits.append(current.enter_context(lines_of("starting OpenSearch", "", line_every)))
        waits[0](what, 0, 0)

    return fetching, starting
