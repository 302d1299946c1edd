"""The progress of a command that works in stages: lines in a pipe, none for quick work."""

from __future__ import annotations

import time

import pytest

from trailhound.cli.stages import show_stages


def test_in_a_pipe_a_line_says_what_is_under_way(capfd: pytest.CaptureFixture[str]) -> None:
    said = ""
    with show_stages("report", line_every=0.01) as stage:
        stage("reading alerts", 2, 7)
        while "reading alerts, 2 of 7 done (" not in said:
            time.sleep(0.01)
            said += capfd.readouterr().err
    assert all(line.startswith("report: ") for line in said.splitlines())
    capfd.readouterr()


def test_work_that_is_done_at_once_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with show_stages("report") as stage:
        stage("reading alerts", 2, 7)
    assert capfd.readouterr() == ("", "")
