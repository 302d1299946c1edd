"""What the engine would refuse is indexed all the same, and nothing of it is lost."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from detections.events.search import Search
from detections.rule import FilePosition, Rule
from detections.span import Span
from ingest import canonical
from ingest.repair.restore import restore
from tests.helpers.detections import compile_detection
from tests.helpers.trails import (
    backfill,
    dead_letters,
    own_settings,
    prepared,
    record,
    record_text,
    sources,
    write_trail,
)
from trailhound.state.objects import short_id

LONG = "x" * 40_000


HOSTILE: dict[str, dict[str, Any] | bytes] = {
    "request is a string": record(requestParameters="none"),
    "request is empty text": record(requestParameters=""),
    "request is a number": record(requestParameters=5),
    "request is a list": record(requestParameters=[{"a": 1}]),
    "response is a boolean": record(responseElements=True),
    "identity is text": record(userIdentity="root"),
    "identity is a list of texts": record(userIdentity=["a"]),
    "session context is text": record(userIdentity={"type": "Root", "sessionContext": ""}),
    "resources is an object": record(resources={"ARN": "arn:aws:s3:::b"}),
    "resources is text": record(resources="none"),
    "resources holds text": record(resources=["arn:aws:s3:::b"]),
    "tls details is text": record(tlsDetails=""),
    "object in a keyword": record(errorMessage={"code": 1}),
    "list in a keyword": record(errorMessage=["a", "b"]),
    "read only is yes": record(readOnly="yes"),
    "read only is text": record(readOnly="true"),
    "managementEvent is a number": record(managementEvent=7),
    "long policy": record(requestParameters={"policyDocument": LONG, "roleName": "r"}),
    "long text in a list": record(requestParameters={"items": ["short", LONG]}),
    "long error message": record(errorMessage=LONG),
    "long user agent": record(userAgent=LONG),
    "long key": record(requestParameters={"k" * 33_000: 1}),
    "long path": record(requestParameters={"a" * 9000: {"b" * 9000: {"c" * 9000: "d" * 9000}}}),
    "keys with dots": record(requestParameters={"a.b": 1, "a": {"b": 2}, "*": 3, "x@y:z": 4}),
    "empty key": record(requestParameters={"": 1}),
    "key is a dot": record(requestParameters={".": 1}),
    "key with an empty part": record(requestParameters={"a..b": 1}),
    "empty key at the top": record(**{"": 1}),
    "dot at the top": record(**{".": 1, "a..b": 2}),
    "empty key in the identity": record(userIdentity={"type": "Root", "": 1, ".x": 2}),
    "repeated key at the top": record_text({"readOnly": "true", "readOnly ": "1"}),
    "repeated key below": record_text({"serviceEventDetails": '{"a":1,"a":2}'}),
    "repeated key at top level": record_text({"eventName": '"Other"'}),
    "long number": record_text({"additionalEventData": '{"n":' + "9" * 1500 + "}"}),
    "long number in a keyword": record_text({"errorMessage": "9" * 1500}),
    "big exponent": record_text({"additionalEventData": '{"n":1e400}'}),
    "long decimals": record_text({"additionalEventData": '{"n":0.1234567890123456789}'}),
    "deep": record_text({"additionalEventData": '{"a":' * 300 + "1" + "}" * 300}),
    "deeper": record_text({"additionalEventData": '{"a":' * 1500 + "1" + "}" * 1500}),
    "deep enough to nest calls too deep": record_text(
        {"additionalEventData": '{"a":' * 700 + '"t"' + "}" * 700}
    ),
    "deep and repeated": record_text(
        {"additionalEventData": '{"a":' * 1500 + "1" + "}" * 1500, "eventName": '"Twice"'}
    ),
    "deep list": record_text({"additionalEventData": '{"a":' + "[" * 1200 + "]" * 1200 + "}"}),
    "deep at an unknown name": record_text({"somethingNew": "[" * 1200 + "]" * 1200}),
    "lone surrogate": record_text({"errorMessage": '"\\ud800"'}),
    "huge integer": record_text({"additionalEventData": '{"n":' + "9" * 6000 + "}"}),
    "huge integer in a keyword": record_text({"errorCode": "9" * 6000}),
    "number out of range in the identity": record_text({"userIdentity": '{"type":1e999}'}),
    "number out of range in a keyword": record_text({"errorCode": "-1e999"}),
    "infinity": record_text({"additionalEventData": '{"n":[Infinity,-Infinity]}'}),
    "lone surrogate in a key": record_text({"additionalEventData": '{"\\udc00x":1}'}),
    "lone surrogate in a request": record_text({"serviceEventDetails": '{"\\udfff":"\\ud800x"}'}),
    "nul": record(errorMessage="a\x00b", requestParameters={"k\x00": "v\x00"}),
    "not a number": record_text({"additionalEventData": '{"n":NaN,"m":-Infinity}'}),
    "our name": record(risk_score=10, event_category="forged", source={"ip": "192.0.2.1"}),
    "our name, not an object": record(source="x", user=5, event=[1], trail="y", geolocation="z"),
    "our names, dotted": record(**{"source.ip": "192.0.2.1", "event.action": "x", "user.name": 1}),
    "their names, dotted": record(**{"userIdentity.type": "Root", "requestParameters.a": 1}),
    "timestamp": record(**{"@timestamp": "yesterday"}),
    "alias names": record(cloud={"region": "x"}, error={"code": "y"}),
    "new name": record(somethingNew={"a": [1, {"b": None}]}),
    "nulls": record(userIdentity=None, requestParameters=None, resources=None, errorMessage=None),
    "nested arrays": record(requestParameters={"a": [[1, [2, {"b": None}]], None, [None]]}),
    "event name is an object": record(eventName={"a": 1}),
    "address is a list": record(sourceIPAddress=["192.0.2.1"]),
    "space time": record(eventTime="2025-03-01 12:00:00"),
    "nine digits": record(eventTime="2025-03-01T12:00:00.123456789Z"),
    "bulk lines": json.dumps(record(errorMessage="m"), indent=1).encode() + b"",
    "bulk action as a line": json.dumps(record()).encode()[:-1]
    + b',"somethingNew":\n{"delete":{"_index":"x","_id":"y"}}\n}',
    "ten megabytes": record(requestParameters={"document": "y" * 10_000_000}),
    "many long leaves": record(requestParameters={f"k{n}": "z" * 33_000 for n in range(20)}),
    "invalid UTF-8": json.dumps(record(errorMessage="MARK"))
    .encode()
    .replace(b"MARK", b"a\xff\xfeb"),
    "truncated by AWS": record(
        requestParameters={
            "reason": "requestParameters too large",
            "omitted": "true",
            "originalSize": "149893",
        }
    ),
}


def check(url: str, namespace: str, tmp_path: Path) -> None:
    settings = own_settings(url, namespace, tmp_path / "home")
    client = prepared(settings)
    expected = len(HOSTILE)
    raws = {}
    for number, (name, item) in enumerate(HOSTILE.items()):
        raw = item if isinstance(item, bytes) else json.dumps(item).encode()
        path = write_trail(tmp_path / "trail", [raw], f"{number:03d}")
        raws[str(path)] = (name, raw)
    report = backfill(settings, tmp_path / "trail")
    letters = {
        raws[letter["object"]][0]: letter["reason"] for letter in dead_letters(client, settings)
    }
    assert not letters
    assert report.counts.indexed == expected, report.as_dict()
    assert report.failed_objects == 0, report.failures
    found = sources(client, settings)
    assert len(found) == expected
    by_id = {short_id(name): each for name, each in raws.items()}
    for source in found.values():
        document = json.loads(source)
        name, raw = by_id[document["trail"]["object"]]
        assert restore(source) == canonical.canonical(raw), name
        assert document["event_category"] != "forged"
    # A filter decodes every record once more, and looks at all of its values.
    noise = [{"name": "all", "detection": {"words": ["in no record"], "condition": "words"}}]
    filtered = own_settings(url, namespace, tmp_path / "home", filter=noise)
    again = backfill(filtered, tmp_path / "trail", force=True)
    assert again.counts.duplicates == expected, again.as_dict()


def test_every_hostile_record_is_indexed_whole(
    each_engine: str, namespace: str, tmp_path: Path
) -> None:
    check(each_engine, namespace, tmp_path)


@pytest.mark.parametrize("path", ["requestParameters.policyDocument", "errorMessage"])
def test_a_long_text_is_found_on_its_own_path(
    path: str, each_engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path / "home")
    client = prepared(settings)
    needle = "a" * 35_000 + "Needle" + "b" * 35_000
    changes = {"errorMessage": needle, "requestParameters": {"policyDocument": needle}}
    write_trail(tmp_path / "trail", [record(**changes)])
    backfill(settings, tmp_path / "trail")
    client.indices.refresh(index=f"{namespace}-cloudtrail-*")
    asked = compile_detection({"needle": {f"{path}|contains": "needle"}})
    span = Span(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    plain = Rule("r", "needle", "sigma", "low", None, FilePosition(Path()))
    (found,) = Search(client, settings).find([plain], {"r": asked}, span)
    assert len(list(found.findings)) == 1
