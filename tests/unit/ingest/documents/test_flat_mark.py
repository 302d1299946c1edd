"""Which events get `trail.flat`, by which Elasticsearch is asked of a leaf: never a wrong one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.enricher import Enricher
from enrich.view import FREE_FORM, is_flat, view_of
from ingest.documents.assembler import Assembler
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import Chunk
from tests.unit.ingest.json_values import records

BARE = {"eventTime": "2025-03-01T12:00:00Z", "eventName": "PutObject"}


def trail_of(record: dict[str, Any], *, mark_flat: bool = True) -> dict[str, Any]:
    """`trail` of the document that is made of a record."""
    chunk = Chunk(records=[msgspec.Raw(json.dumps(record).encode())], positions=[0])
    owner = ObjectProgress(TrailObject("a", "", 1), lambda _: None)
    assembler = Assembler(Enricher(), str, mark_flat=mark_flat)
    (made,) = assembler.assemble(chunk, owner)
    batch = made.batch if made.batch.heads else made.repaired
    trail: dict[str, Any] = json.loads(batch.body("now").splitlines()[1])["trail"]
    return trail


@pytest.mark.parametrize(
    ("changes", "flat"),
    [
        ({}, True),
        ({"requestParameters": None, "responseElements": {}}, True),
        ({"requestParameters": {"a.b": 1, "c": ["x", [2]], "d": None}}, True),
        ({"requestParameters": {"a": {}}}, False),
        ({"responseElements": {"a": [[{"b": 1}]]}}, False),
        ({"additionalEventData": {"a": {"b": 1}}}, False),
        ({"serviceEventDetails": {"a": {"b": 1}}}, False),
        ({"requestParameters": {"policyDocument": '{"Version": 1}'}}, False),
        ({"userIdentity": {"type": "Root", "sessionContext": {"attributes": {}}}}, True),
        ({"requestParameters": {"a": 1}, "risk_score": 3}, False),
        ({"additionalEventData": {"x-amz-id-2": "kept apart", "a": 1}}, True),
    ],
)
def test_events_without_objects_in_their_objects_are_marked(
    changes: dict[str, Any], flat: bool
) -> None:
    made = trail_of(BARE | changes)
    assert made.get("flat") is (True if flat else None)
    assert "flat" not in trail_of(BARE | changes, mark_flat=False)


@given(st.sampled_from(FREE_FORM), records)
def test_no_event_with_an_object_in_an_object_is_flat(name: str, body: dict[str, Any]) -> None:
    def holds_object(value: Any) -> bool:
        inside = value.values() if isinstance(value, dict) else value
        return isinstance(value, dict | list) and any(
            isinstance(each, dict) or holds_object(each) for each in inside
        )

    flat = is_flat(view_of(json.dumps({name: body}).encode()))
    assert not (flat and holds_object(body))
