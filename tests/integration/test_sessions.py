"""Sessions joined to people: every event's person, and every session of a person, equal what brute
force finds in the raw records."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from detections.events.index import EventIndex
from detections.investigation.opened import opened_by
from detections.investigation.sessions import Sessions, direct, session_of
from tests.helpers.event_store import EventStore
from tests.helpers.session_trails import session_trail


@settings(max_examples=max(2, settings().max_examples // 25), deadline=None)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=8, max_size=8))
@example(
    seeds=[20_019]
)  # a session nobody is known to have opened, known by its start, opens another
def test_who_is_behind_each_event_is_what_brute_force_finds(
    store: EventStore, seeds: list[int]
) -> None:
    trails = [session_trail(seed) for seed in seeds]
    for trail in trails:
        trail.index_into(store.client, store.index.replace("*", "2025.03.01"))
    index = EventIndex(store.client, store.index, hits_page=40, groups_page=20)
    expected = {name: who for trail in trails for name, who in trail.origins().items()}
    people = {each for trail in trails for each in trail.people}
    ids = [each["eventID"] for trail in trails for each in trail.records]
    hits = list(index.documents({"ids": {"values": ids}}))
    assert len(hits) == len(ids)
    sessions = Sessions(index)
    traces = sessions.trace(hit["_source"] for hit in hits)
    for hit in hits:
        if hit["_id"] not in expected:
            continue  # of a call from another account this record says no more than the account
        session = session_of(hit["_source"])
        trace = traces[session] if session else direct(hit["_source"])
        known = expected[hit["_id"]] & people
        assert trace.traced == bool(known)
        assert {trace.origin.name} == known if known else trace.reason
    for trail in trails:
        person = max(trail.people, key=lambda each: len(trail.opened(each)))
        found = opened_by(index, {"term": {"userIdentity.userName": person}}, sessions)
        assert found.keys == trail.opened(person)
        assert not found.more
