"""The whole of an enriched record: hostile input, caches, and real recordings."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.category import service
from enrich.enricher import Enricher
from enrich.memo import Memo
from enrich.resource_paths import TABLE
from enrich.view import RecordView, view_of
from tests.unit.enrich.recordings import events
from trailhound.errors import RecordError

ENRICHER = Enricher()
WHEN = b'"eventTime":"2024-05-01T10:00:00Z"'


def parsed(raw: bytes, enricher: Enricher = ENRICHER) -> dict[str, Any]:
    written, day = enricher.fields(view_of(raw))
    assert len(day) == 10
    fields: dict[str, Any] = orjson.loads(b"{" + written + b'"ingested":1}}')
    assert fields["event"].pop("ingested") == 1
    return fields


def attempt(raw: bytes) -> dict[str, Any] | str:
    """The fields, or the reason of the refusal. Anything else that is raised is a fault."""
    try:
        return parsed(raw)
    except RecordError as error:
        return error.reason


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=30)
)
KEYS = st.sampled_from(
    ["userName", "arn", "ARN", "type", "items", "instanceId", "instancesSet", "bucketName", "key",
     "sessionContext", "sessionIssuer", "principalId", "ConsoleLogin", "RunInstancesRequest"]
) | st.text(max_size=5)  # fmt: skip
VALUES = st.recursive(
    SCALARS | st.sampled_from(["arn:aws:s3:::b/k", "arn:aws:iam::1:role/x", "Root", "AssumedRole"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TIMES = st.sampled_from(
    ["2024-05-01T10:00:00Z", "2022-12-11 19:42:55.123456789", 1513006035, 1513006035.5]
)
SOURCES = st.sampled_from([f"{name}.amazonaws.com" for name in (*TABLE, "signin")])
NAMES = st.sampled_from(["GetObject", "RunInstances", "ConsoleLogin", "CreateRole", "AssumeRole"])
RECORDS = st.fixed_dictionaries(
    {"eventTime": TIMES | VALUES},
    optional={
        "eventSource": SOURCES | VALUES,
        "eventName": NAMES | VALUES,
        "sourceIPAddress": st.ip_addresses().map(str) | VALUES,
        "userAgent": VALUES,
        "errorCode": VALUES,
        "errorMessage": VALUES,
        "userIdentity": VALUES,
        "requestParameters": VALUES,
        "responseElements": VALUES,
        "resources": st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3) | VALUES,
        "serviceEventDetails": VALUES,
        "additionalEventData": VALUES,
    },
)


@given(RECORDS, st.booleans())
def test_any_record_is_refused_or_gets_valid_members(record: dict[str, Any], ascii_: bool) -> None:
    raw = json.dumps(record, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    fields = attempt(raw)
    if isinstance(fields, str):
        assert fields in {"missing_event_time", "bad_event_time", "absurd_event_time"}
        with pytest.raises(RecordError):
            ENRICHER.document_fields(record)
        return
    assert 1 <= fields["risk_score"] <= 10
    assert fields["event"]["outcome"] in {"success", "failure"}
    if ascii_:  # else invalid UTF-8, of which each byte becomes a U+FFFD
        assert fields == ENRICHER.document_fields(record)


@given(VALUES | st.dictionaries(KEYS, VALUES))
def test_any_json_has_a_view_or_is_refused(value: Any) -> None:
    raw = json.dumps(value).encode()
    if isinstance(value, dict):
        assert isinstance(view_of(raw), RecordView)
    else:
        with pytest.raises(RecordError) as caught:
            view_of(raw)
        assert caught.value.reason == "not_an_object"


@given(st.binary(max_size=200))
def test_any_bytes_have_a_view_or_are_refused(data: bytes) -> None:
    for raw in (data, b"{" + WHEN + b',"userAgent":"' + data + b'"}'):
        found = attempt(raw)
        assert found


@pytest.mark.parametrize(
    ("member", "field", "expected"),
    [
        (rb'"userIdentity":{"type":"IAMUser","userName":"a\ud800b"}', "user", {"name": "a\ufffdb"}),
        (b'"userIdentity":{"type":"IAMUser","userName":"a\xffb"}', "user", {"name": "a\ufffdb"}),
        (rb'"userAgent":"\ud83d"', "user_agent", {"name": "\ufffd", "kind": "other"}),
        (b'"x":NaN,"sourceIPAddress":"8.8.8.8"', "source", {"ip": "8.8.8.8"}),
        (b'"eventName":{},"eventSource":"iam.x"', "event_category", "identity_management"),
        (b'"errorCode":{"a":1},"eventSource":"iam.x"', "risk_score", 1),
        (b'"x":' + b"9" * 10_000, "risk_score", 1),
        (b'"x":1e999', "risk_score", 1),
        (b'"eventName":"CreateUser","eventName":"DeleteTrail"', "risk_score", 6),
    ],
)
def test_bad_text_numbers_and_types(member: bytes, field: str, expected: Any) -> None:
    assert parsed(b"{" + WHEN + b"," + member + b"}")[field] == expected


@pytest.mark.parametrize(
    "nest", [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000]
)
def test_depth_is_refused_with_its_own_reason(nest: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        view_of(b"{" + WHEN + b',"requestParameters":' + nest + b"}")
    assert caught.value.reason == "too_deep"


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"x"', b"{", b'{"a":1,}', b"{}{}", b"\x00"])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(RecordError) as caught:
        view_of(raw)
    assert caught.value.reason == "not_an_object"
    assert caught.value.hint


def test_a_view_comes_from_any_kind_of_bytes() -> None:
    raw = b"{" + WHEN + b',"eventName":{},"errorCode":"x"}'
    views = [view_of(kind(raw)) for kind in (bytes, bytearray, memoryview, msgspec.Raw)]
    assert all(view.errorCode == "x" and view.eventName is None for view in views)


def test_nothing_is_said_of_a_record_that_says_nothing() -> None:
    assert parsed(b"{" + WHEN + b"}") == {
        "@timestamp": "2024-05-01T10:00:00Z",
        "risk_score": 1,
        "event_category": "other",
        "user_type": "unknown",
        "event": {"outcome": "success"},
    }


def test_a_cache_never_passes_its_limit() -> None:
    memo: Memo[str, int] = Memo(len, limit=10, longest=5)
    for number in range(1000):
        assert memo[f"{number}"] == len(f"{number}")
        assert len(memo) <= 10
    assert memo["x" * 6] == 6
    assert "x" * 6 not in memo


def test_a_warm_cache_says_what_a_cold_one_said() -> None:
    record = {
        "eventTime": "2024-05-01T10:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "sourceIPAddress": "203.0.113.9",
        "userAgent": "aws-cli/2.13.0",
        "userIdentity": {"type": "IAMUser", "userName": "alice"},
        "requestParameters": {"bucketName": "b", "key": "k"},
    }
    enricher = Enricher()
    cold = enricher.document_fields(record)
    other = enricher.document_fields(record | {"eventName": "PutObject", "errorCode": "X"})
    assert enricher.document_fields(record) == cold
    assert (other["risk_score"], cold["risk_score"]) == (6, 3)


def named(identity: Any) -> bool:
    return isinstance(identity, dict) and any(
        isinstance(identity.get(key), str) and identity[key]
        for key in ("userName", "arn", "principalId", "invokedBy")
    )


def test_real_recordings(shared_data: Path) -> None:
    """No exception, a name for every identity, resources wherever the table knows a request."""
    refused: Counter[str] = Counter()
    total: Counter[str] = Counter()
    known: Counter[bool] = Counter()
    for collection, event in events(shared_data):
        total[collection] += 1
        raw = orjson.dumps(event)
        fields = attempt(raw)
        if isinstance(fields, str):
            refused[collection] += 1
            continue
        assert fields == ENRICHER.document_fields(event)
        if named(event.get("userIdentity")):
            assert fields["user"]["name"]
        source, name = str(event.get("eventSource")), str(event.get("eventName"))
        if (
            service(source) in TABLE
            and not name.startswith(("List", "Describe"))
            and (event.get("requestParameters") or event.get("resources"))
        ):
            known["resource" in fields] += 1
    assert (total["traildiscover"], total["panther"]) == (315, 190)
    assert refused == {"panther": 12}  # hand-shortened records without an eventTime, or `redacted`
    assert known[True] / known.total() > 0.9, known
