"""Searches the objects of the ledger and the dead letters, for users: the latest first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from opensearchpy import OpenSearch

from ingest.deadletters.selection import LetterSelection
from ingest.deadletters.spool import SPOOL_FILE, SpoolCount, count_spooled
from ingest.deadletters.store import raw_of
from trailhound.cluster.queries import Query, any_of, anywhere, between, either
from trailhound.cluster.reader import IndexReader, document_of
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.cluster.waiting import dismissed, waiting
from trailhound.errors import UsageError
from trailhound.settings import Settings
from trailhound.state.denied_folders import DeniedFolder, folder_key
from trailhound.state.document import StateDocumentError
from trailhound.state.objects import ObjectState, ObjectVerdict, object_id, short_id

Reading = Literal[
    "failed",
    "partial",
    "skipped",
    "claimed",
    "released",
    "done",
    "archived",
    "gone",
    "denied",
]
"""How far an object was read. `partial`: to its end, but some of its records are dead letters.
`gone`: not to its end, and noted as no longer in its source. `denied`: a folder that a backfill was
not allowed to list."""
_LISTED: Query = either([ObjectState.query(), DeniedFolder.query()])
_GONE: Query = {"exists": {"field": "gone_at"}}
_LEFT_UNREAD = ("failed", "archived")
_PARTIAL: Query = {"range": {"dead_lettered": {"gt": 0}}}
_SHORTEST = 4
"""The fewest characters of a prefix of an id."""
_NAMED = 5
_DELIVERED = 1_000

Row = dict[str, Any]


def _too_short(prefix: str) -> str:
    """The beginning of a hint, where a prefix of an id is too short to be looked for."""
    return f"give at least {_SHORTEST} characters of an id; " if len(prefix) < _SHORTEST else ""


def reading_of(state: ObjectState) -> Reading:
    """How far an object was read."""
    if state.state in _LEFT_UNREAD and state.gone_at is not None:
        return "gone"
    return "partial" if state.state == "done" and state.dead_lettered else state.state


@dataclass(frozen=True, slots=True)
class Page:
    """A result: `rows` are read as they are consumed; `total` is exact."""

    total: int
    rows: Iterator[Row]


class LedgerSearch:
    """The objects of one namespace. Raises `ClusterError`s and opensearch-py's errors."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = Names(settings.prefix).ledger
        order: list[dict[str, Any]] = [
            {"finished_at": {"order": "desc", "missing": "_first"}},  # claimed: the latest of all
            {"_seq_no": "desc"},
        ]
        self._reader = IndexReader(client, self._index, order=order)

    def find(
        self,
        readings: Sequence[str] = (),
        name: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        verdicts: Sequence[ObjectVerdict] = (),
    ) -> Page:
        """Objects by how far they were read (`readings`; empty for any), by a text in their name
        (`*` stands for any text), by the time they were finished, and by the `verdicts` of a
        verification. Rows are made by `object_row`."""
        clauses = [_LISTED if not verdicts else ObjectState.query()]
        if verdicts:
            clauses.append({"terms": {"integrity.verdict": list(verdicts)}})
        if readings:
            clauses.append(either([_reading(each) for each in readings]))
        if name is not None:
            clauses.append(any_of(anywhere(name), ("uri",)))
        clauses += between("finished_at", since, until)
        return self._page({"bool": {"filter": clauses}}, limit)

    def number_failed(self) -> int:
        """How many objects were not read to their end when last tried; exact. Without those noted
        as gone."""
        return self.find(["failed"]).total

    def number_gone(self) -> int:
        """How many objects were not read and are noted as gone from their source; exact."""
        return self.find(["gone"]).total

    def number_verified(self) -> int:
        """Of how many objects a verification by digests has a verdict; exact."""
        return self._page({"exists": {"field": "integrity.verdict"}}, 0).total

    def named(self, given: str) -> Row:
        """The object with this name, id (as in `trail.object`) or unique prefix of an id.

        Raises `UsageError`.
        """
        short = given.rstrip("…").lower()
        folder = DeniedFolder.id_prefix + folder_key(given)
        named: list[Query] = [{"ids": {"values": [object_id(given), short, folder]}}]
        if len(short) >= _SHORTEST:
            named.append({"prefix": {"object": short[:16]}})
        page = self._page({"bool": {"filter": [_LISTED, either(named)]}}, _NAMED)
        rows = [row for row in page.rows if row["uri"] == given or str(row["id"]).startswith(short)]
        if not rows:
            raise UsageError(
                f"the ledger has no object {given}",
                hint=f"{_too_short(short)}see `trailhound ledger list --state all`",
            )
        if len(rows) > 1:
            raise UsageError(
                f"several objects begin with {given}: {', '.join(row['uri'] for row in rows)}",
                hint="give more of the id",
            )
        return rows[0]

    def delivered_by(self, window: str) -> list[str]:
        """A trail's objects with events that are stored under this window of the event history
        (its id, as in `trail.object`): the first thousand."""
        query = {"bool": {"filter": [ObjectState.query(), {"term": {"events_under": window}}]}}
        return sorted(str(row["uri"]) for row in self._page(query, _DELIVERED).rows)

    def _page(self, query: Query, limit: int | None) -> Page:
        make_searchable(self._client, self._index)
        return Page(self._reader.count(query), self._rows(query, limit))

    def _rows(self, query: Query, limit: int | None) -> Iterator[Row]:
        for hit in self._reader.documents(query, limit=limit):
            with suppress(StateDocumentError):  # /readyz and `doctor` name it
                if hit["_source"].get("kind") == DeniedFolder.kind:
                    yield _folder_row(DeniedFolder.parse(hit["_id"], hit["_source"]))
                else:
                    yield object_row(ObjectState.parse(hit["_id"], hit["_source"]))


def _folder_row(folder: DeniedFolder) -> Row:
    """A folder that may not be listed, with the members of an object."""
    state = ObjectState(
        uri=folder.uri, state="failed", reason=folder.reason, finished_at=folder.finished_at
    )
    return object_row(state) | {"id": folder.identifier, "state": "denied"}


def object_row(state: ObjectState) -> Row:
    """An object for programs: the fields of the ledger, its id, and as `state` how far it was
    read. `worker` and `claimed_at` are of the present claim where there is one."""
    members: Row = msgspec.to_builtins(state)  # the document of a claim lacks the counts
    members.pop("token")
    members.pop("claim")
    members["worker"] = state.holder
    if state.claim is not None:
        members["claimed_at"] = state.claim.at
    short = short_id(state.uri)
    return {"id": state.identifier, **members, "object": short, "state": reading_of(state)}


def _reading(wanted: str) -> Query:
    if wanted == "denied":
        return DeniedFolder.query()
    if wanted == "partial":
        return {"bool": {"filter": [{"term": {"state": "done"}}, _PARTIAL]}}
    if wanted == "done":
        return {"bool": {"filter": [{"term": {"state": "done"}}], "must_not": [_PARTIAL]}}
    if wanted == "gone":
        return {"bool": {"filter": [{"terms": {"state": list(_LEFT_UNREAD)}}, _GONE]}}
    state: Query = {"term": {"state": wanted}}
    if wanted in _LEFT_UNREAD:
        return {"bool": {"filter": [state], "must_not": [_GONE]}}
    if wanted == "claimed":  # also what is read again: its state is that of the last reading
        return either([state, {"exists": {"field": "claim.worker"}}])
    return state


class DeadLetterSearch:
    """The dead letters of one namespace, and those in the spool of this machine."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._names = Names(settings.prefix)
        self._index = self._names.deadletter
        self._spool = settings.spool
        order: list[dict[str, Any]] = [{"at": "desc"}, {"_seq_no": "desc"}]
        self._reader = IndexReader(client, self._index, order=order)

    def find(self, selection: LetterSelection, limit: int | None = None) -> Page:
        """Those that are selected. Rows lack the record."""
        query = selection.query()
        hits = self._reader.documents(query, {"_source": {"excludes": ["raw"]}}, limit=limit)
        rows = ({"id": hit["_id"], **hit["_source"]} for hit in hits)
        return Page(self._reader.count(query), rows)

    def codes(self) -> dict[str, int]:
        """How many wait with each code, the most frequent first."""
        make_searchable(self._client, self._index)
        return {each.code: each.number for each in waiting(self._client, self._names)}

    def dismissed(self) -> int:
        """How many were dismissed, in the index."""
        return dismissed(self._client, self._names)

    def spooled(self) -> SpoolCount:
        """The dead letters in the spool file of this machine. Raises `UsageError` if it can't be
        read."""
        try:
            return count_spooled(self._spool)
        except OSError as error:
            raise UsageError(
                f"{self._spool / SPOOL_FILE} can't be read: {error.strerror}",
                hint="check its permissions",
            ) from None

    def named(self, given: str) -> Row:
        """The dead letter with this id or unique beginning of it, and its record as `raw`: text, or
        Base64 where `encoding` says so. Raises `UsageError`."""
        short = given.rstrip("…").lower()
        whole = self._get(short) if short else None
        if whole is not None:
            return whole
        begun: list[str] = []
        if len(short) >= _SHORTEST:  # engines can't search `_id` by prefix: read all ids
            letters = self._reader.documents({"match_all": {}}, {"_source": False}, refresh=True)
            begun += [hit["_id"] for hit in letters if hit["_id"].startswith(short)]
        if len(begun) > 1:
            raise UsageError(
                f"several dead letters begin with {given}: {', '.join(begun[:_NAMED])}",
                hint="give more of the id",
            )
        found = self._get(begun[0]) if begun else None
        if found is None:
            raise UsageError(
                f"there is no dead letter {given}",
                hint=f"{_too_short(short)}see `trailhound deadletters list`; those of a spool file "
                "are on its machine",
            )
        return found

    def _get(self, identifier: str) -> Row | None:
        found = document_of(self._client, self._index, identifier)
        return {"id": found["_id"], **found["_source"]} if found is not None else None


def record_text(letter: Row) -> str:
    """A dead letter's record as text: indented where it is JSON, else as it is."""
    raw = raw_of(letter)
    with suppress(ValueError, RecursionError):
        return json.dumps(json.loads(raw), indent=2, ensure_ascii=False)
    return raw.decode("utf-8", "backslashreplace")
