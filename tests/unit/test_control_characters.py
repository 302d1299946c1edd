"""What acts on a reader or hides from one reaches none: terminals, logs, messages, reports."""

from __future__ import annotations

import io
import json
import logging
import sys

import pytest

from detections.alerts.text import one_line
from trailhound.app.daemon.logs import Console
from trailhound.cli.screen import safe, write_bytes
from trailhound.control_characters import (
    CONTROL_CATEGORIES,
    escape_control_characters,
    replace_control_characters,
)
from trailhound.report.render.visible import visible

CHARACTERS = {
    "escape": "\x1b",
    "delete": "\x7f",
    "C1 control": "\x9b",
    "next line": "\x85",
    "soft hyphen": "\xad",
    "Arabic letter mark": "\u061c",
    "zero-width space": "\u200b",
    "zero-width joiner": "\u200d",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "right-to-left override": "\u202e",
    "word joiner": "\u2060",
    "isolate": "\u2066",
    "byte order mark": "\ufeff",
    "interlinear annotation": "\ufff9",
    "tag letter": "\U000e0041",
    "lone surrogate": "\ud800",
}
every = pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS)


class Terminal(io.TextIOWrapper):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


@every
def test_no_reader_is_shown_it(character: str) -> None:
    text = f"a{character}b"
    record = logging.LogRecord("trailhound", logging.INFO, "", 0, text, None, None)
    for shown in (
        escape_control_characters(text),
        safe(text).plain,
        Console().format(record),
        visible(text),
    ):
        assert character not in shown
        assert shown.isprintable()
    assert one_line(text, 10) == "a b"


@every
def test_json_on_a_terminal_holds_it_escaped(
    character: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if character < " ":
        return  # no JSON text can hold it as it is
    stored = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(stored, "utf-8"))
    value = [f"a{character}b", "\t"]
    lines = json.dumps(value, ensure_ascii=False) + "\n"
    assert write_bytes(lines.encode("utf-8", "surrogatepass"))
    sys.stdout.flush()
    shown = stored.getvalue().decode()
    assert character not in shown
    assert shown.endswith("\n")
    if character != "\ud800":  # which UTF-8 does not have: three bytes that are none
        assert json.loads(shown) == value


def test_what_is_harmless_stays_as_it_is() -> None:
    text = "Ünïcode 日本語 ✓ 🔑 a\u0301 \u00a0 [red] \\x1b"
    assert escape_control_characters(text) == safe(text).plain == one_line(text, 100) == text
    assert replace_control_characters("a\tb\nc", lambda _: "?", kept="\n") == "a?b\nc"
    assert "Zs" not in CONTROL_CATEGORIES
