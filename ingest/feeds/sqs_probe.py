"""Whether a queue of `run.sources` exists and may be read, as `trailhound doctor` asks."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from ingest.feeds.kinds import Probed, feed_probe
from ingest.feeds.sqs_queue import in_its_region, queue_error, queue_url
from ingest.sources.aws_codes import FAILURES
from ingest.sources.s3_errors import code_of
from ingest.sources.session import sqs_client
from trailhound.settings import FeedSettings, Settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_NO_HANDLE: Final = "trailhound-doctor"
_HANDLE_REFUSED: Final = frozenset(
    {"ReceiptHandleIsInvalid", "InvalidParameterValue", "InvalidIdFormat"}
)
"""What SQS answers to a receipt handle that no message has, from who may delete messages."""


@feed_probe("queue")
def _probe(settings: Settings, feed: FeedSettings) -> Probed:
    """Whether the queue exists, and messages may be received and deleted.

    Receiving counts towards the redrive policy of a message, so it is tried only while none is
    visible. Deleting is tried with a receipt handle that no message has.
    """
    assert feed.queue is not None  # noqa: S101 - a feed of another kind is not looked at here
    aws = feed.own_aws(settings.aws)
    if feed.region is None:
        aws = in_its_region(aws, feed.queue)
    with closing(sqs_client(aws, connections=1)) as client:
        try:
            return _looked_at(client, queue_url(client, feed.queue))
        except FAILURES as error:
            raise queue_error(error, feed.queue) from error


def _looked_at(client: SQSClient, url: str) -> Probed:
    reply = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    found = reply.get("Attributes", {})
    try:
        client.delete_message(QueueUrl=url, ReceiptHandle=_NO_HANDLE)
    except ClientError as error:
        if code_of(error).rpartition(".")[2] not in _HANDLE_REFUSED:
            raise
    waiting = int(found.get("ApproximateNumberOfMessages", 0))
    if not waiting:
        # Without a wait of its own it would wait as long as the queue says, up to 20 seconds.
        client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, VisibilityTimeout=0, WaitTimeSeconds=0
        )
    fact = f"{waiting:,} waiting; " + (
        "messages may be deleted; receiving was not tried, since it counts for those that wait"
        if waiting
        else "messages may be received and deleted"
    )
    if "deadLetterTargetArn" not in found.get("RedrivePolicy", ""):
        return Probed(
            f"{fact}; it has no redrive policy",
            "give it one: a message whose object cannot be read comes back until the retention "
            "ends",
        )
    return Probed(fact)
