"""Every row of `status` is a name and, in one column, its value."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detections.running.job_note import HISTORY, noted
from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
from ingest.feeds.notifications import read
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
    show_learning(
        [{"name": DETECTIONS, "note": noted(f"{HISTORY}1 day", "1 rule finds nothing")}], []
    )
    lines = [*shown.splitlines(), *capsys.readouterr().out.splitlines()]
    assert lines[-2:] == [f"history  {HISTORY}1 day", "no data  1 rule finds nothing"]
    assert len(lines) == 10
    assert [each for each in lines if not ROW.match(each)] == []


def test_a_message_that_every_installation_gets_is_not_listed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = read('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}').ignored
    found += read('{"AlarmName":"a"}').ignored
    source = {
        **dict.fromkeys(("depth", "last_arrival", "last_error", "last_error_at"), None),
        "name": "q",
        "kind": "queue",
        "ignored": [{"what": what, "number": number} for what, number in found.items()],
    }
    daemon: dict[str, Any] = {
        **dict.fromkeys(("event_lag_seconds", "searchable_seconds", "last_error_at"), None),
        **dict.fromkeys(("read", "indexed", "duplicates", "dead_lettered", "filtered"), 0),
        **dict.fromkeys(("in_flight", "events_per_second", "bytes", "retries"), 0),
        "host": "h",
        "pid": 1,
        "objects": {},
        "started": None,
        "last_error": "",
        "sources": [source],
        "heartbeat": datetime.now(UTC).isoformat(),
    }
    show_daemons([daemon])
    shown = capsys.readouterr().out
    assert "CloudWatch alarm" in shown
    assert "test event" not in shown
