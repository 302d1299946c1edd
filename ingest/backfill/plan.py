"""What a backfill would read: compares the listing with the ledger, without writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from opensearchpy import OpenSearch

from ingest.backfill.left_out import LeftOut
from ingest.backfill.places import PlaceSizes
from ingest.counts import Counts
from ingest.documents.record_filter import criteria
from ingest.ledger.ledger import Ledger
from ingest.matched import Matched
from ingest.objects import Selection, Source, TrailObject
from ingest.sources.layout import NameClass, classify
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import FoldersDeniedError
from trailhound.settings import Settings

_AT_ONCE = 1_000
_GIVE_UP_AFTER = 60.0
"""Seconds; a user waits for the result."""


@dataclass(slots=True)
class Plan:
    """Objects to read and their bytes as stored, and objects that are done already.

    `objects_read_again` are those to read that an earlier run read by another selection or filter.
    `unnamed_objects` of them have names that do not show what they hold: their first 64 KB decide.
    """

    objects: int = 0
    skipped_objects: int = 0
    ignored_kinds: Counter[str] = field(default_factory=Counter)
    unnamed_objects: int = 0
    bytes: int = 0
    objects_read_again: int = 0
    matched: Matched = field(default_factory=Matched)
    places: PlaceSizes = field(default_factory=PlaceSizes)
    """Of the objects to read."""
    denied: dict[str, str] = field(default_factory=dict)
    """Folders that may not be listed, with the reason."""
    left_out: LeftOut | None = None
    """What would be left out of these, by their names."""

    @property
    def ignored_objects(self) -> int:
        """Objects that are known not to hold CloudTrail records."""
        return self.ignored_kinds.total()

    def as_dict(self) -> dict[str, Any]:
        """The same fields as a backfill's report, so that a program can read both, `by_place` and
        `by_names`."""
        return {
            "dry_run": True,
            "objects": self.objects,
            "skipped_objects": self.skipped_objects,
            "failed_objects": len(self.denied),
            "archived_objects": 0,
            "ignored_objects": self.ignored_objects,
            "ignored_kinds": dict(self.ignored_kinds.most_common()),
            "unnamed_objects": self.unnamed_objects,
            **Counts().as_dict(),
            "bytes": self.bytes,
            "seconds": 0.0,
            "objects_read_again": self.objects_read_again,
            "by_place": self.places.as_list(),
            "by_names": self.left_out.as_dict() if self.left_out is not None else None,
        }


def plan(
    client: OpenSearch,
    settings: Settings,
    sources: Sequence[Source],
    selection: Selection,
    *,
    force: bool = False,
    limit: int | None = None,
) -> Plan:
    """List the sources and look up each object in the ledger. Raises `ClusterError`,
    `SourceUnreachableError`."""
    retry_policy = RetryPolicy(min(_GIVE_UP_AFTER, settings.ingest.give_up_after or _GIVE_UP_AFTER))
    ledger = Ledger(
        client,
        Names(settings.prefix).ledger,
        retry_policy,
        claim_seconds=settings.ingest.claim_seconds,
        wanted=criteria(settings, selection),
    )
    ledger.reach()
    left_out = LeftOut.of(settings, ledger.wanted.oldest, selection.until)
    found = Plan(left_out=left_out)
    listed: set[str] = set()
    for source in sources:
        items = _but_denied(source.objects(selection), found)
        while group := list(islice(items, _AT_ONCE)):
            known = {} if force else ledger.entries(group)
            for item in group:
                place = found.matched.add(item)
                if limit is None and place is not None and place.day is not None:
                    listed.add(place.day.strftime("%Y.%m.%d"))
                entry = known.get(item.uri)
                if entry is not None and entry.is_skipped(item.etag):
                    found.ignored_kinds[entry.reason] += 1
                elif entry is not None and entry.is_done_for(item.etag, ledger.wanted):
                    found.skipped_objects += 1
                elif limit is None or found.objects < limit:
                    found.objects += 1
                    found.unnamed_objects += classify(item.path)[0] is NameClass.UNNAMED
                    found.objects_read_again += entry is not None and entry.was_read(item.etag)
                    found.bytes += item.size
                    found.places.add(item, place)
                    left_out.add(item, place)
        found.ignored_kinds.update(source.ignored)
    left_out.compare(client, settings, retry_policy, listed)
    return found


def _but_denied(items: Iterator[TrailObject], found: Plan) -> Iterator[TrailObject]:
    """The objects; folders that may not be listed are noted."""
    try:
        yield from items
    except FoldersDeniedError as error:
        found.denied |= {uri: each.message for uri, each in error.folders.items()}
