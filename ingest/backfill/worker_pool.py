"""Several processes for one backfill: each has a shard of the objects and a complete pipeline.

Objects are divided by their name's hash, so no event and no list of objects ever crosses a
process boundary: workers get the settings and send counts.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import BinaryIO

from detections.span import Span
from enrich.enricher import Enricher
from ingest.backfill.backfill import Backfill
from ingest.backfill.request import BackfillRequest
from ingest.integrity.expected import ExpectedHashes
from ingest.late_events import TakenOver
from ingest.objects import Selection, Source, TrailObject
from ingest.run_report import RunReport
from ingest.sources import open_source
from trailhound import errors
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.retry_policy import RetryPolicy, log_wait
from trailhound.errors import FoldersDeniedError, SourceError, TrailhoundError
from trailhound.internal_errors import internal_error
from trailhound.settings import Settings

_PROGRESS_EVERY = 0.25
_STOP = "stop"


@dataclass(frozen=True, slots=True)
class Job:
    """The task of each worker. The two functions must be importable by name."""

    settings: Settings
    request: BackfillRequest
    enricher_from: Callable[[Settings, Callable[[str], None]], Enricher]
    warn: Callable[[str], None]
    expected: ExpectedHashes | None = None
    named: Sequence[Span] = ()
    """As for `TakenOver`."""


class Shard:
    """The objects of a source that one worker reads."""

    def __init__(self, source: Source, shard: int, of: int) -> None:
        self._source = source
        self._shard = shard
        self._of = of

    @property
    def ignored(self) -> Mapping[str, int]:
        """Each worker lists all objects; only the first one counts these."""
        return self._source.ignored if self._shard == 0 else {}

    @property
    def uri_prefix(self) -> str | None:
        """With what the names of all its objects begin, where that is known."""
        prefix: str | None = getattr(self._source, "uri_prefix", None)
        return prefix

    def objects(self, selection: Selection) -> Iterator[TrailObject]:
        try:
            for item in self._source.objects(selection):
                if self._mine(item.uri):
                    yield item
        except FoldersDeniedError:
            if self._shard == 0:  # reported once, as what is ignored is counted once
                raise

    def open(self, item: TrailObject) -> BinaryIO:
        return self._source.open(item)

    def head(self, item: TrailObject, size: int) -> bytes:
        return self._source.head(item, size)

    def _mine(self, uri: str) -> bool:
        return int.from_bytes(hashlib.sha256(uri.encode()).digest()[:8]) % self._of == self._shard


@dataclass(frozen=True, slots=True)
class _Wait:
    """A worker waits for the cluster."""

    seconds: float
    reason: str


class _Waits:
    """The waits of a worker that are not sent to its parent yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._new: list[_Wait] = []

    def add(self, seconds: float, reason: str) -> None:
        with self._lock:
            self._new.append(_Wait(seconds, reason))

    def taken(self) -> list[_Wait]:
        with self._lock:
            taken, self._new = self._new, []
        return taken


class WorkerPool:
    """`workers` processes; from outside it looks like one `Backfill`."""

    def __init__(self, job: Job, workers: int) -> None:
        self._job = job
        self._workers = workers
        self._reports: dict[int, RunReport] = {}
        self._lines: list[Connection] = []
        self._stopping = False
        self._said_until = 0.0
        """When the wait ends that was logged last: those beside it are for the same cluster."""

    def stop(self) -> None:
        """Have every worker read no further object, also those that are not started yet."""
        self._stopping = True
        for line in self._lines:
            _send_stop(line)

    def snapshot(self) -> RunReport:
        """The sum of the workers' last reports."""
        return _sum(list(self._reports.values()))

    def run(self) -> RunReport:
        """Start the workers and wait for all. Raises the first error of any of them."""
        started = time.monotonic()
        context = multiprocessing.get_context("spawn")
        processes: list[SpawnProcess] = []
        for shard in range(self._workers):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(self._job, shard, self._workers, theirs), name=f"worker-{shard}"
            )
            with _signals_held():
                process.start()
            theirs.close()
            processes.append(process)
            self._lines.append(ours)
            if self._stopping:
                _send_stop(ours)
        failure = self._listen()
        for process in processes:
            process.join()
        if failure is not None:
            raise failure
        report = self.snapshot()
        report.seconds = time.monotonic() - started
        report.counts.check("the run")
        return report

    def _listen(self) -> TrailhoundError | None:
        """Receive reports until every worker has ended."""
        failure: TrailhoundError | None = None
        open_lines = dict(enumerate(self._lines))
        finished: set[int] = set()
        while open_lines:
            for line in wait(list(open_lines.values())):
                shard = next(key for key, value in open_lines.items() if value is line)
                try:
                    received = open_lines[shard].recv()
                except (EOFError, OSError):
                    del open_lines[shard]
                    if shard not in finished:
                        failure = failure or TrailhoundError(
                            f"worker {shard} ended without a report (killed, or out of memory)",
                            hint="run the same command again to resume",
                        )
                        self.stop()
                    continue
                if isinstance(received, RunReport):
                    self._reports[shard] = received
                elif isinstance(received, _Wait):
                    self._log(received)
                elif received is None:
                    finished.add(shard)
                else:
                    finished.add(shard)
                    failure = failure or _error(*received)
                    self.stop()
        return failure

    def _log(self, wait: _Wait) -> None:
        now = time.monotonic()
        if wait.seconds >= 1 and now >= self._said_until:
            self._said_until = now + wait.seconds
            log_wait(wait.seconds, wait.reason)


@contextmanager
def _signals_held() -> Iterator[None]:
    """Within, signals that end a command wait. A process that is started inherits this for good:
    Ctrl-C reaches the whole process group, from a worker's first moment on, while it is the
    parent that asks its workers to stop.
    """
    resource_tracker.ensure_running()  # whose start, part of that of a process, ends the wait
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send_stop(line: Connection) -> None:
    with suppress(OSError):  # it has ended already
        line.send(_STOP)


def _sum(reports: list[RunReport]) -> RunReport:
    total = RunReport()
    for report in reports:
        total.add(report)
    return total


def _error(kind: str, message: str, hint: str) -> TrailhoundError:
    """An error of another process, recreated."""
    made = getattr(errors, kind, TrailhoundError)
    return made(message, hint=hint)


def _work(job: Job, shard: int, of: int, line: Connection) -> None:
    """The main function of a worker process; `_signals_held` for all of it."""
    result: RunReport | tuple[str, str, str]
    try:
        with cluster_errors(job.settings):
            result = _run(job, shard, of, line)
    except TrailhoundError as error:
        result = type(error).__name__, error.message, error.hint
    except Exception as error:  # noqa: BLE001 - sent to the parent, which raises it
        fault = internal_error(error)
        result = "TrailhoundError", fault.message, fault.hint
    with suppress(BrokenPipeError):  # the parent has ended
        line.send(result)
        if isinstance(result, RunReport):
            line.send(None)


def _run(job: Job, shard: int, of: int, line: Connection) -> RunReport:
    settings, request = job.settings, job.request
    waits = _Waits()
    limit = None if request.limit is None else len(range(shard, request.limit, of))
    backfill = Backfill(
        connect(settings),
        settings,
        job.enricher_from(settings, job.warn if shard == 0 else _silent),
        selection=request.selection,
        force=request.force,
        limit=limit,
        retry_policy=RetryPolicy(settings.ingest.give_up_after, on_wait=waits.add),
        expected=job.expected,
        late=TakenOver(lambda: job.named),
        store_late=True,
    )
    ended = threading.Event()
    threads = [
        threading.Thread(target=_send_progress, args=(backfill, waits, line, ended), daemon=True),
        threading.Thread(target=_wait_for_stop, args=(backfill, line), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        sources = [open_source(text, settings) for text in request.sources]
        return backfill.run([Shard(source, shard, of) for source in sources])
    except SourceError:
        ended.set()
        threads[0].join()
        with suppress(OSError):
            line.send(backfill.snapshot())  # what was read before it
        raise
    finally:
        ended.set()
        threads[0].join()


def _send_progress(
    backfill: Backfill, waits: _Waits, line: Connection, ended: threading.Event
) -> None:
    while not ended.wait(_PROGRESS_EVERY):
        try:
            line.send(backfill.snapshot())
            for each in waits.taken():
                line.send(each)
        except OSError:
            return


def _wait_for_stop(backfill: Backfill, line: Connection) -> None:
    """Stop when the parent says so, or has ended."""
    with suppress(EOFError, OSError):
        line.recv()
    backfill.stop()


def _silent(_: str) -> None:
    """The first worker's warnings are enough."""
