"""What an object's entry says of its readings and claims, those of the last release included."""

from __future__ import annotations

import pytest

from trailhound.state.criteria import EVERYTHING, Criteria
from trailhound.state.objects import Claim, ObjectState, State

OLD = {"uri": "s3://b/k", "etag": "e", "size": 3, "state": "done", "worker": "", "claimed_at": "",
       "read": 5, "indexed": 5, "duplicates": 0, "dead_lettered": 0, "filtered": 0,
       "bytes": 3, "finished_at": "", "reason": ""}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "done"),
    [
        ({}, True),
        ({"filtered": 1, "indexed": 4}, False),
        ({"state": "failed"}, False),
        ({"state": "claimed"}, False),
        ({"state": "released", "worker": ""}, False),
    ],
)
def test_entries_of_the_last_release_are_done_where_nothing_was_filtered(
    changes: dict[str, object], done: bool
) -> None:
    entry = ObjectState.parse("id", OLD | changes)
    assert entry.is_done_for("e", EVERYTHING) is done
    assert not entry.is_done_for("another", EVERYTHING)


def test_a_skipped_object_keeps_its_reason() -> None:
    entry = ObjectState(uri="s3://b/k", etag="e", state="skipped", reason="parquet")
    assert ObjectState.parse(entry.identifier, entry.document()) == entry
    assert entry.document()["state"] == "skipped"
    assert entry.is_done_for("e", EVERYTHING)
    assert not entry.is_done_for("another", EVERYTHING)


def test_an_entry_leaves_out_what_is_empty() -> None:
    claim = ObjectState(uri="s3://bucket/key.json.gz", etag="e", state="claimed", worker="w")
    stored = claim.document()
    assert stored.keys() == {"kind", "uri", "object", "etag", "state", "worker"}
    assert ObjectState.parse(claim.identifier, stored) == claim
    done = claim.finished(state="done", covered=(Criteria(since="2025-03-01"),), counted=EVERYTHING)
    counts = {"read", "indexed", "duplicates", "dead_lettered", "filtered", "bytes"}
    stored = done.document()
    assert (
        stored.keys() == {"kind", "uri", "object", "etag", "state", "covered", "counted"} | counts
    )
    assert {stored[name] for name in counts} == {0}, "what was read is told, none as well"
    assert ObjectState.parse(done.identifier, stored) == done


def test_what_became_empty_does_not_stay_from_the_document_before() -> None:
    before = ObjectState(uri="s3://b/k", state="done", gone_at="2025-03-01", worker="w", read=3)
    stored = before.document() | {"of_a_later_release": 1}
    after = before.finished(state="done", gone_at=None)
    assert after.over(stored) == after.document() | {"of_a_later_release": 1}


@pytest.mark.parametrize("state", ["claimed", "released"])
def test_letters_of_a_reading_that_was_not_finished_move_no_count(state: State) -> None:
    entry = ObjectState(uri="s3://b/k", state=state)
    assert entry.retried("", indexed=2, duplicates=1, left=0) == entry


def test_letters_move_the_counts_of_the_last_reading() -> None:
    entry = ObjectState(uri="s3://b/k", etag="e", state="done", read=5, dead_lettered=5)
    moved = entry.retried("e", indexed=2, duplicates=1, left=2)
    assert (moved.indexed, moved.duplicates, moved.dead_lettered) == (2, 1, 2)
    assert moved.retried("e", indexed=2, duplicates=1, left=2) == moved, "counted before"
    assert moved.retried("another", indexed=2, duplicates=0, left=0) == moved, "another content"
    last = moved.retried("", indexed=0, duplicates=3, left=1)
    assert (last.duplicates, last.dead_lettered) == (2, 1)


CLAIM = Claim(worker="w", token="t", at="2025-03-01T00:00:00+00:00", etag="e2")


@pytest.mark.parametrize("state", ["done", "failed", "skipped", "archived"])
def test_a_claim_leaves_the_entry_of_the_last_reading(state: State) -> None:
    entry = ObjectState(uri="s3://b/k", etag="e", size=3, state=state, read=5, indexed=5, token="x")
    claimed = entry.claimed(CLAIM, 4)
    stored = claimed.document()
    assert {**stored, "claim": None} == {**entry.document(), "claim": None}
    assert (claimed.holder, claimed.claim_token) == ("w", "t")
    assert ObjectState.parse(entry.identifier, stored) == claimed
    assert claimed.without_claim() == entry
    assert (entry.holder, entry.claim_token) == ("", "")


def test_the_claim_of_a_first_reading_is_where_the_last_release_looks_for_it() -> None:
    entry = ObjectState.parse("id", OLD | {"state": "claimed", "worker": "gone"})
    assert entry.holder == "gone"
    claimed = entry.claimed(CLAIM, 4)
    assert claimed.claim is None
    assert (claimed.state, claimed.worker, claimed.etag) == ("claimed", "w", "e2")
    assert (claimed.holder, claimed.claim_token) == ("w", "t")
    back = claimed.without_claim()
    assert (back.state, back.worker, back.holder) == ("released", "", "")
