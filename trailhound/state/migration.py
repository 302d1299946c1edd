"""Ledger documents of the last release, upgraded to the present form.

Each document is parsed by its class and written back with its `kind`, guarded by its version: a
document that was changed meanwhile is read again. A checkpoint gets an `_id` of its kind, and the
old document is deleted only after the new one exists. So an interrupted run is completed by the
next, and a run over upgraded documents changes nothing.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
from opensearchpy import OpenSearch

from trailhound.cluster.reader import IndexReader, Query
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.backfills import BackfillState
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUp, CatchUps
from trailhound.state.daemons import DaemonState
from trailhound.state.document import StateDocument, StateDocumentError
from trailhound.state.feed_checkpoints import FeedCheckpoint, FeedCheckpoints
from trailhound.state.kinds import KINDS
from trailhound.state.store import Hit, StateStore, bulk, pages
from trailhound.state.workers import WorkerState

LOG = logging.getLogger("trailhound.state")

BULK_BYTES = 4 * 1024 * 1024
BULK_DOCUMENTS = 2_000
PASSES = 5
"""The most passes over documents that others keep writing to. The next run continues; until then
readers accept the old form."""

_WITHOUT_KIND: Query = {"bool": {"must_not": [{"exists": {"field": "kind"}}]}}


@dataclass(slots=True)
class Migrated:
    """The number of upgraded documents by kind. `unreadable` names documents that lack fields of
    their kind, with the reason; these are left unchanged."""

    kinds: Counter[str] = field(default_factory=Counter)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.kinds.values())


def begin_catch_up(client: OpenSearch, settings: Settings) -> CatchUp | None:
    """Record a catch-up if a daemon of the last release polled a bucket, so that no scheduled rule
    ran. Must be called before the documents that show this are upgraded. Returns the catch-up if it
    is new.

    A rule that never ran begins with the first event that was ever ingested.
    """
    legacy = FeedCheckpoint.legacy_query()
    reader = IndexReader(client, Names(settings.prefix).ledger)
    if not reader.count({"bool": {"filter": [legacy, _WITHOUT_KIND]}}):
        return None
    catch_up = CatchUp(
        name=SCHEDULED_RULES, since=_first_ingested(client, settings), found_at=datetime.now(UTC)
    )
    return catch_up if CatchUps(client, settings).begin(catch_up) else None


def _first_ingested(client: OpenSearch, settings: Settings) -> datetime | None:
    aggregations = {"first": {"min": {"field": "event.ingested"}}}
    reader = IndexReader(client, Names(settings.prefix).days)
    found = reader.search({"aggs": aggregations}).get("aggregations")
    value = found["first"]["value"] if found else None
    return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


def note_backfills(client: OpenSearch, settings: Settings) -> int:
    """Note the backfills of the last release that hold claims, as those of this release note
    themselves: rules may not have looked at their events. Must be called before the claims are
    upgraded. Returns the number of new notes.

    One that still runs is noted too: should it be killed, nothing else names its events. The claims
    of daemons are left out: scheduled rules look at what these ingest. When a backfill began is not
    known, only when it claimed the first of the objects that it has not finished.
    """
    index = Names(settings.prefix).ledger
    began: dict[str, datetime] = {}
    claimed: list[Query] = [{"term": {"state": "claimed"}}, _WITHOUT_KIND]
    for hit in pages(client, index, claimed, fields=("worker", "claimed_at")):
        worker, at = hit.source.get("worker"), _time(hit.source.get("claimed_at"))
        if worker and at is not None:
            began[worker] = min(at, began.get(worker, at))
    if not began:
        return 0
    workers = StateStore(client, settings, WorkerState).get(began)
    daemons = {(each.host, each.pid) for each in StateStore(client, settings, DaemonState).all()}
    lines: list[dict[str, Any]] = []
    for name, at in began.items():
        note = BackfillState(id=name, began=at)
        if (known := workers.get(name)) is not None:
            if (known.host, known.pid) in daemons:
                continue
            note = msgspec.structs.replace(
                note, heartbeat=known.heartbeat, host=known.host, boot=known.boot, pid=known.pid
            )
        lines += [{"create": {"_id": note.identifier}}, note.document()]
    return sum(1 for each in bulk(client, index, lines, allowed={409}) if each["status"] < 300)


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def migrate(client: OpenSearch, settings: Settings) -> Migrated:
    """Upgrade every document to the current form.

    Raises `ClusterError` and opensearch-py's exceptions; what was done stays done, and the next
    call continues."""
    made = Migrated()
    index = Names(settings.prefix).ledger
    for kind in KINDS:
        legacy = kind.legacy_query()
        if legacy is None:
            continue
        for _ in range(PASSES):
            overtaken = _migrate(client, settings, kind, legacy, made)
            if not overtaken:
                break
        else:
            LOG.warning("%s documents of the kind %s keep changing", index, kind.kind)
    return made


def _migrate(
    client: OpenSearch,
    settings: Settings,
    kind: type[StateDocument],
    legacy: Query,
    made: Migrated,
) -> int:
    """One pass over the documents of a kind. Returns for how many another writer was faster."""
    index, overtaken = Names(settings.prefix).ledger, 0
    for part in _parts(_parsed(kind, pages(client, index, [legacy, _WITHOUT_KIND]), made)):
        moved: list[tuple[Hit, StateDocument]] = []
        lines: list[dict[str, Any]] = []
        for hit, document in part:
            if document.identifier == hit.identifier:
                lines += [{"index": {"_id": hit.identifier, **hit.guard}}, document.document()]
            else:
                moved.append((hit, document))
        # 404: it was removed meanwhile.
        answers = bulk(client, index, lines, allowed={404, 409})
        overtaken += sum(1 for each in answers if each["status"] == 409)
        made.kinds[kind.kind] += sum(1 for each in answers if each["status"] < 300)
        overtaken += _move(client, settings, kind, moved, made)
    return overtaken


def _move(
    client: OpenSearch,
    settings: Settings,
    kind: type[StateDocument],
    moved: list[tuple[Hit, StateDocument]],
    made: Migrated,
) -> int:
    """Give documents the `_id`s of their kind. An existing document of this release stays; of two
    checkpoints of a feed, the later one."""
    if not moved:
        return 0
    index = Names(settings.prefix).ledger
    marks = {each.uri: each.mark for _, each in moved if isinstance(each, FeedCheckpoint)}
    FeedCheckpoints(client, settings).put(marks)
    lines: list[dict[str, Any]] = []
    for _, each in moved:
        lines += [{"create": {"_id": each.identifier}}, each.document()]
    bulk(client, index, lines, allowed={409})
    deletions = [{"delete": {"_id": hit.identifier, **hit.guard}} for hit, _ in moved]
    answers = bulk(client, index, deletions, allowed={404, 409})
    made.kinds[kind.kind] += sum(1 for each in answers if each["status"] < 300)
    return sum(1 for each in answers if each["status"] == 409)


def _parsed(
    kind: type[StateDocument], hits: Iterable[Hit], made: Migrated
) -> Iterator[tuple[Hit, StateDocument]]:
    for hit in hits:
        try:
            yield hit, kind.parse(hit.identifier, hit.source)
        except StateDocumentError as error:
            made.unreadable[hit.identifier] = error.message


def _parts(
    documents: Iterable[tuple[Hit, StateDocument]],
) -> Iterator[list[tuple[Hit, StateDocument]]]:
    """The documents in parts of the size of one request."""
    part: list[tuple[Hit, StateDocument]] = []
    size = 0
    for hit, document in documents:
        part.append((hit, document))
        size += len(orjson.dumps(hit.source))
        if size > BULK_BYTES or len(part) == BULK_DOCUMENTS:
            yield part
            part, size = [], 0
    if part:
        yield part
