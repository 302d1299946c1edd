"""Events told apart without an index: by id and content, as the index does."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ingest.distinct import DistinctEvents
from ingest.documents.document_id import conflict_id

ID = "3038ebd2-c98a-4c65-9b6e-e22506292313"


def test_another_form_of_an_event_is_the_same_event() -> None:
    events = DistinctEvents()
    forms = (b'{"a":1,"b":null}', b'{ "a" : 1.0 }', b'{"b":null,"a":1}')
    assert [events.new_id("day", ID, each) for each in forms] == [ID, None, None]
    assert (events.duplicates, events.conflicts) == (2, 0)


def test_a_reused_id_gets_that_of_its_content_and_only_on_its_day() -> None:
    events = DistinctEvents()
    one, forged = b'{"a":1}', b'{"a":2}'
    assert events.new_id("day", ID, one) == ID
    assert events.new_id("day", ID, forged) == conflict_id(ID, forged)
    assert events.new_id("day", ID, forged) is None
    assert events.new_id("day", ID, one) is None
    assert events.new_id("another day", ID, forged) == ID
    assert (events.duplicates, events.conflicts) == (2, 1)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=12))
def test_every_content_of_an_id_has_one_id(given_events: list[tuple[str, int]]) -> None:
    events = DistinctEvents()
    found = [
        events.new_id("day", name, json.dumps({"n": content}).encode())
        for name, content in given_events
    ]
    new = [each for each in found if each is not None]
    assert len(new) == len(set(new)) == len(set(given_events))
    assert events.duplicates == len(given_events) - len(new)
    # Whatever the order: all contents of an id but one.
    assert events.conflicts == len(set(given_events)) - len({name for name, _ in given_events})
