"""Claims between workers: an entry is written by whoever holds the claim, and by nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace
from opensearchpy import OpenSearch

from ingest.ledger.ledger import Ledger
from ingest.object_progress import ObjectProgress, outcome_of
from ingest.objects import TrailObject
from tests.helpers.trails import ledger as entries
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError
from trailhound.settings import Settings
from trailhound.state.criteria import Criteria
from trailhound.state.objects import Integrity, ObjectState, object_id
from trailhound.state.store import StateStore

ITEM = TrailObject("s3://b/k", "e1", 10)


def worker(client: OpenSearch, settings: Settings, **more: Any) -> Ledger:
    """A worker that is not in the list of those alive: its claims may be taken over at once."""
    return Ledger(client, Names(settings.prefix).ledger, RetryPolicy(), claim_seconds=60, **more)


def finished(read: int, *, filtered: int = 0, fault: str = "") -> ObjectProgress:
    run = ObjectProgress(ITEM, lambda _: None)
    run.read(read)
    run.record("indexed", read - filtered)
    if filtered:
        run.record("filtered", filtered)
    run.finish_reading(fault)
    return run


def only(client: OpenSearch, settings: Settings) -> dict[str, Any]:
    [entry] = entries(client, settings)
    return entry


def test_nothing_is_asked_for_no_objects(client: OpenSearch, settings: Settings) -> None:
    """Where all objects of a group are in flight already: a request for none is refused."""
    own = worker(client, settings)
    assert own.take([]) == ([], [])
    assert own.entries([]) == {}


def test_who_lost_a_claim_writes_nothing_while_the_other_reads(
    client: OpenSearch, settings: Settings
) -> None:
    first, second = worker(client, settings), worker(client, settings)
    assert first.take([ITEM]) == ([ITEM], [])
    assert second.take([ITEM]) == ([ITEM], [])
    reported: list[str] = []
    first.finish(finished(3), "done", lambda: reported.append("settled"))
    first.flush()
    assert (first.outcomes.lost, reported) == (1, ["settled"])
    assert only(client, settings)["worker"] == second.worker.id
    second.finish(finished(30), "done")
    second.flush()
    assert (second.outcomes.lost, only(client, settings)["read"]) == (0, 30)


@pytest.mark.parametrize(
    ("ended", "resumed"), [("never begun", 0), ("killed", 1), ("released", 1), ("done", 0)]
)
def test_a_reading_that_was_not_finished_is_resumed(
    client: OpenSearch, settings: Settings, ended: str, resumed: int
) -> None:
    before, own = worker(client, settings), worker(client, settings)
    if ended != "never begun":
        before.take([ITEM])
    if ended == "released":
        before.release(ITEM)
    if ended == "done":
        before.finish(finished(3), "done")
        before.flush()
    own.take([ITEM], force=True)
    run = finished(3)
    own.begin(run)
    assert (run.resumed, run.read_before) == (bool(resumed), ended == "done")


def test_what_must_not_be_lost_is_stored_before_an_object_counts_as_done(
    client: OpenSearch, settings: Settings
) -> None:
    own = worker(client, settings)
    states: list[str] = []

    def before() -> None:
        states.append(only(client, settings)["state"])
        if len(states) == 1:
            raise ClusterError("not now")

    own.outcomes.before = before
    own.flush()
    own.take([ITEM])
    own.finish(finished(3), "done")
    with pytest.raises(ClusterError):
        own.flush()
    own.flush()
    assert (states, only(client, settings)["state"]) == (["claimed", "claimed"], "done")


def test_entries_wait_for_the_thread_of_the_ledger_up_to_a_number(
    client: OpenSearch, settings: Settings
) -> None:
    own = worker(client, settings)
    items = [TrailObject(f"s3://b/{number}", "e1", 10) for number in range(1_024)]
    for first in range(0, len(items), 256):
        own.take(items[first : first + 256])
    for number, item in enumerate(items, 1):
        assert own.outcomes.due.is_set() == (number > 256)
        assert number < 1_024 or {each["state"] for each in entries(client, settings)} == {
            "claimed"
        }
        run = ObjectProgress(item, lambda _: None)
        run.finish_reading()
        own.finish(run, "done")
    assert [each["state"] for each in entries(client, settings)] == ["done"] * 1_024


@pytest.mark.parametrize("how", ["finish", "fail", "release", "close"])
def test_who_lost_a_claim_leaves_the_others_entry_as_it_is(
    client: OpenSearch, settings: Settings, how: str
) -> None:
    first, second = worker(client, settings), worker(client, settings)
    first.take([ITEM])
    second.take([ITEM])
    second.finish(finished(30), "done")
    second.flush()
    before = only(client, settings)
    if how == "release":
        first.release(ITEM)
    elif how != "close":
        fault = "broke off" if how == "fail" else ""
        first.finish(finished(3, fault=fault), "failed" if fault else "done")
    first.close()
    assert only(client, settings) == before
    assert before["state"] == "done"


def test_a_claim_survives_another_version_of_its_own_entry(
    client: OpenSearch, settings: Settings
) -> None:
    first = worker(client, settings)
    first.take([ITEM])
    # As a retry of dead letters does, which corrects the counts of the object.
    client.update(
        index=Names(settings.prefix).ledger, id=object_id(ITEM.uri), body={"doc": {"indexed": 1}}
    )
    first.finish(finished(3), "done")
    first.flush()
    assert (first.outcomes.lost, only(client, settings)["state"]) == (0, "done")


def test_an_entry_is_written_where_the_index_was_made_anew(
    client: OpenSearch, settings: Settings
) -> None:
    first = worker(client, settings)
    first.take([ITEM])
    client.indices.delete(index=Names(settings.prefix).ledger)
    first.finish(finished(3), "done")
    first.flush()
    assert (first.outcomes.lost, only(client, settings)["read"]) == (0, 3)


def test_what_was_covered_outlives_a_claim_that_came_to_nothing(
    client: OpenSearch, settings: Settings
) -> None:
    narrow = Criteria(accounts=("1",))
    first = worker(client, settings, wanted=narrow)
    first.take([ITEM])
    run = finished(3, filtered=1)
    run.criteria = narrow
    first.finish(run, "done")
    first.close()
    wide = worker(client, settings)
    assert wide.take([ITEM])[0] == [ITEM]
    assert wide.claims.read_again == 1
    # `wide` was killed. What the first one wanted is in; what all want is not.
    assert worker(client, settings, wanted=narrow).take([ITEM]) == ([], [])
    assert worker(client, settings).take([ITEM]) == ([ITEM], [])
    changed = TrailObject(ITEM.uri, "e2", 10)
    assert worker(client, settings, wanted=narrow).take([changed]) == ([changed], [])


READINGS = {"done": (30, ""), "partial": (3, ""), "failed": (2, "broke off"), "skipped": (0, "")}


def read_once(client: OpenSearch, settings: Settings, reading: str) -> dict[str, Any]:
    """The entry of an object after such a reading."""
    first = worker(client, settings)
    assert first.take([ITEM]) == ([ITEM], [])
    number, fault = READINGS[reading]
    run = ObjectProgress(ITEM, lambda _: None)
    run.read(number)
    run.record("dead_lettered" if reading == "partial" else "indexed", number)
    if reading == "skipped":
        run.skip("parquet")
    else:
        run.finish_reading(fault)
    first.finish(run, outcome_of(run))
    first.close()
    return only(client, settings)


@pytest.mark.parametrize("how", ["release", "close", "killed and again", "killed and released"])
@pytest.mark.parametrize("reading", READINGS)
def test_an_object_that_is_given_back_unread_has_its_former_entry(
    client: OpenSearch, settings: Settings, reading: str, how: str
) -> None:
    before = read_once(client, settings, reading)
    again = worker(client, settings)
    assert again.take([ITEM], force=True) == ([ITEM], [])
    during = only(client, settings)
    assert during.pop("claim")["worker"] == again.worker.id
    assert during == before
    if how == "release":
        again.release(ITEM)
    elif how == "close":
        again.close()
    else:  # it ended without a word: it is in no list of those alive
        after = worker(client, settings)
        forced = how == "killed and released"
        known = reading != "failed" and not forced
        assert after.take([ITEM], force=forced) == ([] if known else [ITEM], [])
        after.close()
    assert only(client, settings) == before


@pytest.mark.parametrize("changed", ["released", "finished"])
def test_new_content_replaces_an_entry_once_it_is_read(
    client: OpenSearch, settings: Settings, changed: str
) -> None:
    before = read_once(client, settings, "done")
    item = TrailObject(ITEM.uri, "e2", 12)
    again = worker(client, settings)
    assert again.take([item]) == ([item], [])
    assert again.take([item]) == ([], []), "it is in flight"
    if changed == "released":
        again.close()
        assert only(client, settings) == before
        return
    run = ObjectProgress(item, lambda _: None)
    run.finish_reading("broke off")
    again.finish(run, "failed")
    again.close()
    after = only(client, settings)
    assert (after["etag"], after["size"], after["read"]) == ("e2", 12, 0)
    assert after["covered"] == [], "that was other content"
    assert "claim" not in after


def test_an_object_that_was_never_read_is_released(client: OpenSearch, settings: Settings) -> None:
    first = worker(client, settings)
    first.take([ITEM])
    first.close()
    assert only(client, settings)["state"] == "released"
    assert worker(client, settings).take([ITEM]) == ([ITEM], [])


def test_what_others_note_while_it_is_read_again_stays_when_it_is_given_back(
    client: OpenSearch, settings: Settings
) -> None:
    read_once(client, settings, "partial")
    again = worker(client, settings)
    again.take([ITEM], force=True)
    objects = StateStore(client, settings, ObjectState)
    objects.change(object_id(ITEM.uri), lambda it: it.retried("", indexed=1, duplicates=1, left=0))
    judged = Integrity(verdict="tampered", at="2025-03-01T00:00:00Z")
    objects.change(object_id(ITEM.uri), lambda entry: replace(entry, integrity=judged))
    again.close()
    after = only(client, settings)
    assert "claim" not in after
    assert after["integrity"]["verdict"] == "tampered"
    counts = ("read", "indexed", "duplicates", "dead_lettered")
    assert [after[name] for name in counts] == [3, 1, 1, 1]


def test_a_forced_reading_forgets_what_was_covered_when_it_is_finished(
    client: OpenSearch, settings: Settings
) -> None:
    read_once(client, settings, "done")
    again = worker(client, settings)
    again.take([ITEM], force=True)
    again.finish(finished(3, fault="broke off"), "failed")
    again.close()
    assert only(client, settings)["covered"] == []
    assert worker(client, settings).take([ITEM]) == ([ITEM], [])


def test_a_forced_reading_of_a_part_narrows_nothing_of_the_same_content(
    client: OpenSearch, settings: Settings
) -> None:
    part, whole = Criteria(since="2025-03-01", until="2025-03-01"), Criteria()

    def forced(criteria: Criteria, filtered: int, sha256: str = "") -> dict[str, Any]:
        own = worker(client, settings)
        own.take([ITEM], force=True)
        run = finished(3, filtered=filtered)
        run.criteria, run.sha256 = criteria, sha256
        own.finish(run, "done")
        own.close()
        return only(client, settings)

    other = Criteria(since="2025-03-02")
    assert forced(part, 1)["covered"] == [to_builtins(part)]
    both = forced(other, 1, sha256="a")
    assert both["covered"] == [to_builtins(each) for each in (part, other)]
    assert both["counted"] == to_builtins(other)
    assert forced(other, 0)["covered"] == [to_builtins(whole)], "it had nothing else"
    after = forced(part, 1, sha256="a")
    assert (after["covered"], after["counted"]) == ([to_builtins(whole)], to_builtins(part))
    assert worker(client, settings).take([ITEM]) == ([], [])
    # The etag is the same, and what it holds is not.
    assert forced(part, 1, sha256="b")["covered"] == [to_builtins(part)]
    assert "counted" not in only(client, settings)


def test_no_more_is_claimed_than_the_limit(client: OpenSearch, settings: Settings) -> None:
    items = [TrailObject(f"s3://b/{number}", "e", 1) for number in range(600)]
    own = worker(client, settings)
    assert list(own.claim(iter(items), limit=300)) == items[:300]
    assert {each["uri"] for each in entries(client, settings)} == {item.uri for item in items[:300]}
    own.close()


def test_an_object_that_holds_no_events_is_noted_with_its_reason(
    client: OpenSearch, settings: Settings
) -> None:
    first = worker(client, settings)
    first.take([ITEM])
    run = ObjectProgress(ITEM, lambda _: None)
    run.skip("parquet")
    first.finish(run, "skipped")
    first.close()
    known = first.entries([ITEM])[ITEM.uri]
    assert (known.state, known.reason) == ("skipped", "parquet")
    later = worker(client, settings)
    assert later.take([ITEM]) == ([], [])
    assert (later.claims.skipped, later.claims.ignored) == (0, {"parquet": 1})
    changed = TrailObject(ITEM.uri, "e2", 10)
    assert later.take([changed]) == ([changed], [])
