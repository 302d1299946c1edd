"""The events that a plain rule matches, by its query and its matcher."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from detections.compiled import Compiled, Query
from detections.events.fields import FieldReader, Hit
from detections.finding import GroupKey
from trailhound.cluster.snapshot import Snapshot

ENTIRE_PAGE = 1_000
"""Hits of one reply if each contains the whole event."""


def reader_for(compiled: Compiled, fields: Collection[str] = ()) -> FieldReader:
    """A reader of some fields of a rule's hits, and of what the matcher needs."""
    return FieldReader(fields, decided=compiled.post_filter is not None)


def decided(compiled: Compiled, reader: FieldReader, hits: Iterable[Hit]) -> Iterator[Hit]:
    """Those of a query's hits that the rule matches."""
    for hit in hits:
        if not reader.must_be_decided(hit) or compiled.matches(hit["_source"]):
            yield hit


class Matching:
    """One rule's events in one snapshot. `fields` are what is read of each."""

    def __init__(
        self, snapshot: Snapshot, compiled: Compiled, fields: Collection[str] = ()
    ) -> None:
        self.snapshot = snapshot
        self.compiled = compiled
        self.reader = reader_for(compiled, fields)

    def where(self, *filters: Query) -> Query:
        """A query for a superset of the rule's events that pass the filters."""
        return _every(self.compiled.query, *filters)

    def hits(
        self, *filters: Query, page: int | None = None, ordered: bool = True, many: bool = False
    ) -> Iterator[Hit]:
        """Every event that passes the filters, by time, which is `sort[0]`.

        Not `ordered`, in any order, which may cost the engine less. `many`: as for
        `Snapshot.hits`.
        """
        return self._decided(self.where(*filters), page, ordered=ordered, many=many)

    def any(self, *filters: Query) -> bool:
        """Whether there is such an event."""
        if self.compiled.post_filter is not None:
            return next(self.hits(*filters, page=_FEW), None) is not None
        exact = _every(self.compiled.exact, *filters)
        reply = self.snapshot.search(exact, size=1, _source=False, track_total_hits=False)
        if reply["hits"]["hits"]:
            return True
        repaired = _every(self.compiled.repaired, *filters)
        return next(self._decided(repaired, _FEW), None) is not None

    def counted_by_engine(self, *filters: Query) -> bool:
        """Whether aggregations over `where` are exact: no event of these has to be decided."""
        if self.compiled.post_filter is not None:
            return False
        repaired = _every(self.compiled.repaired, *filters)
        reply = self.snapshot.search(repaired, size=1, _source=False, track_total_hits=False)
        return not reply["hits"]["hits"]

    def _decided(
        self, query: Query, page: int | None, *, ordered: bool = True, many: bool = False
    ) -> Iterator[Hit]:
        if page is None and self.compiled.post_filter is not None:
            page = ENTIRE_PAGE
        hits = self.snapshot.hits(
            query,
            self.reader.request(),
            entire=self.reader.must_be_entire,
            page=page,
            ordered=ordered,
            many=many,
        )
        return decided(self.compiled, self.reader, hits)


_FEW = 100


def _every(*filters: Query) -> Query:
    return {"bool": {"filter": list(filters)}}


def of_group(fields: Sequence[str], key: GroupKey) -> Query:
    """The events of one group."""
    return _every(*({"term": {name: value}} for name, value in zip(fields, key, strict=True)))


def of_groups(fields: Sequence[str], keys: Collection[GroupKey]) -> Query:
    """The events of some groups, and of groups with a mix of their values."""
    return _every(
        *(
            {"terms": {name: sorted({key[place] for key in keys})}}
            for place, name in enumerate(fields)
        )
    )
