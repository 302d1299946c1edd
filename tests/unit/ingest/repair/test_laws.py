"""Laws from a trail file to a bulk body, for arbitrary JSON: nothing injected, nothing lost."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.enricher import Enricher
from ingest.bulk.batch import Batch
from ingest.canonical import canonical, parse
from ingest.deadletters.store import DeadLetter
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import ReadLimits, TrailReader
from ingest.repair.restore import restore
from tests.unit.ingest.json_values import records, values
from trailhound.errors import TrailFileError
from trailhound.state.objects import short_id

SENT = "2025-03-01T12:00:00.000Z"
LONGEST_ID = 512
"""Bytes of an `_id`, the engine's limit."""
names = st.sampled_from(
    [
        *("eventID", "eventTime", "eventName", "eventSource", "userIdentity", "sourceIPAddress"),
        *("requestParameters", "responseElements", "resources", "errorCode", "userAgent"),
        *("risk_score", "trail", "event", "event.outcome", "source.ip", "source", "@timestamp"),
        *("", ".", "a..b", "additionalEventData", "recipientAccountId", "tlsDetails", "user"),
    ]
)
hostile = st.sampled_from(
    [
        '\n{"delete":{"_index":"x","_id":"y"}}\n',
        '"}}\n{"delete":{}}',
        "\r\n",
        "\u2028",
        "\x00",
        "\\",
        '"',
        {"delete": {"_index": "x", "_id": "y"}},
        [[[]]],
        1e308,
        10**30,
    ]
)
times = st.sampled_from(
    [
        "2025-03-01T12:00:00Z",
        "2025-03-02 12:00:00",
        "never",
        1740830400,
        None,
        "0001-01-01T00:00:00Z",
    ]
)
trail_records = st.builds(
    lambda time, rest, odd, more: {"eventTime": time, "eventName": "E"} | more | rest | odd,
    times,
    st.dictionaries(names, values | hostile, max_size=6),
    st.dictionaries(names, hostile, max_size=2),
    records,
)
elements = trail_records | values


class Made:
    """Everything that became of a file's content."""

    def __init__(self, content: bytes, *, keep: bool = True) -> None:
        self.run = ObjectProgress(
            TrailObject("s3://b/k\"'\n", "etag", len(content)), lambda _: None
        )
        self.batches: list[Batch] = []
        self.dead: list[DeadLetter] = []
        self.filtered = 0
        self.read = 0
        days: list[str] = []

        def index_of(day: str) -> str:
            days.append(day)
            return f"cloudtrail-{day}"

        wants = None if keep else lambda _view, _record, day: day == "2025.03.01"
        assembler = Assembler(Enricher(), index_of)
        reader = TrailReader(io.BytesIO(content), ReadLimits(), name="k")
        self.fault: TrailFileError | None = None
        try:
            for chunk in reader.chunks():
                self.read += len(chunk.records) + len(chunk.faults)
                for made in assembler.assemble(chunk, self.run, wants):
                    self.batches += [each for each in (made.batch, made.repaired) if each.heads]
                    self.dead += made.dead
                    self.filtered += made.filtered
        except TrailFileError as error:
            self.fault = error
        self.indices = {f"cloudtrail-{day}" for day in days}

    @property
    def documents(self) -> int:
        return sum(map(len, self.batches))


def check_body(batch: Batch, indices: set[str]) -> list[dict[str, Any]]:
    """The documents of a body that is NDJSON of creates alone, one for each head."""
    lines = batch.body(SENT).split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == 2 * len(batch)
    documents = []
    for item in range(len(batch)):
        action = json.loads(lines[2 * item])
        assert action.keys() == {"create"}
        assert action["create"].keys() == {"_index", "_id"}
        assert action["create"]["_index"] in indices
        assert 0 < len(action["create"]["_id"].encode("utf-8", "surrogatepass")) <= LONGEST_ID
        assert (action["create"]["_index"], action["create"]["_id"]) == batch.target(item)
        assert b"\r" not in lines[2 * item + 1]
        members = parse(lines[2 * item + 1])
        assert isinstance(members, dict)
        assert all(len(values) == 1 for values in members.values()), "a repeated name"
        document = json.loads(lines[2 * item + 1])
        assert document["event"]["ingested"] == SENT
        assert document["event"]["outcome"] in ("success", "failure")
        assert document["trail"]["position"] == batch.positions[item]
        assert document["trail"]["object"] == short_id(batch.owners[item].item.uri)
        assert restore(lines[2 * item + 1]) == canonical(batch.record(item))
        documents.append(document)
    return documents


def check(content: bytes, elements: list[Any], *, keep: bool = True) -> Made:
    made = Made(content, keep=keep)
    assert made.fault is None
    assert made.read == len(elements)
    assert made.read == made.documents + len(made.dead) + made.filtered
    positions = [position for batch in made.batches for position in batch.positions]
    positions += [letter.position for letter in made.dead]
    assert len(positions) == len(set(positions)) == len(elements) - made.filtered
    for batch in made.batches:
        check_body(batch, made.indices)
        for item, position in enumerate(batch.positions):
            wanted = json.dumps(elements[position]).encode()
            assert canonical(batch.record(item)) == canonical(wanted)
    for letter in made.dead:
        assert letter.code
        assert letter.reason
    return made


@given(st.lists(elements, min_size=1, max_size=5), st.booleans(), st.sampled_from([None, 2]))
def test_a_trail_file_of_anything(items: list[Any], escaped: bool, indent: int | None) -> None:
    # One record is certain, so that the file is a trail whatever else it holds.
    items = [
        *items,
        {"eventTime": "2025-03-01T00:00:00Z", "eventName": "E", "eventID": str(uuid.uuid4())},
    ]
    text = json.dumps({"Records": items}, ensure_ascii=escaped, indent=indent)
    try:
        content = text.encode()
    except UnicodeEncodeError:
        content = json.dumps({"Records": items}, indent=indent).encode()
    made = check(content, items)
    assert made.documents >= 1


@given(st.lists(trail_records, min_size=1, max_size=4))
def test_what_is_filtered_is_counted(items: list[dict[str, Any]]) -> None:
    items = [*items, {"eventTime": "2025-03-09T00:00:00Z", "eventName": "E", "eventID": "1"}]
    made = check(json.dumps({"Records": items}).encode(), items, keep=False)
    assert made.filtered >= 1
    assert made.indices <= {"cloudtrail-2025.03.01"}


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n", b"\r", b"\n\n"])
@pytest.mark.parametrize("wrapped", [b'{"Records":[%b]}', b"[%b]", b"%b"])
def test_a_record_spread_over_lines_cannot_smuggle_an_action(
    line_break: bytes, wrapped: bytes
) -> None:
    action = b'{"delete":{"_index":"cloudtrail-2025.03.01","_id":"victim"}}'
    record = line_break.join(
        [
            b'{"eventTime":"2025-03-01T00:00:00Z","eventName":"E",',
            b'"eventID":"1","x":',
            action,
            b"}",
        ]
    )
    made = Made(wrapped % record)
    assert (made.read, made.documents, made.dead) == (1, 1, [])
    for batch in made.batches:
        (document,) = check_body(batch, made.indices)
        assert document["x"] == json.loads(action)


@given(st.binary(max_size=60), st.binary(max_size=30))
def test_bytes_inside_a_record_never_break_out_of_it(inside: bytes, key: bytes) -> None:
    record = b'{"eventTime":"2025-03-01T00:00:00Z","eventName":"E","eventID":"1","%b":"%b"}' % (
        key,
        inside,
    )
    good = b'{"eventTime":"2025-03-01T00:00:00Z","eventName":"E","eventID":"2"}'
    made = Made(b'{"Records":[' + good + b"," + record + b"," + good + b"]}")
    assert made.documents >= 1
    assert made.read == made.documents + len(made.dead)
    for batch in made.batches:
        check_body(batch, made.indices)
