"""The daemon's log: one line an entry, whatever stands in it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from trailhound.app.daemon import logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    logger = logging.getLogger("trailhound")
    before = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", "info")
    logs.set_up("json", "info")
    fields = {"object": "s3://b/a\n{}", "read": 3}
    logging.getLogger("trailhound.daemon").info("object %s", "indexed", extra={"fields": fields})
    logging.getLogger("trailhound.daemon").debug("not wanted")
    (line,) = capsys.readouterr().err.splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "info",
        "logger": "trailhound.daemon",
        "message": "object indexed",
        **fields,
    }


def test_what_is_given_takes_no_place_of_the_entrys_own(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("json", "info")
    given = {"level": "critical", "time": "then", "rule": "x"}
    logging.getLogger("trailhound.detections").info("fired", extra={"fields": given})
    entry = json.loads(capsys.readouterr().err)
    assert (entry["level"], entry["rule"]) == ("info", "x")
    assert entry["time"] != "then"


def test_a_hostile_key_forges_no_line_and_moves_no_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.set_up("console", "info")
    fields = {"object": "a\x1b[2J\n12:00:00 info    forged"}
    logging.getLogger("trailhound.x").warning("failed: %s", "b\r", extra={"fields": fields})
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line
    assert "\\x1b[2J\\x0a12:00:00" in line
    assert "warning failed: b\\x0d object=" in line


def test_a_traceback_is_logged_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(style: Literal["json", "console"], level: str) -> str:
        logs.set_up(style, level)
        try:
            raise KeyError("seen\x1b")
        except KeyError as error:
            logging.getLogger("trailhound.daemon").error("it failed", exc_info=error)
        return capsys.readouterr().err

    assert "traceback" not in json.loads(fail("json", "info"))
    assert "KeyError" in json.loads(fail("json", "debug"))["traceback"]
    assert len(fail("console", "info").splitlines()) == 1
    first, *more = fail("console", "debug").splitlines()
    assert first.endswith("it failed")
    assert all(each.startswith("  ") for each in more)
    assert "KeyError: 'seen\\x1b'" in more[-1]
