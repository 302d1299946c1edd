"""Indexes dead letters again: after an upgrade, a new setting, or a repair of the cluster.

Each letter is processed like any record. One that is indexed now, or is a duplicate, is removed
from the dead letters, and the counts of its object in the ledger are corrected; the others stay.
Letters that were dismissed are tried only where that is asked for, and those that fail then stay
dismissed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import methodcaller
from pathlib import Path
from typing import Any

import orjson
from opensearchpy import OpenSearch

from enrich.enricher import Enricher
from enrich.view import RecordView
from ingest.counts import Counts
from ingest.deadletters.reopen import Reopened, opened
from ingest.deadletters.store import DeadLetter, raw_of
from ingest.documents.assembler import Assembler
from ingest.documents.day_limit import TOO_MANY_NEW_DAYS, DayLimit
from ingest.documents.record_filter import criteria
from ingest.late_count import LateCount
from ingest.late_events import LateEventsTotal
from ingest.object_progress import ObjectProgress
from ingest.objects import Selection, TrailObject
from ingest.pipeline import Pipeline
from ingest.reading import Chunk
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.reader import BY_SEQUENCE, IndexReader
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import existing
from trailhound.cluster.waiting import DAY_FOREIGN, WAITING, dismissed
from trailhound.errors import SpoolError
from trailhound.settings import Settings
from trailhound.state.late_events import LateEvents
from trailhound.state.objects import ObjectState, object_id
from trailhound.state.store import StateStore, bulk, delete

_PAGE = 200
_ALL_MADE = 2**31
"""A number of new days that no limit reaches."""
_OF_ITS_DAY = frozenset({TOO_MANY_NEW_DAYS, DAY_FOREIGN, "day_read_only"})
"""Codes of letters that fail before they are sent, and not for what they hold."""
_SORT: Sequence[Mapping[str, Any]] = [
    {"day": {"order": "asc", "missing": "_first", "unmapped_type": "keyword"}},
    # The index has one shard.
    *BY_SEQUENCE,
]


@dataclass(slots=True)
class Retried:
    """`read` letters were tried, with their outcomes. `indexed`, `duplicates` and `filtered` (past
    retention, and their day was deleted) are removed from the dead letters, `dead_lettered`
    remain."""

    counts: Counts
    days: Reopened = field(default_factory=Reopened)
    codes: dict[str, int] = field(default_factory=dict)
    """The numbers of remaining letters by code."""
    new_days: list[str] = field(default_factory=list)
    """Days without an index for which letters remain, because they exceed the limit of an
    object."""
    late: LateEvents | None = None
    """Events that are too old for the scheduled rules; None where there are none."""
    dismissed: int = 0
    """Letters that were not tried, since they were dismissed."""

    def as_dict(self) -> dict[str, Any]:
        return self.counts.as_dict() | {
            "codes": self.codes,
            "new_days_left": self.new_days,
            "reopened": self.days.indices,
            "not_reopened": self.days.refused,
            "not_restored": self.days.not_restored,
            "late_events": self.late.as_dict() if self.late is not None else None,
            "dismissed": self.dismissed,
        }


class Retry:
    """One pass over the dead-letter index and the spool file."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        enricher: Enricher,
        *,
        new_days: bool = False,
        dismissed: bool = False,
        recorded: Callable[[], None] = lambda: None,
    ) -> None:
        """With `new_days`, daily indices are created without a limit for each object. Without it,
        the limit applies as when the object is read, and letters beyond it stay. With `dismissed`,
        letters that were dismissed are tried too. `recorded` is called once the late events of a
        run are recorded."""
        self._client = client
        self._names = Names(settings.prefix)
        self._objects = StateStore(client, settings, ObjectState)
        retry_policy = RetryPolicy(settings.ingest.give_up_after)
        self._job = Pipeline(client, settings, enricher, retry_policy, selection=Selection())
        days = self._job.days
        self._limit = None if new_days else DayLimit(settings.ingest, days.exists, days.has_room)
        self._assembler = Assembler(
            enricher,
            self._job.days.ensure,
            limit=self._limit,
            unsearched=settings.index.unsearched,
            object_names=settings.index.object_names,
            mark_flat=dialect_of(client).marks_flat,
        )
        self._settings = settings
        self._oldest = criteria(settings, Selection()).oldest.replace("-", ".")
        self._late = LateEventsTotal()
        self._new_days: Counter[str] = Counter()
        """Days that letters of an object have made, by its name."""
        self._recorded = recorded
        self._with_dismissed = dismissed
        self._dismissed_spooled: dict[str, dict[str, Any]] = {}
        """Letters of the spool that were dismissed, by id: their lines are there again."""
        self._done_spooled: set[str] = set()
        """Those of them whose events are in the index now."""

    def run(self, *, reopen: bool = False) -> Retried:
        """Try every letter once. With `reopen`, days that are read-only or closed are opened for
        the letters that wait for them, one after the other, and then restored.

        Raises `ClusterError` and `SpoolError`; what was done stays done.
        """
        total = Counts()
        spooled, torn = self._spooled()
        in_both: set[str] = set()
        days = _OpenDay(self._client, self._names) if reopen else None
        left_out = 0 if self._with_dismissed else dismissed(self._client, self._names)
        try:
            for group in self._pages():
                in_both |= spooled.keys() & {letter["id"] for letter in group}
                for letters in _by_day(group):
                    if days:
                        days.switch(_day_of(letters[0]))
                    total.add(self._try_group(letters, stored=True))
            if left_out:  # the index may have some of the spool's as dismissed
                alone = spooled.keys() - in_both
                in_both |= existing(self._client, self._names.deadletter, alone)
            only_spooled = [
                letter for identifier, letter in spooled.items() if identifier not in in_both
            ]
            for letters in _by_day(sorted(only_spooled, key=_day_of)):
                if days:
                    days.switch(_day_of(letters[0]))
                total.add(self._try_group(letters, stored=False))
        finally:
            if days:
                days.switch("")
            late = self._late.store(self._client, self._settings)
            if late is not None:
                self._recorded()
        self._keep_dismissed()
        self._close_spool(torn)
        total.check("the retry")
        report = days.report if days else Reopened()
        left = sorted(self._limit.refused) if self._limit is not None else []
        codes = dict(self._job.deadletters.codes)
        if not self._with_dismissed:
            left_out += len(self._dismissed_spooled)
        return Retried(total, report, codes, left, late, left_out)

    def _pages(self) -> Iterator[list[dict[str, Any]]]:
        """All current letters, page by page and day by day, at one point in time."""
        reader = IndexReader(self._client, self._names.deadletter, order=_SORT, hits_page=_PAGE)
        wanted = {"match_all": {}} if self._with_dismissed else WAITING
        letters = reader.documents(wanted, refresh=True)
        while page := list(islice(letters, _PAGE)):
            yield [hit["_source"] | {"id": hit["_id"]} for hit in page]

    @property
    def _taken(self) -> Path:
        """The name of the spool file while its letters are tried."""
        return self._job.deadletters.spool.file.with_suffix(".retrying")

    def _spooled(self) -> tuple[dict[str, dict[str, Any]], list[bytes]]:
        """The letters of the spool file by id, each once, and lines that a crash cut off.

        Those that an earlier retry was stopped at are among them: they are nowhere else. What is
        spooled meanwhile, by us or another process, begins a new file, to which the lines of
        dismissed letters are moved.
        """
        self._job.deadletters.spool.rotate(self._taken)
        letters: dict[str, dict[str, Any]] = {}
        torn: list[bytes] = []
        if not self._taken.exists():
            return letters, torn
        for line in filter(None, self._taken.read_bytes().splitlines()):
            try:
                letter = orjson.loads(line)
                letters[letter["id"]] = letter
            except (orjson.JSONDecodeError, KeyError, TypeError):
                torn.append(line)
        for identifier in [name for name, letter in letters.items() if letter.get("dismissed")]:
            letter = letters[identifier]
            self._job.deadletters.spool.append(identifier, orjson.dumps(letter))
            self._dismissed_spooled[identifier] = letter
            if not self._with_dismissed:
                del letters[identifier]
        return letters, torn

    def _keep_dismissed(self) -> None:
        """Of the dismissed letters of the spool, remove those whose events are in the index now;
        and those that the dead-letter index takes now, as dismissed there."""
        if not (self._with_dismissed and self._dismissed_spooled):
            return
        moved = existing(self._client, self._names.deadletter, self._dismissed_spooled)
        lines: list[dict[str, Any]] = []
        for name in sorted(moved):
            why = self._dismissed_spooled[name]["dismissed"]
            lines += [{"update": {"_id": name}}, {"doc": {"dismissed": why}}]
        bulk(self._client, self._names.deadletter, lines, allowed={404})
        gone = moved | self._done_spooled
        self._job.deadletters.spool.rewrite(lambda letter: None if letter["id"] in gone else letter)

    def _close_spool(self, torn: list[bytes]) -> None:
        """Remove the spool file, whose letters were all tried: those that failed are stored, or in
        the new spool file."""
        if torn:  # kept for inspection
            with self._taken.with_suffix(".torn").open("ab") as kept:
                kept.writelines(line + b"\n" for line in torn)
        self._taken.unlink(missing_ok=True)

    def _try_group(self, letters: list[dict[str, Any]], *, stored: bool) -> Counts:
        total = Counts()
        tried: list[tuple[dict[str, Any], Counts]] = []
        for letter in letters:
            item = TrailObject(letter["object"], letter.get("etag", ""), 0)
            run = ObjectProgress(item, lambda _: None)
            too_many = letter.get("code") == TOO_MANY_NEW_DAYS
            run.late = LateCount.of(self._settings)
            run.new_days = _ALL_MADE if too_many else self._new_days[item.uri]
            run.read(1)
            raw = raw_of(letter)
            suspect = {0: "line_break"} if b"\n" in raw or b"\r" in raw else {}
            chunk = Chunk(records=[raw], positions=[letter["position"]], suspects=suspect)
            for made in self._assembler.assemble(
                chunk, run, self._is_kept if self._oldest else None
            ):
                if made.filtered:
                    run.record("filtered", made.filtered)
                self._job.deadletters.put(_as_stored(each, letter) for each in made.dead)
                self._job.result_handler.process(made.batch)
                self._job.result_handler.process(made.repaired)
            run.finish_reading()
            if not too_many:
                self._new_days[item.uri] = run.new_days
            if run.aborted:  # neither stored nor spooled: it stays where it is
                raise SpoolError(run.fault, hint="then run the same command again")
            self._late.add(run)
            tried.append((letter, run.counts))
            total.add(run.counts)
        done = [pair for pair in tried if not pair[1].dead_lettered]
        self._remove(done, stored=stored)
        self._done_spooled |= self._dismissed_spooled.keys() & {each["id"] for each, _ in done}
        return total

    def _is_kept(self, _view: RecordView, _record: bytes, day: str) -> bool:
        """Whether an event is to be indexed: not one past retention whose day was deleted, since
        its index would come back with this event alone."""
        return day >= self._oldest or self._job.days.exists(day)

    def _remove(self, indexed: list[tuple[dict[str, Any], Counts]], *, stored: bool) -> None:
        """Correct the objects' counts of letters that are indexed now, then remove the letters."""
        contents: dict[tuple[str, str], list[tuple[str, Counts]]] = {}
        for letter, counts in indexed:
            content = letter["object"], letter.get("etag", "")
            contents.setdefault(content, []).append((letter["id"], counts))
        left = self._left({key: [name for name, _ in found] for key, found in contents.items()})
        for ((uri, etag), found), others in zip(contents.items(), left, strict=True):
            outcomes = Counts()
            for _, counts in found:
                outcomes.add(counts)
            corrected = methodcaller(
                "retried",
                etag,
                indexed=outcomes.indexed,
                duplicates=outcomes.duplicates,
                filtered=outcomes.filtered,
                left=others,
            )
            self._objects.change(object_id(uri), corrected)
        if stored:
            delete(self._client, self._names.deadletter, (letter["id"] for letter, _ in indexed))

    def _left(self, contents: Mapping[tuple[str, str], Sequence[str]]) -> list[int]:
        """How many letters of each content (object and etag) are stored beside these.

        Another retry may have counted the same letters, or this one before it was killed, and a
        later reading may have brought their records as duplicates. So what is left decides.
        """
        if not contents:
            return []
        reader = IndexReader(self._client, self._names.deadletter)
        reader.refresh()
        bodies = []
        for (uri, etag), names in contents.items():
            wanted = [{"term": {"object": uri}}, *([{"term": {"etag": etag}}] if etag else [])]
            others = {"filter": wanted, "must_not": [{"ids": {"values": list(names)}}]}
            bodies.append({"size": 0, "track_total_hits": True, "query": {"bool": others}})
        return [int(reply["hits"]["total"]["value"]) for reply in reader.searches(bodies)]


class _OpenDay:
    """The single day that is opened for writing; `switch("")` restores the last one."""

    def __init__(self, client: OpenSearch, names: Names) -> None:
        self.report = Reopened()
        self._client = client
        self._names = names
        self._day = ""
        self._stack = ExitStack()

    def switch(self, day: str) -> None:
        if day == self._day:
            return
        self._stack.close()
        self._day = day
        if day:
            self._stack.enter_context(opened(self._client, self._names.day(day), self.report))


def _as_stored(dead: DeadLetter, letter: Mapping[str, Any]) -> DeadLetter:
    """A letter that failed again: under the code and the reason that it is stored with, unless that
    is a matter of its day. Whoever read it in its file knew more of it than its bytes tell."""
    if dead.code in _OF_ITS_DAY:
        return dead
    known = {name: letter[name] for name in ("code", "reason") if letter.get(name)}
    return replace(dead, **known)


def _day_of(letter: dict[str, Any]) -> str:
    return str(letter.get("day") or "")


def _by_day(letters: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for _, group in groupby(letters, key=_day_of):
        yield list(group)
