"""Every wrapping S3 notifications come in, and whatever else a queue may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.feeds import notifications
from ingest.feeds.notifications import Announced, Notification
from ingest.objects import TrailObject

KEY = "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/01/111122223333_CloudTrail_a b.json.gz"
ENCODED = KEY.replace(" ", "+")


def s3_record(name: str = "ObjectCreated:Put", key: str = ENCODED, **thing: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": "2025-03-01T12:00:00.000Z",
        "eventName": name,
        "s3": {
            "bucket": {"name": "trail"},
            "object": {"key": key, "size": 5, "eTag": "e1"} | thing,
        },
    }
    return made


def event_bridge(kind: str = "Object Created") -> dict[str, Any]:
    return {
        "version": "0",
        "detail-type": kind,
        "source": "aws.s3",
        "time": "2025-03-01T12:00:00Z",
        "detail": {
            "bucket": {"name": "trail"},
            "object": {"key": KEY, "size": 5, "etag": "e1", "sequencer": "1"},
        },
    }


def sns(content: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(content)}


EXPECTED = Announced("trail", TrailObject(f"s3://trail/{KEY}", "e1", 5), 1740830400.0)


@pytest.mark.parametrize(
    "content",
    [
        {"Records": [s3_record()]},
        sns({"Records": [s3_record()]}),
        event_bridge(),
        sns(event_bridge()),
    ],
    ids=["straight, or SNS raw", "SNS", "EventBridge", "EventBridge through SNS"],
)
def test_every_wrapping_names_the_object(content: dict[str, Any]) -> None:
    assert notifications.read(json.dumps(content)) == Notification([EXPECTED], 0)


def test_a_key_is_decoded_as_a_form_is() -> None:
    key = "AWSLogs/a%2Bb/%E2%82%AC+x%25.json.gz"
    found = notifications.read(json.dumps({"Records": [s3_record(key=key)]}))
    assert found is not None
    assert found.announced[0].item.uri == "s3://trail/AWSLogs/a+b/€ x%.json.gz"


def test_several_records_and_what_is_no_reason_to_read() -> None:
    digest = KEY.replace("/CloudTrail/", "/CloudTrail-Digest/").replace(" ", "+")
    records = [
        s3_record(),
        s3_record("ObjectRemoved:Delete"),
        s3_record("s3:ObjectCreated:CompleteMultipartUpload"),
        s3_record("ObjectRestore:Completed"),
        s3_record(key=digest),
        s3_record(key="elsewhere/picture.png"),
    ]
    found = notifications.read(json.dumps({"Records": records}))
    assert found == Notification([EXPECTED, EXPECTED], 4)


@pytest.mark.parametrize(
    "content", [event_bridge("Object Deleted"), sns({"Event": "s3:TestEvent"})]
)
def test_other_events_are_ignored(content: dict[str, Any]) -> None:
    assert notifications.read(json.dumps(content)) == Notification([], 1)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no JSON",
        "[]",
        "3",
        "null",
        "{}",
        '{"Records": [{}]}',
        '{"Records": [5]}',
        '{"Records": "x"}',
        json.dumps({"Records": [s3_record(size="big")]}),
        json.dumps({"Records": [s3_record() | {"eventSource": "aws:sqs"}]}),
        json.dumps(sns(sns(sns({"Records": []})))),
        '{"Type": "Notification", "Message": "text"}',
        '{"source": "aws.s3", "detail-type": "Object Created", "detail": {}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_notification_is_none(body: str) -> None:
    assert notifications.read(body) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["Records", "Type", "Message", "source", "detail", "s3", "object"]),
                inner,
            )
        ),
    )
)
def test_no_body_raises(content: Any) -> None:
    assert isinstance(notifications.read(json.dumps(content)), Notification | None)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=25))
def test_what_is_written_is_read_back(names: list[str]) -> None:
    items = [TrailObject(f"s3://trail/AWSLogs/{name}.json", "e", 7) for name in names]
    bodies = list(notifications.messages(iter(items), 10))
    assert len(bodies) == -(-len(items) // 10)
    found = [notifications.read(body) for body in bodies]
    read = [each.item for part in found if part for each in part.announced]
    ignored = sum(part.ignored for part in found if part)
    assert len(read) + ignored == len(items)
    assert set(read) <= set(items)
