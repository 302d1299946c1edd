from __future__ import annotations

from typing import Any

import pytest

from enrich.enricher import Enricher
from enrich.eventtime import event_time
from enrich.view import RecordView
from trailhound.errors import RecordError


@pytest.mark.parametrize(
    ("value", "timestamp"),
    [
        ("2022-12-11T19:42:55Z", "2022-12-11T19:42:55Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2022-12-11 19:42:55", "2022-12-11T19:42:55Z"),
        ("2022-12-11T19:42:55", "2022-12-11T19:42:55Z"),
        ("2022-12-11 19:42:55.1", "2022-12-11T19:42:55.100Z"),
        ("2022-12-11 19:42:55.123", "2022-12-11T19:42:55.123Z"),
        ("2022-12-11 19:42:55.123456789", "2022-12-11T19:42:55.123Z"),
        ("2022-12-31 23:59:59.999999999", "2022-12-31T23:59:59.999Z"),
        ("2022-12-11T19:42:55.5Z", "2022-12-11T19:42:55.500Z"),
        ("2022-12-11T05:42:55+11:00", "2022-12-10T18:42:55Z"),
        ("2022-12-11T19:42:55-0530", "2022-12-12T01:12:55Z"),
        ("2022-12-11T19:42:55+00", "2022-12-11T19:42:55Z"),
        ("2022-12-11 19:42:55 UTC", "2022-12-11T19:42:55Z"),
        (" 2022-12-11T19:42:55Z\n", "2022-12-11T19:42:55Z"),
        (1513006035, "2017-12-11T15:27:15Z"),
        (1513006035.0, "2017-12-11T15:27:15Z"),
        (1513006035.25, "2017-12-11T15:27:15.250Z"),
        (1513006035123, "2017-12-11T15:27:15.123Z"),
        (1513006035123456, "2017-12-11T15:27:15.123Z"),
        (1513006035123456789, "2017-12-11T15:27:15.123Z"),
        ("1513006035", "2017-12-11T15:27:15Z"),
        ("1513006035123", "2017-12-11T15:27:15.123Z"),
        ("1513006035.5", "2017-12-11T15:27:15.500Z"),
        ("2006-01-01T00:00:00Z", "2006-01-01T00:00:00Z"),
        ("2100-12-31T23:59:59Z", "2100-12-31T23:59:59Z"),
    ],
)
def test_spellings(value: Any, timestamp: str) -> None:
    written, day = Enricher().fields(RecordView(eventTime=value))
    assert written.startswith(f'"@timestamp":"{timestamp}",'.encode())
    assert day == timestamp[:10].replace("-", ".")
    assert event_time(value) == (timestamp, day)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing_event_time"),
        ("", "missing_event_time"),
        ("redacted", "bad_event_time"),
        ("...", "bad_event_time"),
        ("2022-02-30T00:00:00Z", "bad_event_time"),
        ("2022-13-01T00:00:00Z", "bad_event_time"),
        ("2022-12-11T24:00:00Z", "bad_event_time"),
        ("2022-12-11T19:60:00Z", "bad_event_time"),
        ("2022-12-11T19:42:55+99:00", "bad_event_time"),
        ("2022-12-11", "bad_event_time"),
        ("\u0662022-12-11T19:42:55Z", "bad_event_time"),
        ("x" * 1_000_000, "bad_event_time"),
        (float("nan"), "bad_event_time"),
        (float("inf"), "bad_event_time"),
        ("0001-01-01T00:00:00Z", "absurd_event_time"),
        ("9999-12-31T23:59:59Z", "absurd_event_time"),
        ("0001-01-01T00:00:00+14:00", "absurd_event_time"),
        ("9999-12-31T23:59:59-14:00", "absurd_event_time"),
        ("2005-12-31T23:59:59Z", "absurd_event_time"),
        ("2101-01-01T00:00:00Z", "absurd_event_time"),
        ("2100-12-31T23:59:59-01:00", "absurd_event_time"),
        (0, "absurd_event_time"),
        (-1, "absurd_event_time"),
        (10**400, "absurd_event_time"),
        ("0" * 10, "absurd_event_time"),
    ],
)
def test_what_cannot_be_filed_under_a_day(value: Any, reason: str) -> None:
    enricher = Enricher()
    for _ in range(2):  # a refusal is not remembered as anything else
        with pytest.raises(RecordError) as caught:
            enricher.fields(RecordView(eventTime=value))
        assert caught.value.reason == reason
        assert len(caught.value.message) < 200
