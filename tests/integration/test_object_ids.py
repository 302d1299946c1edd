"""`trail.object`: a short id that the ledger resolves, beside whole names of older events."""

from __future__ import annotations

from pathlib import Path

from detections.events.index import ORDER
from tests.helpers.trails import backfill, documents, prepared, record, write_trail
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.objects import ObjectState, short_id
from trailhound.state.store import StateStore


def test_events_name_their_object_by_an_id_of_the_ledger(
    settings: Settings, tmp_path: Path
) -> None:
    index = settings.index.model_copy(update={"object_names": True})
    whole = settings.model_copy(update={"index": index})
    client = prepared(settings)
    old, new = ([record(eventTime=f"2025-03-0{day}T10:00:00Z") for _ in range(5)] for day in (1, 2))
    one = str(write_trail(tmp_path / "old", old))
    other = str(write_trail(tmp_path / "new", new))
    assert backfill(whole, tmp_path / "old").counts.indexed == 5
    assert backfill(settings, tmp_path / "new").counts.indexed == 5
    stored = documents(client, settings)
    assert {stored[each["eventID"]]["trail"]["object"] for each in old} == {one}
    assert {stored[each["eventID"]]["trail"]["object"] for each in new} == {short_id(other)}
    store = StateStore(client, settings, ObjectState)
    for name in (one, other):
        (entry,) = store.all({"term": {"object": short_id(name)}})
        assert entry.uri == name
    # One page after the other through both forms, in one order.
    seen: list[str] = []
    after: dict[str, list[object]] = {}
    while True:
        body = {"size": 3, "sort": ["@timestamp", *ORDER], **after}
        hits = client.search(index=Names(settings.prefix).alias, body=body)["hits"]["hits"]
        if not hits:
            break
        seen += [hit["_id"] for hit in hits]
        after = {"search_after": hits[-1]["sort"]}
    assert sorted(seen) == sorted(stored)
    # The same records by the other form: duplicates.
    for each in (settings, whole):
        for folder in ("old", "new"):
            report = backfill(each, tmp_path / folder, force=True)
            assert (report.counts.duplicates, report.conflicts) == (5, 0)
