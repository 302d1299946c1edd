"""Events as rows of a CSV table: a column for each field, with any type of value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Listing

with late_imports():
    from detections.compiled import has_moved
    from detections.event_fields import LEAVES, named
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

Event = Mapping[str, Any]


class EventTable:
    """The CSV of events, in the form of `trailhound.cli.listing`.

    A field is a path or an ECS alias. Several values share one cell; an object is its JSON text.
    """

    def __init__(self, fields: Sequence[str] = COLUMNS) -> None:
        self._seen = dict.fromkeys(fields, False)
        self._listing = Listing[Event]("events", tuple(map(self._column, fields)), dict)

    @property
    def empty(self) -> list[str]:
        """The columns without any value so far."""
        return [name for name, seen in self._seen.items() if not seen]

    def lines(self, documents: Iterable[bytes]) -> Iterator[str]:
        """The line of column names, then one for each event; events are given as JSON."""
        return self._listing.csv_lines(map(_whole, documents))

    def _column(self, field: str) -> Column[Event]:
        path = named(field)
        number = LEAVES.get(path) == "number"
        read = _number(path) if number else _values(path)
        kind = ColumnType.NUMBER if number else ColumnType.TEXT
        return Column(field, partial(self._noted, field, read), kind=kind)

    def _noted(self, field: str, read: Callable[[Event], Any], event: Event) -> Any:
        value = read(event)
        if value not in (None, []):
            self._seen[field] = True
        return value


def _whole(document: bytes) -> Event:
    """An event with what was moved to `trail.original` back in its place."""
    source: dict[str, Any] = loads(document)
    return put_back(source) if has_moved(source) else source


def _number(path: str) -> Callable[[Event], Any]:
    collect = values_at(path)
    return lambda event: next(
        (each for each in collect(event) if isinstance(each, int | float)), None
    )


def _values(path: str) -> Callable[[Event], list[str]]:
    """The distinct values of a field as text; an object as its JSON text."""
    collect = values_at(path)
    parts = path.split(".")

    def read(event: Event) -> list[str]:
        node: Any = event
        for part in parts:
            node = node.get(part) if isinstance(node, dict) else None
        items = node if isinstance(node, list) else [node]
        if any(isinstance(each, dict | list) and each for each in items):
            return [dumps(each).decode() for each in items if each not in (None, {}, [])]
        return list(dict.fromkeys(text(each) for each in collect(event)))

    return read
