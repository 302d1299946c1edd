"""How a listing is laid out on a terminal: which columns fit, how wide, and what is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from trailhound.cli import dates
from trailhound.cli.columns import Column, ColumnType, Row, second
from trailhound.cli.screen import safe

LEVEL_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow"}

_GAP = 2
"""Blanks between two columns."""

_EASY, _CLOSE, _LEAST = (32, 48), (18, 26), (12, 20)
"""Widths in cells to which a column may shrink: text that is cut, text that is folded. First to let
further columns in, then to fit the terminal, then as the last resort."""

_SHORTEST_ID = 8

_MOST_LINES = 10
"""The most lines of a folded text: callers choose names, of thousands of characters too."""


@dataclass(frozen=True)
class Shown(Generic[Row]):  # no slots: Python 3.11 can't make a generic frozen one
    """A column in a layout: its width in cells, and how a value is written."""

    column: Column[Row]
    width: int
    text: Callable[[Row], str]


def layout(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> list[Shown[Row]]:
    """The columns that a terminal shows, and how wide each is.

    Columns of priority 0 are always shown, cut or folded where necessary. The others are added in
    the order of their priority, each if there is room for it.
    """
    columns = [column for column in columns if not column.piped]
    made = [_measured(column, rows) for column in columns]
    order = sorted(range(len(made)), key=lambda place: columns[place].priority)
    taken: set[int] = set()
    used = -_GAP
    for place in order:
        needed = _GAP + _floor(made[place], _EASY)
        if not columns[place].priority or used + needed <= width:
            taken.add(place)
            used += needed
    chosen = [made[place] for place in sorted(taken)]
    over = sum(each.width + _GAP for each in chosen) - _GAP - width
    for floors in (_EASY, _CLOSE, _LEAST):
        # What is cut gives way before what is folded, and what matters least before the rest.
        for place in sorted(
            range(len(chosen)),
            key=lambda place: (chosen[place].column.whole, -chosen[place].column.priority),
        ):
            each = chosen[place]
            given = max(0, min(over, each.width - _floor(each, floors)))
            chosen[place] = Shown(each.column, each.width - given, each.text)
            over -= given
    for place, each in enumerate(chosen) if rows else ():
        entire = _measured(each.column, rows, whole=True)
        if each.column.kind is ColumnType.ID and entire.width - each.width <= -over:
            chosen[place] = entire
            over += entire.width - each.width
    return chosen


def _measured(column: Column[Row], rows: Sequence[Row], *, whole: bool = False) -> Shown[Row]:
    """A column at its full width; an id as short as it can be, or `whole`."""
    text = _writer(column, rows, whole=whole)
    longest = max((cell_len(text(row)) for row in rows), default=_usual(column))
    return Shown(column, max(longest, cell_len(column.heading)), text)


def _usual(column: Column[Any]) -> int:
    """Cells to allow for where no row is known yet."""
    usual = {
        ColumnType.NUMBER: 6,
        ColumnType.TIME: 9,
        ColumnType.INSTANT: 19,
        ColumnType.LEVEL: 13,
        ColumnType.ID: _SHORTEST_ID,
    }
    return usual.get(column.kind, _EASY[column.whole])


def _writer(column: Column[Row], rows: Sequence[Row], *, whole: bool) -> Callable[[Row], str]:
    """How a terminal shows a column's values."""
    if column.kind is ColumnType.ID and not whole:
        length = _telling([str(column.value(row)) for row in rows])
        return lambda row: safe(column.value(row)).plain[:length]
    if column.kind is ColumnType.TIME and any(dates.is_old(column.value(row)) for row in rows):
        # Ages beside days cannot be compared: the days of all.
        return lambda row: safe(second(column.value(row))[:10]).plain
    return lambda row: safe(_for_people(column, row)).plain


def _for_people(column: Column[Row], row: Row) -> str:
    value = (column.shown or column.value)(row)
    if value is None:
        return ""
    if column.kind is ColumnType.TIME:
        return dates.ago(value) if value else ""
    if column.kind is ColumnType.INSTANT:
        return second(value)
    if column.kind is ColumnType.NUMBER:
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        more = f" +{len(value) - 1}" if len(value) > 1 else ""
        return f"{value[0]}{more}" if value else ""
    return str(value)


def _telling(ids: Sequence[str]) -> int:
    """How many characters, at least 8, tell each id of a listing from the others.

    >>> _telling(["3f0a9c01aa", "3f0a9c01ab", "51"])
    10
    """
    ordered = sorted(set(ids))
    alike = 0
    for one, other in pairwise(ordered):
        same = next(
            (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
            min(len(one), len(other)),
        )
        alike = max(alike, same)
    return max(_SHORTEST_ID, alike + 1)


def _floor(shown: Shown[Any], floors: tuple[int, int]) -> int:
    """To how few cells a column can be brought."""
    if shown.column.kind is not ColumnType.TEXT:
        return shown.width
    floor = min(floors[shown.column.whole], shown.column.yields or shown.width)
    return max(min(shown.width, floor), cell_len(shown.column.heading))


def drawn_table(columns: Sequence[Shown[Row]], rows: Iterable[Row], *, header: bool) -> Table:
    """Rows in a layout, as a terminal shows them."""
    made = Table(box=None, pad_edge=False, show_header=header, padding=(0, _GAP, 0, 0))
    for each in columns:
        made.add_column(
            each.column.heading,
            justify="right" if each.column.kind is ColumnType.NUMBER else "left",
            width=each.width,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(_cell(each, row) for each in columns))
    return made


def _cell(shown: Shown[Row], row: Row) -> Text:
    lines = _MOST_LINES if shown.column.whole else 1
    text = _cut(shown.text(row), shown.width * lines, tail=shown.column.tail)
    style = (
        LEVEL_COLOURS.get(text.split(" ")[0], "") if shown.column.kind is ColumnType.LEVEL else ""
    )
    return Text(text, style=style)


def _cut(text: str, width: int, *, tail: bool = False) -> str:
    """A text in so many cells: its beginning and its end, which say most of an ARN; of a `tail`
    its end alone, without the ending that all trail files have.

    >>> _cut("assumed-role/Admin/ada@example.com", 16)
    'assumed…mple.com'
    >>> _cut("s3://logs/AWSLogs/111122223333/one.json.gz", 16, tail=True)
    '…11122223333/one'
    """
    if cell_len(text) <= width:
        return text
    if tail:
        bare = text.removesuffix(".gz").removesuffix(".json")
        return f"…{_within(bare[::-1], width - 1)[::-1]}"
    end = _within(text[::-1], width // 2)[::-1]
    return f"{_within(text, width - 1 - cell_len(end))}…{end}"


def _within(text: str, width: int) -> str:
    """As much of a text's beginning as there is room for."""
    used = 0
    for place, character in enumerate(text):
        used += cell_len(character)
        if used > width:
            return text[:place]
    return text
