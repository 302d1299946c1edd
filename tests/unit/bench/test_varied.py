"""Recorded events repeated with fresh ids, and the trail made of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from bench.varied import records, varied, write

RECORD: dict[str, Any] = {
    "eventTime": "2020-01-01T00:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "eventID": "0c3c1c3e-5f4f-4e0e-9d4a-4f0f1c1f7a11",
    "userIdentity": {
        "arn": "arn:aws:iam::111122223333:user/Alice",
        "accessKeyId": "AKIA" + 16 * "A",
    },
    "tlsDetails": {"cipherSuite": "ECDHE-RSA-AES128-GCM-SHA256"},
    "additionalEventData": {"x-amz-id-2": "8Zg2Yq0L5kQv1Jt9xX3b7NcRfHs4DpWmEaUoTyIi6B=", "n": 3},
}


def test_what_a_call_has_of_its_own_is_made_anew() -> None:
    one, other = varied([RECORD], 2)
    assert one["eventID"] != other["eventID"] != RECORD["eventID"]
    assert one["userIdentity"] == other["userIdentity"] == RECORD["userIdentity"]
    assert one["tlsDetails"] == RECORD["tlsDetails"]
    ids = {each["additionalEventData"]["x-amz-id-2"] for each in (RECORD, one, other)}
    assert len(ids) == 3
    assert {len(each) for each in ids} == {len(RECORD["additionalEventData"]["x-amz-id-2"])}
    assert list(varied([RECORD], 2)) == [one, other]


def test_records_are_found_in_all_forms_once(tmp_path: Path) -> None:
    (tmp_path / "array.json").write_text(json.dumps([RECORD, {"no": "record"}]))
    (tmp_path / "lines.jsonl").write_text(
        json.dumps({"event": RECORD | {"eventName": "PutObject"}})
        + "\n"
        + json.dumps(
            {
                "CloudTrailEvent": json.dumps(
                    {"eventVersion": "1.08", **RECORD}, separators=(",", ":")
                )
            }
        )
    )
    (tmp_path / "file.json.gz").write_bytes(
        gzip.compress(json.dumps({"Records": [RECORD]}).encode())
    )
    assert len(records(tmp_path)) == 3


def test_the_trail_holds_all_events(tmp_path: Path) -> None:
    trail = write(varied([RECORD], 1_001), tmp_path)
    files = sorted(trail.rglob("*.json.gz"))
    counts = [len(json.loads(gzip.decompress(each.read_bytes()))["Records"]) for each in files]
    assert counts == [500, 500, 1]
