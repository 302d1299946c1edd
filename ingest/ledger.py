"""The ledger: one document for each object, shared by every worker; the checkpoint of all runs.

An object is `claimed` by a worker, then `done`, `failed` or `skipped`. A claim is valid while its
worker is active: a worker renews its own document, and one that has not for a while, or whose
process has ended on this machine, has lost its claims. So a killed run is resumed at once, and two
workers on one bucket do not read the same object twice for long; if they ever do, the `_id`s keep
the index exact, and the entry is written by the one that holds the claim.

An entry says by which criteria its object was read. It is done for a run that chooses no more.
A claim does not touch what is known of an earlier reading: an object that is given back unread, or
whose worker is killed, has its former entry.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

import msgspec
from opensearchpy import OpenSearch

from ingest.integrity.findings import AFTER, DAMAGED
from ingest.ledger_index import LedgerIndex, Stored
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.worker import Worker, WorkerRegistry
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.state.objects import (
    EVERYTHING,
    MOST_SHARED,
    Claim,
    Criteria,
    Integrity,
    ObjectState,
    SharedEvents,
    added,
    object_id,
)

__all__ = ["Ledger", "Worker", "object_id"]

LOG = logging.getLogger("trailhound.ledger")
_AT_ONCE = 256

State = Literal["done", "failed", "skipped", "archived"]


@dataclass(frozen=True, slots=True)
class _Claim:
    """A claim of this worker, as it is stored. `anew`: what was covered before is forgotten once
    the object is read."""

    stored: Stored
    entry: ObjectState
    anew: bool


@dataclass(frozen=True, slots=True)
class _Finished:
    """An entry to be written while its claim is still valid."""

    entry: ObjectState
    claim: Stored | None
    then: Callable[[], None] | None

    @property
    def identifier(self) -> str:
        return self.entry.identifier


class Ledger:
    """Claims objects, and stores their outcome."""

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
        self.wanted = wanted
        """The criteria of this run: an object that was read by narrower ones is read again."""
        self.skipped = 0
        self.ignored: Counter[str] = Counter()
        """Objects that hold something else than events, by kind, as an earlier run found."""
        self.read_again = 0
        """Objects claimed whose content had been read before, by criteria that left more out."""
        self.lost = 0
        """Objects finished here after another worker had taken over the claim."""
        self.no_more = threading.Event()
        """Set when the run is to end: it waits no longer for other workers' objects."""
        self._claims: dict[str, _Claim] = {}
        self._finished: list[_Finished] = []
        self._lock = threading.Lock()
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
        if self._pulse is not None:
            self._pulse.join()
        self.flush()
        with self._lock:
            claims, self._claims = self._claims, {}
        self._give_back(list(claims.values()))
        self._workers.deregister()

    def _keep_renewing(self) -> None:
        """Also writes finished objects, so that the ledger is nearly up to date."""
        renewed = time.monotonic()
        while not self._ended.wait(1.0):
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
        stored = self._entries.stored(group)
        alive = self.active_workers(
            {each.entry.holder for each in stored.values() if each.entry is not None}
        )
        wanted: list[tuple[TrailObject, ObjectState]] = []
        busy: list[TrailObject] = []
        actions: list[dict[str, Any]] = []
        orphaned: list[dict[str, Any]] = []
        seen: set[str] = set()
        again = 0
        for item in group:
            if len(wanted) == at_most:
                break
            identifier = object_id(item.uri)
            version = stored.get(identifier)
            entry = version.entry if version is not None else None
            if identifier in seen or self._in_flight(entry, item) or self._done(entry, item, force):
                if entry is not None and entry.is_skipped(item.etag):
                    self.ignored[entry.reason] += 1
                else:
                    self.skipped += 1
                if version is not None and self._is_orphaned(entry, alive):
                    orphaned += _given_back(identifier, version)
            elif entry is not None and entry.holder in alive:
                busy.append(item)
            else:
                again += entry is not None and not force and entry.was_read(item.etag)
                claim = self._claimed(item, entry)
                wanted.append((item, claim))
                seen.add(identifier)
                # Two workers at the same entry: the second one's write is refused.
                check: dict[str, Any] = {"_id": identifier}
                if version is not None:
                    check |= version.version
                actions += [{"create" if version is None else "index": check}, claim.document()]
        self._entries.bulk(orphaned)
        answers = self._entries.bulk(actions)
        taken: list[TrailObject] = []
        claims: dict[str, _Claim] = {}
        for (item, claim), answer in zip(wanted, answers, strict=True):
            if not answer.conflict:
                found = Stored(claim, answer.seq_no, answer.term)
            elif (ours := self._with_token(claim)) is not None:
                found = ours  # the claim was written, its reply lost
            else:
                busy.append(item)
                continue
            claims[claim.identifier] = _Claim(found, claim, anew=force)
            taken.append(item)
        with self._lock:
            self._claims |= claims
            self.read_again += again
        return taken, busy

    def _in_flight(self, entry: ObjectState | None, item: TrailObject) -> bool:
        """Whether this worker has claimed this very content already."""
        if entry is None or entry.holder != self.worker.id:
            return False
        return item.etag == (entry.claim.etag if entry.claim is not None else entry.etag)

    def _done(self, entry: ObjectState | None, item: TrailObject, force: bool) -> bool:
        return entry is not None and not force and entry.is_done_for(item.etag, self.wanted)

    def _is_orphaned(self, entry: ObjectState | None, alive: set[str]) -> bool:
        """Whether a worker that ended was to read it again, and did not."""
        claim = entry.claim if entry is not None else None
        return claim is not None and claim.worker not in alive | {self.worker.id}

    def _claimed(self, item: TrailObject, entry: ObjectState | None) -> ObjectState:
        """The entry with a claim of this worker."""
        claim = Claim(
            worker=self.worker.id,
            token=uuid.uuid4().hex,
            at=datetime.now(UTC).isoformat(),
            etag=item.etag,
        )
        start = ObjectState(uri=item.uri, etag=item.etag, state="released")
        return (entry or start).claimed(claim, item.size)

    def _with_token(self, claim: ObjectState) -> Stored | None:
        """What is stored now, if it is of this very claim."""
        found = self._entries.read([claim.identifier]).get(claim.identifier)
        if found is None or found.entry is None:
            return None
        return found if found.entry.claim_token == claim.claim_token else None

    def active_workers(self, workers: set[str]) -> set[str]:
        """Of these workers, by id, the others that are active: their claims are valid."""
        return self._workers.active(workers)

    def release(self, item: TrailObject) -> None:
        """Give up one claim, so that another worker may take it at once."""
        with self._lock:
            claim = self._claims.pop(object_id(item.uri), None)
        if claim is not None:
            self._give_back([claim])

    def _give_back(self, claims: list[_Claim]) -> None:
        """Give claims up, except those that another worker has taken over. What else was written
        to an entry meanwhile, such as a verdict on the object, stays."""
        left = [(each, each.stored) for each in claims]
        while left:
            actions: list[dict[str, Any]] = []
            for each, now in left:
                actions += _given_back(each.entry.identifier, now)
            refused = [
                each
                for (each, _), answer in zip(left, self._entries.bulk(actions), strict=True)
                if answer.conflict
            ]
            stored = self._entries.read([each.entry.identifier for each in refused])
            left = [
                (each, found)
                for each in refused
                if (found := stored.get(each.entry.identifier)) is not None
                and found.entry is not None
                and found.entry.claim_token == each.entry.claim_token
            ]

    # Reading entries.

    def reach(self) -> None:
        """One request, tried once: for commands that should fail rather than wait for the cluster.

        Raises opensearch-py's exceptions.
        """
        self._entries.ping()

    def entries(self, group: Iterable[TrailObject]) -> dict[str, ObjectState]:
        """The entries of these objects, by `uri`, whatever their content then was. Only reads.

        At most some hundreds at once.
        """
        found = self._entries.stored(list(group))
        return {each.entry.uri: each.entry for each in found.values() if each.entry is not None}

    # Writing outcomes.

    def finish(
        self, run: ObjectProgress, state: State, then: Callable[[], None] | None = None
    ) -> None:
        """Note an object as done or failed; written with the next batch of entries.

        `then()` is called once it is written, or once it is known that another worker has taken
        the claim over: then the other one's entry is left as it is.
        """
        item, counts = run.item, run.counts
        with self._lock:
            claim = self._claims.pop(object_id(item.uri), None)
        before = claim.entry if claim is not None else None
        covered: tuple[Criteria, ...] = ()
        if claim is not None and not claim.anew and claim.entry.etag == item.etag:
            covered = claim.entry.covered
        if state == "done":
            covered = added(covered, run.criteria if counts.filtered else EVERYTHING)
        entry = ObjectState(
            uri=item.uri,
            etag=item.etag,
            size=item.size,
            state=state,
            token=before.claim_token if before is not None else "",
            claimed_at=_claimed_at(before),
            finished_at=datetime.now(UTC).isoformat(),
            reason=run.fault or run.other_kind,
            covered=covered,
            bytes=run.bytes,
            sha256=run.sha256,
            shared=tuple(
                SharedEvents(object=name, events=number)
                for name, number in run.shared.most_common(MOST_SHARED)
            ),
            integrity=_judged(run) or (before.integrity if before is not None else None),
            by_folder=run.choice.by_folder if run.choice is not None else 0,
            read=counts.read,
            indexed=counts.indexed,
            duplicates=counts.duplicates,
            dead_lettered=counts.dead_lettered,
            filtered=counts.filtered,
            events_under=run.events_under,
        )
        with self._lock:
            stored = claim.stored if claim is not None else None
            self._finished.append(_Finished(entry, stored, then))
            full = len(self._finished) >= _AT_ONCE
        if full:
            self.flush()

    def flush(self) -> None:
        """Write every finished entry. Raises `ClusterError`; the entries are kept for the next
        call."""
        with self._lock:
            finished, self._finished = self._finished, []
        try:
            lost = self._write(finished)
        except BaseException:
            with self._lock:
                self._finished = finished + self._finished
            raise
        with self._lock:
            self.lost += len(lost)
        for each in lost:
            LOG.warning(
                "%s: another worker took over the claim, which was not renewed; its entry is kept",
                each.entry.uri,
            )
        for each in finished:
            if each.then is not None:
                each.then()

    def _write(self, finished: list[_Finished]) -> list[_Finished]:
        """Write entries, each over its own claim and nothing else; those whose claim is lost."""
        lost = [each for each in finished if each.claim is None]
        left = [(each, each.claim.version) for each in finished if each.claim is not None]
        while left:
            actions: list[dict[str, Any]] = []
            for each, version in left:
                action = "index" if version else "create"
                actions += [{action: {"_id": each.identifier, **version}}, each.entry.document()]
            refused = [
                each
                for (each, _), answer in zip(left, self._entries.bulk(actions), strict=True)
                if answer.conflict
            ]
            stored = self._entries.read([each.identifier for each in refused]) if refused else {}
            left = []
            for each in refused:
                now = stored.get(each.identifier)
                if now is None:
                    left.append((each, {}))  # the index was created again: nobody else has it
                elif now.entry is not None and now.entry.claim_token == each.entry.token:
                    # Ours still: a verification wrote to it.
                    entry = msgspec.structs.replace(each.entry, integrity=now.entry.integrity)
                    left.append((replace(each, entry=entry), now.version))
                elif now.entry is None or now.entry.token != each.entry.token:
                    lost.append(each)
        return lost


def _judged(run: ObjectProgress) -> Integrity | None:
    """The verdict on an object that was compared with its digest while it was read."""
    if not run.expected or run.proof == "unverified":
        return None
    return Integrity(
        verdict=run.proof,
        at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        etag=run.item.etag,
        expected=run.expected,
        found=run.sha256 or (DAMAGED if run.proof == "corrupt" else AFTER),
    )


def _claimed_at(entry: ObjectState | None) -> str | None:
    if entry is None:
        return None
    return entry.claim.at if entry.claim is not None else entry.claimed_at


def _given_back(identifier: str, now: Stored) -> list[dict[str, Any]]:
    """Gives a claim up, unless its entry was written to meanwhile."""
    assert now.entry is not None  # noqa: S101 - it has a claim
    return [{"index": {"_id": identifier, **now.version}}, now.entry.given_back().document()]
