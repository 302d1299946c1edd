"""Of content with millions of parts memory grows with its size, not with their number: some 200 KB
of gzip hold as many as fit into a record."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from ingest.reading import ReadLimits, TrailReader
from ingest.reading.sanitize import sanitize, single_line
from ingest.reading.values import elements, members
from tests.unit.ingest.reading.formats import Reading, Trickle, compact, gzipped

SIZE = 128 * 1024
RECORD = '{"eventVersion":"1","eventTime":"t","eventID":"x","requestParameters":'
MANY = {
    "a list in a member": '{"x":[' + "1," * (SIZE // 2) + "1]}",
    "NaN": RECORD + "[" + "NaN," * (SIZE // 4) + "1]}",
    "halves of surrogate pairs": RECORD + '"' + "\\ud800" * (SIZE // 6) + '"}',
    "line feeds": RECORD + "\n" * SIZE + "1}",
    "depth": RECORD + '{"a":' * (SIZE // 6) + "1" + "}" * (SIZE // 6) + "}",
}


@pytest.mark.parametrize("name", MANY)
def test_memory_is_that_of_the_content(name: str) -> None:
    stored = gzipped(MANY[name])
    reader = TrailReader(Trickle(stored, SIZE), ReadLimits(), name="a-file")  # type: ignore[arg-type]
    tracemalloc.start()
    try:
        reader.begin()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * len(MANY[name])


def test_a_long_row_and_many_members_are_read_as_short_ones() -> None:
    record = {"eventVersion": "1", "eventTime": "t", "eventID": "x, [1]", "x": {"y": [1, "}"]}}
    rows = [json.dumps(record), 1, [json.dumps(record), None], "a,b", {"n": [1, 2]}, "\\"] * 1_000
    assert [*map(json.loads, elements(json.dumps(rows, indent=1).encode()))] == rows
    assert [*map(json.loads, elements(compact([1] * 100_000).encode()))] == [1] * 100_000
    held = {str(number): each for number, each in enumerate(rows)}
    expected = [each for each in rows if isinstance(each, str | list | dict)]
    assert [*map(json.loads, members(json.dumps(held, indent=1).encode()))] == expected
    for text in (compact([rows]), compact(held)):
        reading = Reading(text.encode())
        assert (reading.error, reading.faults) == (None, [])
        assert reading.records == [record] * 2_000


def test_long_texts_are_made_fit_as_short_ones() -> None:
    lines = '{"a":\r\n  [NaN, "x\\ud800 NaN",\n\n-Infinity ] , "é": 1}'.encode()
    fit = '{"a":["NaN", "x\\ufffd NaN","-Infinity" ] , "é": 1}'.encode()
    assert sanitize(single_line(lines)) == fit
    many = 20_000
    assert single_line(b"[" + lines * many + b"]") == b"[" + single_line(lines) * many + b"]"
    assert sanitize(single_line(lines) * many) == fit * many
