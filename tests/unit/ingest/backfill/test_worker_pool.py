"""Workers of a backfill, and the signals that reach them with the whole process group."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from enrich.enricher import Enricher
from ingest.backfill import worker_pool
from ingest.backfill.request import BackfillRequest
from ingest.backfill.worker_pool import Job, WorkerPool
from trailhound.errors import SourceUnreachableError
from trailhound.settings import Settings


class Interrupted:
    """Sends signals to the process that receives it, before that process does anything."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _interrupted, (os.getpid(),)

    def __call__(self, _: str) -> None:
        """A warning."""


def _interrupted(sender: int) -> Interrupted:
    if os.getpid() != sender:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    return Interrupted()


def _no_enricher(*_: object) -> Enricher:
    raise LookupError("it started")


def test_a_worker_is_not_ended_by_a_signal_while_it_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    settings = Settings(home=tmp_path)
    job = Job(settings, BackfillRequest((str(tmp_path),)), _no_enricher, Interrupted())
    with pytest.raises(Exception, match="LookupError: it started"):
        WorkerPool(job, 2).run()
    assert "Traceback" not in capfd.readouterr().err
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before, "the parent has its own again"


@pytest.mark.parametrize("error", [SourceUnreachableError("no bucket"), LookupError("no name")])
def test_a_worker_whose_parent_was_killed_ends_without_a_word(
    error: Exception, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> Enricher:
        raise error

    theirs, ours = multiprocessing.Pipe()
    theirs.close()
    job = Job(Settings(home=tmp_path), BackfillRequest((str(tmp_path),)), fail, print)
    worker_pool._work(job, 0, 1, ours)
    assert capfd.readouterr() == ("", "")
