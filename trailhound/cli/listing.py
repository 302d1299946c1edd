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
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import Annotated, Any, Generic

import typer

from trailhound.cli.columns import Column, ColumnType, Row, plain
from trailhound.cli.screen import (
    emit,
    is_quiet,
    is_reader_gone,
    out,
    plural,
    safe,
    say,
    say_folded,
    say_on_stderr,
    warn,
    write,
)
from trailhound.cli.table_layout import drawn_table, layout
from trailhound.errors import UsageError

_MEASURED = 500
"""The number of rows that decide the layout of a table; later rows use the same layout."""
_BLOCK = 200
"""Lines per write."""
_FORMULA = frozenset("=+-@＝＋－＠\t\r\n")
"""First characters of a text that a spreadsheet reads as a formula (OWASP, CSV Injection)."""
_INNER_FORMULA = re.compile(f'(;[\\s"]*)(?=[{re.escape("".join(_FORMULA))}])')
"""Where a spreadsheet of a language that separates by semicolons begins a cell within a text. It
takes no notice of the quotes round it, which come after a comma there, not after a separator."""


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
"""`--output` of a command that shows one object."""


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """What a command lists: `name` is the member of the JSON object that holds the rows, `record`
    makes the JSON object of a row, and `empty` is said where there are no rows: on a terminal, else
    on stderr."""

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
        """Write all rows to stdout. `beside`: further members of the JSON object.

        Only the form `json` holds all rows in memory.
        """
        if form is Form.JSON:
            emit({self.name: [self.record(row) for row in rows], **(beside or {})})
        elif is_table(form):
            self._show_table(iter(rows))
        else:
            first = list(islice(rows := iter(rows), 1))
            lines = iter(self.lines(chain(first, rows), form))
            while not is_reader_gone() and (block := "".join(islice(lines, _BLOCK))):
                write(block)
            if not first:
                note(self.empty, form)

    def follow(self, batches: Iterable[Sequence[Row]], form: Form = Form.TABLE) -> None:
        """Write rows as they arrive, below one heading.

        Raises `UsageError` for `json`, whose object would never be complete.
        """
        if form is Form.JSON:
            raise UsageError(
                "--output json needs all rows, and following has no last one",
                hint="use --output ndjson",
            )
        if is_table(form):
            # As wide as the window: the rows to come are not known.
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
        """The rows as lines for a pipe: NDJSON, CSV, or (`table`) values separated by tabs."""
        if form is Form.NDJSON:
            return (jsonlib.dumps(self.record(row)) + "\n" for row in rows)
        return self.csv_lines(rows) if form is Form.CSV else self.tab_lines(rows)

    def tab_lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """A line of column names, then a line for each row; values are separated by tabs."""
        yield "\t".join(column.name for column in self.columns) + "\n"
        for row in rows:
            yield "\t".join(plain(column, row) for column in self.columns) + "\n"

    def csv_lines(self, rows: Iterable[Row]) -> Iterator[str]:
        """A line of column names, then a line for each row, as CSV that is safe to open: text is
        quoted, control characters are escaped, and text that a spreadsheet would read as a formula,
        at its beginning or after a semicolon, gets a `'` before it, as OWASP advises."""
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


def form_of(output: Form | None, json: bool) -> Form:
    """The form that the flags ask for; `--json` is short for `--output json`. Raises `UsageError`
    where they contradict each other."""
    if json and output not in (None, Form.JSON):
        raise UsageError(
            f"--json and --output {output} are different forms", hint="give one of them"
        )
    return Form.JSON if json else output or Form.TABLE


def is_for_programs(output: Form | None, json: bool) -> bool:
    """Whether a command that shows one object (an alert, event or rule) writes it as JSON. Raises
    `UsageError` for `csv`, which takes rows."""
    form = form_of(output, json)
    if form is Form.CSV:
        raise UsageError(
            "--output csv is for lists, and this shows one object", hint="use --output json"
        )
    return form is not Form.TABLE


def is_piped() -> bool:
    """Whether stdout goes to a program or a file."""
    return sys.stdout is None or not sys.stdout.isatty()


def is_table(form: Form) -> bool:
    """Whether a listing is a table on a terminal, for people."""
    return form is Form.TABLE and not is_piped()


def note(text: str, form: Form = Form.TABLE, *, indent: int | None = None) -> None:
    """A line about a listing: below the table on a terminal, otherwise on stderr, apart from the
    rows. With `indent` a terminal folds it and indents the continuation lines by so many cells."""
    if is_quiet():
        return
    if is_table(form):
        if indent is None:
            say(text)
        else:
            say_folded(safe(text), indent)
    elif form is not Form.JSON:  # its object says it
        say_on_stderr(text)


def note_left_off(text: str, form: Form = Form.TABLE) -> None:
    """Say that a limit left rows out: below the table on a terminal; otherwise as a warning on
    stderr, also with `-q`, since what reads the rows cannot see that they are not all."""
    if is_table(form):
        note(text, form)
    elif form is not Form.JSON:  # its `more` says it
        warn(f"only {text}")


def shown_of(total: int, limit: int | None, noun: str, form: Form) -> None:
    """Say how many rows there are; where a limit left some out, also how to see them."""
    if limit is not None and total > limit:
        note_left_off(
            f"{limit:,} of {plural(total, noun)} shown: --limit N or --all for more", form
        )
    elif total:
        note(plural(total, noun), form)


def _csv_cell(column: Column[Row], row: Row) -> object:
    if column.kind is ColumnType.NUMBER:
        number = column.value(row)
        return "" if number is None else number
    text = _INNER_FORMULA.sub(r"\1'", plain(column, row))
    return f"'{text}" if text.lstrip()[:1] in _FORMULA else text
