"""Reads the messages of a queue: which objects they name.

Three services send notifications of trail files. S3: directly, through SNS (enveloped, or raw) and
through EventBridge ("Event message structure" in the Amazon S3 user guide; "Parsing message
formats" in the Amazon SNS developer guide; "Amazon S3 events" in the EventBridge user guide).
CloudTrail: the notification of a trail with an SNS topic ("Configuring Amazon SNS notifications for
CloudTrail"), which has neither sizes nor etags. A queue also gets messages of a set-up and of other
services.

Bodies are untrusted text. None raises an exception, and no record of one affects another.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

from ingest.objects import TrailObject
from ingest.sources.layout import NameClass, classify, other_kind

_ENVELOPES: Final = 8
_LABEL: Final = 80
_MOST_BYTES: Final = 2**50
"""The largest object in S3; a larger size is not valid."""
_KEY_BYTES: Final = 1024
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
"""Of another service: a trail's own folders have a place."""
_ETAG = re.compile(r"[\x21-\x7e]{1,255}")
_SET_UP = re.compile(
    r"validation message|successfully validated|validated sns topic", re.IGNORECASE
)
_CONFIRMATIONS: Final = ("SubscriptionConfirmation", "UnsubscribeConfirmation")
_OURS: Final = frozenset({"Records", "s3Bucket", "s3ObjectKey"})
"""Members of S3's and CloudTrail's messages; a broken message with one is not of another
service."""
_RESTORED: Final = "ObjectRestore:Completed"
"""An archived object can be read for some days. It may be one that was never read."""
_WRITES: Final = ("PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload")


@dataclass(slots=True)
class NamedObject:
    """An object that a message names; `delivered` is in seconds since the epoch, 0 if unknown.
    `restored`: it was in an archive tier, and is no new one."""

    bucket: str
    item: TrailObject
    delivered: float
    restored: bool = False


@dataclass(slots=True)
class Notification:
    """The content of a message: objects to read, ignored parts by kind, and why a part names no
    object although it should."""

    objects: list[NamedObject] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


_TEST: Final = "S3 test event"
_VALIDATION: Final = "validation message"
SET_UP: Final = frozenset({_TEST, _VALIDATION})
"""What AWS sends once where a trail or a bucket begins to notify: that nothing is read of it is as
it should be."""


def read(body: str) -> Notification:
    """The notification in a message. A message of no known form has a fault, and nothing else.

    >>> read('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}').ignored
    Counter({'S3 test event': 1})
    >>> read("hello").faults
    ['it is not JSON: hello']
    """
    found = Notification()
    _read(body, found, depth=0, sender="")
    return found


def _read(content: Any, found: Notification, *, depth: int, sender: str) -> None:
    """`sender` names the SNS message that this was found in; empty outside of one."""
    if depth > _ENVELOPES:
        found.faults.append("its envelopes are nested too deep")
        return
    if isinstance(content, str):
        text = content.strip().removeprefix("\ufeff")
        if _SET_UP.search(text[:500]) and not text.startswith(("{", "[")):
            found.ignored[_VALIDATION] += 1
            return
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            if sender and not text.startswith(("{", "[", '"')):
                found.ignored[sender] += 1  # a text for people, as budgets and scripts send
            else:
                found.faults.append(f"it is not JSON: {_label(text) or '(empty)'}")
            return
        if isinstance(content, str):
            _read(content, found, depth=depth + 1, sender=sender)
            return
    if isinstance(content, list) and content:
        content = {"Records": content}
    if not isinstance(content, dict):
        if sender:  # a number, say, that a script sends
            found.ignored[sender] += 1
        else:
            found.faults.append("it is not a JSON object")
        return
    if _message(content, found, depth, sender):
        return
    if sender and not _OURS & content.keys():
        found.ignored[sender] += 1
    else:
        keys = ", ".join(sorted(map(str, content))[:6]) or "none"
        found.faults.append(_label(f"it is not an S3 or CloudTrail notification (keys: {keys})"))


def _message(content: dict[str, Any], found: Notification, depth: int, sender: str) -> bool:
    """Read a message of a known form; False for any other one."""
    if content.get("Type") in _CONFIRMATIONS:
        found.ignored[f"SNS {content['Type']}"] += 1
    elif content.get("Type") == "Notification" and "Message" in content:
        inner = str(content.get("Subject") or content.get("TopicArn") or "").rpartition(":")[2]
        _read(
            content["Message"],
            found,
            depth=depth + 1,
            sender=_label(f"SNS: {inner or 'without a subject'}"),
        )
    elif content.get("Records") == []:
        found.ignored["message of no records"] += 1
    elif isinstance(content.get("Records"), list):
        _records(content["Records"], found, depth, sender)
    elif "s3Bucket" in content and "s3ObjectKey" in content:
        _trail(content, found)
    elif isinstance(content.get("source"), str) and isinstance(content.get("detail-type"), str):
        _event_bridge(content, found)
    elif content.get("source") == "aws.s3" and isinstance(content.get("detail"), dict):
        _detail(content["detail"], found, content.get("time"))  # as Security Lake sends it
    elif isinstance(content.get("bucket"), dict) and isinstance(content.get("object"), dict):
        _detail(content, found, None)
    elif other := _other_service(content):
        found.ignored[other] += 1
    else:
        return False
    return True


def _records(records: list[Any], found: Notification, depth: int, sender: str) -> None:
    """Read the records of S3, or of a function or a pipe, which get whole messages in a list."""
    for number, record in enumerate(records, 1):
        try:
            source = record.get("eventSource") or record.get("EventSource")
            body = record.get("body") or record.get("Body")
            if isinstance(source, str) and source.endswith(":s3"):  # other stores than AWS's too
                _s3(record, found)
            elif isinstance(record.get("Sns"), dict):  # as a Lambda function gets it
                _read({"Type": "Notification", **record["Sns"]}, found, depth=depth + 1, sender="")
            elif source in ("aws:sqs", None) and isinstance(body, str):
                _read(body, found, depth=depth + 1, sender="")
            elif isinstance(source, str) and source:
                found.ignored[_label(f"records of {source}")] += 1
            elif depth > _ENVELOPES or not _message(record, found, depth + 1, sender):
                raise ValueError("it has no eventSource")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            found.faults.append(f"record {number}: {_fault(error)}")


def _s3(record: dict[str, Any], found: Notification) -> None:
    """Read a record of S3. Its key is encoded as in a form, with `+` for a space."""
    name = record["eventName"].removeprefix("s3:")
    if not name.startswith(("ObjectCreated:", _RESTORED)):
        found.ignored[_label(f"S3 {name}")] += 1
        return
    bucket, thing = record["s3"]["bucket"]["name"], record["s3"]["object"]
    key = unquote_plus(thing["key"], errors="strict")
    when = record.get("eventTime")
    _add(found, bucket, key, thing, "eTag", when, restored=name.startswith(_RESTORED))


def _trail(content: dict[str, Any], found: Notification) -> None:
    """Read a notification of a trail, with one or several unencoded keys."""
    if isinstance(content.get("messageType"), str):  # AWS Config names its files likewise
        found.ignored[_label(f"AWS Config {content['messageType']}")] += 1
        return
    keys = content["s3ObjectKey"]
    keys = [keys] if isinstance(keys, str) else keys
    if not isinstance(keys, list):
        found.faults.append("s3ObjectKey is neither a key nor a list of keys")
        return
    if not keys:
        found.ignored["CloudTrail notification of no object"] += 1
    for number, key in enumerate(keys, 1):
        try:
            _add(found, content["s3Bucket"], key, {}, "", None)
        except ValueError as error:
            found.faults.append(f"key {number}: {_fault(error)}")


def _event_bridge(content: dict[str, Any], found: Notification) -> None:
    """Read an event of EventBridge, whose key is not encoded."""
    source, kind, detail = content["source"], content["detail-type"], content.get("detail")
    if source == "aws.s3" and kind == "Object Created":
        _detail(detail, found, content.get("time"))
    elif source == "aws.s3" and kind == "Object Restore Completed":
        _detail(detail, found, content.get("time"), restored=True)
    elif (
        source == "aws.s3"
        and kind == "AWS API Call via CloudTrail"
        and isinstance(detail, dict)
        and detail.get("eventName") in _WRITES
        and not detail.get("errorCode")
    ):
        # As S3 was followed before it sent events of its own.
        _call(detail, found, content.get("time"))
    else:
        found.ignored[_label(f"EventBridge {source}: {kind}")] += 1


def _detail(detail: Any, found: Notification, when: Any, *, restored: bool = False) -> None:
    try:
        if str(detail.get("reason", "")).startswith("Delete") or "deletion-type" in detail:
            found.ignored["S3 Object Deleted"] += 1
            return
        thing = detail["object"]
        bucket = detail["bucket"]["name"]
        _add(found, bucket, thing["key"], thing, "etag", when, restored=restored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        found.faults.append(f"its detail: {_fault(error)}")


def _call(detail: dict[str, Any], found: Notification, when: Any) -> None:
    try:
        asked = detail["requestParameters"]
        _add(found, asked["bucketName"], asked["key"], {}, "", when)
    except (KeyError, TypeError, ValueError) as error:
        found.faults.append(f"its detail: {_fault(error)}")


def _add(
    found: Notification,
    bucket: Any,
    key: Any,
    thing: dict[str, Any],
    etag: str,
    when: Any,
    *,
    restored: bool = False,
) -> None:
    """Add an object. Raises `ValueError` if it can't be an object of S3."""
    if not (isinstance(bucket, str) and _BUCKET.fullmatch(bucket)):
        raise ValueError("it names no bucket")
    if not (isinstance(key, str) and key):
        raise ValueError("it names no key")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ValueError("its key is not Unicode text (a lone surrogate)") from None
    if size > _KEY_BYTES:
        raise ValueError(f"its key has {size:,} bytes, and S3 allows {_KEY_BYTES:,}")
    if classify(key)[0] is NameClass.OTHER:
        found.ignored[_label(f"S3 object: {other_kind(key)}")] += 1
        return
    tag = thing.get(etag) if isinstance(thing, dict) else None
    tag = tag.strip('"') if isinstance(tag, str) else ""
    item = TrailObject(
        f"s3://{bucket}/{key}",
        tag if _ETAG.fullmatch(tag) else "",
        _size(thing.get("size") if isinstance(thing, dict) else None),
    )
    # When S3 had a restored object is not in its message: it is in no measure of the delay.
    found.objects.append(NamedObject(bucket, item, 0.0 if restored else _epoch(when), restored))


def _size(value: Any) -> int:
    """A plausible size, else 0; it is only a hint."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 <= value <= _MOST_BYTES else 0


def _epoch(when: Any) -> float:
    try:
        return datetime.fromisoformat(when).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return 0.0


def _other_service(content: dict[str, Any]) -> str:
    """The name of another service's message; empty for messages of no known form."""
    if content.get("Event") == "s3:TestEvent":
        return _TEST
    if isinstance(content.get("Service"), str) and isinstance(content.get("Event"), str):
        return _label(f"{content['Service']}: {content['Event']}")
    if "AlarmName" in content:
        return "CloudWatch alarm"
    if "messageType" in content or "configurationItem" in content:
        return _label(f"AWS Config {content.get('messageType', 'notification')}")
    if "mail" in content and ("notificationType" in content or "eventType" in content):
        return "Amazon SES notification"
    if "Event Source" in content:
        return _label(f"Amazon RDS {content['Event Source']}")
    if "SubscribeURL" in content and "Token" in content:
        return "SNS SubscriptionConfirmation"
    return ""


def _fault(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "its key is not UTF-8"
    if type(error) is ValueError:
        return str(error)
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return "it is not of the form that S3 sends"


def _label(text: str) -> str:
    """A text from outside, fit for a log line and a table: short, one line, encodable."""
    text = text.encode("utf-8", "backslashreplace").decode()
    text = "".join(each if each.isprintable() else " " for each in text[: _LABEL * 2]).strip()
    return text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"


def messages(items: Iterator[TrailObject], per_message: int) -> Iterator[str]:
    """Messages that name these objects, in the form of S3's notifications."""
    while group := list(islice(items, per_message)):
        records = []
        for item in group:
            bucket, _, key = item.uri.removeprefix("s3://").partition("/")
            thing = {"key": quote_plus(key, safe="/"), "size": item.size, "eTag": item.etag}
            records.append(
                {
                    "eventSource": "aws:s3",
                    "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": bucket}, "object": thing},
                }
            )
        yield json.dumps({"Records": records}, separators=(",", ":"))
