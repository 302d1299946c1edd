"""Whether a stored document was made from a record: believed neither by id nor by luck."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from enrich.enricher import Enricher
from ingest.bulk import conflicts
from ingest.bulk.batch import Batch, make_head
from ingest.bulk.conflicts import same_record
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import Chunk
from ingest.repair.record import repair
from tests.unit.ingest.json_values import records, typed, without_nulls


def source_of(raw: bytes) -> bytes:
    """The `_source` as the engine keeps it, of a record that was sent repaired."""
    fixed = repair(raw)
    trail = {"object": "a", "position": 1, "integrity": "unverified"} | fixed.trail()
    members = {"trail": trail, "risk_score": 3, "event": {"outcome": "success"}}
    batch = Batch()
    batch.append(
        *make_head("i", "x", fixed.record, members),
        ObjectProgress(TrailObject("a", "", 1), lambda _: None),
        1,
    )
    return batch.body("now").splitlines()[1]


@pytest.mark.parametrize(
    ("stored", "record", "same"),
    [
        (b'{"a":1}', b'{"a":1}', True),
        (b'{"a":1}', b'{ "a": 1.0 }', True),
        (b'{"a":1}', b'{"a":true}', False),
        (b'{"a":true}', b'{"a":1}', False),
        (b'{"a":0}', b'{"a":false}', False),
        (b'{"a":null}', b"{}", True),
        (b"{}", b'{"a":null}', True),
        (b'{"a":{"b":null,"c":1}}', b'{"a":{"c":1}}', True),
        (b'{"a":[{"b":null},2]}', b'{"a":[{},2]}', True),
        (b'{"a":{"b":null}}', b'{"a":{}}', True),
        (b'{"a":{"b":null}}', b"{}", False),
        (b'{"a":[null]}', b'{"a":[]}', False),
        (b'{"a":0}', b"{}", False),
        (b'{"a":null,"a":1}', b'{"a":1}', False),
        (b'{"requestParameters":null,"risk_score":null}', b"{}", True),
        (b'{"a":"\xff","b":null}', b'{"a":"\xff"}', True),
        (b'{"a":1e400,"b":{"c":null}}', b'{"b":{},"a":1e400}', True),
        (b'{"a":"\xff"}', b'{"a":"\\udcff"}', False),
        (b'{"a":{"\\u0000pairs":[["b",1],["b",2]]}}', b'{"a":{"b":1,"b":2}}', False),
        (b'{"a":1,"b":[2e400]}', b'{"a":1,"b":[["\\u0000float","2e400"]]}', False),
        (b'{"a":0.1000000000000000055}', b'{"a":0.1}', False),
        (b'{"a":1,"b":2}', b'{"b":2,"a":1}', True),
        (b'{"a":12345678901234567890123}', b'{"a":12345678901234567890123}', True),
        (b'{"a":12345678901234567890123}', b'{"a":12345678901234567890124}', False),
        (b'{"a":9007199254740993}', b'{"a":9007199254740992}', False),
        (b'{"a":18446744073709551617}', b'{"a":18446744073709551616}', False),
        (b'{"a":1,"a":2}', b'{"a":1,"a":2}', True),
        (b'{"a":1,"a":2}', b'{"a":2}', False),
        (b'{"a":2}', b'{"a":1,"a":2}', False),
        (b'{"a":"\xff"}', b'{"a":"\xff"}', True),
        (b'{"a":"\xff"}', b'{"a":"\xfe"}', False),
        (b'{"requestParameters":""}', b'{"requestParameters":""}', True),
        (b'{"requestParameters":""}', b"{}", False),
        (b'{"a":1,"requestParameters":""}', b'{"a":1}', False),
        (b'{"a":1}', b'{"a":1,"requestParameters":""}', False),
        (b'{"a":1,"trail":{"object":"a"}}', b'{"a":1}', False),
        (b'{"a":1}', b'{"a":1,"trail":{"object":"a"}}', False),
        (b'{"risk_score":9}', b'{"risk_score":9}', True),
        (b'{"risk_score":9}', b'{"risk_score":8}', False),
        (b'{"risk_score":9}', b"{}", False),
        (b"{}", b'{"risk_score":3}', False),
        (b'{"a":"\\ud800"}', b'{"a":"\\ud800"}', True),
        (b'{"a":"\\ud800"}', b'{"a":"\\ud801"}', False),
        (b'{"a":1e400}', b'{"a":1e400}', True),
        (b'{"a":1e400}', b'{"a":null}', False),
        (b'{"a":null}', b'{"a":1e400}', False),
        (b'{"a":NaN}', b'{"a":NaN}', True),
        (b'{"a":NaN}', b'{"a":null}', False),
    ],
)
def test_the_same_and_nearly_the_same(stored: bytes, record: bytes, same: bool) -> None:
    assert same_record(source_of(stored), record) is same


@given(records)
def test_every_record_is_known_again(record: dict[str, Any]) -> None:
    raw = json.dumps(record).encode()
    assert same_record(source_of(raw), raw)


@given(records, records)
def test_no_other_record_is_taken_for_it(one: dict[str, Any], two: dict[str, Any]) -> None:
    raw = json.dumps(two).encode()
    same = typed(without_nulls(one)) == typed(without_nulls(two))
    assert same_record(source_of(json.dumps(one).encode()), raw) is same


URI = "s3://b/AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/01/x.json.gz"


@pytest.mark.parametrize("uri", [URI, '/data/a "b".json'])
@pytest.mark.parametrize("mark_flat", [False, True])
def test_what_the_assembler_wrote_is_known_again_without_decoding_it(
    uri: str, mark_flat: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = msgspec.Raw(b'{"eventTime":"2025-03-01T12:00:00Z","eventName":"GetKey"}')
    chunk = Chunk(records=[record], positions=[3])
    owner = ObjectProgress(TrailObject(uri, "", 1), lambda _: None)
    assembler = Assembler(Enricher(), lambda day: f"cloudtrail-{day}", mark_flat=mark_flat)
    (made,) = assembler.assemble(chunk, owner)
    source = made.batch.body("now").splitlines()[1]
    assert (b'"flat":true' in source) is mark_flat
    monkeypatch.setattr(conflicts, "restore", None)
    assert same_record(source, bytes(record))
