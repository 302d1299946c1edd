"""What a queue's message says: which objects were put where.

S3 notifies straight, through SNS (enveloped, or raw) and through EventBridge ("Event message
structure" in the Amazon S3 user guide; "Parsing message formats" in the Amazon SNS developer guide;
"Amazon S3 events" in the EventBridge user guide). Bodies are text from outside: whatever is not
one of these is `None`, never an exception.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from ingest.objects import TrailObject
from ingest.sources.layout import Verdict, judge

_ENVELOPES = 3
"""EventBridge through SNS is two envelopes; nobody nests them deeper."""


@dataclass(slots=True)
class Announced:
    """An object that was put somewhere; `delivered` in seconds since the epoch, 0 if not said."""

    bucket: str
    item: TrailObject
    delivered: float


@dataclass(slots=True)
class Notification:
    """A message's objects, and how many of its records are no reason to read anything."""

    announced: list[Announced] = field(default_factory=list)
    ignored: int = 0


def read(body: str) -> Notification | None:
    """The notification in a message; None for what is none.

    >>> read('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}')
    Notification(announced=[], ignored=1)
    >>> read("hello") is None
    True
    """
    content: Any = body
    for _ in range(_ENVELOPES):
        if isinstance(content, str):
            try:
                content = json.loads(content)
            except (ValueError, RecursionError):
                return None
        if not isinstance(content, dict):
            return None
        if content.get("Type") == "Notification" and isinstance(content.get("Message"), str):
            content = content["Message"]
            continue
        return _content(content)
    return None


def _content(content: dict[str, Any]) -> Notification | None:
    found = Notification()
    if content.get("Event") == "s3:TestEvent":
        found.ignored = 1
        return found
    try:
        if isinstance(content.get("Records"), list):
            for record in content["Records"]:
                _record(record, found)
        elif content.get("source") == "aws.s3" and isinstance(content.get("detail"), dict):
            _event_bridge(content, found)
        else:
            return None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return found


def _record(record: dict[str, Any], found: Notification) -> None:
    """One record of S3's own. Its key is encoded as in a form; `+` is a space."""
    if record["eventSource"] != "aws:s3":
        raise ValueError("no record of S3")
    if not record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
        found.ignored += 1
        return
    bucket, thing = record["s3"]["bucket"]["name"], record["s3"]["object"]
    _add(found, bucket, unquote_plus(thing["key"]), thing, "eTag", record.get("eventTime"))


def _event_bridge(content: dict[str, Any], found: Notification) -> None:
    """EventBridge gives the key as it is."""
    if content["detail-type"] != "Object Created":
        found.ignored += 1
        return
    detail = content["detail"]
    thing = detail["object"]
    _add(found, detail["bucket"]["name"], thing["key"], thing, "etag", content.get("time"))


def _add(
    found: Notification, bucket: str, key: str, thing: dict[str, Any], etag: str, when: Any
) -> None:
    if not (isinstance(bucket, str) and bucket and isinstance(key, str) and key):
        raise ValueError("no bucket, or no key")
    if judge(key)[0] is Verdict.OTHER:
        found.ignored += 1
        return
    item = TrailObject(
        f"s3://{bucket}/{key}", str(thing.get(etag) or "").strip('"'), int(thing.get("size") or 0)
    )
    found.announced.append(Announced(bucket, item, _epoch(when)))


def _epoch(when: Any) -> float:
    try:
        return datetime.fromisoformat(when).timestamp()
    except (TypeError, ValueError):
        return 0.0


def messages(items: Iterator[TrailObject], per_message: int) -> Iterator[str]:
    """Bodies that announce these objects of S3, as S3 itself would."""
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
