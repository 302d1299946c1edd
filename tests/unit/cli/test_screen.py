"""Sentences: folded between words on a terminal, and one line in a pipe."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.text import Text

from trailhound.aws.alarm_catalogue import ALARMS, EVERY_ALARM
from trailhound.cli import aws_alarms, screen


def shown(text: str, indent: int, width: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of a sentence on a screen so wide."""
    console = screen.Screen(highlight=False, soft_wrap=True, width=width)
    monkeypatch.setattr(screen, "out", console)
    with console.capture() as written:
        screen.sentence(Text(text), indent)
    return written.get().splitlines()


def test_a_sentence_is_folded_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "warning  disk: 23 GiB free on the fullest node, 日本語 日本語 日本語, and a few more"
    lines = shown(text, 9, 40, monkeypatch)
    assert len(lines) == 3
    assert max(cell_len(line) for line in lines) <= 40
    assert all(line.startswith(" " * 9) for line in lines[1:])
    assert " ".join(line.strip() for line in lines) == text


def test_a_command_and_a_long_word_are_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    command, name = "`trailhound detect --since 2025-03-03`,", "s3://bucket/" + "a" * 60
    assert shown(f"rules have not looked: run {command} of {name} there", 2, 40, monkeypatch) == [
        "rules have not looked: run",
        f"  {command}",
        "  of",
        f"  {name}",
        "  there",
    ]


@pytest.mark.parametrize("text", ["", "   ", "short", "  a  b ", "word " * 100])
def test_a_pipe_has_one_line_as_it_is(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "".join(shown(text, 2, 1_000_000, monkeypatch)) == text


def test_what_to_do_about_a_line_is_folded_below_it(monkeypatch: pytest.MonkeyPatch) -> None:
    console = screen.Screen(highlight=False, soft_wrap=True, width=40)
    monkeypatch.setattr(screen, "out", console)
    with console.capture() as written:
        screen.say_fix("set report.mail.compliance; trailhound report", 9)
    assert written.get().splitlines() == [
        "         try: set",
        "              report.mail.compliance;",
        "              trailhound report",
    ]


@pytest.mark.parametrize(("width", "folded"), [(80, True), (1_000_000, False)])
def test_what_alarms_do_not_say_fits_the_terminal(
    width: int, folded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = screen.Screen(highlight=False, soft_wrap=True, width=width)
    monkeypatch.setattr(screen, "out", console)
    with console.capture() as written:
        aws_alarms.show_differences()
    lines = written.get().splitlines()
    said = sum(len(each.differs) for each in ALARMS) + len(EVERY_ALARM)
    assert max(map(cell_len, lines)) <= width
    assert (len(lines) > said + 2) == folded


def test_no_line_of_a_table_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [("queue", 3, ""), ("a longer name", 4, "denied, since Monday"), ("", 5, " ")]
    screen.out.print(screen.table(["source", "#waiting", "last error"], rows, title="sources"))
    screen.out.print(screen.table(["only", "names"], []))
    assert capsys.readouterr().out.splitlines() == [
        "sources",
        "source         waiting  last error",
        "queue                3",
        "a longer name        4  denied, since Monday",
        "                     5",
        "only  names",
    ]
