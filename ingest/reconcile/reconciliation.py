"""Compares every object of a source with the ledger and the index.

The candidates are chosen by the ledger and by the number of events that name an object; then their
content is read and decides. An object is partial when at least one of its events is, by its id, in
no day's index, although its day is within the retention and no filter drops it. An object whose
events another trail delivered too is whole: its events are in the index under the other object's
name.

Objects, candidates and findings are kept in temporary files, so memory stays flat.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec
from opensearchpy import OpenSearch

from ingest.backfill.denied import note_listing
from ingest.backfill.prefetch import Prefetcher
from ingest.documents.record_filter import criteria
from ingest.ledger.ledger import Ledger
from ingest.objects import UNSEEN, Selection, Source, TrailObject
from ingest.reconcile.contents import Content, Contents
from ingest.reconcile.extra import Extras, Known, there
from ingest.reconcile.findings import (
    ReconcileFinding,
    ReconcileFindingKind,
    ReconcileFindings,
    Repair,
    Summary,
    finding_of,
)
from ingest.reconcile.partial import partial
from ingest.reconcile.stored import Letters, StoredEvents
from ingest.sources.layout import NameClass, classify, place_of, wanted
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import (
    FoldersDeniedError,
    ObjectNotFoundError,
    SourceError,
    SourceUnreachableError,
    UsageError,
)
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState
from trailhound.state.store import StateStore
from trailhound.temporary_tables import TemporaryTables

_AT_ONCE: Final = 1_000
_TABLES: Final = """
CREATE TABLE known (id BLOB PRIMARY KEY, entry BLOB) WITHOUT ROWID;
CREATE TABLE candidates (
    uri TEXT, etag TEXT, size INTEGER, walked TEXT, why TEXT, detail TEXT, dead INTEGER,
    sha256 TEXT
);
"""

OnProgress = Callable[[str, int, int], None]
"""Progress: what is under way, how many objects are done, and how many there are (0: not known)."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An object whose content is to be compared. `why` is `unread` where no entry says that it was
    read to its end, `read` where one does, `changed` where it was read with another etag, and
    `sha256` is then the hash of the content that was read. `dead` is the number of its records in
    the dead letters."""

    item: TrailObject
    why: str
    detail: str = ""
    dead: int = 0
    sha256: str = ""


class Reconciliation:
    """One run over one source. `findings` are there once `run` has returned; `close` deletes the
    temporary files."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        source: Source,
        selection: Selection,
        on_progress: OnProgress = lambda _what, _done, _total: None,
    ) -> None:
        """Raises `UsageError` for a source whose objects have no common prefix: it would not be
        known which entries of the ledger belong to it."""
        prefix = getattr(source, "uri_prefix", None)
        if not isinstance(prefix, str):
            raise UsageError(
                "this source can't be reconciled", hint="give s3://bucket/prefix, or a folder"
            )
        self._client = client
        self._names = Names(settings.prefix)
        self._settings = settings
        self._source = source
        self._selection = selection
        self._prefix = prefix
        self._on_progress = on_progress
        retry_policy = RetryPolicy(settings.ingest.give_up_after)
        self._wanted = criteria(settings, selection)
        self._ledger = Ledger(
            client,
            self._names.ledger,
            retry_policy,
            claim_seconds=settings.ingest.claim_seconds,
            wanted=self._wanted,
        )
        self._objects = StateStore(client, settings, ObjectState)
        self._stored = StoredEvents(client, settings, retry_policy)
        self._contents = Contents(settings, selection, self._stored)
        self._tables = TemporaryTables(_TABLES)
        self._candidates = 0
        self._denied: dict[str, str] = {}
        """Folders that may not be listed, and why."""
        self.findings = ReconcileFindings()
        self.summary = Summary()

    def close(self) -> None:
        """Delete the temporary files."""
        self._tables.close()
        self.findings.close()

    def run(self) -> Summary:
        """Compare. Raises `SourceUnreachableError` and `ClusterError`."""
        began = time.monotonic()
        self._ledger.reach()
        self._stored.refresh()
        # Before the listing: what is delivered and read meanwhile would seem to be extra.
        self._note_known()
        self._list()
        self._compare_candidates()
        self._find_extra()
        self.summary.seconds = time.monotonic() - began
        return self.summary

    def note_listing(self) -> None:
        """Note which folders may not be listed, and that the others no longer lack what they hold:
        once the repairs have read it. Raises `ClusterError`."""
        listed = [self._prefix] if self._prefix.startswith("s3://") else []
        note_listing(
            self._client, self._settings, self._selection, denied=self._denied, listed=listed
        )

    def _note_known(self) -> None:
        """Every object that the ledger has of this source."""
        self._on_progress("reading the ledger", 0, 0)
        below = {"prefix": {"uri": self._prefix}}

        def rows() -> Iterator[tuple[bytes, bytes]]:
            for number, entry in enumerate(self._objects.all(below), 1):
                if not number % _AT_ONCE:
                    self._on_progress("reading the ledger", number, 0)
                if not wanted(place_of(entry.uri), self._selection) or entry.state == "skipped":
                    continue
                self.summary.matched.add_place(place_of(entry.uri))
                known = Known.of(entry, _text(entry.uri))
                yield _key(entry.uri), msgspec.msgpack.encode(known)

        self._tables.write_many("INSERT OR REPLACE INTO known VALUES (?, ?)", rows())

    def _list(self) -> None:
        items = self._but_denied(self._source.objects(self._selection))
        while group := list(islice(items, _AT_ONCE)):
            self._tables.write_many(
                "DELETE FROM known WHERE id = ?", ((_key(each.uri),) for each in group)
            )
            for each in group:
                self.summary.matched.add(each)
            self._look_up(group)
            self.summary.objects += len(group)
            self._on_progress("listing", self.summary.objects, 0)
        self.summary.ignored_kinds.update(self._source.ignored)

    def _but_denied(self, items: Iterator[TrailObject]) -> Iterator[TrailObject]:
        """The objects; folders that may not be listed become findings."""
        try:
            yield from items
        except FoldersDeniedError as error:
            self._denied = {folder: why.message for folder, why in error.folders.items()}
            for folder, why in error.folders.items():
                item = TrailObject(folder, UNSEEN, 0)
                self._found(item, ReconcileFindingKind.UNREADABLE, why.message)

    def _look_up(self, group: list[TrailObject]) -> None:
        entries = self._ledger.entries(group)
        active = self._ledger.active_workers({each.holder for each in entries.values()})
        done: list[tuple[TrailObject, ObjectState]] = []
        for item in group:
            entry = entries.get(item.uri)
            if entry is None:
                self._unknown(item)
            elif entry.holder in active:
                self.summary.in_progress += 1
            elif entry.is_skipped(item.etag):
                self.summary.ignored_kinds[entry.reason] += 1
            elif self._is_past(item):
                self.summary.past_retention += 1
            elif entry.etag != item.etag and (entry.covered or entry.state in ("done", "skipped")):
                self._other_etag(item, entry)
            elif not entry.was_read(item.etag):
                self._choose(_Candidate(item, "unread", _unfinished(entry), entry.dead_lettered))
            else:
                done.append((item, entry))
        self._count(done)

    def _unknown(self, item: TrailObject) -> None:
        """An object without an entry: missing. Where its name does not show that it is a trail
        file, its content decides."""
        detail = "no entry in the ledger"
        if self._is_past(item):
            self.summary.past_retention += 1
        elif classify(item.path)[0] is NameClass.TRAIL:
            self._found(item, ReconcileFindingKind.MISSING, detail, Repair.READ)
        else:
            self._choose(_Candidate(item, "unread", detail))

    def _other_etag(self, item: TrailObject, entry: ObjectState) -> None:
        """An object with an entry under another etag. A file's etag is its size and time, and an S3
        object that was copied in parts of another size has another one, so the hash of what was
        read shows whether the content changed."""
        when = f"read {(entry.finished_at or '')[:19]}"
        if entry.sha256:
            detail = f"its content has changed since it was {when}"
            self._choose(_Candidate(item, "changed", detail, entry.dead_lettered, entry.sha256))
        else:
            detail = (
                f"its etag (of a file: size and time) is not that of what was {when}, of which the "
                "ledger has no hash"
            )
            self._found(item, ReconcileFindingKind.CHANGED, detail, Repair.READ)

    def _count(self, done: list[tuple[TrailObject, ObjectState]]) -> None:
        """Of objects that were read, note as candidates those that fewer events name than their
        entry says, and those of which another selection, filter or retention left out a part."""
        counts = self._stored.counts([item.uri for item, _ in done])
        for item, entry in done:
            covered = entry.is_done_for(item.etag, self._wanted)
            if entry.counted is not None:  # its counts are not of all that was read
                covered = entry.counted.covers(self._wanted)
            there = counts.get(item.uri, 0) >= entry.indexed + entry.duplicates
            if covered and there and not entry.dead_lettered:
                self.summary.whole += 1
            else:
                self._choose(_Candidate(item, "read", "", entry.dead_lettered))

    def _is_past(self, item: TrailObject) -> bool:
        """Whether it was delivered (so its events happened) before the retention's first day."""
        place = place_of(item.path)
        span = place.span if place is not None else None
        return span is not None and span[1].isoformat() < self._wanted.oldest

    def _choose(self, each: _Candidate) -> None:
        item = each.item
        self._candidates += 1
        values = (*map(_text, (item.uri, item.etag)), item.size, _text(item.walked))
        self._tables.write(
            "INSERT INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*values, each.why, _text(each.detail), each.dead, each.sha256),
        )

    def _compare_candidates(self) -> None:
        chosen: dict[str, _Candidate] = {}

        def items() -> Iterator[TrailObject]:
            for uri, etag, size, walked, *rest in self._tables.rows("SELECT * FROM candidates"):
                item = TrailObject(uri, etag, size, walked)
                chosen[uri] = _Candidate(item, *rest)
                yield item

        ingest = self._settings.ingest
        with Prefetcher(
            self._source, items(), threads=ingest.prefetch_threads, max_bytes=ingest.prefetch_bytes
        ) as fetched:
            for item, stream in fetched:
                self._on_progress("comparing content", self.summary.read, self._candidates)
                self._decide(chosen.pop(item.uri), self._contents.of(item, stream))
                self.summary.read += 1

    def _decide(self, candidate: _Candidate, content: Content) -> None:
        item = candidate.item
        if content.other_kind:
            self.summary.ignored_kinds[content.other_kind] += 1
            return
        if candidate.why == "changed" and not content.fault:
            if content.sha256 != candidate.sha256:
                self._found(item, ReconcileFindingKind.CHANGED, candidate.detail, Repair.READ)
                return
            self.summary.same_content += 1
        letters, dead = Letters(), candidate.dead
        if content.absent and dead:
            letters = self._stored.dead_letters(item.uri)
            dismissed = content.absent & letters.dismissed
            self.summary.dismissed += len(dismissed)
            dead -= len(dismissed)
            content.absent -= dismissed
        if content.absent and (candidate.why != "unread" or dead or content.fault):
            self._add(partial(item, content, letters.codes))
        elif content.fault:
            self._found(item, ReconcileFindingKind.UNREADABLE, content.fault)
        elif candidate.why == "unread":
            self._found(item, ReconcileFindingKind.MISSING, candidate.detail, Repair.READ)
        else:
            self.summary.whole += 1
            self.summary.unusable += dead

    def _found(
        self,
        item: TrailObject,
        kind: ReconcileFindingKind,
        detail: str,
        *repairs: Repair,
        events: int = 0,
    ) -> None:
        self._add(finding_of(item, kind, detail, *repairs, events=events))

    def _add(self, finding: ReconcileFinding) -> None:
        self.summary.found[finding.kind] += 1
        if not finding.repairs:
            self.summary.without_repair[finding.kind] += 1
        self.summary.events += finding.events
        self.summary.dead_letters += finding.dead_letters
        self.findings.add(finding)

    def _find_extra(self) -> None:
        extras = Extras(self._client, self._names, self._stored, self._wanted.oldest)
        entries = (
            msgspec.msgpack.decode(entry, type=Known)
            for (entry,) in self._tables.rows("SELECT entry FROM known")
        )
        # What lies in a folder that may not be listed is not known to be gone.
        seen = (each for each in entries if not each.uri.startswith(tuple(self._denied)))
        gone = (each for each in seen if not self._is_there(each.uri))
        while group := list(islice(gone, _AT_ONCE)):
            counts = extras.counts(group)
            for each in group:
                self._extra(extras, each, counts.get(each.uri, 0))

    def _extra(self, extras: Extras, each: Known, found: int) -> None:
        item = TrailObject(each.uri, "", 0)
        past = extras.is_past(each)
        lost = 0 if past else max(0, each.indexed - found)
        if each.noted:
            self.summary.gone += 1
            self.summary.gone_lost += lost > 0
            self.summary.gone_events += lost
            return
        what = "in the ledger, and no longer in the source; "
        back = "; put it back into the source, and run again"
        if past:
            self._found(item, ReconcileFindingKind.EXTRA, what + "past retention", Repair.NOTE_GONE)
        elif not each.was_read:
            what += f"it was never read to its end ({each.state})"
            self._found(item, ReconcileFindingKind.LOST, what + back, events=lost)
        elif lost and (day := extras.closed_day(each)):
            what += f"{there(each, found)}, and {day} is closed: open it, and run again"
            self._found(item, ReconcileFindingKind.UNREADABLE, what)
        elif lost:
            self._found(
                item, ReconcileFindingKind.LOST, what + there(each, found) + back, events=lost
            )
        else:
            self._found(
                item, ReconcileFindingKind.EXTRA, what + there(each, found), Repair.NOTE_GONE
            )

    def _is_there(self, uri: str) -> bool:
        """Whether an object exists although no listing takes it for a trail file: it was read
        because its full name was given."""
        if classify(uri)[0] is not NameClass.OTHER:
            return False
        try:
            self._source.head(TrailObject(uri, "", 1), 1)
        except ObjectNotFoundError:
            return False
        except SourceUnreachableError:
            raise
        except SourceError:
            return True
        return True


def _key(uri: str) -> bytes:
    return hashlib.blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _text(value: str) -> str:
    """The text as SQLite accepts it: without unpaired surrogates, which no key and no path has
    here."""
    return value.encode("utf-8", "backslashreplace").decode()


def _unfinished(entry: ObjectState) -> str:
    if entry.state == "claimed":
        return "a worker that ended had begun to read it"
    if entry.state == "released":
        return "a worker gave it back before it was read"
    return entry.reason.removeprefix(f"{entry.uri}: ") or f"the ledger has it as {entry.state}"
