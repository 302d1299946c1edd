"""An SQS queue as users name it: its client, its URL, and SQS's errors as Trailhound's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from ingest.sources.aws_codes import CREDENTIALS, LOGIN_FAILURES
from ingest.sources.session import NO_CREDENTIALS, sqs_client
from trailhound.errors import SourceError, SourceNotFoundError, SourceUnreachableError, UsageError
from trailhound.settings import AwsSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_REGION: Final = re.compile(r"(?:arn:[^:]+:sqs:([^:]+):|https://sqs\.([^.]+)\.amazonaws\.)")
"""Requests go to the queue's own region, not the session's."""
_HINTS: Final = {
    **CREDENTIALS,
    "NonExistentQueue": "check the name, the region and the account",
    "QueueDoesNotExist": "check the name, the region and the account",
    "InvalidAddress": "write the queue's URL, ARN or name",
    "OverLimit": "too many messages are in flight: more of them wait until some are done",
}
_DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def in_its_region(aws: AwsSettings, queue: str) -> AwsSettings:
    """`aws` with the region that the queue's ARN or URL names.

    >>> in_its_region(AwsSettings(), "arn:aws:sqs:eu-west-1:111122223333:trail").region
    'eu-west-1'
    """
    found = _REGION.match(queue)
    return aws.model_copy(update={"region": found[1] or found[2]}) if found else aws


def queue_url(client: SQSClient, queue: str) -> str:
    """The URL of a queue that is given as URL, ARN or name.

    Raises botocore's exceptions, and `UsageError` for what is no ARN.
    """
    if queue.startswith(("https://", "http://")):
        return queue
    if not queue.startswith("arn:"):
        return client.get_queue_url(QueueName=queue)["QueueUrl"]
    parts = queue.split(":")
    if len(parts) != 6:
        raise UsageError(
            f"{queue} is not a queue's ARN", hint="write arn:aws:sqs:REGION:ACCOUNT:NAME"
        )
    return client.get_queue_url(QueueName=parts[5], QueueOwnerAWSAccountId=parts[4])["QueueUrl"]


def open_queue(aws: AwsSettings, queue: str, *, connections: int) -> tuple[SQSClient, str]:
    """A client and the URL to use it with. Raises `SourceUnreachableError`, `UsageError`."""
    client = sqs_client(in_its_region(aws, queue), connections=connections)
    try:
        return client, queue_url(client, queue)
    except UsageError:
        raise
    except Exception as error:
        raise queue_error(error, queue) from error


def queue_error(error: Exception, queue: str) -> SourceError | UsageError:
    """An error of SQS, the role or the network, as one of Trailhound; never a request's text."""
    if isinstance(error, SourceError | UsageError):
        return error
    if isinstance(error, LOGIN_FAILURES):
        return SourceUnreachableError(
            f"queue {queue}: no usable AWS credentials", hint=NO_CREDENTIALS
        )
    if not isinstance(error, ClientError):
        return SourceUnreachableError(
            f"queue {queue}: SQS does not answer ({type(error).__name__})",
            hint="check the network, the region and aws.endpoint_url",
        )
    code = str(error.response.get("Error", {}).get("Code") or "unknown").rpartition(".")[2]
    operation = error.operation_name.removesuffix("Batch")
    if operation.startswith("AssumeRole"):
        return SourceUnreachableError(
            f"queue {queue}: the role cannot be assumed ({code})",
            hint="check role_arn, the role's trust policy and external_id",
        )
    if code in _DENIED:
        return SourceUnreachableError(
            f"queue {queue}: {operation} is denied ({code})",
            hint=f"grant sqs:{operation} on it, and kms:Decrypt where it is encrypted",
        )
    if code in ("NonExistentQueue", "QueueDoesNotExist"):
        return SourceNotFoundError(f"queue {queue}: it does not exist ({code})", hint=_HINTS[code])
    message = str(error.response.get("Error", {}).get("Message") or "")[:300]
    return SourceUnreachableError(
        f"queue {queue}: {operation}: {code}: {message}",
        hint=_HINTS.get(code, "try again; repeated requests are harmless"),
    )
