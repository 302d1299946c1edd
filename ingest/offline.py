"""Reads trail files without a cluster: every event as the document that a backfill would index.

What only a cluster could know is missing. Records that the engine alone would refuse are not
repaired. Unless it is asked for (`distinct`), an event that was delivered twice comes twice, and an
event that has the eventID of a different event gets no `trail.conflict`. There is no ledger, and no
limit on new days.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from enrich.enricher import Enricher
from ingest.backfill.prefetch import Prefetcher
from ingest.bulk.batch import Batch, make_head
from ingest.counts import Counts
from ingest.deadletters.store import DeadLetter
from ingest.distinct import DistinctEvents
from ingest.documents.assembler import Assembled, Assembler
from ingest.documents.record_filter import RecordFilter
from ingest.matched import Matched, SelectedRecords
from ingest.object_progress import ObjectProgress, outcome_of
from ingest.object_reader import ObjectReader, read_limits
from ingest.objects import Selection, Source, TrailObject
from ingest.run_report import FAILURES_KEPT
from trailhound.cluster.templates import Names
from trailhound.settings import Settings


@dataclass(slots=True)
class Unreadable:
    """Records of one object of which no event can be made, for one and the same reason."""

    uri: str
    code: str
    first: int
    """The position of the first one, from 0."""
    reason: str
    """Why, of the first one."""
    records: int = 0


@dataclass(slots=True)
class OfflineReport:
    """What was read. In `counts`, `indexed` is the number of documents handed out, `dead_lettered`
    that of records that could not be read. `unreadable` and `failures` name the first thousand."""

    objects: int = 0
    failed_objects: int = 0
    skipped_objects: int = 0
    """Objects that sources name more than once; only the first time counts as read."""
    ignored_kinds: Counter[str] = field(default_factory=Counter)
    counts: Counts = field(default_factory=Counts)
    bytes: int = 0
    seconds: float = 0.0
    matched: Matched = field(default_factory=Matched)
    selected: SelectedRecords = field(default_factory=SelectedRecords)
    failures: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every object and every record was read."""
        return not (self.failed_objects or self.counts.dead_lettered)

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it; sizes in bytes, time in seconds."""
        counts = self.counts
        return {
            "objects": self.objects,
            "failed_objects": self.failed_objects,
            "ignored_objects": self.ignored_objects,
            "ignored_kinds": dict(self.ignored_kinds.most_common()),
            "records": counts.read,
            "distinct": counts.indexed,
            "duplicates": counts.duplicates,
            "unreadable": counts.dead_lettered,
            "filtered": counts.filtered,
            "bytes": self.bytes,
            "seconds": round(self.seconds, 3),
            "failures": [{"object": uri, "reason": reason} for uri, reason in self.failures],
            "unreadable_records": [
                {
                    "object": each.uri,
                    "code": each.code,
                    "records": each.records,
                    "position": each.first,
                    "reason": each.reason,
                }
                for each in self.unreadable
            ],
        }

    @property
    def ignored_objects(self) -> int:
        """How many objects hold something other than CloudTrail records."""
        return self.ignored_kinds.total()


class OfflineRead:
    """One reading of some sources. `report` is complete once `batches` has ended."""

    def __init__(
        self,
        settings: Settings,
        enricher: Enricher,
        *,
        selection: Selection,
        folders: Selection | None = None,
        distinct: DistinctEvents | None = None,
        whole: bool = False,
    ) -> None:
        """`folders`: the day folders to list, where every record of these is wanted. With
        `distinct`, each event comes once, under the `_id` that it would be indexed by;
        `whole`: with the fields that `index.unsearched` keeps apart in their own places."""
        self._settings = settings
        self._distinct = distinct
        self._folders = folders or selection
        names = Names(settings.prefix)
        assembler = Assembler(
            enricher,
            names.day,
            unsearched=() if whole else settings.index.unsearched,
            object_names=settings.index.object_names,
        )
        wanted = RecordFilter(settings, selection)
        self._reader = ObjectReader(wanted, assembler, read_limits(settings.ingest))
        self._seen: set[bytes] = set()
        self.report: Final = OfflineReport()
        self.events = 0
        """Documents handed out so far, those of the object that is being read included."""

    def batches(self, sources: Sequence[Source]) -> Iterator[Batch]:
        """All documents, an object's own in its order; each batch of about a MiB, none empty.

        Raises `SourceUnreachableError`, and `AccountingError` where records are not accounted for.
        """
        started = time.monotonic()
        report = self.report
        for source in sources:
            yield from self._of_source(source)
            report.ignored_kinds.update(source.ignored)
        report.seconds = time.monotonic() - started
        report.counts.check("the run")

    def _of_source(self, source: Source) -> Iterator[Batch]:
        ingest = self._settings.ingest
        with Prefetcher(
            source,
            self._listed(source),
            threads=ingest.prefetch_threads,
            max_bytes=ingest.prefetch_bytes,
        ) as fetched:
            for item, stream in fetched:
                run = ObjectProgress(item, self._done)
                noted: dict[str, Unreadable] = {}
                for made in self._reader.read(stream, run):
                    self._note(made, run, noted)
                    for read in (made.batch, made.repaired):
                        batch = self._once(read, run)
                        if batch.heads:
                            self.events += len(batch)
                            yield batch
                            run.record("indexed", len(batch))

    def _once(self, batch: Batch, run: ObjectProgress) -> Batch:
        """A batch without the events that came in earlier batches."""
        if self._distinct is None:
            return batch
        kept: list[int] = []
        for item in range(len(batch)):
            index, identifier = batch.target(item)
            name = self._distinct.new_id(index, identifier, batch.record(item))
            if name is None:
                continue
            if name != identifier:
                _rename(batch, item, name)
            kept.append(item)
        if repeated := len(batch) - len(kept):
            run.record("duplicates", repeated)
            return batch.pick(kept)
        return batch

    def _listed(self, source: Source) -> Iterator[TrailObject]:
        """The objects that no earlier source has named. Runs in the prefetcher's thread."""
        for item in source.objects(self._folders):
            name = hashlib.blake2b(item.uri.encode("utf-8", "surrogatepass"), digest_size=16)
            if name.digest() in self._seen:
                self.report.skipped_objects += 1
                continue
            self._seen.add(name.digest())
            self.report.matched.add(item)
            yield item

    def _note(self, made: Assembled, run: ObjectProgress, noted: dict[str, Unreadable]) -> None:
        for letter in made.dead:
            self._note_letter(letter, noted)
        if made.dead:
            run.record("dead_lettered", len(made.dead))

    def _note_letter(self, letter: DeadLetter, noted: dict[str, Unreadable]) -> None:
        found = noted.get(letter.code)
        if found is None:
            uri = letter.owner.item.uri
            found = noted[letter.code] = Unreadable(
                uri, letter.code, letter.position, letter.reason
            )
            if len(self.report.unreadable) < FAILURES_KEPT:
                self.report.unreadable.append(found)
        found.records += 1

    def _done(self, run: ObjectProgress) -> None:
        report = self.report
        outcome = outcome_of(run)
        if outcome == "skipped":
            report.ignored_kinds[run.other_kind] += 1
        else:
            report.objects += 1
        report.bytes += run.bytes
        report.counts.add(run.counts)
        if run.choice is not None:
            report.selected.add(run.choice)
        if outcome in ("failed", "archived"):
            report.failed_objects += 1
            if len(report.failures) < FAILURES_KEPT:
                report.failures.append((run.item.uri, run.fault))


def _rename(batch: Batch, item: int, name: str) -> None:
    """Give a document another `_id`, because its own is that of a different record."""
    index, identifier = batch.target(item)
    members = batch.members(item)
    members["trail"]["conflict"] = identifier
    batch.heads[item], batch.ends[item] = make_head(index, name, batch.spliced(item), members)
