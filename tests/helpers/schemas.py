"""What `--json` prints, against the schemas in `docs/`: each is checked and read once, which takes
longer than most commands that a test runs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

DOCS = Path(__file__).parents[2] / "docs"


def require_listing(found: object, name: str) -> None:
    """Fails unless it is what docs/listings.schema.json says of a name of its `$defs`."""
    _validator("listings.schema.json", name).validate(found)


def require_report(found: object) -> None:
    """Fails unless it is what docs/report.schema.json says."""
    _validator("report.schema.json", "").validate(found)


@cache
def _validator(file: str, name: str) -> Any:
    schema, kind = _checked(file)
    return kind({**schema, "$ref": f"#/$defs/{name}"} if name else schema)


@cache
def _checked(file: str) -> tuple[dict[str, Any], Any]:
    schema = json.loads((DOCS / file).read_text("utf-8"))
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return schema, kind
