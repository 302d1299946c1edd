"""Reads and writes the documents of one kind.

A reader pages through a point in time, so that no limit hides a document, and a shard that did not
answer is an error. A writer checks the reply for each document.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from opensearchpy import OpenSearch

from trailhound.cluster.reader import IndexReader, Query
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import read_many, revise
from trailhound.errors import RequestFailedError
from trailhound.settings import Settings
from trailhound.state.document import StateDocument, StateDocumentError

LOG = logging.getLogger("trailhound.state")

PAGE = 1_000
WRITTEN_AT_ONCE = 1_000

Doc = TypeVar("Doc", bound=StateDocument)


class StateStore(Generic[Doc]):
    """All documents of one kind. Every method raises opensearch-py's exceptions, and
    `RequestFailedError` for an incomplete reply."""

    def __init__(self, client: OpenSearch, settings: Settings, kind: type[Doc]) -> None:
        self.client = client
        self.settings = settings
        self.index = Names(settings.prefix).ledger
        self.kind = kind

    def get(self, keys: Iterable[str]) -> dict[str, Doc]:
        """The existing documents of these keys, by key, as last written (a refresh is not
        needed)."""
        names = {self.kind.id_prefix + key: key for key in keys}
        found = read_many(self.client, self.index, names)
        return {
            names[name]: document
            for name, stored in found.items()
            if (document := self._parsed(name, stored.document)) is not None
        }

    def one(self, key: str) -> Doc | None:
        """The document of a key, as `get`; None if there is no usable one."""
        return self.get([key]).get(key)

    def all(self, *clauses: Query) -> Iterator[Doc]:
        """Every document that matches all clauses, including the latest writes.

        Empty if there is no ledger index yet. A document that lacks fields of its kind is left out,
        and named in the log.
        """
        return self._read([self.kind.query(), *clauses])

    def _read(self, clauses: Sequence[Query]) -> Iterator[Doc]:
        for hit in pages(self.client, self.index, clauses):
            document = self._parsed(hit.identifier, hit.source)
            if document is not None:
                yield document

    def both(self) -> Iterator[tuple[Doc, bool]]:
        """Every document in the form of the last release (True), then every one in the current form
        (False)."""
        legacy = self.kind.legacy_query()
        unmigrated = {"bool": {"must_not": [{"exists": {"field": "kind"}}]}}
        if legacy is not None:
            for each in self._read([legacy, unmigrated]):
                yield each, True
        for each in self._read([{"term": {"kind": self.kind.kind}}]):
            yield each, False

    def write(self, documents: Iterable[Doc]) -> None:
        """Write documents, replacing existing ones."""
        write(self.client, self.index, documents)

    def delete(self, keys: Iterable[str]) -> int:
        """Remove documents. Returns the number of those that existed."""
        return delete(self.client, self.index, [self.kind.id_prefix + key for key in keys])

    def revise(self, start: Doc, change: Callable[[Doc], Doc]) -> Doc:
        """Change the document with the key of `start`, or `start` itself if there is none.

        It is read again whenever another writer was faster.
        """
        name = start.identifier

        def changed(source: dict[str, Any]) -> dict[str, Any]:
            document = self._parsed(name, source) if source else None
            return change(start if document is None else document).document()

        after = revise(self.client, self.index, name, changed, start={})
        return start if after is None else self.kind.parse(name, after)

    def change(self, key: str, change: Callable[[Doc], Doc]) -> Doc | None:
        """Change the document with a key. Returns None if there is no usable one.

        Fields that its class does not know, such as those of a later release, stay unchanged.
        """
        name = self.kind.id_prefix + key

        def changed(source: dict[str, Any]) -> dict[str, Any] | None:
            document = self._parsed(name, source)
            return None if document is None else change(document).over(source)

        after = revise(self.client, self.index, name, changed)
        return None if after is None else self._parsed(name, after)

    def _parsed(self, identifier: str, source: Mapping[str, Any]) -> Doc | None:
        if source.get("kind", self.kind.kind) != self.kind.kind:
            return None
        try:
            return self.kind.parse(identifier, source)
        except StateDocumentError as error:
            LOG.warning("%s: %s", error.message, error.hint)
            return None


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found; `guard` limits a bulk action to this version of it."""

    identifier: str
    source: dict[str, Any]
    guard: dict[str, int]


def pages(
    client: OpenSearch,
    index: str,
    clauses: Sequence[Query],
    *,
    fields: Sequence[str] | None = None,
) -> Iterator[Hit]:
    """Every document that matches all clauses, at one point in time, including the latest writes.

    Empty if the index does not exist. `fields` limits the source.
    """
    reader = IndexReader(client, index, hits_page=PAGE)
    request: dict[str, Any] = {"seq_no_primary_term": True}
    if fields is not None:
        request["_source"] = list(fields)
    query = {"bool": {"filter": list(clauses)}}
    for hit in reader.documents(query, request, refresh=True):
        guard = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
        yield Hit(hit["_id"], hit.get("_source", {}), guard)


def write(client: OpenSearch, index: str, documents: Iterable[StateDocument]) -> None:
    """Write documents of any kind. Raises `RequestFailedError` about the first rejected one."""
    waiting = iter(documents)
    while part := list(islice(waiting, WRITTEN_AT_ONCE)):
        lines: list[Mapping[str, Any]] = []
        for each in part:
            lines += [{"index": {"_id": each.identifier}}, each.document()]
        bulk(client, index, lines)


def delete(client: OpenSearch, index: str, identifiers: Iterable[str]) -> int:
    """Remove documents. Returns the number of those that existed."""
    waiting, gone = iter(identifiers), 0
    while part := list(islice(waiting, WRITTEN_AT_ONCE)):
        reply = bulk(client, index, [{"delete": {"_id": each}} for each in part], allowed={404})
        gone += sum(1 for each in reply if each["status"] == 200)
    return gone


def delete_hits(client: OpenSearch, index: str, hits: Iterable[Hit]) -> int:
    """Remove documents, unless they changed since they were found. Returns the number of those
    removed."""
    waiting, gone = iter(hits), 0
    while part := list(islice(waiting, WRITTEN_AT_ONCE)):
        lines = [{"delete": {"_id": hit.identifier, **hit.guard}} for hit in part]
        answers = bulk(client, index, lines, allowed={404, 409})
        gone += sum(1 for each in answers if each["status"] == 200)
    return gone


def bulk(
    client: OpenSearch,
    index: str,
    lines: Sequence[Mapping[str, Any]],
    *,
    allowed: frozenset[int] | set[int] = frozenset(),
) -> list[dict[str, Any]]:
    """Send bulk actions, and return the reply for each. Raises `RequestFailedError` about the first
    rejected one whose status is not `allowed`."""
    if not lines:
        return []
    reply = client.bulk(
        body=list(lines),
        index=index,
        params={"filter_path": "items.*._id,items.*.status,items.*.error"},
    )
    answers: list[dict[str, Any]] = [next(iter(item.values())) for item in reply["items"]]
    for each in answers:
        if each["status"] >= 300 and each["status"] not in allowed:
            error = each.get("error") or {}
            reason = error.get("reason") if isinstance(error, Mapping) else error
            raise RequestFailedError(
                f"{each['_id']} could not be written to {index}: {str(reason)[:300]}",
                hint="see the cluster's health and its log, then run the same command again",
                status=each["status"],
            )
    return answers
