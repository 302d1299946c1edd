"""Puts objects on the daemons' queue, so that the daemons do the backfill.

Each message names one object, in the form of S3's own notification, so that an object that cannot
be read reaches the queue's redrive policy without others. Objects already ingested are left out;
daemons skip what was sent twice. An interrupted run is repeated as a whole.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from opensearchpy import OpenSearch

from ingest.backfill.denied import note_listing
from ingest.backfill.left_out import LeftOut
from ingest.documents.record_filter import criteria
from ingest.feeds import notifications
from ingest.feeds.sqs_queue import open_queue, queue_error
from ingest.ledger.ledger import Ledger
from ingest.matched import Matched
from ingest.objects import Selection, Source, TrailObject
from ingest.sources import open_source
from ingest.sources.aws_codes import FAILURES
from ingest.sources.layout import place_of
from ingest.sources.s3 import S3Source
from trailhound.backoff import Backoff
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import FoldersDeniedError, SourceUnreachableError, UsageError
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH: Final = 10
"""Messages in a request; SQS's limit."""
_LOOKED_UP: Final = 1_000
_SENDERS: Final = 8
_TRIES: Final = 8
_BACKOFF: Final = Backoff(first=0.2, longest=20.0)


@dataclass(slots=True)
class Enqueued:
    """What was put on the queue: `objects` is also the number of messages; `bytes` are as
    stored."""

    objects: int = 0
    skipped_objects: int = 0
    ignored_objects: int = 0
    bytes: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    dry_run: bool = False
    objects_read_again: int = 0
    """Of `objects`, those that an earlier run had read by another selection or filter."""
    matched: Matched = field(default_factory=Matched)
    left_out: LeftOut | None = None
    """With `dry_run`: what daemons would leave out of these, by the objects' names."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        apart = ("matched", "left_out")
        made = {name: value for name, value in asdict(self).items() if name not in apart}
        return made | ({"by_names": self.left_out.as_dict()} if self.left_out is not None else {})


class Enqueue:
    """One run over some sources. `stop()` from a signal handler ends it after what is being sent.

    With `dry_run` the queue is not touched at all.
    """

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        queue: str,
        *,
        selection: Selection,
        force: bool = False,
        limit: int | None = None,
        dry_run: bool = False,
    ) -> None:
        self._settings = settings
        self._client = client
        self._queue = queue
        self._retry_policy = RetryPolicy(settings.ingest.give_up_after)
        self._ledger = Ledger(
            client,
            Names(settings.prefix).ledger,
            self._retry_policy,
            claim_seconds=settings.ingest.claim_seconds,
            wanted=criteria(settings, selection),
        )
        self._selection = selection
        self._force = force
        self.limit = limit
        self._run = uuid.uuid4().bytes
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.report = Enqueued(dry_run=dry_run)
        self._denied: FoldersDeniedError | None = None
        self._listed: set[str] = set()
        """Prefixes that were listed to their end."""

    def stop(self) -> None:
        """List no further object."""
        self._stopping.set()

    def run(self, places: Sequence[str]) -> Enqueued:
        """Send the objects of these buckets, each given as `s3://bucket/prefix`.

        Raises `SourceUnreachableError` (a bucket, the queue), `UsageError`, `ClusterError`.
        """
        began = time.monotonic()
        for place in places:
            if not place.startswith("s3://"):
                raise UsageError(
                    f"{place} cannot be enqueued: a daemon on another machine could not read it",
                    hint="give s3://bucket/prefix, or leave out --enqueue",
                )
        self._ledger.reach()
        sources = [open_source(place, self._settings) for place in places]
        wanted = self._wanted(sources)
        if self.report.dry_run:
            self._plan(wanted)
        else:
            client, url = open_queue(self._settings.aws, self._queue, connections=_SENDERS)
            try:
                self._send_all(wanted, lambda group: self._send(client, url, group))
            finally:
                client.close()
        if not self.report.dry_run:
            denied = self._denied.folders if self._denied is not None else {}
            note_listing(
                self._client,
                self._settings,
                self._selection,
                denied={uri: each.message for uri, each in denied.items()},
                listed=() if self._stopping.is_set() else self._listed,
            )
        if self._denied is not None:
            raise self._denied
        self.report.ignored_objects += sum(sum(source.ignored.values()) for source in sources)
        self.report.interrupted = self._stopping.is_set()
        self.report.seconds = time.monotonic() - began
        return self.report

    def _plan(self, wanted: Iterator[TrailObject]) -> None:
        """Count the objects, and what daemons would leave out of them by their names."""
        left_out = LeftOut.of(self._settings, self._ledger.wanted.oldest)
        for item in wanted:
            self._count([item])
            left_out.add(item, place_of(item.path))
        left_out.compare_delivered(self._client, self._settings, self._retry_policy)
        self.report.left_out = left_out

    def _wanted(self, sources: Sequence[Source]) -> Iterator[TrailObject]:
        """Objects that are not done, as far as the limit reaches."""
        handed_out = 0
        for source in sources:
            items = self._but_denied(source.objects(self._selection))
            while group := list(islice(items, _LOOKED_UP)):
                known = {} if self._force else self._ledger.entries(group)
                for item in group:
                    self.report.matched.add(item)
                    if self._stopping.is_set() or handed_out == self.limit:
                        return
                    entry = known.get(item.uri)
                    if entry is not None and entry.is_done_for(item.etag, self._ledger.wanted):
                        self.report.skipped_objects += 1
                        continue
                    if entry is not None and entry.was_read(item.etag):
                        self.report.objects_read_again += 1
                    handed_out += 1
                    yield item
            if isinstance(source, S3Source):
                self._listed.add(source.uri_prefix)

    def _but_denied(self, items: Iterator[TrailObject]) -> Iterator[TrailObject]:
        """The objects; folders that may not be listed are an error once the others are sent."""
        try:
            yield from items
        except FoldersDeniedError as error:
            self._denied = error

    def _send_all(
        self, items: Iterator[TrailObject], send: Callable[[list[TrailObject]], None]
    ) -> None:
        """Send several requests at once, with at most twice as many groups in memory."""
        under_way: set[Future[None]] = set()
        with ThreadPoolExecutor(_SENDERS, "enqueue") as senders:
            try:
                while group := list(islice(items, _BATCH)):
                    under_way.add(senders.submit(send, group))
                    if len(under_way) >= 2 * _SENDERS:
                        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                        for each in done:
                            each.result()
                for each in under_way:
                    each.result()
            except BaseException:
                self._stopping.set()
                senders.shutdown(cancel_futures=True)
                raise

    def _send(self, client: SQSClient, url: str, group: list[TrailObject]) -> None:
        left = group
        for attempt in range(_TRIES):
            bodies = notifications.messages(iter(left), 1)
            entries: Any = [
                {"Id": str(number), "MessageBody": body, **self._in_order(url, body)}
                for number, body in enumerate(bodies)
            ]
            try:
                reply = client.send_message_batch(QueueUrl=url, Entries=entries)
            except FAILURES as error:
                raise queue_error(error, self._queue) from error
            refused = reply.get("Failed", ())
            sent = set(range(len(left))) - {int(each["Id"]) for each in refused}
            self._count([left[number] for number in sorted(sent)])
            for each in refused:
                if each["SenderFault"]:
                    raise SourceUnreachableError(
                        f"queue {self._queue}: a message was rejected ({each['Code']}): "
                        f"{left[int(each['Id'])].uri}",
                        hint="fix this, then run the same command again; what is done is skipped",
                    )
            left = [left[int(each["Id"])] for each in refused]
            if not left:
                return
            time.sleep(_BACKOFF.seconds(attempt + 1))
        raise SourceUnreachableError(
            f"queue {self._queue}: SQS accepts no messages", hint="run the same command again"
        )

    def _in_order(self, url: str, body: str) -> dict[str, str]:
        """What a FIFO queue asks of a message. Each is a group, so that none waits for another; one
        that is sent again after no answer is the same, and that of a later run is another."""
        if not url.endswith(".fifo"):
            return {}
        name = hashlib.sha256(self._run + body.encode()).hexdigest()
        return {"MessageGroupId": name, "MessageDeduplicationId": name}

    def _count(self, sent: list[TrailObject]) -> None:
        with self._lock:
            self.report.objects += len(sent)
            self.report.bytes += sum(item.size for item in sent)
