"""The ledger: one document for each object, shared by every worker; the checkpoint of all runs.

An object is `claimed` by a worker, then `done`, `failed` or `skipped`. An entry says by which
criteria its object was read. It is done for a run that chooses no more.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from opensearchpy import OpenSearch

from ingest.ledger.claims import Claims
from ingest.ledger.index import LedgerIndex
from ingest.ledger.outcomes import Outcomes, State, entry_of
from ingest.ledger.worker import Worker, WorkerRegistry
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.state.criteria import EVERYTHING, Criteria
from trailhound.state.objects import ObjectState

_AT_ONCE: Final = 256


class Ledger:
    """Claims objects for one worker, and stores their outcome."""

    def __init__(
        self,
        client: OpenSearch,
        index: str,
        retry_policy: RetryPolicy,
        *,
        claim_seconds: float,
        wanted: Criteria = EVERYTHING,
    ) -> None:
        self._entries = LedgerIndex(client, index, retry_policy)
        self._retry_policy = retry_policy
        self._claim_seconds = claim_seconds
        self.worker = Worker.this()
        self._workers = WorkerRegistry(self._entries, self.worker, claim_seconds)
        self.claims: Final = Claims(self._entries, self.worker, self._workers)
        self.outcomes: Final = Outcomes(self._entries)
        self.wanted = wanted
        """The criteria of this run: an object that was read by narrower ones is read again."""
        self.no_more = threading.Event()
        """Set when the run is to end: it waits no longer for other workers' objects."""
        self._ended = threading.Event()
        self._pulse: threading.Thread | None = None

    # The worker.

    def start(self) -> None:
        """Register this worker, and keep its claims valid until `close`."""
        self._workers.renew()
        self._pulse = threading.Thread(target=self._keep_renewing, name="ledger", daemon=True)
        self._pulse.start()

    def close(self) -> None:
        """Write what is still unwritten and give up every claim that is not done."""
        self._ended.set()
        self.outcomes.due.set()
        if self._pulse is not None:
            self._pulse.join()
        self.flush()
        self.claims.release_all()
        self._workers.deregister()

    def _keep_renewing(self) -> None:
        """Also writes finished objects, so that the ledger is nearly up to date."""
        renewed = time.monotonic()
        while True:
            self.outcomes.due.wait(1.0)
            self.outcomes.due.clear()
            if self._ended.is_set():
                return
            try:
                self.flush()
                if time.monotonic() - renewed > self._claim_seconds / 4:
                    self._workers.renew()
                    renewed = time.monotonic()
            except Exception:  # noqa: BLE001 - the next flush raises it again
                if self._retry_policy.stop.is_set():
                    return

    # Claims.

    def claim(
        self, items: Iterable[TrailObject], *, force: bool = False, limit: int | None = None
    ) -> Iterator[TrailObject]:
        """Of these objects, those to read now, each claimed; at most `limit`.

        Those that `is_done_for` are skipped (not with `force`), and so are those that this worker
        has in flight, where sources overlap. Those claimed by another active worker come
        last: when it has done them they are skipped, when it ends they are taken over.
        """
        left = sys.maxsize if limit is None else limit
        waiting: list[TrailObject] = []
        items = iter(items)
        while left and (group := list(islice(items, _AT_ONCE))):
            taken, busy = self.take(group, force=force, at_most=left)
            left -= len(taken)
            waiting += busy
            yield from taken
        attempt = 0
        while left and waiting:
            if self._stopped_within(min(5.0, 0.5 * 2**attempt)):
                return
            attempt += 1
            busy_now: list[TrailObject] = []
            for start in range(0, len(waiting), _AT_ONCE):
                # The other worker has read it during this run: not again, even with `force`.
                taken, busy = self.take(
                    waiting[start : start + _AT_ONCE], force=False, at_most=left
                )
                left -= len(taken)
                busy_now += busy
                yield from taken
            waiting = busy_now

    def _stopped_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.no_more.is_set() or self._retry_policy.stop.wait(0.1):
                return True
        return False

    def take(
        self, group: list[TrailObject], *, force: bool = False, at_most: int = sys.maxsize
    ) -> tuple[list[TrailObject], list[TrailObject]]:
        """The objects claimed here, and those that another worker has; the rest are done.

        At most some hundreds at once. Once `at_most` are claimed, the rest is not looked at.
        """
        return self.claims.take(group, self.wanted, force=force, at_most=at_most)

    def release(self, item: TrailObject) -> None:
        """Give up one claim, so that another worker may take it at once."""
        self.claims.release(item)

    def active_workers(self, workers: set[str]) -> set[str]:
        """Of these workers, by id, the others that are active: their claims are valid."""
        return self._workers.active(workers)

    # Reading entries.

    def reach(self) -> None:
        """One request, tried once: for commands that should fail rather than wait for the cluster.

        Raises opensearch-py's exceptions.
        """
        self._entries.ping()

    def entries(self, group: Iterable[TrailObject]) -> dict[str, ObjectState]:
        """The entries of these objects, by `uri`, regardless of their content then. Only reads.

        At most some hundreds at once.
        """
        found = self._entries.stored(list(group))
        return {each.entry.uri: each.entry for each in found.values() if each.entry is not None}

    # Outcomes.

    def begin(self, run: ObjectProgress) -> None:
        """Note on an object that is read under a claim of this worker what its entry says of
        earlier readings."""
        claim = self.claims.held(run.item)
        if claim is not None:
            run.resumed, run.begun_before = claim.resumed, claim.begun
            run.read_before = not claim.entry.is_unread

    def finish(
        self, run: ObjectProgress, state: State, then: Callable[[], None] | None = None
    ) -> None:
        """Note an object as done or failed; written with the next batch of entries.

        `then()` is called once it is written, or once it is known that another worker has taken
        the claim over: then the other one's entry is left as it is.
        """
        claim = self.claims.pop(run.item)
        self.outcomes.add(entry_of(run, state, claim), claim, then)

    def flush(self) -> None:
        """Write every finished entry. Raises `ClusterError`; the entries are kept for the next
        call."""
        self.outcomes.flush()
