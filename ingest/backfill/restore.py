"""Objects in an archive tier of S3: what a bulk restore costs, the request, and what is back.

The ledger has them as `archived`. A bulk restore takes 5 to 12 hours from Glacier Flexible
Retrieval and up to 48 from Deep Archive; S3 then keeps a readable copy for some days.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, BinaryIO, Final

from botocore.exceptions import ClientError
from opensearchpy import OpenSearch

from ingest.objects import Selection, TrailObject
from ingest.sources.aws_codes import NO_ANSWER
from ingest.sources.layout import place_of, wanted
from ingest.sources.s3 import S3Source
from ingest.sources.s3_errors import object_error
from trailhound.errors import ObjectAccessDeniedError, SourceError
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState
from trailhound.state.store import StateStore

_AT_ONCE: Final = 16
_GIB: Final = 1024**3
_BULK_A_GIB: Final[Mapping[str, float]] = {"DEEP_ARCHIVE": 0.0025}
_BULK_A_REQUEST: Final[Mapping[str, float]] = {"GLACIER": 0.025e-3, "DEEP_ARCHIVE": 0.025e-3}
_COPY_A_GIB_AND_DAY: Final = 0.023 / 30
"""US dollars, the list prices of us-east-1 (aws.amazon.com/s3/pricing, "Requests & data retrievals"
and "Storage"). Bulk retrieval from GLACIER is free of charge, but for its requests."""
_TIERED: Final = "INTELLIGENT_TIERING"
"""Restored without a number of days: the object itself comes back."""


@dataclass(frozen=True, slots=True)
class Archived:
    """An archived object. `asked`: a restore is in progress; `back`: it can be read."""

    item: TrailObject
    storage_class: str
    asked: bool
    back: bool


@dataclass(slots=True)
class Cost:
    """The cost of a restore in US dollars. `classes`: numbers of objects by storage class."""

    objects: int = 0
    bytes: int = 0
    dollars: float = 0.0
    classes: Counter[str] = field(default_factory=Counter)


class Restore:
    """The archived objects of one bucket. Methods raise `SourceUnreachableError` and
    `ClusterError`."""

    def __init__(
        self, client: OpenSearch, settings: Settings, source: S3Source, selection: Selection
    ) -> None:
        self._objects = StateStore(client, settings, ObjectState)
        self._source = source
        self._selection = selection
        self.unknown: list[tuple[str, str]] = []
        """Objects of which S3 does not say what they are, or that it does not restore, and why."""

    def find(self) -> list[Archived]:
        """The objects that are archived in the ledger and still in the bucket, with their state in
        S3."""
        clauses = (
            {"term": {"state": "archived"}},
            {"prefix": {"uri": self._source.uri_prefix}},
        )
        items = [
            TrailObject(each.uri, each.etag, each.size)
            for each in self._objects.all(*clauses)
            if wanted(place_of(each.uri), self._selection)
        ]
        return self.look(items)

    def look(self, items: Iterable[TrailObject]) -> list[Archived]:
        """The state of each object in S3; those that can't be inspected go to `unknown`."""
        return [each for each in self._each(self._look, items) if each is not None]

    def ask(self, archived: Iterable[Archived], days: int) -> int:
        """Request a bulk restore of the objects without one in progress. Returns their number."""
        left = [each for each in archived if not (each.asked or each.back)]
        return sum(1 for done in self._each(lambda each: self._ask(each, days), left) if done)

    def _each(self, call: Callable[[Any], Any], what: Iterable[Any]) -> Iterator[Any]:
        with ThreadPoolExecutor(_AT_ONCE, "restore") as pool:
            yield from pool.map(call, what)

    def _look(self, item: TrailObject) -> Archived | None:
        try:
            about: Mapping[str, Any] = self._source.about(item)
        except SourceError as error:
            self.unknown.append((item.uri, error.with_hint))
            return None
        restore = str(about.get("Restore") or "")
        under_way = 'ongoing-request="true"' in restore
        stored = str(about.get("StorageClass") or "STANDARD")
        tier = about.get("ArchiveStatus")
        back = not under_way and (
            'ongoing-request="false"' in restore or (stored not in _BULK_A_REQUEST and not tier)
        )
        found = TrailObject(item.uri, about["ETag"].strip('"'), about["ContentLength"])
        return Archived(found, stored, under_way, back)

    def _ask(self, each: Archived, days: int) -> bool:
        request: dict[str, Any] = {"GlacierJobParameters": {"Tier": "Bulk"}}
        if each.storage_class != _TIERED:
            request["Days"] = days
        try:
            self._source.restore(each.item, request)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "RestoreAlreadyInProgress":
                return True
            failed = object_error(error, each.item.uri)
            if isinstance(failed, ObjectAccessDeniedError):
                failed.hint = "grant s3:RestoreObject on it"
            self.unknown.append((each.item.uri, failed.with_hint))
            return False
        except NO_ANSWER as error:
            self.unknown.append((each.item.uri, object_error(error, each.item.uri).with_hint))
            return False
        return True


def cost_of(archived: Iterable[Archived], days: int) -> Cost:
    """The cost of restoring the objects without a restore in progress."""
    found = Cost()
    for each in archived:
        if each.asked or each.back:
            continue
        size = each.item.size / _GIB
        found.objects += 1
        found.bytes += each.item.size
        found.classes[each.storage_class] += 1
        found.dollars += _BULK_A_REQUEST.get(each.storage_class, 0.0)
        found.dollars += size * _BULK_A_GIB.get(each.storage_class, 0.0)
        if each.storage_class != _TIERED:
            found.dollars += size * days * _COPY_A_GIB_AND_DAY
    return found


class Returned:
    """Archived objects as a source, which yields each when it can be read again."""

    ignored: Mapping[str, int] = MappingProxyType({})

    def __init__(
        self, restore: Restore, source: S3Source, archived: Iterable[Archived], every: float
    ) -> None:
        """`every`: seconds between two looks for restored objects."""
        self._restore, self._source, self._every = restore, source, every
        self._ended = threading.Event()
        self.waiting = list(archived)

    def stop(self) -> None:
        """Stop waiting for further objects."""
        self._ended.set()

    def objects(self, selection: Selection) -> Iterator[TrailObject]:  # noqa: ARG002
        """The objects as they are restored; ends when all are, or after `stop`."""
        while self.waiting:
            yield from (each.item for each in self.waiting if each.back)
            self.waiting = [each for each in self.waiting if not each.back]
            if not self.waiting or self._ended.wait(self._every):
                return
            self.waiting = self._restore.look([each.item for each in self.waiting])

    def open(self, item: TrailObject) -> BinaryIO:
        return self._source.open(item)

    def head(self, item: TrailObject, size: int) -> bytes:
        return self._source.head(item, size)
