"""Backfills in processes of their own that end by themselves, or are killed at a given request."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from typing import Any

from ingest.backfill.backfill import Backfill
from ingest.objects import Selection
from ingest.sources import open_source
from tests.helpers.processes import LONGEST
from trailhound.app.enrichment import enricher_from
from trailhound.cluster.client import connect
from trailhound.settings import Settings

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Part:
    """A selection to run. Killed at its `kill_at`-th request to the cluster, before the request is
    sent or, with `answered`, once the cluster has carried it out; -1 is never."""

    selection: Selection
    noise: tuple[str, ...] = ()
    """Event names that `filter:` drops."""
    retention: int | None = None
    kill_at: int = -1
    answered: bool = False


def run_together(settings: Settings, source: str, parts: Sequence[Part]) -> list[int]:
    """Run these at the same time; the exit code of each process: 0, or -9 where it was killed."""
    processes: list[ForkServerProcess] = []
    for part in parts:
        process = _CONTEXT.Process(target=_backfill, args=(settings, source, part))
        process.start()
        processes.append(process)
    for process in processes:
        process.join(LONGEST)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
        process.join()
    assert None not in codes, "a run did not end"
    return [code for code in codes if code is not None]


def _backfill(settings: Settings, source: str, part: Part) -> None:
    changes: dict[str, Any] = {}
    if part.noise:
        changes["filter"] = [{"eventName": list(part.noise)}]
    if part.retention is not None:
        changes["retention"] = settings.retention.model_copy(update={"days": part.retention})
    settings = settings.model_copy(update=changes)
    client = connect(settings)
    ask = client.transport.perform_request
    requests = 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal requests
        requests += 1
        number = requests
        if number == part.kill_at and not part.answered:
            os.kill(os.getpid(), signal.SIGKILL)
        reply = ask(*arguments, **named)
        if number == part.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return reply

    client.transport.perform_request = counted  # type: ignore[method-assign]
    job = Backfill(
        client, settings, enricher_from(settings, lambda _: None), selection=part.selection
    )
    job.run([open_source(source, settings)])
