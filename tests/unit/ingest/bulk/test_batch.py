"""A bulk request in the making: what goes in comes out, whole, halved or picked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bulk.batch import Batch, make_head, stamp
from ingest.bulk.stored_records import digest_of
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject

SENT = "2025-03-01T12:00:00.000Z"
identifiers = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
records = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
        lambda key: key not in ("event", "risk_score", "trail")
    ),
    st.none() | st.integers(-(10**9), 10**9) | st.text(st.characters(exclude_categories=["Cs"])),
    max_size=5,
)


def owner(name: str = "a") -> ObjectProgress:
    return ObjectProgress(TrailObject(name, "etag", 1), lambda _: None)


def batch_of(documents: list[tuple[str, dict[str, Any]]]) -> Batch:
    batch = Batch(raws=[])
    for position, (identifier, record) in enumerate(documents):
        raw = json.dumps(record).encode()
        members = {"risk_score": 1, "trail": {"position": position}, "event": {"outcome": "x"}}
        head, end = make_head("team-cloudtrail-2025.03.01", identifier, raw, members)
        batch.append(head, end, owner(), position, raw)
    return batch


@given(st.lists(st.tuples(identifiers, records), min_size=1, max_size=6))
def test_the_body_is_one_action_and_one_document_a_line(
    documents: list[tuple[str, dict[str, Any]]],
) -> None:
    batch = batch_of(documents)
    lines = batch.body(SENT).split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == 2 * len(documents)
    for item, (identifier, record) in enumerate(documents):
        action, document = json.loads(lines[2 * item]), json.loads(lines[2 * item + 1])
        target = {"_index": "team-cloudtrail-2025.03.01", "_id": identifier}
        assert action == {"create": target}
        assert document == record | {
            "risk_score": 1,
            "trail": {"position": item},
            "event": {"outcome": "x", "ingested": SENT},
        }
        assert batch.target(item) == (target["_index"], identifier)
        assert json.loads(batch.spliced(item)) == record
        assert json.loads(batch.record(item)) == record
        members = batch.members(item)
        assert members == {
            "risk_score": 1,
            "trail": {"position": item},
            "event": {"outcome": "x", "ingested": None},
        }


@given(st.lists(st.tuples(identifiers, records), min_size=2, max_size=9))
def test_halves_hold_every_document_once(documents: list[tuple[str, dict[str, Any]]]) -> None:
    batch = batch_of(documents)
    batch.first_sent, batch.lost_reply, batch.repair_level = SENT, True, 1
    first, second = batch.halves()
    assert len(first)
    assert len(second)
    for name in ("heads", "ends", "owners", "positions", "raws"):
        assert getattr(first, name) + getattr(second, name) == getattr(batch, name)
    for half in (first, second):
        assert (half.first_sent, half.lost_reply, half.repair_level) == (SENT, True, 1)
        assert half.size == sum(map(len, half.heads))


def test_picked_documents_keep_their_order_and_their_own() -> None:
    batch = batch_of([(f"id-{number}", {"n": number}) for number in range(5)])
    picked = batch.pick([4, 1])
    assert [picked.target(item)[1] for item in range(2)] == ["id-4", "id-1"]
    assert picked.positions == [4, 1]
    assert json.loads(picked.record(0)) == {"n": 4}
    assert len(batch.pick([])) == 0


def test_a_head_without_a_record_or_members_is_json_too() -> None:
    for record in (b"{}", b'{"a":1}'):
        each: list[dict[str, Any]] = [{}, {"event": {}}, {"risk_score": 1}]
        for members in each:
            head, end = make_head("i", "x", record, dict(members))
            batch = Batch()
            batch.append(head, end, owner(), 0)
            document = json.loads(batch.body(SENT).split(b"\n")[1])
            assert document["event"] == {"ingested": SENT}
            assert json.loads(batch.record(0)) == json.loads(record)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2025, 3, 1, 12, 0, 0, 0, UTC), "2025-03-01T12:00:00.000Z"),
        (datetime(2025, 3, 1, 12, 0, 0, 999_999, UTC), "2025-03-01T12:00:00.999Z"),
        (
            datetime(2025, 3, 1, 1, 0, 0, 5_000, timezone(timedelta(hours=2))),
            "2025-02-28T23:00:00.005Z",
        ),
    ],
)
def test_a_stamp_has_a_fixed_width(moment: datetime, text: str) -> None:
    assert stamp(moment) == text


def part_of(records: list[str], file: str) -> Batch:
    part = Batch()
    for position, text in enumerate(records):
        raw = json.dumps({"is": text}).encode()
        head, end = make_head("cloudtrail-2025.03.01", text, raw, {})
        part.append(head, end, owner(file), position)
        part.digests.append(digest_of(raw))
    return part


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=8), max_size=8))
def test_of_copies_the_first_is_sent_and_all_are_kept(files: list[list[str]]) -> None:
    batch = Batch()
    for number, texts in enumerate(files):
        batch.join(part_of(texts, f"{number}"))
    copies = batch.copies or Batch()
    sent = [batch.target(item)[1] for item in range(len(batch))]
    every = [(text, f"{n}", at) for n, texts in enumerate(files) for at, text in enumerate(texts)]
    assert sent == list(dict.fromkeys(text for text, *_ in every))
    kept = [
        (each.target(item)[1], each.owners[item].item.uri, each.positions[item])
        for each in (batch, copies)
        for item in range(len(each))
    ]
    assert sorted(kept) == sorted(every)
    assert batch.digests == [digest_of(batch.spliced(item)) for item in range(len(batch))]
    assert copies.digests == [digest_of(copies.spliced(item)) for item in range(len(copies))]
    assert batch.size == sum(map(len, batch.heads + copies.heads))


def test_documents_without_digests_leave_none_that_could_be_taken_for_theirs() -> None:
    plain = part_of(["a", "b"], "history")
    plain.digests = []
    for parts in ([plain, part_of(["a", "c"], "1")], [part_of(["a", "c"], "1"), plain]):
        batch = Batch()
        for part in parts:
            batch.join(part)
        batch.join(part_of(["a"], "2"))
        assert (len(batch), batch.digests, batch.copies) == (5, [], None)
