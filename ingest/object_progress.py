"""The progress of one object through a run: its counts, and when it is done."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal

from ingest.counts import Counts
from ingest.late_count import LateCount
from ingest.objects import TrailObject
from ingest.sources.layout import place_of
from trailhound.state.criteria import EVERYTHING
from trailhound.state.objects import short_id

if TYPE_CHECKING:  # it brings all that decodes and repairs records
    from ingest.documents.record_filter import Choice

Proof = Literal["unverified", "verified", "tampered", "corrupt"]
Term = Literal["indexed", "duplicates", "dead_lettered", "filtered"]

MOST_CODES: Final = 16
"""How many codes of dead letters are noted for an object."""
MOST_UNDER: Final = 64
"""How many windows are noted for an object. Its events are within a few hours, unless somebody
merged files into it."""


class ObjectProgress:
    """Counts for one object, added to by the reader and by every sender.

    `on_done(run)` is called once, from whichever thread records the last outcome after reading
    ended: that is the moment `done` may be written, since every document has its own reply.
    """

    __slots__ = (
        "_lock", "_on_done", "_reading", "_under", "aborted", "archived", "begun_before", "bytes",
        "choice", "counts", "criteria", "dead_codes", "dead_reasons", "expected", "fault", "item",
        "late", "new_days", "other_kind", "place", "progressed", "proof", "read_before", "resumed",
        "retry", "sha256", "shared",
    )  # fmt: skip

    def __init__(self, item: TrailObject, on_done: Callable[[ObjectProgress], None]) -> None:
        self.item = item
        self.place: Final = place_of(item.path)
        """What its folder and name show."""
        self.criteria = EVERYTHING
        """By what its records are chosen."""
        self.choice: Choice | None = None
        """What chooses them; None where all are wanted."""
        self.counts = Counts()
        self.late: LateCount | None = None
        """Of its events that come too late for the scheduled rules; None where nobody asks."""
        self.bytes = 0
        self.sha256 = ""
        """Of what its gzip stream holds, in hexadecimal; empty where that is not known, or the
        object is not one whole gzip stream and nothing else."""
        self.shared: Counter[str] = Counter()
        """How many of its events were indexed before from each other object."""
        self.expected = ""
        """The hash that a verified digest lists, where digests were verified before."""
        self.proof: Proof = "unverified"
        """What is known of its content, as `trail.integrity` of its events says."""
        self.dead_codes: Counter[str] = Counter()
        """How many of its records became dead letters, by code."""
        self.dead_reasons: dict[str, str] = {}
        """The reason of one dead letter of each code."""
        self.fault = ""
        self.other_kind = ""
        """What it holds instead of CloudTrail records: then it is skipped, not failed."""
        self.archived = False
        """It is in an archive tier, and could not be read: see `fault`."""
        self.aborted = False
        """Given up before all of its records had an outcome: see `abort`."""
        self.resumed = False
        """An earlier reading of it was not finished. What that one indexed is among the duplicates
        now, and was counted nowhere."""
        self.begun_before = ""
        """When that reading was begun (ISO 8601); empty where it is not known."""
        self.read_before = False
        """Its entry in the ledger is of a reading that was finished."""
        self.retry = False
        """The fault is outside of the object: it is to be read again."""
        self.new_days = 0
        """Daily indices that its records made: see `DayLimit`."""
        self.progressed = time.monotonic()
        """When (monotonic) a record of it was last read or got its outcome."""
        self._on_done = on_done
        self._reading = True
        self._under: set[str] = set()
        self._lock = threading.Lock()

    def read(self, number: int) -> None:
        """Count records that were read. Called before their outcome can be recorded."""
        with self._lock:
            self.progressed = time.monotonic()
            if not self.aborted:
                self.counts.read += number

    def record(self, term: Term, number: int = 1) -> None:
        """Count the outcome of records."""
        with self._lock:
            self.progressed = time.monotonic()
            if self.aborted:
                return  # the next reading counts these as duplicates
            setattr(self.counts, term, getattr(self.counts, term) + number)
            done = not self._reading and self.counts.holds
        if done:
            self._on_done(self)

    def found_under(self, name: str) -> None:
        """Note that an event of this object is stored under the name of a window of the event
        history."""
        with self._lock:
            if len(self._under) < MOST_UNDER:
                self._under.add(name)

    @property
    def events_under(self) -> tuple[str, ...]:
        """The windows (as in `trail.object`) under whose names events of it are stored."""
        with self._lock:
            return tuple(sorted(self._under))

    def share(self, name: str) -> None:
        """Note that one of its events was indexed before, from this object. Called before that
        event's outcome is recorded."""
        if name and (name := short_id(name)) != short_id(self.item.uri):
            with self._lock:
                self.shared[name] += 1

    def dead_letter(self, code: str, reason: str) -> None:
        """Count a record that is stored as a dead letter, and note why."""
        with self._lock:
            if not self.aborted and (code in self.dead_codes or len(self.dead_codes) < MOST_CODES):
                self.dead_codes[code] += 1
                self.dead_reasons.setdefault(code, reason)
        self.record("dead_lettered")

    def finish_reading(self, fault: str = "") -> None:
        """No more records will come; `fault` is why the rest could not be read."""
        with self._lock:
            if self.aborted:
                return
            self.fault = fault
            self._reading = False
            done = self.counts.holds
        if done:
            self._on_done(self)

    def skip(self, kind: str) -> None:
        """Note that it holds something other than CloudTrail records. `on_done` is called."""
        self.other_kind = kind
        self.finish_reading()

    def abort(self, fault: str, *, retry: bool) -> None:
        """Give the object up: some of its records cannot be stored now. `on_done` is called.

        Only records with an outcome so far count as read: the object is read again from its start.
        """
        with self._lock:
            if self.aborted or not (self._reading or not self.counts.holds):
                return
            self.aborted, self.fault, self.retry = True, fault, retry
            self.counts.read = self.counts.accounted
        self._on_done(self)


def outcome_of(run: ObjectProgress) -> Literal["done", "failed", "skipped", "archived"]:
    """The state of its entry in the ledger, once all of its records have an outcome."""
    if run.other_kind:
        return "skipped"
    if run.archived:
        return "archived"
    return "failed" if run.fault else "done"
