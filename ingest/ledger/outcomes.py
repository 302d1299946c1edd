"""Outcomes of objects: the entry of each that was read, written while its claim is still valid.

Entries are written some hundreds at once. One whose claim another worker has taken over meanwhile
is not written: the other one's is kept.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from ingest.integrity.findings import AFTER, DAMAGED
from ingest.ledger.claims import HeldClaim
from ingest.ledger.index import LedgerIndex, Stored
from ingest.object_progress import ObjectProgress
from trailhound.state.criteria import EVERYTHING, Criteria, add_criteria
from trailhound.state.objects import MOST_SHARED, Integrity, ObjectState, SharedEvents

LOG = logging.getLogger("trailhound.ledger")
_AT_ONCE: Final = 256
_MOST: Final = 4 * _AT_ONCE
"""Entries that may wait for the ledger's thread. Who adds more writes them itself."""

State = Literal["done", "failed", "skipped", "archived"]


def entry_of(run: ObjectProgress, state: State, claim: HeldClaim | None) -> ObjectState:
    """The entry of an object that was read now, under this claim."""
    item, counts = run.item, run.counts
    before = claim.entry if claim is not None else None
    covered: tuple[Criteria, ...] = ()
    if claim is not None and _of_same_content(claim.entry, run):
        # Of a forced reading that fails it is forgotten, so that the next run reads it again.
        covered = () if claim.anew and state != "done" else claim.entry.covered
    counted = run.criteria if counts.filtered else EVERYTHING
    if state == "done":
        covered = add_criteria(covered, counted)
    return ObjectState(
        uri=item.uri,
        etag=item.etag,
        size=item.size,
        state=state,
        token=before.claim_token if before is not None else "",
        claimed_at=_claimed_at(before),
        finished_at=datetime.now(UTC).isoformat(),
        reason=run.fault or run.other_kind,
        failed_since=_failed_since(before, item.etag) if state == "failed" else "",
        covered=covered,
        counted=counted if state == "done" and covered != (counted,) else None,
        bytes=run.bytes,
        sha256=run.sha256,
        shared=tuple(
            SharedEvents(object=name, events=number)
            for name, number in run.shared.most_common(MOST_SHARED)
        ),
        integrity=_judged(run)
        or _still_true(before.integrity if before is not None else None, item.etag, run.sha256),
        by_folder=run.choice.by_folder if run.choice is not None else 0,
        read=counts.read,
        indexed=counts.indexed,
        duplicates=counts.duplicates,
        dead_lettered=counts.dead_lettered,
        filtered=counts.filtered,
        events_under=run.events_under,
    )


def _of_same_content(entry: ObjectState, run: ObjectProgress) -> bool:
    """Whether a former reading, as far as is known, was of the content that was read now."""
    hashes = {entry.sha256, run.sha256} - {""}
    return entry.etag == run.item.etag and len(hashes) < 2


def _failed_since(before: ObjectState | None, etag: str) -> str:
    """When the last try of the same content failed for the first time; empty if it did not fail."""
    if before is None or before.state != "failed" or before.etag != etag:
        return ""
    return before.failed_since or before.finished_at or ""


def _claimed_at(entry: ObjectState | None) -> str | None:
    if entry is None:
        return None
    return entry.claim.at if entry.claim is not None else entry.claimed_at


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


def _still_true(judged: Integrity | None, etag: str, sha256: str) -> Integrity | None:
    """An earlier verdict, if it holds for the content that was read now.

    An object that was overwritten since is of an unknown verdict until the next verification: its
    events are not proved by what was in its place.
    """
    if judged is None or judged.verdict in _OF_A_PLACE:
        return judged
    if judged.verdict == "missing":
        return None
    same = judged.found == sha256 if sha256 else judged.etag == etag
    return judged if same else None


_OF_A_PLACE: Final = frozenset({"unlisted", "pending"})
"""Verdicts on where and when a file lies, whatever its content."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """An entry to be written while its claim is still valid."""

    entry: ObjectState
    claim: Stored | None
    then: Callable[[], None] | None

    @property
    def identifier(self) -> str:
        return self.entry.identifier


class Outcomes:
    """Entries of one worker. Methods raise `ClusterError`."""

    def __init__(self, entries: LedgerIndex) -> None:
        self._entries = entries
        self.lost = 0
        """Objects finished here after another worker had taken over the claim."""
        self.before: Callable[[], object] = lambda: None
        """Called before entries are written: it stores what must not be lost once an object counts
        as done. Where it raises, the entries are kept for the next call."""
        self.due = threading.Event()
        """Set once there are enough entries for a request: another thread is to `flush` them. Who
        adds them sends events, and the cluster would wait for these meanwhile."""
        self._finished: list[_Finished] = []
        self._lock = threading.Lock()

    def add(
        self, entry: ObjectState, claim: HeldClaim | None, then: Callable[[], None] | None
    ) -> None:
        """An entry for the next batch. `then()` is called once it is written, or once it is known
        that its claim is lost."""
        stored = claim.stored if claim is not None else None
        with self._lock:
            self._finished.append(_Finished(entry, stored, then))
            waiting = len(self._finished)
        if waiting >= _MOST:
            self.flush()
        elif waiting >= _AT_ONCE:
            self.due.set()

    def flush(self) -> None:
        """Write every entry. Where that fails they are kept for the next call."""
        with self._lock:
            finished, self._finished = self._finished, []
        try:
            if finished:
                self.before()
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
                    ours = each.entry
                    judged = _still_true(now.entry.integrity, ours.etag, ours.sha256)
                    entry = msgspec.structs.replace(ours, integrity=judged or ours.integrity)
                    left.append((replace(each, entry=entry), now.version))
                elif now.entry is None or now.entry.token != each.entry.token:
                    lost.append(each)
        return lost
