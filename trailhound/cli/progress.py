"""The progress line of a backfill: on stderr, and only on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ingest.backfill.backfill import Backfill
from trailhound.cli.screen import err, size

if TYPE_CHECKING:
    from ingest.backfill.worker_pool import WorkerPool


@contextmanager
def show_progress(job: Backfill | WorkerPool, *, quiet: bool) -> Iterator[None]:
    """Objects, events and the rate of the last seconds, four times a second."""
    if quiet or not err.is_terminal:
        yield
        return
    columns = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("looking for objects", total=None)
        ended = threading.Event()

        def watch() -> None:
            last, moment = 0, time.monotonic()
            rate = 0.0
            while not ended.wait(0.25):
                now = job.snapshot()
                settled, at = now.counts.accounted, time.monotonic()
                rate += 0.3 * ((settled - last) / (at - moment) - rate)
                last, moment = settled, at
                bar.update(
                    task,
                    description=(
                        f"{now.objects:,} objects ({size(now.bytes)}), "
                        f"{now.skipped_objects:,} skipped · {settled:,} events · {rate:,.0f}/s"
                    ),
                )

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
