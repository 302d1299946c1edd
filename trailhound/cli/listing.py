"""Listings: a command declares its columns once, and they are shown in every form of output.

| form | for | each row |
|---|---|---|
| table | people, on a terminal | the columns that fit its width |
| table, in a pipe | `cut`, `awk`, `sort` | one line: every column, separated by tabs, nothing cut |
| json | programs | a member of one object on stdout |
| ndjson | programs, and any number of rows | one JSON object on a line |
| csv | spreadsheets | every column, safe to open |

What is stable, and how each value is written: docs/json.md.
"""

from __future__ import annotations

import csv
import io
import json as jsonlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice, pairwise
from typing import Annotated, Any, Generic, TypeVar

import typer
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from trailhound.cli import dates
from trailhound.cli.screen import (
    emit,
    is_quiet,
    is_reader_gone,
    out,
    plural,
    safe,
    say,
    say_folded,
    tell,
    write,
)
from trailhound.errors import UsageError

Row = TypeVar("Row")

LEVEL_COLOURS = {"critical": "bold red", "high": "red", "medium": "yellow"}
_GAP = 2
"""Blanks between two columns."""
_EASY, _CLOSE, _LEAST = (32, 48), (18, 26), (12, 20)
"""Cells to which a text is cut, and within which a whole one is folded: to let further columns in,
in 80 columns, and at the least."""
_SHORTEST_ID = 8
_MEASURED = 500
"""Rows by which a table is laid out; further ones follow in the same layout."""
_MOST_LINES = 10
"""Lines of a whole text: a name that a caller made up can have thousands of characters."""
_BLOCK = 200
"""Lines that are written at once."""
_FORMULA = frozenset("=+-@＝＋－＠\t\r\n")
"""With what a text begins that a spreadsheet would take for a formula (OWASP, CSV Injection)."""


class Form(StrEnum):
    """What `--output` takes."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


Output = Annotated[
    Form | None,
    typer.Option(
        "--output",
        metavar="FORM",
        help="table, json, ndjson (one object a line) or csv. Default: table; in a pipe its rows "
        "are lines with tabs.",
    ),
]


OutputOfOne = Annotated[
    Form | None,
    typer.Option(
        "--output", metavar="FORM", help="table (for people), json or ndjson. Default: table."
    ),
]
"""Of a command that shows one thing."""


class Kind(StrEnum):
    """What a column holds, which decides how it is written."""

    TEXT = "text"
    """A string, or several: a terminal shows the first and how many more, elsewhere all."""
    NUMBER = "number"
    """An int, float or None; digits are grouped on a terminal only."""
    TIME = "time"
    """A `datetime`, or its ISO text: how long ago on a terminal, the instant in UTC elsewhere."""
    INSTANT = "instant"
    """The same, but on a terminal too the instant in UTC, to the second."""
    LEVEL = "level"
    """A level of severity: coloured on a terminal."""
    ENTIRE = "entire"
    """A string that is neither cut nor folded."""
    ID = "id"
    """Where a terminal has no room for all of it, as much as tells it from the listing's others."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """`name` heads it in pipes and CSV, and is stable; `heading` heads it on a terminal.

    `priority` 0 is always shown; of the others, a terminal leaves out the highest numbers first.
    A `whole` text is folded where there is no room, never cut. Of a `tail`, such as an object's
    name, the end stays where others keep both ends. `shown` is what a terminal shows instead of
    the value. A `piped` column is never on a terminal: another one shows what it holds.
    `yields`: to how many cells a text gives way, so that further columns come in.
    """

    name: str
    value: Callable[[Row], Any]
    heading: str = ""
    kind: Kind = Kind.TEXT
    priority: int = 0
    whole: bool = False
    tail: bool = False
    shown: Callable[[Row], Any] | None = None
    piped: bool = False
    yields: int | None = None


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """What a command lists. `name` is the member of the JSON object that has the rows; `record`
    makes one row's JSON object; `empty` is said on a terminal where there is no row."""

    name: str
    columns: Sequence[Column[Row]]
    record: Callable[[Row], Mapping[str, Any]]
    empty: str = "none"

    def show(
        self,
        rows: Iterable[Row],
        form: Form = Form.TABLE,
        *,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        """Every row on stdout, a block at a time. `beside` are further members of the JSON object.

        In the form `json` alone all rows are held in memory.
        """
        if form is Form.JSON:
            emit({self.name: [self.record(row) for row in rows], **(beside or {})})
        elif is_table(form):
            self._show_table(iter(rows))
        else:
            lines = iter(self.lines(rows, form))
            while not is_reader_gone() and (block := "".join(islice(lines, _BLOCK))):
                write(block)

    def follow(self, batches: Iterable[Sequence[Row]], form: Form = Form.TABLE) -> None:
        """Rows that come now and then, each shown as it comes, under the names of the columns.
        Raises `UsageError` for a form that has an end."""
        if form is Form.JSON:
            raise UsageError(
                "one JSON object can't be written before its end", hint="use --output ndjson"
            )
        if is_table(form):
            # As wide as the window, since nobody knows what will come.
            shown = layout(self.columns, [], out.width)
            out.print(drawn_table(shown, [], header=True))
            for batch in batches:
                out.print(drawn_table(shown, batch, header=False))
            return
        for line in self.lines((row for batch in batches for row in batch), form):
            write(line)
            if is_reader_gone():
                return

    def lines(self, rows: Iterable[Row], form: Form) -> Iterator[str]:
        """What a pipe gets, a line for each row; in the form `table` separated by tabs."""
        if form is Form.NDJSON:
            return (jsonlib.dumps(self.record(row)) + "\n" for row in rows)
        return self.csv_lines(rows) if form is Form.CSV else self.tab_lines(rows)

    def tab_lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """A line with the names of the columns, then one for each row, separated by tabs."""
        yield "\t".join(column.name for column in self.columns) + "\n"
        for row in rows:
            yield "\t".join(plain(column, row) for column in self.columns) + "\n"

    def csv_lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """The same for a spreadsheet. A text that it would take for a formula gets a `'` before
        it, as OWASP advises; every text is in quotes, control characters are escaped."""
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        yield text.getvalue()
        for row in rows:
            text.seek(0)
            text.truncate()
            writer.writerow([_csv_cell(column, row) for column in self.columns])
            yield text.getvalue()

    def _show_table(self, rows: Iterator[Row]) -> None:
        block = list(islice(rows, _MEASURED))
        if not block:
            say(self.empty)
            return
        shown = layout(self.columns, block, out.width)
        out.print(drawn_table(shown, block, header=True))
        while block := list(islice(rows, _MEASURED)):
            out.print(drawn_table(shown, block, header=False))


@dataclass(frozen=True)
class Shown(Generic[Row]):  # no slots: Python 3.11 can't make a generic frozen one
    """A column that has a place in a table: how many cells wide, and how each of its values is
    written."""

    column: Column[Row]
    width: int
    text: Callable[[Row], str]


def form_of(output: Form | None, json: bool) -> Form:
    """The form that was asked for; `--json` is short for `--output json`. Raises `UsageError`."""
    if json and output not in (None, Form.JSON):
        raise UsageError(
            f"--json and --output {output} are different forms", hint="give one of them"
        )
    return Form.JSON if json else output or Form.TABLE


def is_for_programs(output: Form | None, json: bool) -> bool:
    """Whether one thing is shown as its JSON object: one alert, event, rule. Raises `UsageError`
    for `csv`, which is of rows."""
    form = form_of(output, json)
    if form is Form.CSV:
        raise UsageError("one object is no table: there is no CSV of it", hint="use --output json")
    return form is not Form.TABLE


def is_piped() -> bool:
    """Whether stdout goes to a program or a file."""
    return sys.stdout is None or not sys.stdout.isatty()


def is_table(form: Form) -> bool:
    """Whether a listing is shown to people: as a table, on a terminal."""
    return form is Form.TABLE and not is_piped()


def note(text: str, form: Form = Form.TABLE, *, indent: int | None = None) -> None:
    """A line about a listing: below its table on a terminal, else on stderr, apart from rows.
    With `indent` a terminal folds it, further lines so far to the right."""
    if is_quiet():
        return
    if is_table(form):
        if indent is None:
            say(text)
        else:
            say_folded(safe(text), indent)
    elif form is not Form.JSON:  # its object says it
        tell(text)


def shown_of(total: int, limit: int | None, noun: str, form: Form) -> None:
    """How many there are, and where a limit left some out, how to see them."""
    if limit is not None and total > limit:
        note(f"{limit:,} of {plural(total, noun)} shown: --limit N or --all for more", form)
    elif total:
        note(plural(total, noun), form)


def layout(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> list[Shown[Row]]:
    """The columns that a terminal shows, and how wide each is.

    Those of priority 0 are always there, if need be cut or folded. Each other one comes if what is
    there has room for it, the lowest number first.
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
        if each.column.kind is Kind.ID and entire.width - each.width <= -over:
            chosen[place] = entire
            over += entire.width - each.width
    return chosen


def plain(column: Column[Row], row: Row) -> str:
    """A value for programs: whole, on one line, the same on every machine and at every time."""
    value = column.value(row)
    if column.kind in (Kind.TIME, Kind.INSTANT):
        value = instant(value)
    elif isinstance(value, (list, tuple)):
        value = ", ".join(map(str, value))
    return safe("" if value is None else value).plain


def _csv_cell(column: Column[Row], row: Row) -> object:
    if column.kind is Kind.NUMBER:
        number = column.value(row)
        return "" if number is None else number
    text = plain(column, row)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA else text


def instant(value: Any) -> str:
    """A moment in UTC, to the millisecond; text that is none as it is."""
    moment = value
    if not isinstance(value, datetime):
        try:
            moment = datetime.fromisoformat(str(value or ""))
        except ValueError:
            return str(value or "")
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _measured(column: Column[Row], rows: Sequence[Row], *, whole: bool = False) -> Shown[Row]:
    """A column at its full width; an id as short as it can be, or `whole`."""
    text = _writer(column, rows, whole=whole)
    longest = max((cell_len(text(row)) for row in rows), default=_usual(column))
    return Shown(column, max(longest, cell_len(column.heading)), text)


def _usual(column: Column[Any]) -> int:
    """Cells to allow for where no row is known yet."""
    usual = {Kind.NUMBER: 6, Kind.TIME: 9, Kind.INSTANT: 19, Kind.LEVEL: 13, Kind.ID: _SHORTEST_ID}
    return usual.get(column.kind, _EASY[column.whole])


def _writer(column: Column[Row], rows: Sequence[Row], *, whole: bool) -> Callable[[Row], str]:
    """How a terminal shows a column's values."""
    if column.kind is Kind.ID and not whole:
        length = _telling([str(column.value(row)) for row in rows])
        return lambda row: safe(column.value(row)).plain[:length]
    return lambda row: safe(_for_people(column, row)).plain


def _for_people(column: Column[Row], row: Row) -> str:
    value = (column.shown or column.value)(row)
    if value is None:
        return ""
    if column.kind is Kind.TIME:
        return dates.ago(value) if value else ""
    if column.kind is Kind.INSTANT:
        return instant(value)[:19].replace("T", " ")
    if column.kind is Kind.NUMBER:
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
    if shown.column.kind is not Kind.TEXT:
        return shown.width
    floor = min(floors[shown.column.whole], shown.column.yields or shown.width)
    return max(min(shown.width, floor), cell_len(shown.column.heading))


def drawn_table(columns: Sequence[Shown[Row]], rows: Iterable[Row], *, header: bool) -> Table:
    """Rows in a layout, as a terminal shows them."""
    made = Table(box=None, pad_edge=False, show_header=header, padding=(0, _GAP, 0, 0))
    for each in columns:
        made.add_column(
            each.column.heading,
            justify="right" if each.column.kind is Kind.NUMBER else "left",
            width=each.width,
            overflow="fold",
        )
    for row in rows:
        made.add_row(*(_cell(each, row) for each in columns))
    return made


def _cell(shown: Shown[Row], row: Row) -> Text:
    lines = _MOST_LINES if shown.column.whole else 1
    text = _cut(shown.text(row), shown.width * lines, tail=shown.column.tail)
    style = LEVEL_COLOURS.get(text.split(" ")[0], "") if shown.column.kind is Kind.LEVEL else ""
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
