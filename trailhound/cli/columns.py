"""What a listing shows of each row: its columns, and their values for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from trailhound.cli.screen import safe

Row = TypeVar("Row")


class ColumnType(StrEnum):
    """What a column holds, which decides how it is written."""

    TEXT = "text"
    """A string or several strings. A terminal shows the first and the number of others."""
    NUMBER = "number"
    """An int, float or None; digits are grouped on a terminal only."""
    TIME = "time"
    """A `datetime` or its ISO text: its age on a terminal, the instant in UTC elsewhere."""
    INSTANT = "instant"
    """A `datetime` or its ISO text: the instant in UTC, on a terminal to the second."""
    LEVEL = "level"
    """A severity level, coloured on a terminal."""
    ENTIRE = "entire"
    """A string that is never cut nor folded."""
    ID = "id"
    """An id. A terminal that has no room for it shows the shortest prefix that is unique in the
    listing."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a listing: how to get its value from a row, and how to show it."""

    name: str
    """Its heading in pipes and CSV. Stable between releases."""
    value: Callable[[Row], Any]
    heading: str = ""
    """Its heading on a terminal."""
    kind: ColumnType = ColumnType.TEXT
    priority: int = 0
    """0: always shown. A terminal without room for all leaves out the highest numbers first."""
    whole: bool = False
    """Text that is folded over several lines, never cut."""
    tail: bool = False
    """Text that keeps only its end when it is cut, such as an object's name; other text keeps both
    ends."""
    shown: Callable[[Row], Any] | None = None
    """What a terminal shows instead of the value."""
    piped: bool = False
    """Left out on a terminal, where another column shows the same."""
    yields: int | None = None
    """The width in cells to which the text may shrink to make room for further columns."""


def plain(column: Column[Row], row: Row) -> str:
    """A value for programs: complete, on one line, independent of locale and current time."""
    value = column.value(row)
    if column.kind in (ColumnType.TIME, ColumnType.INSTANT):
        value = instant(value)
    elif isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    return safe("" if value is None else value).plain


def second(value: Any) -> str:
    """A moment in UTC to the second, as people read it.

    >>> second("2025-03-01T12:00:05.123Z")
    '2025-03-01 12:00:05'
    """
    return instant(value)[:19].replace("T", " ")


def instant(value: Any) -> str:
    """A moment in UTC, to the millisecond. Text that is not a time is returned unchanged."""
    moment = value
    if not isinstance(value, datetime):
        try:
            moment = datetime.fromisoformat(str(value or ""))
        except ValueError:
            return str(value or "")
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
