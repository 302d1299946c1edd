"""Asking before something is changed: who says no, and where nobody can say anything."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import typer

from trailhound.cli.consent import agree
from trailhound.errors import UsageError


def asked(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask at a real terminal at which somebody has typed an answer."""
    person, terminal = os.openpty()
    try:
        os.write(person, f"{answer}\n".encode())
        with os.fdopen(terminal, "r") as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            agree("Remove 3 things?", "3 things would be removed", "add --yes", left="all is left")
    finally:
        os.close(person)


def test_yes_goes_on(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    asked("y", monkeypatch)
    assert "Remove 3 things?" in capfd.readouterr().err


def test_no_ends_with_1_and_says_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        asked("n", monkeypatch)
    assert ended.value.exit_code == 1
    assert "all is left" in capfd.readouterr().err


def test_where_nobody_can_be_asked_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open(encoding="ascii") as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(UsageError) as refused:
            agree("Remove it?", "it would be removed", "add --yes")
    assert (str(refused.value), refused.value.hint) == (
        "it would be removed, and nobody can be asked",
        "add --yes",
    )
