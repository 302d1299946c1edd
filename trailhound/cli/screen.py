"""Output for people: colour only on a terminal, hostile text escaped, errors in two lines."""

from __future__ import annotations

import io
import json
import os
import re
import select
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO, cast

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from trailhound.cli.named_commands import with_flags
from trailhound.control_characters import escape_control_characters, replace_control_characters
from trailhound.errors import TrailhoundError, UnusablePathError, UsageError
from trailhound.plural import part_of as part_of
from trailhound.plural import plural as plural

_PIPED_WIDTH = 1_000_000
"""The width of output to a file or program, so that no line is broken, even if `COLUMNS` is set."""
_LEAST_WIDTH = 80
"""The least width on a terminal: with less, columns would vanish; a broken line can be read."""
_LEAST_HELP = 40


class Screen(Console):
    """A console whose reader may end first (`| head`): the command continues and ends normally."""

    def on_broken_pipe(self) -> None:
        if self.stderr:
            _discard(sys.stderr)
        else:
            silence_stdout()

    def heading(self, title: str) -> None:
        """A line with a title, as wide as a terminal and no wider in a pipe."""
        self.print(Rule(title, align="left"), width=min(self.width, _LEAST_WIDTH))


_gone = [False]


def silence_stdout() -> None:
    """Discard further output, since its reader has ended."""
    _gone[0] = True
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    """Discard what is written to a stream, and what it still holds: flushing it at the end of the
    process would fail, with exit code 120."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(null, stream.fileno())
    os.close(null)


def flush_stderr() -> None:
    """Flush stderr; its reader may have ended before (`2>&1 | head`)."""
    try:
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def discard_unread() -> bool:
    """Discard further output to each stream whose reader has ended; whether there is one."""
    found = False
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(stream.fileno(), 0)
            if any(event & select.POLLERR for _, event in poll.poll(0)):
                found = True
                if stream is sys.stdout:
                    silence_stdout()
                else:
                    _discard(stream)
    return found


def is_reader_gone() -> bool:
    """Whether the reader of stdout has ended, so that nothing more needs to be shown."""
    return _gone[0]


def prepare_streams() -> None:
    """Have stdout and stderr accept any text, also if they are closed or have another encoding.

    What the encoding lacks is written as `\\x…` or `\\u…`.
    """
    asked = os.environ.get("COLUMNS", "")
    if (
        asked.isdecimal() and int(asked) < _LEAST_HELP
    ) or shutil.get_terminal_size().columns < _LEAST_HELP:
        os.environ["COLUMNS"] = str(_LEAST_WIDTH)  # else the help would be empty boxes
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(text: str) -> None:
    """Write text to stdout unchanged. A reader that has ended is not an error.

    Raises `UnusablePathError`, as on a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
    except OSError as error:
        silence_stdout()
        raise UnusablePathError(
            f"the output can't be written: {error.strerror}", hint="check the disk it goes to"
        ) from None


def write_to(file: Path | None, text: str) -> None:
    """Write text to a file, whose folder is made, or to stdout where none is given.

    Raises `UsageError`, and as `write`.
    """
    if file is None:
        write(text)
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}", hint="check the path") from None


def write_bytes(data: bytes) -> bool:
    """Write data for programs to stdout, byte for byte. Returns False if the reader has ended.

    On a terminal, characters that act or hide are escaped as JSON does; line breaks and tabs are
    between the values of a JSON text, never in one.
    Raises `UnusablePathError`, as on a full disk.
    """
    if sys.stdout.isatty():
        text = data.decode("utf-8", "surrogateescape")
        data = replace_control_characters(text, _in_json, kept="\n\t").encode()
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        silence_stdout()
        return False
    except OSError as error:
        silence_stdout()
        raise UnusablePathError(
            f"the output can't be written: {error.strerror}", hint="check the disk it goes to"
        ) from None
    return True


def _in_json(character: str) -> str:
    """A character as a JSON text in ASCII has it."""
    code = ord(character)
    return json.dumps(character)[1:-1] if code > 0x7F else f"\\u{code:04x}"


def _width(stream: TextIO | None) -> int:
    """The width that Rich finds, but at least `_LEAST_WIDTH`."""
    if stream is None or not stream.isatty():
        return _PIPED_WIDTH
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked) > 0:
        return max(int(asked), _LEAST_WIDTH)
    return max(shutil.get_terminal_size((80, 24)).columns, _LEAST_WIDTH)


out = Screen(highlight=False, soft_wrap=True, width=_width(sys.stdout))
err = Screen(stderr=True, highlight=False, soft_wrap=True)


def safe(text: object) -> Text:
    """Text from an event, a key or a cluster, without markup, control characters escaped.

    >>> safe("[red]a\\x1b[2Jb").plain
    '[red]a\\\\x1b[2Jb'
    """
    return Text(escape_control_characters(str(text)))


class _Unpadded(Table):
    """A table whose lines end with their text: Rich fills the last column with blanks."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = cast(Iterator[Segment], super().__rich_console__(console, options))
        for line in Segment.split_lines(drawn):
            yield from _without_end(line)
            yield Segment.line()


def _without_end(line: list[Segment]) -> list[Segment]:
    """The pieces of a line without the blanks at its end."""
    kept = list(line)
    while kept:
        last = kept.pop()
        if text := last.text.rstrip(" "):
            return [*kept, last._replace(text=text)]
    return kept


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> Table:
    """A plain table. A column whose name starts with `#` has numbers and is aligned to the right;
    one named `id` is never cut, so that ids can be copied."""
    made = _Unpadded(title=title or None, box=None, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(
            column.removeprefix("#"),
            justify="right" if column.startswith("#") else "left",
            no_wrap=column == "id",
        )
    for row in rows:
        made.add_row(*(safe(f"{cell:,}" if isinstance(cell, int) else cell) for cell in row))
    return made


_quiet = [False]


def set_quiet(quiet: bool) -> None:
    """Set whether progress and notes are left out (`-q`)."""
    _quiet[0] = quiet


def is_quiet() -> bool:
    """Whether `-q` was given."""
    return _quiet[0]


def say_field(name: str, value: object, indent: int = 13) -> None:
    """Print a name and its value, as `show` commands do; on a terminal further lines are aligned
    with the value."""
    say_folded(Text(f"{name:<{indent - 1}} ", style="dim") + safe(value), indent)


def say_folded(text: Text, indent: int) -> None:
    """Print a text; on a terminal folded at its width, further lines indented; in a pipe on one
    line."""
    if out.width >= _PIPED_WIDTH or text.cell_len <= out.width:
        out.print(text)
        return
    head, rest = text.divide([indent])
    for number, line in enumerate(rest.wrap(out, out.width - indent)):
        line.rstrip()
        out.print((head if number == 0 else Text(" " * indent)) + line)


_WORD = re.compile(r"`[^`]*`\S*|\S+")
"""A piece of text that is not folded: a word, or a command in backquotes."""


def sentence(text: Text, indent: int = 2, *, screen: Screen | None = None) -> None:
    """Print a text for people on stdout or another `screen`. On a terminal it is folded between
    words, but not within commands in backquotes, and further lines are indented; in a pipe it is
    one line."""
    screen = screen or out
    width = out.width if screen is out else _width(sys.stderr)
    for number, line in enumerate(_folded(text, indent, width)):
        screen.print(Text(" " * indent) + line if number else line)


def _folded(text: Text, indent: int, width: int) -> Iterator[Text]:
    """The lines of a text; a word that is longer than a line has its own line."""
    begin = end = 0
    room = width
    for word in _WORD.finditer(text.plain):
        if end > begin and cell_len(text.plain[begin : word.end()]) > room:
            yield text[begin:end]
            begin, room = word.start(), width - indent
        end = word.end()
    yield text[begin:] if begin else text


def say(text: str, indent: int = 2) -> None:
    """Print a line for people on stdout; markup is not interpreted."""
    sentence(safe(with_flags(text)), indent)


def say_on_stderr(text: str, indent: int = 2) -> None:
    """Print a line for people on stderr; markup is not interpreted."""
    sentence(safe(with_flags(text)), indent, screen=err)


def say_fix(text: str, indent: int) -> None:
    """Print what to do, at this indent. On a terminal it is folded between words."""
    sentence(Text(" " * indent) + Text("try: ", style="cyan") + safe(with_flags(text)), indent + 5)


def warn(text: str) -> None:
    """Print a warning on stderr."""
    say_labelled("warning", text, "yellow")


def say_labelled(label: str, text: str, style: str = "") -> None:
    """Print a line on stderr that begins with what it is, such as a `fault`."""
    head = Text(f"{label}: ", style=style)
    sentence(head + safe(with_flags(text)), len(label) + 2, screen=err)


def fail(error: TrailhoundError) -> None:
    """Print an error on stderr: what happened, what to do."""
    for number, line in enumerate(with_flags(error.message).splitlines() or [""]):
        head = Text("error: ", style="bold red") if number == 0 else Text()
        sentence(head + safe(line), 7, screen=err)
    if error.hint:
        sentence(Text("  try: ", style="cyan") + safe(with_flags(error.hint)), 7, screen=err)


def emit(value: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    write(json.dumps(value) + "\n")


def size(number: float) -> str:
    """Bytes for people.

    >>> size(1536)
    '1.5 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
