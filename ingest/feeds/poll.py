"""A feed that lists a bucket at intervals, for accounts without a queue.

Accounts and regions are found in every listing, and of each region's folder only what was delivered
since its checkpoint is listed, and an overlap before it for files that come late. A file's name
says when it was delivered ("CloudTrail log file name format", CloudTrail user guide). Replication
can bring a file hours or days after that: at a start and once a day the days before each checkpoint
are listed as well, and the ledger says which of their files are new. Other names do not say when
the object was delivered: those are compared with what was submitted before.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum

from opensearchpy import OpenSearch

from ingest.feeds.feed import Delivery, Outcome
from ingest.feeds.kinds import Probed, feed_kind, feed_probe
from ingest.feeds.listed_folders import ListedFolders
from ingest.feeds.listing import ListingFeed
from ingest.objects import Selection, TrailObject
from ingest.sources.readable import look_at
from ingest.sources.s3 import S3Source
from trailhound.errors import ClusterError, FoldersDeniedError, SourceError
from trailhound.settings import FeedSettings, Settings
from trailhound.state.feed_checkpoints import FeedCheckpoints

LOG = logging.getLogger("trailhound.poll")
_EVERY = 60.0
_SWEEP_EVERY = 86_400.0
_TRIES = 5
_LOOKED_AT = 20
"""Objects of which one has to hold CloudTrail records, when it is asked whether they may be
read."""
_FIRST_YEAR = datetime(2006, 1, 1, tzinfo=UTC)
"""A year before S3 existed; earlier times in names are invalid."""
_PLACE = re.compile(
    r"^(?P<folder>s3://.*?(?P<account>\d{12})/(?P<kind>CloudTrail(?:-[A-Za-z]+)?)/(?P<region>[^/]+)/)"
    r"\d{4}/\d{2}/\d{2}/[^/]*?_(?P<time>\d{8}T\d{4})\d{0,2}Z"
)
_FOLDER = re.compile(r"(\d{12})/(CloudTrail(?:-[A-Za-z]+)?)/([^/]+)/$")


class _State(Enum):
    OPEN = "submitted, and not finished"
    RETRY = "to be submitted in the next listing"
    DONE = "finished"


@dataclass(slots=True)
class _File:
    item: TrailObject
    folder: str
    """Of a region; empty where the name is not in CloudTrail's form."""
    delivered: datetime | None
    """None where the name does not say."""
    state: _State
    tries: int = 0
    look: int = 0
    """The number of the listing in which it was last submitted."""


class PollFeed(ListingFeed):
    """Submits the new objects of a bucket."""

    kind = "s3"
    setting = "poll"
    outside_errors = (SourceError, ClusterError)

    def __init__(
        self,
        settings: Settings,
        feed: FeedSettings,
        checkpoints: FeedCheckpoints,
        *,
        sweep_every: float = _SWEEP_EVERY,
        folders: ListedFolders | None = None,
    ) -> None:
        """`sweep_every`: seconds between two searches for files that came late. `folders`: the
        notes of those that backfills were not allowed to list.

        Makes no request. Raises `UsageError`, `SettingsError`, `SourceUnreachableError`.
        """
        assert feed.poll is not None  # noqa: S101 - a feed of another kind is not made here
        super().__init__(feed.poll, f"bucket {feed.poll}", feed.every or _EVERY, LOG)
        aws = feed.own_aws(settings.aws)
        self.source = S3Source(feed.poll, settings.model_copy(update={"aws": aws}))
        self._root = f"s3://{self.source.bucket}/"
        self._since = feed.since
        self._overlap = timedelta(minutes=feed.overlap_minutes)
        self._late = timedelta(days=feed.late_days)
        self._sweep_every = sweep_every
        self._sweep_at = 0.0
        """When (monotonic) late files are searched for next."""
        self._sweeping = False
        self._owed: date | None = None
        """From which day on folders without a checkpoint are listed, while some may not be."""
        self._looks = 0
        self._store = checkpoints
        self._folders = folders
        self._checkpoints: dict[str, datetime] = {}
        self._known = False
        """Whether the checkpoints were read."""
        self._files: dict[str, _File] = {}
        self._others: set[int] = set()
        """Hashes of name and etag of finished objects whose name is not in CloudTrail's form."""

    def close(self) -> None:
        super().close()
        if self._thread.is_alive():
            return  # it hangs in a request; the next daemon lists from the older checkpoint
        try:
            self._move_checkpoints()
        except ClusterError as error:
            self._errors.record(error.message)

    def _backlog(self) -> int:
        return sum(file.state is not _State.DONE for file in self._files.values())

    def _list(self) -> None:
        if not self._known:
            self._checkpoints = self._store.get(self._root)
            self._known = True
        with self._lock:
            finished = not self._backlog()
        if finished and self._folders is not None:
            self._folders.finished()
        denied = self._look()
        self._move_checkpoints()
        if denied is not None:
            raise denied

    def _look(self) -> FoldersDeniedError | None:
        """List possibly new objects, and submit the new ones. The folders that may not be listed
        are returned, so that the others are followed."""
        self._looks += 1
        self._sweeping = bool(self._late) and time.monotonic() >= self._sweep_at
        since = self._since or datetime.now(UTC).date() - timedelta(days=1)
        with self._lock:  # a folder last followed a month ago continues from there
            since = min([since, *(self._edge(each).date() for each in self._checkpoints.values())])
            followed = list(self._checkpoints)
        since = min(since, self._owed or since)
        found = self.source.objects(Selection(since=since), self._after, beside=self._sweeping)
        denied: FoldersDeniedError | None = None
        try:
            for item in found:
                if self._stopping.is_set():
                    return None
                self._consider(item)
        except FoldersDeniedError as error:
            denied = error
        self._owed = since if denied else None
        if self._folders is not None:
            names = denied.folders if denied is not None else ()
            root = self.source.uri_prefix
            self._folders.note(root, since, denied=names, followed=followed)
        with self._lock:  # a late file that failed is listed again only a day later
            again = [
                file.item
                for file in self._files.values()
                if file.state is _State.RETRY and file.look != self._looks
            ]
        for item in again:
            if self._stopping.is_set():
                return None
            self._consider(item)
        if self._sweeping:
            self._sweep_at = time.monotonic() + self._sweep_every
            self._sweeping = False
        return denied

    def _consider(self, item: TrailObject) -> None:
        with self._lock:
            file = self._files.get(item.uri)
            if file is None or file.item.etag != item.etag:
                if hash((item.uri, item.etag)) in self._others:
                    return
                folder, delivered = _placed(item.uri)
                file = _File(item, folder, delivered, _State.RETRY)
                self._files[item.uri] = file
            if file.state is not _State.RETRY:
                return
            file.state = _State.OPEN
            file.tries += 1
            file.look = self._looks
            self._last_arrival = time.time()
        self._submit(
            Delivery(
                item,
                self.source,
                self.name,
                file.delivered.timestamp() if file.delivered else 0.0,
                lambda outcome: self._finish(file, outcome),
            )
        )

    def _finish(self, file: _File, outcome: Outcome) -> None:
        with self._lock:
            self._counters[f"{outcome.name.lower()}_objects"] += 1
            if outcome in (Outcome.RETURNED, Outcome.NO_BUCKET):
                file.tries -= 1
                file.state = _State.RETRY
            elif outcome is Outcome.FAILED and file.tries < _TRIES:
                file.state = _State.RETRY
            else:
                file.state = _State.DONE
                if file.delivered is None:
                    self._others.add(hash((file.item.uri, file.item.etag)))
                if not self._listed_again(file) and self._files.get(file.item.uri) is file:
                    del self._files[file.item.uri]

    def _listed_again(self, file: _File) -> bool:
        """Whether listings between two sweeps find a file again, so that it must be remembered."""
        if file.delivered is None:
            return False  # `_others` remembers it
        checkpoint = self._checkpoints.get(file.folder)
        return checkpoint is None or file.delivered >= self._overlap_edge(checkpoint)

    # Checkpoints.

    def _edge(self, checkpoint: datetime) -> datetime:
        """The time from which on objects are listed; to the minute, as in names."""
        edge = self._overlap_edge(checkpoint)
        if not self._sweeping:
            return edge
        late = (checkpoint - self._late).replace(second=0, microsecond=0)
        if self._since is not None:
            late = max(late, datetime.combine(self._since, datetime.min.time(), UTC))
        return min(edge, late)

    def _overlap_edge(self, checkpoint: datetime) -> datetime:
        return (checkpoint - self._overlap).replace(second=0, microsecond=0)

    def _after(self, folder: str) -> str:
        """The key after which a region's folder is listed; empty where it has no checkpoint."""
        with self._lock:
            checkpoint = self._checkpoints.get(self._root + folder)
        found = _FOLDER.search(folder)
        if checkpoint is None or found is None:
            return ""
        moment = self._edge(checkpoint)
        name = f"{found[1]}_{found[2]}_{found[3]}_{moment:%Y%m%dT%H%M}"
        return f"{folder}{moment:%Y/%m/%d}/{name}"

    def _move_checkpoints(self) -> None:
        """Move each folder's checkpoint up to its oldest unfinished file, or its newest file."""
        with self._lock:
            moved: dict[str, datetime] = {}
            unsettled: dict[str, datetime] = {}
            for file in self._files.values():
                if file.delivered is None:
                    continue
                newest = moved.get(file.folder, file.delivered)
                moved[file.folder] = max(newest, file.delivered)
                if file.state is not _State.DONE:
                    oldest = unsettled.get(file.folder, file.delivered)
                    unsettled[file.folder] = min(oldest, file.delivered)
            moved |= unsettled
            moved = {
                folder: checkpoint
                for folder, checkpoint in moved.items()
                if folder not in self._checkpoints or checkpoint > self._checkpoints[folder]
            }
        self._store.put(moved)
        with self._lock:
            self._checkpoints |= moved
            self._files = {
                uri: file
                for uri, file in self._files.items()
                if file.state is not _State.DONE or self._listed_again(file)
            }


@feed_kind("poll")
def _open(settings: Settings, feed: FeedSettings, client: OpenSearch) -> PollFeed:
    checkpoints, folders = FeedCheckpoints(client, settings), ListedFolders(client, settings)
    return PollFeed(settings, feed, checkpoints, folders=folders)


def _placed(uri: str) -> tuple[str, datetime | None]:
    """The region's folder of a file and when it was delivered; an empty name and None where the
    name is not in CloudTrail's form.

    >>> _placed("s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/2024/03/01/"
    ...         "111122223333_CloudTrail_eu-west-1_20240301T1205Z_x.json.gz")[1]
    datetime.datetime(2024, 3, 1, 12, 5, tzinfo=datetime.timezone.utc)
    """
    place = _PLACE.match(uri)
    if place is None:
        return "", None
    try:
        delivered = datetime.strptime(place["time"], "%Y%m%dT%H%M").replace(tzinfo=UTC)
    except ValueError:
        return "", None
    # A name may say any time; an impossible one must not move the checkpoint past all others.
    return place["folder"], max(_FIRST_YEAR, min(delivered, datetime.now(UTC)))


@feed_probe("poll")
def _probe(settings: Settings, feed: FeedSettings) -> Probed:
    """Whether the bucket may be listed, and a trail file in it read."""
    assert feed.poll is not None  # noqa: S101 - a feed of another kind is not looked at here
    aws = feed.own_aws(settings.aws)
    source = S3Source(feed.poll, settings.model_copy(update={"aws": aws}))
    found = look_at(source, _LOOKED_AT)
    if found.readable:
        return Probed(found.fact())
    if not found.objects:
        return Probed("it may be listed and holds no trail file yet", "check the prefix")
    return Probed(f"no trail file among its first {found.objects:,} objects", "check the prefix")
