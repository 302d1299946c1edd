"""Whatever the reader lets in can be decoded again, by the noise filter and by the matcher."""

from __future__ import annotations

import pytest

from detections.matcher.moved import put_back
from enrich.view import view_of
from ingest.documents.decode import decode_record
from ingest.documents.record_filter import RecordFilter
from ingest.objects import Selection, TrailObject
from trailhound.settings import Settings

MEMBERS = [
    b'"n":1e999',
    b'"n":-1e999',
    b'"n":' + b"9" * 6000,
    b'"n":NaN',
    b'"n":[Infinity]',
    b'"n":"\\ud800"',
    b'"\\udc00":"\xff"',
    b'"n":1,"n":2',
    b'"userIdentity":{"type":1e999}',
    b'"n":' + b"[" * 3000 + b"]" * 3000,
    b'"n":' + b'{"a":' * 1020 + b"1" + b"}" * 1020,
]


@pytest.mark.parametrize("member", MEMBERS)
def test_a_filter_reads_every_record(member: bytes) -> None:
    record = b'{"eventName":"GetKey",' + member + b',"eventSource":"kms.amazonaws.com"}'
    noise = Settings(filter=[{"eventName": "GetKey", "eventSource": "kms.amazonaws.com"}])
    other = Settings(filter=[{"eventName": "Other"}])
    view = view_of(b'{"eventName":"GetKey"}')
    assert decode_record(record)["eventName"] == "GetKey"
    for settings, wanted in ((noise, False), (other, True)):
        choice = RecordFilter(settings, Selection()).of(TrailObject("s3://b/k", "", 0))
        assert choice is not None
        assert choice.accepts(view, record, "2025.03.01") is wanted


def test_a_value_that_was_moved_is_put_back_whatever_numbers_are_beside_it() -> None:
    moved = {"pointer": "/requestParameters", "json": '{"n":' + "9" * 6000 + ',"a":"x"}'}
    assert put_back({"trail": {"original": [moved]}})["requestParameters"] == {"n": None, "a": "x"}
