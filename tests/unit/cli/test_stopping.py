"""Signals to a command that runs within another program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import session
from trailhound.cli.stopping import interrupted_by_sigterm


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_sigterm_interrupts_a_command() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(KeyboardInterrupt), interrupted_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_handler_of_the_program_around_it_stays() -> None:
    came: list[Any] = []
    signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    with interrupted_by_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
    assert came == [signal.SIGTERM]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tests_end_though_a_command_takes_their_signal_for_its_own(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_asked", False)
    session.watch_signals()
    session.end_if_asked()
    code = 0
    with interrupted_by_sigterm():
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            code = 130
    assert code == 130
    try:
        with pytest.raises(KeyboardInterrupt):
            session.end_if_asked()
    finally:
        monkeypatch.undo()  # before this very session looks


WHILE_IMPORTED = """
import os, sys

class Signal:
    def find_spec(self, name, *_):
        if name == "trailhound.cli.screen":
            os.kill(os.getpid(), {number:d})

sys.meta_path.insert(0, Signal())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_a_command_has_begun_shows_no_traceback(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WHILE_IMPORTED.format(number=number))
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-m", "trailhound", "--version"],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"")
