"""Claims on objects: each is read by one worker at a time.

A claim is valid while its worker is active: a worker renews its own document, and one that has not
for a while, or whose process has ended on this machine, has lost its claims. So a killed run is
resumed at once, and two workers on one bucket do not read the same object twice for long; if they
ever do, the `_id`s keep the index exact, and the entry is written by the one that holds the claim.

A claim does not touch what is known of an earlier reading: an object that is given back unread, or
whose worker is killed, has its former entry.
"""

from __future__ import annotations

import sys
import threading
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from ingest.ledger.index import LedgerIndex, Stored
from ingest.ledger.worker import Worker, WorkerRegistry
from ingest.objects import TrailObject
from trailhound.state.criteria import Criteria
from trailhound.state.objects import Claim, ObjectState, object_id


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """A claim of this worker, and how it is `stored`. `anew`: what was covered before is forgotten
    where the object cannot be read to its end. `resumed`: an earlier reading was not finished;
    `begun`: when that one's claim was made (ISO 8601), empty where it is not known."""

    stored: Stored
    entry: ObjectState
    anew: bool
    resumed: bool
    begun: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An object to be claimed: its entry with the claim, and what is stored of it. `again`: this
    content was read before."""

    item: TrailObject
    entry: ObjectState
    stored: Stored | None
    again: bool

    @property
    def resumed(self) -> bool:
        """Whether an earlier reading of it was given up, or its worker ended."""
        before = self.stored.entry if self.stored is not None else None
        return before is not None and (before.is_unread or bool(before.holder))

    @property
    def begun(self) -> str:
        """When an earlier reading of it was begun; empty where it is not known."""
        before = self.stored.entry if self.stored is not None else None
        if before is None:
            return ""
        return (before.claim.at if before.claim is not None else before.claimed_at) or ""

    def actions(self) -> list[dict[str, Any]]:
        """Of two workers at the same entry, the second one's write is refused."""
        target: dict[str, Any] = {"_id": self.entry.identifier}
        if self.stored is None:
            return [{"create": target}, self.entry.document()]
        return [{"index": target | self.stored.version}, self.entry.document()]


@dataclass(slots=True)
class _Sorted:
    """A group of objects by what is to be done with each; the rest are done."""

    wanted: list[_Wanted] = field(default_factory=list)
    busy: list[TrailObject] = field(default_factory=list)
    """Claimed by other active workers."""
    orphaned: list[Stored] = field(default_factory=list)
    """Done for this run, and claimed by a worker that ended before it had read them again."""


class Claims:
    """Those of one worker. Methods raise `ClusterError`."""

    def __init__(self, entries: LedgerIndex, worker: Worker, workers: WorkerRegistry) -> None:
        self._entries = entries
        self._worker = worker
        self._workers = workers
        self.skipped = 0
        self.ignored: Counter[str] = Counter()
        """Objects that hold something else than events, by kind, as an earlier run found."""
        self.read_again = 0
        """Objects claimed whose content had been read before, by criteria that left more out."""
        self._held: dict[str, HeldClaim] = {}
        self._lock = threading.Lock()

    def take(
        self,
        group: Sequence[TrailObject],
        criteria: Criteria,
        *,
        force: bool = False,
        at_most: int = sys.maxsize,
    ) -> tuple[list[TrailObject], list[TrailObject]]:
        """The objects claimed here, and those that another worker has; the rest are done for these
        criteria.

        At most some hundreds at once. Once `at_most` are claimed, the rest is not looked at.
        """
        stored = self._entries.stored(group)
        holders = {each.entry.holder for each in stored.values() if each.entry is not None}
        active = self._workers.active(holders)
        found = self._sort(group, stored, active, criteria, force=force, at_most=at_most)
        self._entries.bulk([part for each in found.orphaned for part in _given_back(each)])
        taken, overtaken = self._claim(found.wanted, anew=force)
        return taken, found.busy + overtaken

    def _sort(
        self,
        group: Sequence[TrailObject],
        stored: Mapping[str, Stored],
        active: set[str],
        criteria: Criteria,
        *,
        force: bool,
        at_most: int,
    ) -> _Sorted:
        """What is to be done with each object, by its entry and the workers that are active."""
        found = _Sorted()
        seen: set[str] = set()
        # An entry is claimed by one of a group at most, so they can share the claim's name.
        claim = Claim(
            worker=self._worker.id,
            token=uuid.uuid4().hex,
            at=datetime.now(UTC).isoformat(),
            etag="",
        )
        for item in group:
            if len(found.wanted) == at_most:
                break
            identifier = object_id(item.uri)
            version = stored.get(identifier)
            entry = version.entry if version is not None else None
            done = entry is not None and not force and entry.is_done_for(item.etag, criteria)
            if done or identifier in seen or self._in_flight(entry, item):
                self._skip(entry, item)
                if version is not None and self._is_orphaned(entry, active):
                    found.orphaned.append(version)
            elif entry is not None and entry.holder in active:
                found.busy.append(item)
            else:
                again = entry is not None and not force and entry.was_read(item.etag)
                found.wanted.append(_Wanted(item, _claimed(item, entry, claim), version, again))
                seen.add(identifier)
        return found

    def _in_flight(self, entry: ObjectState | None, item: TrailObject) -> bool:
        """Whether this worker has claimed this very content already."""
        if entry is None or entry.holder != self._worker.id:
            return False
        return item.etag == (entry.claim.etag if entry.claim is not None else entry.etag)

    def _skip(self, entry: ObjectState | None, item: TrailObject) -> None:
        if entry is not None and entry.is_skipped(item.etag):
            self.ignored[entry.reason] += 1
        else:
            self.skipped += 1

    def _is_orphaned(self, entry: ObjectState | None, active: set[str]) -> bool:
        """Whether a worker that ended was to read it again, and did not."""
        claim = entry.claim if entry is not None else None
        return claim is not None and claim.worker not in active | {self._worker.id}

    def _claim(
        self, wanted: Sequence[_Wanted], *, anew: bool
    ) -> tuple[list[TrailObject], list[TrailObject]]:
        """Write the claims: the objects claimed, and those where another worker was faster."""
        answers = self._entries.bulk([part for each in wanted for part in each.actions()])
        taken: list[TrailObject] = []
        overtaken: list[TrailObject] = []
        held: dict[str, HeldClaim] = {}
        for each, answer in zip(wanted, answers, strict=True):
            if not answer.conflict:
                found = Stored(each.entry, answer.seq_no, answer.term)
            elif (ours := self._with_token(each.entry)) is not None:
                found = ours  # the claim was written, its reply lost
            else:
                overtaken.append(each.item)
                continue
            held[each.entry.identifier] = HeldClaim(
                found, each.entry, anew, each.resumed, each.begun
            )
            taken.append(each.item)
        with self._lock:
            self._held |= held
            self.read_again += sum(each.again for each in wanted)
        return taken, overtaken

    def _with_token(self, claim: ObjectState) -> Stored | None:
        """What is stored now, if it is of this very claim."""
        found = self._entries.read([claim.identifier]).get(claim.identifier)
        if found is None or found.entry is None:
            return None
        return found if found.entry.claim_token == claim.claim_token else None

    def held(self, item: TrailObject) -> HeldClaim | None:
        """The claim on an object; None if this worker has none."""
        with self._lock:
            return self._held.get(object_id(item.uri))

    def pop(self, item: TrailObject) -> HeldClaim | None:
        """The claim on an object, which ends here; None if this worker has none."""
        with self._lock:
            return self._held.pop(object_id(item.uri), None)

    def release(self, item: TrailObject) -> None:
        """Give up one claim, so that another worker may take it at once."""
        claim = self.pop(item)
        if claim is not None:
            self._give_back([claim])

    def release_all(self) -> None:
        """Give up every claim."""
        with self._lock:
            claims, self._held = self._held, {}
        self._give_back(list(claims.values()))

    def _give_back(self, claims: Sequence[HeldClaim]) -> None:
        """Give claims up, except those that another worker has taken over. What else was written
        to an entry meanwhile, such as a verdict on the object, stays."""
        left = [(each, each.stored) for each in claims]
        while left:
            actions = [part for _, now in left for part in _given_back(now)]
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


def _claimed(item: TrailObject, entry: ObjectState | None, claim: Claim) -> ObjectState:
    """The entry with a claim on the object as it is now."""
    start = ObjectState(uri=item.uri, etag=item.etag, state="released")
    return (entry or start).claimed(msgspec.structs.replace(claim, etag=item.etag), item.size)


def _given_back(now: Stored) -> list[dict[str, Any]]:
    """Gives a claim up, unless its entry was written to meanwhile."""
    assert now.entry is not None  # noqa: S101 - it has a claim
    document = now.entry.without_claim().document()
    return [{"index": {"_id": now.entry.identifier, **now.version}}, document]
