from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from enrich.enricher import Enricher
from enrich.view import view_of
from tests.helpers.records import RECORDS, value_at


@pytest.mark.parametrize("name", RECORDS)
def test_every_shape_gets_its_fields(name: str) -> None:
    record, expected = RECORDS[name]
    enricher = Enricher()
    written, _ = enricher.fields(view_of(json.dumps(record).encode()))
    fields = orjson.loads(b"{" + written[:-1] + b"}}")
    assert {path: value_at(fields, path) for path in expected} == expected
    # A decoded record, and one enricher for all (its caches are warm), give the same.
    assert enricher.document_fields(record) == fields
    assert WARM.document_fields(record) == WARM.document_fields(record) == fields


WARM = Enricher()


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("identity-center-sign-in", "user.name", "grace@example.com"),
        ("ssm-targets", "resource.instance", ["i-0aaaaaaaaaaaaaaa1"]),
        ("grafana-success-200", "event.outcome", "success"),
        ("grafana-success-200", "risk_score", 6),
    ],
)
def test_reported_situations(shared_data: Path, name: str, path: str, value: Any) -> None:
    place = shared_data.parent / "cases" / f"{name}.json"
    if not place.exists():
        pytest.skip(f"{place} is not there")
    assert value_at(Enricher().document_fields(json.loads(place.read_bytes())), path) == value
