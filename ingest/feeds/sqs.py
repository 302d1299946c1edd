"""A feed that reads notifications of new trail files from an SQS queue.

A message is hidden from other consumers while it is processed (a heartbeat extends that), and
deleted only when every object in it is done. Failed messages stay on the queue, for its redrive
policy.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opensearchpy import OpenSearch

from ingest.feeds import notifications
from ingest.feeds.error_state import BACKOFF, ErrorState
from ingest.feeds.feed import Delivery, FeedStatus, Outcome, Submit
from ingest.feeds.kinds import feed_kind
from ingest.feeds.notifications import NamedObject, Notification
from ingest.feeds.sqs_queue import in_its_region, queue_error, queue_url
from ingest.feeds.unread_messages import UnreadMessages
from ingest.sources.aws_codes import FAILURES
from ingest.sources.s3 import S3Source
from ingest.sources.session import sqs_client
from trailhound.batching import batched
from trailhound.errors import SourceError, TrailhoundError, UsageError
from trailhound.settings import FeedSettings, Settings
from trailhound.threads import SupervisedThread

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LOG = logging.getLogger("trailhound.sqs")
_AT_ONCE: Final = 10
"""Messages in a request; SQS's limit."""
_POLL_SECONDS: Final = 4
"""Seconds of a long poll. Short, since a stop waits for it; its messages would otherwise stay
hidden for minutes."""
_DEPTH_EVERY: Final = 30.0
_RETURN_SECONDS: Final = 15
"""Seconds after which a returned message (for example, of an unreachable bucket) is delivered
again."""
_TICK: Final = 0.25
_SHOWN: Final = 60.0
_MOST_KINDS: Final = 50
"""The most kinds of messages that are counted by name; bodies are untrusted, so memory must be
bounded."""
_BUCKET_NAME: Final = 63
_MOST_BUCKETS: Final = 64


@dataclass(slots=True)
class _Message:
    """A message in process. `open` is the number of its unfinished objects."""

    id: str
    receipt: str
    open: int
    outcomes: set[Outcome] = field(default_factory=set)
    extended: float = 0.0


class SqsFeed:
    """Submits the objects that the messages of a queue name."""

    def __init__(self, settings: Settings, feed: FeedSettings) -> None:
        """Makes no request. Raises `SettingsError`, `SourceUnreachableError`."""
        assert feed.queue is not None  # noqa: S101 - a feed of another kind is not made here
        self.name = feed.queue
        aws = feed.own_aws(settings.aws)
        if feed.region is None:
            aws = in_its_region(aws, feed.queue)
        self._settings = settings.model_copy(update={"aws": aws})
        self._visibility = settings.run.visibility_seconds
        self._client: SQSClient = sqs_client(self._settings.aws, connections=4)
        self._url = ""
        self._sources: dict[str, S3Source] = {}
        self._lock = threading.Lock()
        self._work: dict[str, _Message] = {}
        self._ended: list[_Message] = []
        self._counters: Counter[str] = Counter()
        self._depth: int | None = None
        self._last_arrival = 0.0
        self._stopping = threading.Event()
        self._closing = threading.Event()
        self._ignored: Counter[str] = Counter()
        self._unknown: Counter[str] = Counter()
        self._unread = UnreadMessages()
        self._errors = ErrorState(f"queue {self.name}", LOG, self._stopping)
        self._upkeep = ErrorState(f"queue {self.name}", LOG, self._closing)
        """Errors of deleting and extending messages, which a working receiver does not show."""
        self._submit: Submit = lambda _: False
        self._checked = -_DEPTH_EVERY
        self._not_opened = (-_SHOWN, "")
        """When (monotonic) a bucket last could not be opened (no credentials, say), and why."""
        self._threads = [
            SupervisedThread(self._receive, f"sqs-receive {self.name}", self._stopping),
            SupervisedThread(self._look_after, f"sqs-messages {self.name}", self._closing),
        ]

    def start(self, submit: Submit) -> None:
        self._submit = submit
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def close(self) -> None:
        self._stopping.set()
        receiver, keeper = self._threads
        receiver.join(_POLL_SECONDS + 1)  # what it still receives is returned
        self._closing.set()
        keeper.join(10)
        self._client.close()

    def status(self) -> FeedStatus:
        with self._lock:
            latest = max((self._errors, self._upkeep), key=lambda each: each.last_error_at)
            return FeedStatus(
                self.name,
                "sqs",
                None if self._errors.failing else self._depth,  # as it was is not as it is
                self._last_arrival,
                latest.last_error,
                latest.last_error_at,
                dict(self._counters),
                failing=self._errors.failing
                or self._upkeep.failing
                or self._unopened()
                or self._unread.failing,
                ignored=dict(self._ignored),
                unknown=dict(self._unknown),
            )

    def _unopened(self) -> str:
        moment, reason = self._not_opened
        return reason if time.monotonic() - moment < _SHOWN else ""

    # The receiver.

    def _receive(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self._url:
                    self._url = queue_url(self._client, self.name)
                    self._warn_without_redrive()
                if time.monotonic() - self._checked > _DEPTH_EVERY:
                    self._checked = time.monotonic()
                    self._measure()
                reply = self._client.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=_AT_ONCE,
                    VisibilityTimeout=self._visibility,
                    WaitTimeSeconds=_POLL_SECONDS,
                )
                self._errors.clear()
            except (*FAILURES, SourceError, UsageError) as error:
                self._errors.backoff(self._message_of(error))
                continue
            # All are added to the heartbeat before the first one waits for capacity.
            taken = [
                self._take(each["MessageId"], each["ReceiptHandle"], each.get("Body", ""))
                for each in reply.get("Messages", ())
            ]
            for message, found in filter(None, taken):
                for named in found.objects:
                    self._deliver(message, named)
                self._finish(message, None)

    def _take(
        self, identifier: str, receipt: str, body: str
    ) -> tuple[_Message, Notification] | None:
        """A message to process, and its content; None if it is in process already."""
        found = _read(body)
        message = _Message(identifier, receipt, 1, extended=time.monotonic())
        with self._lock:
            self._counters["messages"] += 1
            if again := self._work.get(identifier):
                # Delivered twice: the newest handle is the one that deletes.
                again.receipt = receipt
                return None
            self._work[identifier] = message
            self._note(identifier, found)
            if found.faults:
                message.outcomes.add(Outcome.FAILED)
            message.open += len(found.objects)
        return message, found

    def _note(self, identifier: str, found: Notification) -> None:
        """Count the parts that are not read, by kind or reason; each kind is logged once."""
        for kind, number in found.ignored.items():
            if kind not in self._ignored:
                LOG.info("queue %s: ignored: %s", self.name, kind)
            _count(self._ignored, kind, number)
        self._counters["ignored_records"] += found.ignored.total()
        self._counters["restored_objects"] += sum(each.restored for each in found.objects)
        if found.faults and not found.objects:
            self._counters["unknown_messages"] += 1
            self._unread.unknown(identifier, found.faults[0])
        else:
            self._unread.known()
        for reason in found.faults:
            self._counters["unknown_records"] += 1
            _count(self._unknown, reason, 1)
            LOG.error("queue %s: message %s stays on the queue: %s", self.name, identifier, reason)

    def _deliver(self, message: _Message, named: NamedObject) -> None:
        if self._stopping.is_set():
            self._finish(message, Outcome.RETURNED)
            return
        try:
            source = self._source(named.bucket)
            item = named.item
            if not item.etag:  # a trail's own notification has neither etag nor size
                item = source.look_up(item)
            with self._lock:
                self._last_arrival = time.time()
                self._not_opened = (-_SHOWN, "")
            self._submit(
                Delivery(
                    item,
                    source,
                    self.name,
                    named.delivered,
                    lambda outcome: self._finish(message, outcome, named.bucket),
                )
            )
        except Exception as error:  # noqa: BLE001 - of this object; the message must not stay open
            reason = f"{named.item.uri}: {_reason(error)}"
            self._errors.record(reason)
            self._not_opened = (time.monotonic(), reason)
            self._finish(message, Outcome.RETURNED)

    def _source(self, bucket: str) -> S3Source:
        """The bucket as a source, opened once."""
        source = self._sources.get(bucket)
        if source is None:
            source = S3Source(f"s3://{bucket}/", self._settings)
            while len(self._sources) >= _MOST_BUCKETS:
                self._sources.pop(next(iter(self._sources)))
            self._sources[bucket] = source
        return source

    def _finish(self, message: _Message, outcome: Outcome | None, bucket: str = "") -> None:
        """Finish one object of a message; with the last of them, the message."""
        with self._lock:
            if outcome is Outcome.IGNORED:
                _count(self._ignored, "objects without CloudTrail records, by their content", 1)
                self._counters["ignored_records"] += 1
            if outcome is Outcome.NO_BUCKET:
                reason = f"it names the bucket {bucket[:_BUCKET_NAME]}, which does not exist"
                _count(self._unknown, reason, 1)
                self._counters["unknown_records"] += 1
                LOG.error(
                    "queue %s: message %s stays on the queue: %s", self.name, message.id, reason
                )
                outcome = Outcome.FAILED
            if outcome is not None:
                message.outcomes.add(outcome)
            message.open -= 1
            if message.open == 0:
                self._work.pop(message.id, None)
                self._ended.append(message)

    # The thread that deletes, returns and extends messages.

    def _look_after(self) -> None:
        while True:
            closing = self._closing.wait(_TICK)
            with self._lock:
                ended, self._ended = self._ended, []
            refused: Exception | None = None
            try:
                self._extend()  # first: a queue that refuses deletions must not stop the heartbeat
            except FAILURES as error:
                refused = error
            try:
                self._end(ended)
            except Exception as error:
                with self._lock:
                    # Delivered again meanwhile, a message is here twice: the newest handle counts.
                    kept = {each.id: each for each in (*ended, *self._ended)}
                    self._ended = list(kept.values())
                if not isinstance(error, FAILURES):
                    raise
                refused = error
            if refused is None:
                self._upkeep.clear()
            elif closing:
                self._upkeep.record(self._message_of(refused))
                return
            else:
                self._upkeep.backoff(self._message_of(refused), at_most=BACKOFF.first)
            if closing and not self._ended:
                return

    def _end(self, ended: list[_Message]) -> None:
        """Delete done messages, and return unfinished ones; failed ones become visible again.

        Repeated requests are harmless.
        """
        done, returned, failed = [], [], 0
        for message in ended:
            if Outcome.FAILED in message.outcomes:
                failed += 1
            elif Outcome.RETURNED in message.outcomes:
                returned.append(message)
            else:
                done.append(message)
        for group in batched(done, _AT_ONCE):
            entries: Any = [
                {"Id": str(n), "ReceiptHandle": each.receipt} for n, each in enumerate(group)
            ]
            reply = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
            self._again(reply.get("Failed", ()), group)
        delay = 0 if self._stopping.is_set() else _RETURN_SECONDS
        for group in batched(returned, _AT_ONCE):
            self._hide(group, delay)
        with self._lock:
            self._counters["failed_messages"] += failed
            self._counters["returned_messages"] += len(returned)
            self._counters["done_messages"] += len(done)

    def _again(self, refused: Iterable[Any], group: list[_Message]) -> None:
        """Keep messages that SQS failed to delete, to be deleted in the next round."""
        left = [group[int(each["Id"])] for each in refused if not each["SenderFault"]]
        with self._lock:
            self._ended += left

    def _extend(self) -> None:
        """The heartbeat: keep the messages in process hidden."""
        due = time.monotonic() - self._visibility / 3
        with self._lock:
            old = [message for message in self._work.values() if message.extended < due]
        for group in batched(old, _AT_ONCE):
            self._hide(group, self._visibility)
            for message in group:
                message.extended = time.monotonic()

    def _hide(self, group: list[_Message], seconds: int) -> None:
        entries: Any = [
            {"Id": str(n), "ReceiptHandle": each.receipt, "VisibilityTimeout": seconds}
            for n, each in enumerate(group)
        ]
        self._client.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    # The queue itself.

    def _message_of(self, error: Exception) -> str:
        known = queue_error(error, self.name)
        reason = known.message.removeprefix(f"queue {self.name}: ")  # the log says it already
        return f"{reason}; {known.hint}" if known.hint else reason

    def _measure(self) -> None:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        reply = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        depth = sum(int(value) for value in reply.get("Attributes", {}).values())
        with self._lock:
            self._depth = depth

    def _warn_without_redrive(self) -> None:
        reply = self._client.get_queue_attributes(
            QueueUrl=self._url, AttributeNames=["RedrivePolicy"]
        )
        policy = reply.get("Attributes", {}).get("RedrivePolicy")
        if not policy or "deadLetterTargetArn" not in policy:
            LOG.warning(
                "queue %s has no redrive policy: a message whose object cannot be read is "
                "delivered again until the queue's retention ends",
                self.name,
            )


@feed_kind("queue")
def _open(settings: Settings, feed: FeedSettings, _: OpenSearch) -> SqsFeed:
    return SqsFeed(settings, feed)


def _read(body: str) -> Notification:
    """The notification in a body. No body stops the receiver, even if it causes an internal
    error."""
    try:
        return notifications.read(body)
    except Exception as error:  # noqa: BLE001 - untrusted text; it stays on the queue, with the reason
        return Notification(faults=[f"it cannot be read ({type(error).__name__})"])


def _count(counter: Counter[str], name: str, number: int) -> None:
    counter[name if name in counter or len(counter) < _MOST_KINDS else "others"] += number


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, TrailhoundError) else type(error).__name__
