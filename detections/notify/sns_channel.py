"""An SNS topic.

The message depends on the protocol of a subscription: text for mail and SMS, the JSON document for
queues, functions and HTTP. `alert_id` (the message's key), `kind`, `level` and `tactics` are
attributes, so that a subscription can filter. On a FIFO topic the key is the deduplication id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from detections.notify.channel import Session, channel_kind
from detections.notify.message import Message
from trailhound.errors import NotifyError, SettingsError
from trailhound.settings import AwsSettings, ChannelSettings

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


_FOR_PROGRAMS = ("sqs", "lambda", "http", "https", "firehose")
_LARGEST = 256 * 1024 - 8 * 1024
"""SNS accepts 256 KB a message, attributes included (Amazon SNS quotas)."""


class SnsChannel:
    """A channel. Raises `SettingsError` and `SourceError` where no AWS session can be created."""

    def __init__(self, channel: ChannelSettings, aws: AwsSettings, session: Session) -> None:
        self._name = channel.name
        self._arn = channel.topic or ""
        parts = self._arn.split(":")
        try:
            made: Any = session(aws).create_client(
                "sns",
                region_name=parts[3] if len(parts) > 3 and parts[3] else None,
                endpoint_url=aws.endpoint_url,
                config=Config(
                    connect_timeout=channel.timeout,
                    read_timeout=channel.timeout,
                    retries={"mode": "standard", "total_max_attempts": 2},
                ),
            )
        except (BotoCoreError, ValueError) as error:
            raise SettingsError(
                f"{self._name}: invalid AWS settings ({type(error).__name__})",
                hint="check the topic's ARN, aws.region and aws.endpoint_url",
            ) from None
        self._client: SNSClient = made

    def send(self, message: Message) -> None:
        arguments: dict[str, Any] = {
            "TopicArn": self._arn,
            "Message": _body(message),
            "MessageStructure": "json",
            "Subject": _subject(message.subject),
            "MessageAttributes": _attributes(message),
        }
        if self._arn.endswith(".fifo"):
            arguments["MessageDeduplicationId"] = message.key
            rule = (message.alert or {}).get("rule", {}).get("id", message.kind)
            arguments["MessageGroupId"] = "".join(c if c.isalnum() else "-" for c in rule)[:128]
        try:
            self._client.publish(**arguments)
        except ClientError as error:
            refusal = error.response.get("Error", {})
            raise NotifyError(
                f"{self._name}: SNS rejected the message: "
                f"{refusal.get('Code')}: {refusal.get('Message')}",
                hint=f"allow sns:Publish on {self._arn} (and kms:GenerateDataKey, kms:Decrypt "
                "where it is encrypted)",
            ) from None
        except (BotoCoreError, ResponseParserError) as error:
            raise NotifyError(
                f"{self._name}: SNS cannot be reached ({type(error).__name__})",
                hint="check the network, and the AWS credentials: aws.profile, aws.role_arn",
            ) from None


def _body(message: Message) -> str:
    document = message.document().decode()
    texts = {"default": message.text, **dict.fromkeys(_FOR_PROGRAMS, document)}
    body = orjson.dumps(texts)
    if len(body) > _LARGEST:
        body = orjson.dumps({"default": message.text, "sqs": document, "lambda": document})
    if len(body) > _LARGEST:
        body = orjson.dumps({"default": message.text[:20_000]})
    return body.decode()


def _subject(text: str) -> str:
    """SNS accepts ASCII without line breaks or a leading space, fewer than 100 characters."""
    return text.encode("ascii", "replace").decode().strip()[:99] or "Trailhound"


def _attributes(message: Message) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "alert_id": {"DataType": "String", "StringValue": message.key},
        "kind": {"DataType": "String", "StringValue": message.kind},
        "level": {"DataType": "String", "StringValue": message.level},
    }
    tactics = (message.alert or {}).get("attack", {}).get("tactic", [])
    if tactics:
        value = orjson.dumps(tactics[:20]).decode()
        attributes["tactics"] = {"DataType": "String.Array", "StringValue": value}
    return attributes


@channel_kind("sns")
def _open(channel: ChannelSettings, aws: AwsSettings, session: Session) -> SnsChannel:
    return SnsChannel(channel, aws, session)
