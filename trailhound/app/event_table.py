"""Events as rows of a table that a spreadsheet opens: one column a field."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

from detections.backend.fields import named
from detections.compiled import has_moved
from detections.matcher.event_values import text, values_at
from detections.matcher.moved import put_back
from enrich.view import dumps, loads

COLUMNS: Final = (
    "@timestamp",
    "eventSource",
    "eventName",
    "awsRegion",
    "recipientAccountId",
    "user.name",
    "user_type",
    "userIdentity.arn",
    "sourceIPAddress",
    "geolocation.country",
    "event.outcome",
    "errorCode",
    "risk_score",
    "risk_reasons",
    "event_category",
    "resource.arn",
    "eventID",
    "trail.object",
)
"""The columns of `trailhound enrich --output csv`, in their order. New ones come at the end."""

BETWEEN: Final = "; "
"""Between the values of a field that has several."""

_FORMULA: Final = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What begins a formula in Excel and LibreOffice, the last four in East Asian versions (OWASP,
"CSV Injection"). Tab and line breaks are escaped anyway."""
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in (0x2028, 0x2029)
}


class EventTable:
    """Makes the CSV of events. `empty` are the columns for which no event so far has a value.

    A field is a path, an ECS alias too. Several values are joined with `BETWEEN`, an object is its
    JSON text. Text is escaped so that a row is one line, and gets a `'` before it where a
    spreadsheet would read it as a formula; numbers stay as they are.
    """

    def __init__(self, fields: Sequence[str] = COLUMNS) -> None:
        self._fields = tuple(fields)
        self._read = [_reader(named(path)) for path in self._fields]
        self._seen = [False] * len(self._fields)

    @property
    def empty(self) -> list[str]:
        """The columns without any value so far."""
        return [name for name, seen in zip(self._fields, self._seen, strict=True) if not seen]

    def header(self) -> bytes:
        """The line with the columns' names."""
        return _lines([self._fields])

    def rows(self, documents: Iterable[bytes]) -> bytes:
        """The lines of some events, given as JSON."""
        return _lines(self._row(loads(document)) for document in documents)

    def _row(self, source: dict[str, Any]) -> list[str]:
        event = put_back(source) if has_moved(source) else source
        cells = []
        for number, read in enumerate(self._read):
            cell = read(event)
            cells.append(cell)
            if cell:
                self._seen[number] = True
        return cells


def spreadsheet_cell(value: object) -> str:
    """A value as a cell that is no formula, in one line.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell(-3.5), spreadsheet_cell("a\\nb")
    ("'=1+1", '-3.5', 'a\\\\x0ab')
    """
    shown = text(value).translate(_CONTROLS)
    return "'" + shown if isinstance(value, str) and shown.lstrip().startswith(_FORMULA) else shown


def _reader(path: str) -> Any:
    collect = values_at(path)
    parts = path.split(".")

    def read(event: dict[str, Any]) -> str:
        node: Any = event
        for part in parts:
            node = node.get(part) if isinstance(node, dict) else None
        if isinstance(node, dict):
            return spreadsheet_cell(dumps(node).decode()) if node else ""
        values = list(dict.fromkeys(collect(event))) if node is None or node == [] else _all(node)
        if len(values) == 1:
            return spreadsheet_cell(values[0])
        return spreadsheet_cell(BETWEEN.join(map(text, values)))

    return read


def _all(node: Any) -> list[Any]:
    """The values of a field: its own, those of a list, an object in it as its text."""
    items = node if isinstance(node, list) else [node]
    return [
        dumps(item).decode() if isinstance(item, dict | list) else item
        for item in items
        if item is not None
    ]


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8", "backslashreplace")
