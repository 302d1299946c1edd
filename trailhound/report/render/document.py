"""The report as JSON, and the JSON Schema that it keeps to."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import msgspec

from trailhound.report.value import Report

_SURROGATE = re.compile("[\ud800-\udfff]")


def as_json(report: Report) -> str:
    """The report as an indented JSON object, in ASCII.

    Texts of events are as recorded, except that a lone surrogate becomes U+FFFD.
    """
    plain = _without_half_pairs(msgspec.to_builtins(report))
    return json.dumps(plain, indent=2, ensure_ascii=True, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the report. It allows no further properties."""
    made = msgspec.json.schema(Report)
    for definition in made["$defs"].values():
        definition["description"] = inspect.cleandoc(definition["description"])
        if definition.get("type") == "object":
            definition["additionalProperties"] = False
            definition["required"] = sorted(definition["properties"])
            for described in definition["properties"].values():
                described.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trailhound report",
        **made,
    }


def schema_text() -> str:
    """What `docs/report.schema.json` holds; `python -m trailhound.report.render.document`
    prints it.
    """
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _without_half_pairs(value: Any) -> Any:
    match value:
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case list() | tuple():
            return [_without_half_pairs(each) for each in value]
        case dict():
            return {key: _without_half_pairs(each) for key, each in value.items()}
        case _:
            return value


if __name__ == "__main__":
    print(schema_text(), end="")  # noqa: T201
