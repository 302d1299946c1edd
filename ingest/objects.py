"""What sources give to the reader: objects to read, and what a user selected of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import BinaryIO, Final, Protocol, runtime_checkable

UNSEEN: Final = "unseen"
"""Etag of an object that cannot be inspected (opening it gives the reason). Its size is unknown."""
WHOLE_BYTES: Final = 16 * 1024 * 1024
"""Objects up to this size, as stored, are fetched whole; larger ones are streamed."""


@dataclass(frozen=True, slots=True)
class TrailObject:
    """One file of a trail, before it is read.

    `uri` is `s3://bucket/key`, a file's absolute path, or `-` for standard input; it is the
    object's name in the ledger; its events have its `short_id`. `etag` changes when the content
    does (S3's etag without quotes; for files, size and mtime in nanoseconds). `size` is in bytes as
    stored, so compressed where the object is.
    """

    uri: str
    etag: str
    size: int
    walked: str = ""
    """The path by which a file was found, where that is not its `uri` (symbolic links)."""

    @property
    def path(self) -> str:
        """The name whose folders show where the object belongs."""
        return self.walked or self.uri


@dataclass(frozen=True, slots=True)
class Selection:
    """What a user selects of a source. Days are UTC and inclusive; empty sets mean all.

    A record is selected when its own day, account and region are selected, or those of its object's
    folder: so if a trail is divided, each record is in at least one part. A folder's day is
    that of the delivery, and an event of 23:58 lies in the next day's folder: sources list the
    folders from `since` to the day after `until`, and of the last one the records of other days are
    dropped (`ingest.documents.record_filter`).

    >>> week = Selection(since=date(2024, 3, 1), until=date(2024, 3, 7))
    >>> week.covers(date(2024, 3, 8)), week.last_folder
    (False, datetime.date(2024, 3, 8))
    """

    since: date | None = None
    until: date | None = None
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.since or self.until or self.accounts or self.regions)

    @property
    def last_folder(self) -> date | None:
        """The last day folder that can hold wanted events: the day after `until`."""
        if self.until is None or self.until == date.max:
            return self.until
        return self.until + timedelta(days=1)

    def covers(self, day: date) -> bool:
        """Whether events of this UTC day are wanted."""
        return not (
            (self.since is not None and day < self.since)
            or (self.until is not None and day > self.until)
        )


HISTORY: Final = "lookup://"
"""How the names of the event history's windows begin (`ingest.sources.lookup`)."""


def is_history(item: TrailObject) -> bool:
    """Whether an object is a window of CloudTrail's event history."""
    return item.uri.startswith(HISTORY)


class Source(Protocol):
    """A place to read trail files from."""

    @property
    def ignored(self) -> Mapping[str, int]:
        """Objects listed whose name says that they are not trail files, by kind: no errors."""

    def objects(self, selection: Selection) -> Iterator[TrailObject]:
        """The trail objects selected, listed lazily. Raises `SourceUnreachableError`;
        `FoldersDeniedError` comes after the last object, and only folders are then left out."""

    def open(self, item: TrailObject) -> BinaryIO:
        """The object's bytes as stored. Raises `ObjectNotFoundError`,
        `ObjectAccessDeniedError`, `ObjectUnreadableError`.
        """

    def head(self, item: TrailObject, size: int) -> bytes:
        """The object's first `size` bytes as stored, or all. Raises as `open` does."""


@runtime_checkable
class StoppableSource(Protocol):
    """A source whose objects take so long to open that a run which ends should not wait for it."""

    def stop(self) -> None:
        """Opening ends with an error from now on."""


@runtime_checkable
class CountedSource(Protocol):
    """A source that knows how many objects it has without listing them."""

    def count(self, selection: Selection) -> int:
        """How many are selected. Raises `SourceUnreachableError`."""
