"""The result of every document of a batch: indexed, a duplicate, or in the dead letters.

A fault of the cluster makes the run wait or stop, and no result is recorded. Only a fault of the
document itself leads to its repair, and only a repair that fails leads to the dead letters.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.bulk.batch import Batch, make_head
from ingest.bulk.conflicts import (
    Conflicts,
    history_object,
    object_in,
    same_event,
    same_record,
    written_by_us,
)
from ingest.bulk.days import Days
from ingest.bulk.replies import INDEXED, Disposition, Reply, day_block
from ingest.bulk.sender import Sender
from ingest.bulk.stored_records import StoredRecords
from ingest.bulk.unanswered import Unanswered
from ingest.deadletters.store import DeadLetter, DeadLetters
from ingest.documents.document_id import conflict_id
from ingest.object_progress import ObjectProgress, Term
from ingest.objects import is_history
from ingest.repair.record import repair
from trailhound.batching import batched
from trailhound.cluster.refusals import refused_item
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.errors import RecordError

_COMPARED_AT_ONCE = 500
_MAX_REPAIR_LEVEL = 2
_MAX_RETRIES_OF_500 = 6
"""Tries of a document that gets a 500 while others succeed; then it counts as rejected."""


@dataclass(slots=True)
class BulkResultStats:
    """Documents that needed more than sending."""

    repaired: int = 0
    conflicts: int = 0


class BulkResultHandler:
    """Sends batches and records each document's result with its object."""

    def __init__(
        self,
        sender: Sender,
        conflicts: Conflicts,
        days: Days,
        deadletters: DeadLetters,
        retry_policy: RetryPolicy,
        stored: StoredRecords | None = None,
    ) -> None:
        self._sender = sender
        self._conflicts = conflicts
        self._days = days
        self._deadletters = deadletters
        self._retry_policy = retry_policy
        self._stored = stored if stored is not None else StoredRecords()
        self._unanswered = Unanswered()
        self.stats = BulkResultStats()

    def process(self, batch: Batch) -> None:
        """Send a batch until each of its documents has a result, and then those of its copies that
        are not known to be stored by now."""
        attempt, since = 0, 0.0
        copies = batch.copies
        while batch.heads:
            self._days.settle()
            batch = self._without_refused(batch, self._recreate_deleted(batch))
            if not batch.heads:
                break
            self._unanswered.add(batch)
            try:
                replies = self._sender.send(batch)
                again = self._record(batch, replies, attempt)
            finally:
                self._unanswered.discard(batch)
            if again:
                # A 429 comes before the write, a 5xx may come after it.
                if any(replies[item].status >= 500 for item in again):
                    batch.lost_reply = True
                self._sender.limiter.refused()
                since = since or time.monotonic()
                why = self._sender.why_refused(batch.target(again[0])[0], replies[again[0]])
                self._retry_policy.wait(attempt, since, why)
                attempt += 1
            batch = batch.pick(again)
        if copies is not None:
            self.process(copies.pick(self._not_known(copies, list(range(len(copies))))))

    def _recreate_deleted(self, batch: Batch) -> dict[str, RecordError]:
        """Make the days of a batch again that were deleted meanwhile, before the cluster does.
        Returns those that cannot be, and why."""
        gone = self._days.gone()
        if gone:
            gone &= {batch.target(item)[0] for item in range(len(batch))}
        moved: dict[str, RecordError] = {}
        for index in gone:
            self._stored.clear()
            try:
                self._days.recreate(index)
            except RecordError as error:
                moved[index] = error
        return moved

    def _without_refused(self, batch: Batch, moved: dict[str, RecordError]) -> Batch:
        """The batch without the items of days whose index is not ours or that have moved elsewhere,
        which are dead letters."""
        if not (refused := moved | self._days.refused()):
            return batch
        gone = [item for item in range(len(batch)) if batch.target(item)[0] in refused]
        self._deadletters.put([self._moved(batch, item, refused) for item in gone])
        return batch.pick([item for item in range(len(batch)) if item not in {*gone}])

    def _record(self, batch: Batch, replies: list[Reply], attempt: int) -> list[int]:
        """Record the results; returns the items to send again."""
        if replies.count(INDEXED) == len(replies):
            _record(batch.owners, "indexed")
            self._stored.add(batch.digests, (each.item.uri for each in batch.owners))
            return []
        by_disposition: dict[Disposition, list[int]] = {}
        for item, reply in enumerate(replies):
            by_disposition.setdefault(reply.disposition, []).append(item)
        indexed = by_disposition.get(Disposition.INDEXED, [])
        _record([batch.owners[item] for item in indexed], "indexed")
        self._remember(batch, indexed)
        self._unanswered.discard(batch)
        for item in by_disposition.get(Disposition.BLOCKED, []):
            reply = replies[item]
            raise refused_item(batch.target(item)[0], reply.status, reply.kind, reply.reason)
        missing = by_disposition.get(Disposition.MISSING_INDEX, [])
        moved: dict[str, RecordError] = {}
        for index in {batch.target(item)[0] for item in missing}:
            self._stored.clear()
            try:
                self._days.recreate(index)
            except RecordError as error:
                moved[index] = error
        if moved:
            gone = [item for item in missing if batch.target(item)[0] in moved]
            self._deadletters.put([self._moved(batch, item, moved) for item in gone])
            missing = [item for item in missing if batch.target(item)[0] not in moved]
        again = by_disposition.get(Disposition.RETRY, []) + missing
        rejected = by_disposition.get(Disposition.REJECTED, [])
        if attempt >= _MAX_RETRIES_OF_500:
            rejected = rejected + [item for item in again if replies[item].status == 500]
            again = [item for item in again if replies[item].status != 500]
        conflicting = self._not_known(batch, by_disposition.get(Disposition.CONFLICT, []))
        if batch.digests and self._unanswered.wait_for(batch.digests[item] for item in conflicting):
            conflicting = self._not_known(batch, conflicting)
        for some in batched(conflicting, _COMPARED_AT_ONCE):
            self._compare(batch, some)
        if rejected:
            self._repair(batch, rejected, replies)
        blocked = by_disposition.get(Disposition.DAY_BLOCKED, [])
        for some in batched(blocked, _COMPARED_AT_ONCE):
            self._wait_for_day(batch, some, replies)
        return again

    def _remember(self, batch: Batch, items: list[int], name: str = "") -> None:
        """Remember items as stored, indexed from their own object or from `name`."""
        if batch.digests:
            names = (name or batch.owners[item].item.uri for item in items)
            self._stored.add([batch.digests[item] for item in items], names)

    def _not_known(self, batch: Batch, items: list[int]) -> list[int]:
        """Count items that this run knows to be stored as duplicates; returns the others.

        Not after a lost reply: the stored documents may be these.
        """
        if not batch.digests or batch.lost_reply:
            return items
        # Looked up once: other senders add to it and rotate it meanwhile.
        known = {item for item in items if batch.digests[item] in self._stored}
        for item in known:  # first: the last result completes an object
            batch.owners[item].share(self._stored.object_of(batch.digests[item]))
        _record([batch.owners[item] for item in known], "duplicates")
        return [item for item in items if item not in known]

    def _compare(self, batch: Batch, items: list[int]) -> None:
        """After a 409: an equal record is a duplicate, a different one gets its own id."""
        others = batch.sibling()
        dead: list[DeadLetter] = []
        same: dict[Term, list[ObjectProgress]] = {"indexed": [], "duplicates": []}
        for item, source in zip(items, self._conflicts.stored(batch, items), strict=True):
            owner, position, record = batch.owners[item], batch.positions[item], batch.record(item)
            if isinstance(source, Reply):  # its day cannot be read, so it cannot be compared
                dead.append(self._waiting(batch, item, source))
            elif source is None:  # deleted between the two requests
                others.append(batch.heads[item], batch.ends[item], owner, position, record)
            elif _same(source, record, owner):
                ours = batch.lost_reply and written_by_us(source, batch, item)
                name = object_in(source)
                if not ours:
                    owner.share(name)
                same["indexed" if ours else "duplicates"].append(owner)
                self._remember(batch, [item], name)
            else:
                others.append(*_renamed(batch, item), owner, position, record)
                self.stats.conflicts += 1
        for term, owners in same.items():
            _record(owners, term)
        self._deadletters.put(dead)
        self.process(others)

    def _wait_for_day(self, batch: Batch, items: list[int], replies: list[Reply]) -> None:
        """Make dead letters of items whose day is read-only or closed, unless they are indexed."""
        others = batch.sibling()
        dead: list[DeadLetter] = []
        readable = [item for item in items if _code(replies[item]) == "day_read_only"]
        stored = (
            zip(readable, self._conflicts.stored(batch, readable), strict=True) if readable else ()
        )
        found = dict(stored)
        for item in items:
            source = found.get(item)
            if not isinstance(source, bytes):
                dead.append(self._waiting(batch, item, source or replies[item]))
                continue
            owner, position, record = batch.owners[item], batch.positions[item], batch.record(item)
            if _same(source, record, owner):
                ours = batch.lost_reply and written_by_us(source, batch, item)
                if not ours:
                    owner.share(object_in(source))
                owner.record("indexed" if ours else "duplicates")
            else:  # another record has its eventID: it may be indexed under an id of its own
                others.append(*_renamed(batch, item), owner, position, record)
        self._deadletters.put(dead)
        self.process(others)

    def _repair(self, batch: Batch, items: list[int], replies: list[Reply]) -> None:
        """Repair items that were rejected for their content; then repair them thoroughly; then make
        dead letters of them."""
        repaired = batch.sibling(repair_level=batch.repair_level + 1)
        dead = []
        for item in items:
            owner, position, record = batch.owners[item], batch.positions[item], batch.record(item)
            reason = replies[item].reason
            try:
                if batch.repair_level >= _MAX_REPAIR_LEVEL:
                    raise RecordError("it was rejected again after being repaired")
                head, end = repaired_head(batch, item, thorough=batch.repair_level == 1)
                repaired.append(head, end, owner, position, record)
            except RecordError as error:
                why = f"{reason}; {error.message}"
                day = self._days.day_of(batch.target(item)[0])
                dead.append(DeadLetter(owner, position, record, replies[item].kind, why, day))
        self._deadletters.put(dead)
        if batch.repair_level == 0:
            self.stats.repaired += len(repaired)
        self.process(repaired)

    def _waiting(self, batch: Batch, item: int, reply: Reply) -> DeadLetter:
        """The dead letter of an event whose day rejects writes."""
        index = batch.target(item)[0]
        reason = (
            f"writes to {index} are rejected ({reply.reason}); "
            "`trailhound retry-deadletters --reopen` opens it, writes the event and restores the "
            "block"
        )
        return DeadLetter(
            batch.owners[item],
            batch.positions[item],
            batch.record(item),
            _code(reply),
            reason,
            self._days.day_of(index),
        )

    def _moved(self, batch: Batch, item: int, why: Mapping[str, RecordError]) -> DeadLetter:
        """The dead letter of an event whose day has no index any more that accepts it."""
        index = batch.target(item)[0]
        error = why[index]
        return DeadLetter(
            batch.owners[item],
            batch.positions[item],
            batch.record(item),
            error.reason,
            error.message,
            self._days.day_of(index),
        )


def _same(source: bytes, record: bytes, owner: ObjectProgress) -> bool:
    """Whether a stored document is the same event. If it is from the event history, the owner
    records under which window."""
    looked_up = is_history(owner.item)
    if not (same_record(source, record) or same_event(source, record, looked_up=looked_up)):
        return False
    if not looked_up and (stored_by := history_object(source)):
        owner.found_under(stored_by)
    return True


def _record(owners: list[ObjectProgress], term: Term) -> None:
    """Record an outcome of one document for each of these objects."""
    for owner, number in Counter(owners).items():
        owner.record(term, number)


def _code(reply: Reply) -> str:
    return day_block(reply.kind, reply.reason)


def _renamed(batch: Batch, item: int) -> tuple[bytes, int]:
    """A head for a record whose eventID a different one has: with its own id, and
    `trail.conflict`."""
    index, identifier = batch.target(item)
    members = batch.members(item)
    members["trail"]["conflict"] = identifier
    renamed = conflict_id(identifier, batch.record(item))
    return make_head(index, renamed, batch.spliced(item), members)


def repaired_head(batch: Batch, item: int, *, thorough: bool = False) -> tuple[bytes, int]:
    """A head for a record in which everything that the engine would reject is moved."""
    index, identifier = batch.target(item)
    fixed = repair(batch.record(item), thorough=thorough)
    members: dict[str, Any] = batch.members(item)
    for name in ("repaired", "original", "text", "flat"):
        members["trail"].pop(name, None)
    members["trail"] |= fixed.trail()
    return make_head(index, identifier, fixed.record, members)
