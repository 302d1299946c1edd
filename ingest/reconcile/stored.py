"""What the index and the dead letters hold of some objects, by counts and by ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from opensearchpy import OpenSearch

from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError
from trailhound.settings import Settings
from trailhound.state.objects import names_in_events

_IDS: Final = 1_000
"""Ids that one request looks for."""


class DayUnreadableError(RequestFailedError):
    """A day's index exists and cannot be read, for example because it is closed."""


@dataclass(frozen=True, slots=True)
class Letters:
    """The dead letters of an object by the position of their record: the codes of those that wait,
    and those that were dismissed."""

    codes: dict[int, str] = field(default_factory=dict)
    dismissed: set[int] = field(default_factory=set)


class StoredEvents:
    """The events of one namespace. Methods raise `ClusterError`."""

    def __init__(self, client: OpenSearch, settings: Settings, retry_policy: RetryPolicy) -> None:
        names = Names(settings.prefix)
        self._client = client
        self._retry_policy = retry_policy
        self._days = names.days
        self._reader = IndexReader(client, names.days)
        self._letters = IndexReader(client, names.deadletter)

    def refresh(self) -> None:
        """Make everything that was written so far visible to searches."""
        make_searchable(self._client, self._days)

    def counts(self, uris: Sequence[str]) -> dict[str, int]:
        """How many events name each of these objects (some hundreds at once); objects that none
        names are left out."""
        owners = {name: uri for uri in uris for name in names_in_events(uri)}
        if not owners:
            return {}
        names = list(owners)
        objects = {"terms": {"field": "trail.object", "size": len(names)}}
        reply = self._reader.search(
            {
                "query": {"terms": {"trail.object": names}},
                "track_total_hits": False,
                "aggs": {"objects": objects},
            }
        )
        found: dict[str, int] = {}
        for each in reply.get("aggregations", {}).get("objects", {}).get("buckets", ()):
            uri = owners[each["key"]]
            found[uri] = found.get(uri, 0) + int(each["doc_count"])
        return found

    def absent(self, targets: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of these pairs of a day's index and an id, those whose id no day has.

        Each id is looked for in its own day, and in all days where it is not there. Raises
        `DayUnreadableError`.
        """
        waiting = iter(targets)
        left: set[tuple[str, str]] = set()
        while group := list(islice(waiting, _IDS)):
            left |= self._not_in_their_day(group)
        elsewhere: set[str] = set()
        ids = iter(sorted({identifier for _, identifier in left}))
        while part := list(islice(ids, _IDS)):
            elsewhere |= self._in_any_day(part)
        return {target for target in left if target[1] not in elsewhere}

    def _not_in_their_day(self, group: list[tuple[str, str]]) -> set[tuple[str, str]]:
        docs = [{"_index": index, "_id": name, "_source": False} for index, name in group]
        reply = self._retry_policy.run(
            lambda: self._client.transport.perform_request("POST", "/_mget", body={"docs": docs})
        )
        left: set[tuple[str, str]] = set()
        for target, each in zip(group, reply["docs"], strict=True):
            fault = each.get("error")
            kind = str(fault.get("type") if isinstance(fault, dict) else fault or "")
            if fault is not None and kind != "index_not_found_exception":
                raise DayUnreadableError(
                    f"{target[0]} can't be read ({kind or fault})", hint="open it, and run again"
                )
            if not each.get("found"):
                left.add(target)
        return left

    def _in_any_day(self, identifiers: list[str]) -> set[str]:
        query = {"ids": {"values": identifiers}}
        reply = self._reader.search({"query": query, "size": 10_000, "_source": False})
        return {str(hit["_id"]) for hit in reply["hits"]["hits"]}

    def dead_letters(self, uri: str) -> Letters:
        """The dead letters of an object."""
        found = Letters()
        wanted = {"_source": ["position", "code", "dismissed"]}
        for hit in self._letters.documents({"term": {"object": uri}}, wanted, refresh=True):
            letter = hit["_source"]
            if letter.get("dismissed"):
                found.dismissed.add(int(letter["position"]))
            else:
                found.codes[int(letter["position"])] = str(letter["code"])
        found.dismissed.difference_update(found.codes)
        return found
