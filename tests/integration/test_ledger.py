"""Claims between workers: an entry is written by whoever holds the claim, and by nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from ingest.ledger import Ledger
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from tests.helpers.trails import ledger as entries
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.objects import Criteria, object_id

ITEM = TrailObject("s3://b/k", "e1", 10)


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(engine, namespace, tmp_path / "home")


@pytest.fixture
def client(settings: Settings) -> OpenSearch:
    return prepared(settings)


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
    assert (first.lost, reported) == (1, ["settled"])
    assert only(client, settings)["worker"] == second.worker.id
    second.finish(finished(30), "done")
    second.flush()
    assert (second.lost, only(client, settings)["read"]) == (0, 30)


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
    assert (first.lost, only(client, settings)["state"]) == (0, "done")


def test_an_entry_is_written_where_the_index_was_made_anew(
    client: OpenSearch, settings: Settings
) -> None:
    first = worker(client, settings)
    first.take([ITEM])
    client.indices.delete(index=Names(settings.prefix).ledger)
    first.finish(finished(3), "done")
    first.flush()
    assert (first.lost, only(client, settings)["read"]) == (0, 3)


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
    assert wide.read_again == 1
    # `wide` was killed. What the first one wanted is in; what all want is not.
    assert worker(client, settings, wanted=narrow).take([ITEM]) == ([], [])
    assert worker(client, settings).take([ITEM]) == ([ITEM], [])
    changed = TrailObject(ITEM.uri, "e2", 10)
    assert worker(client, settings, wanted=narrow).take([changed]) == ([changed], [])


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
    assert (later.skipped, later.ignored) == (0, {"parquet": 1})
    changed = TrailObject(ITEM.uri, "e2", 10)
    assert later.take([changed]) == ([changed], [])
