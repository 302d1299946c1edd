"""The JSON form: what it holds, and the schema it keeps to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.helpers.reports import HOSTILE, report_of
from trailhound.report.render.document import as_json, schema_text

SCHEMA_FILE = "docs/report.schema.json"
SCHEMA = Path(__file__).parents[4] / SCHEMA_FILE


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def test_the_published_schema_is_that_of_the_code() -> None:
    assert SCHEMA.read_text("utf-8") == schema_text(), (
        f"run: python -m trailhound.report.render.document > {SCHEMA_FILE}"
    )


@pytest.mark.parametrize("text", ["a text", HOSTILE])
def test_a_report_keeps_to_the_schema(validator: Any, text: str) -> None:
    written = as_json(report_of(text))
    assert written.isascii()
    document = json.loads(written)
    validator.validate(document)
    assert document["format"] == "trailhound-report/1"
    assert [gap["grave"] for gap in document["gaps"]] == [
        gap["important"] for gap in document["gaps"]
    ], "the name of the last release is still written"
    assert document["principals"]["rows"][0]["value"] == text.replace("\ud800", "\ufffd")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("totals", "events"), "many"),
        (("findings", "bands", 0, "band"), "worst"),
        (("scope", "since"), "yesterday"),
        (("story",), None),
        (("more",), 1),
    ],
)
def test_the_schema_refuses_what_is_no_report(
    validator: Any, path: tuple[str | int, ...], value: Any
) -> None:
    document = json.loads(as_json(report_of("x")))
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)
