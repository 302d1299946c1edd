"""Every row of `status` is a name and, in one column, its value."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
from trailhound.app.health.readiness import Reason
from trailhound.cli.daemons import (
    show_daemons,
    show_dead_letters,
    show_failed_objects,
    show_learning,
    show_reasons,
)
from trailhound.cluster.waiting import BLOCKED_CODES
from trailhound.state.jobs import DETECTIONS

ROW = re.compile(r"(?:[a-z][a-z -]{0,7} +| {9})(?<=^.{9})\S")


def letter(code: str, number: int) -> dict[str, Any]:
    since = datetime.now(UTC) - timedelta(days=2)
    return {"code": code, "number": number, "oldest": since.isoformat()}


def test_a_row_is_a_name_and_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    letters = [letter(BLOCKED_CODES[0], 1), letter(TOO_MANY_NEW_DAYS, 7)]
    show_dead_letters(letters)
    shown = capsys.readouterr().out
    assert "8 dead letters wait, the oldest since 2 d" in shown
    assert "1 letter waits, since 2 d" in shown
    show_dead_letters([])
    assert not capsys.readouterr().out
    show_dead_letters([], 12)
    assert capsys.readouterr().out.split() == ["letters", "12", "dismissed,", "none", "waits"]
    show_dead_letters(letters, 12)
    assert "deadletters list`; 12 dismissed" in " ".join(capsys.readouterr().out.split())
    show_failed_objects(2, 0)
    show_reasons([Reason("job", "x", "the job x fails"), Reason("job", "y", "the job y fails")])
    show_daemons([])
    show_learning([{"name": DETECTIONS, "note": "rules lack history"}], [])
    lines = [*shown.splitlines(), *capsys.readouterr().out.splitlines()]
    assert len(lines) == 9
    assert [each for each in lines if not ROW.match(each)] == []
