"""Misspelt fields of a Lucene query."""

from __future__ import annotations

import pytest

from detections.events.query_fields import unknown_fields


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("evntName:GetObject", "eventName"),
        ("NOT (awsRegon:eu-west-1 OR eventName:x)", "awsRegion"),
        ("_exists_:errorCod", "errorCode"),
        ("userIdentity.typ:Root", "userIdentity.type"),
    ],
)
def test_a_field_that_no_event_has_is_named_with_the_nearest(text: str, meant: str) -> None:
    (said,) = unknown_fields(text)
    assert f"did you mean {meant!r}?" in said


@pytest.mark.parametrize(
    "text",
    [
        "GetObject",
        'eventName:"CreateUser" AND risk_score:>=7',
        "eventName:Delete* AND NOT user_type:aws_service",
        'userAgent:"evntName:x" OR eventName:/evntName:[a-z]+/',
        "@timestamp:[2025-03-01T12:00:00 TO 2025-03-02T12:00:00}",
        r"resource.arn:arn\:aws\:s3\:\:\:payroll",
        "event.action:x cloud.account.id:1 _exists_:errorCode _id:x _index:y",
        r"requestParameters.bucketName:payroll geolocation.\*:DE",
        "trail.object:x geolocation.location:*",
    ],
)
def test_fields_that_events_have_are_not_named(text: str) -> None:
    assert unknown_fields(text) == []
