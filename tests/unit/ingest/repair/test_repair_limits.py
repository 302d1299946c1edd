"""A repair of a small record makes no large one, however much of it has to move."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from detections.matcher.moved import put_back
from ingest import canonical
from ingest.repair.record import MOST_MOVED, MOST_PATHS, MOST_TEXTS, repair
from ingest.repair.restore import restore
from tests.helpers.trails import record, record_text

UNREADABLE = "9" * 1_001
"""A number that the engine's JSON reader refuses."""


def members(prefix: str, number: int, value: str = "0") -> str:
    return "{" + ",".join(f'"{prefix}..{each}":{value}' for each in range(number)) + "}"


RECORDS = {
    "values below a long path": record_text(
        {"additionalEventData": f'{{"{"k" * 29_000}":{members("a", 3_000)}}}'}
    ),
    "values below a path": record_text({"additionalEventData": members("a", 12_000)}),
    "texts below a long name": record_text(
        {"n" * 5_000: "[" + ",".join(['"a"'] * 30_000) + f",{UNREADABLE}]"}
    ),
    "items of a mapped list": record_text(
        {"resources": "[" + ",".join(['{"a..b":"x"}'] * 12_000) + "]"}
    ),
    "names at the top": record_text({f"a..{each}": '"x"' for each in range(12_000)}),
    "repeated keys": record_text(
        {"additionalEventData": "{" + ",".join(f'"{k}":1,"{k}":2' for k in range(12_000)) + "}"}
    ),
    "a repeated key that is long": record_text(
        {"additionalEventData": f'{{"{"k" * 40_000}":1,"{"k" * 40_000}":2}}'}
    ),
}


@pytest.mark.parametrize("raw", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("thorough", [False, True])
def test_what_a_repair_adds_is_bounded(raw: bytes, thorough: bool) -> None:
    fixed = repair(raw, thorough=thorough)
    trail = fixed.trail()
    assert len(fixed.record) + len(msgspec.json.encode(trail)) < 4 * len(raw) + 12_000_000
    assert len(trail["repaired"]) <= MOST_PATHS
    assert max(map(len, trail["repaired"])) <= 1_024
    assert len(trail.get("text", ())) <= MOST_TEXTS
    document = fixed.record[:-1] + b',"trail":' + msgspec.json.encode(trail) + b"}"
    assert restore(document) == canonical.canonical(raw), "nothing of it is lost"


def test_a_field_of_which_too_much_moves_is_moved_whole() -> None:
    asked = {f"a..{number}": "x" for number in range(MOST_MOVED + 1)} | {"roleName": "admin"}
    fixed = repair(json.dumps(record(requestParameters=asked, errorMessage={"a": 1})).encode())
    assert sorted(fixed.paths) == ["errorMessage", "requestParameters"]
    stored: dict[str, Any] = msgspec.json.decode(fixed.record) | {"trail": fixed.trail()}
    assert "requestParameters" not in stored
    assert put_back(stored)["requestParameters"] == asked, "rules see all of it"


def test_as_many_as_fit_are_moved_one_by_one() -> None:
    asked = {f"a..{number}": "x" for number in range(MOST_MOVED)} | {"roleName": "admin"}
    fixed = repair(json.dumps(record(requestParameters=asked)).encode())
    assert len(fixed.original) == MOST_MOVED
    assert msgspec.json.decode(fixed.record)["requestParameters"] == {"roleName": "admin"}
