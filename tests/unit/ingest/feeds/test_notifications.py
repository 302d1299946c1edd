"""Every wrapping S3 notifications come in, and whatever else a queue may hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.feeds import notifications
from ingest.feeds.notifications import NamedObject, Notification
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


def sns(content: Any, **more: Any) -> dict[str, Any]:
    text = content if isinstance(content, str) else json.dumps(content)
    topic = "arn:aws:sns:us-east-1:111122223333:trail"
    return {"Type": "Notification", "TopicArn": topic, "Message": text} | more


def trail(keys: Any = KEY) -> dict[str, Any]:
    return {"s3Bucket": "trail", "s3ObjectKey": keys}


def read(content: Any) -> Notification:
    return notifications.read(content if isinstance(content, str) else json.dumps(content))


EXPECTED = NamedObject("trail", TrailObject(f"s3://trail/{KEY}", "e1", 5), 1740830400.0)
BY_TRAIL = NamedObject("trail", TrailObject(f"s3://trail/{KEY}", "", 0), 0.0)


@pytest.mark.parametrize(
    "content",
    [
        {"Records": [s3_record()]},
        [s3_record()],
        sns({"Records": [s3_record()]}),
        sns(sns({"Records": [s3_record()]})),
        {"Type": "Notification", "Message": {"Records": [s3_record()]}},
        json.dumps(json.dumps({"Records": [s3_record()]})),
        {"Records": [{"EventSource": "aws:sns", "Sns": sns({"Records": [s3_record()]})}]},
        {"Records": [{"eventSource": "aws:sqs", "body": json.dumps({"Records": [s3_record()]})}]},
        event_bridge(),
        sns(event_bridge()),
        [event_bridge()],
        [sns({"Records": [s3_record()]})],
        [{"MessageId": "1", "Body": json.dumps(event_bridge())}],
        {key: value for key, value in event_bridge().items() if key != "detail-type"},
        {"Records": [s3_record() | {"eventSource": "minio:s3"}]},
        "\ufeff" + json.dumps({"Records": [s3_record()]}),
    ],
    ids=[
        "straight, or SNS raw",
        "a list",
        "SNS",
        "SNS in SNS",
        "SNS with an object for a text",
        "JSON in JSON",
        "SNS as Lambda gets it",
        "SQS as Lambda gets it",
        "EventBridge",
        "EventBridge through SNS",
        "EventBridge in a list, as a pipe sends it",
        "SNS in a list",
        "SQS as the API gives it",
        "Security Lake",
        "another store",
        "a byte order mark",
    ],
)
def test_every_wrapping_names_the_object(content: Any) -> None:
    assert read(content) == Notification([EXPECTED])


@pytest.mark.parametrize("wrap", [lambda it: it, sns, lambda it: sns(sns(it))])
def test_a_trails_own_notification_names_its_objects(wrap: Any) -> None:
    assert read(wrap(trail())) == Notification([BY_TRAIL])
    assert read(wrap(trail([KEY, KEY]))) == Notification([BY_TRAIL, BY_TRAIL])
    assert read([wrap(trail()), wrap(trail())]) == Notification([BY_TRAIL, BY_TRAIL])
    assert read(wrap(trail("AWSLogs/a+b%20c.json.gz"))).objects[0].item.uri == (
        "s3://trail/AWSLogs/a+b%20c.json.gz"
    )


def test_what_follows_s3_by_other_means_names_the_object() -> None:
    detail = event_bridge()["detail"]
    assert read(detail).objects[0].item == EXPECTED.item
    call = {
        "source": "aws.s3",
        "detail-type": "AWS API Call via CloudTrail",
        "time": "2025-03-01T12:00:00Z",
        "detail": {
            "eventName": "PutObject",
            "requestParameters": {"bucketName": "trail", "key": KEY},
        },
    }
    assert read(call).objects[0].item == BY_TRAIL.item


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("fh/stream-1-2025-03-01-10-00-00-5", True),
        ("AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/01/part-1", True),
        ("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2025/03/01/part-1", False),
        ("AWSLogs/111122223333/elasticloadbalancing/eu-west-1/2025/03/01/part-1", False),
        ("folder/", False),
        ("out/_SUCCESS", True),
        ("table/part-0.parquet", True),
        ("out/.hidden", False),
    ],
)
def test_a_name_without_extension_leaves_it_to_the_content(key: str, taken: bool) -> None:
    found = read({"Records": [s3_record(key=key)]})
    assert len(found.objects) == taken
    assert found.ignored.total() == (0 if taken else 1)


def test_a_key_is_decoded_as_a_form_is() -> None:
    key = "AWSLogs/a%2Bb/%E2%82%AC+x%25.json.gz"
    found = read({"Records": [s3_record(key=key)]})
    assert found.objects[0].item.uri == "s3://trail/AWSLogs/a+b/€ x%.json.gz"


def test_several_records_and_what_is_no_reason_to_read() -> None:
    digest = KEY.replace("/CloudTrail/", "/CloudTrail-Digest/").replace(" ", "+")
    records = [
        s3_record(),
        s3_record("ObjectRemoved:Delete"),
        s3_record("s3:ObjectCreated:CompleteMultipartUpload", versionId="v1"),
        s3_record("ObjectRestore:Completed"),
        s3_record("ObjectRestore:Post"),
        s3_record(key=digest),
        s3_record() | {"eventSource": "aws:kinesis"},
    ]
    found = read({"Records": records})
    restored = replace(EXPECTED, delivered=0.0, restored=True)
    assert found.objects == [EXPECTED, EXPECTED, restored]
    assert read(event_bridge("Object Restore Completed")).objects == [restored]
    assert found.ignored.total() == 4
    assert {
        "S3 ObjectRestore:Post",
        "S3 ObjectRemoved:Delete",
        "records of aws:kinesis",
    } <= found.ignored.keys()
    assert not found.faults


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (event_bridge("Object Deleted"), "EventBridge aws.s3: Object Deleted"),
        ({"Service": "Amazon S3", "Event": "s3:TestEvent"}, "S3 test event"),
        (sns({"Event": "s3:TestEvent"}), "S3 test event"),
        ("CloudTrail validation message.", "validation message"),
        (sns("CloudTrail validation message."), "validation message"),
        (sns("Successfully validated SNS topic for Amazon SES"), "validation message"),
        (
            {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": "https://x"},
            "SNS SubscriptionConfirmation",
        ),
        ({"Type": "UnsubscribeConfirmation"}, "SNS UnsubscribeConfirmation"),
        (sns({"AlarmName": "cpu", "NewStateValue": "ALARM"}), "CloudWatch alarm"),
        ({"AlarmName": "cpu", "NewStateValue": "ALARM"}, "CloudWatch alarm"),
        (
            {"s3Bucket": "b", "s3ObjectKey": "k", "messageType": "ConfigurationHistoryDelivery"},
            "AWS Config ConfigurationHistoryDelivery",
        ),
        ({"source": "aws.guardduty", "detail-type": "Finding", "detail": {}},
         "EventBridge aws.guardduty: Finding"),
        (sns("disk is nearly full", Subject="Budget"), "SNS: Budget"),
        (sns({"anything": 1}), "SNS: trail"),
        (sns("42"), "SNS: trail"),
        (sns("null"), "SNS: trail"),
        (trail([]), "CloudTrail notification of no object"),
        ({"Records": []}, "message of no records"),
    ],
)  # fmt: skip
def test_set_up_and_other_services_are_ignored_by_kind(content: Any, kind: str) -> None:
    found = read(content)
    assert dict(found.ignored) == {kind: 1}
    assert not found.objects
    assert not found.faults


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
        json.dumps(sns({"Records": "x"})),
        json.dumps(sns('{"Records": [')),
        json.dumps(trail(7)),
        json.dumps(trail([7])),
        json.dumps(trail() | {"s3Bucket": "no bucket/at all"}),
        json.dumps({"Records": [s3_record() | {"s3": 1}]}),
        json.dumps({"Records": [s3_record(key="%ff.json")]}),
        json.dumps({"Records": [s3_record(key="k" * 1025)]}),
        json.dumps(trail("AWSLogs/\ud800.json.gz")),
        '{"source": "aws.s3", "detail-type": "Object Created", "detail": {}}',
        '{"source": "aws.s3", "detail-type": "Object Created"}',
        "[" * 100_000,
    ],
)
def test_what_names_no_object_has_a_reason_fit_for_a_log(body: str) -> None:
    found = notifications.read(body)
    assert not found.objects
    assert not found.ignored
    (reason,) = found.faults
    assert reason.encode()
    assert len(reason) < 200


def test_one_bad_record_spoils_no_other() -> None:
    bad = [{}, 5, s3_record(key="\udfff"), s3_record() | {"s3": {"bucket": {"name": "../x"}}}]
    found = read({"Records": [*bad, s3_record()]})
    assert found.objects == [EXPECTED]
    assert [each.split(":")[0] for each in found.faults] == [f"record {n}" for n in range(1, 5)]


@pytest.mark.parametrize(
    "size",
    ["1e999", "-1e999", "NaN", "-1", "9223372036854775808", "1" + "0" * 300, "null", '"big"',
     "true", "[1]"],
)  # fmt: skip
def test_a_size_that_is_none_is_not_believed(size: str) -> None:
    body = json.dumps({"Records": [s3_record()]}).replace('"size": 5', f'"size": {size}')
    assert size in body
    (announced,) = notifications.read(body).objects
    assert announced.item.size == 0


@pytest.mark.parametrize("etag", [None, 5, {}, "x" * 40_000, "\ud800", "a b", ""])
@pytest.mark.parametrize("when", [None, 7, "0001-01-01T00:00:00", "yesterday", "9999-12-31"])
def test_odd_etags_and_times_cost_nothing(etag: Any, when: Any) -> None:
    body = json.dumps({"Records": [s3_record(eTag=etag) | {"eventTime": when}]})
    (announced,) = notifications.read(body).objects
    assert announced.item.etag == ""


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Records",
                        "Type",
                        "Message",
                        "source",
                        "detail",
                        "s3",
                        "object",
                        "eventSource",
                        "eventName",
                        "bucket",
                        "key",
                        "s3Bucket",
                        "s3ObjectKey",
                        "detail-type",
                        "Sns",
                    ]
                ),
                inner | st.sampled_from(["aws:s3", "aws.s3", "ObjectCreated:Put", "Notification"]),
            )
        ),
    )
)
def test_no_body_raises(content: Any) -> None:
    for body in (content, {"Records": [content]}, sns(json.dumps(content))):
        found = notifications.read(json.dumps(body))
        assert found.objects or found.ignored or found.faults


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), max_size=25))
def test_what_is_written_is_read_back(names: list[str]) -> None:
    items = [TrailObject(f"s3://trail/AWSLogs/{name}.json", "e", 7) for name in names]
    bodies = list(notifications.messages(iter(items), 10))
    assert len(bodies) == -(-len(items) // 10)
    found = [notifications.read(body) for body in bodies]
    taken = [each.item for part in found for each in part.objects]
    assert len(taken) + sum(part.ignored.total() for part in found) == len(items)
    assert set(taken) <= set(items)
