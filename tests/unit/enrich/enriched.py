"""The fields that enrichment adds to a call."""

from __future__ import annotations

from typing import Any

import orjson

from enrich.enricher import Enricher
from enrich.view import view_of


def touched(source: str, name: str, **parts: Any) -> dict[str, Any]:
    record = {
        "eventTime": "2024-05-01T10:00:00Z",
        "eventSource": f"{source}.amazonaws.com",
        "eventName": name,
        **parts,
    }
    enricher = Enricher()
    once = enricher.fields(view_of(orjson.dumps(record)))
    assert enricher.fields(view_of(orjson.dumps(record))) == once  # kept or worked out anew
    fields: dict[str, Any] = orjson.loads(b"{" + once[0][:-1] + b"}}")
    assert fields == enricher.document_fields(record)
    return fields
