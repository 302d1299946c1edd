"""The helper that starts commands: none of them waits until a test reads its output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.helpers.processes import LONGEST, start
from tests.helpers.trails import own_settings

PIPE = 65_536
"""Bytes that a pipe takes before its writer waits for a reader."""


@pytest.mark.parametrize("env", [{}, {"PYTHONUNBUFFERED": "1"}], ids=["forked", "interpreter"])
def test_a_command_ends_whatever_it_prints(env: Mapping[str, str], tmp_path: Path) -> None:
    settings = own_settings("http://127.0.0.1:1", "x", tmp_path / "home")
    process = start(settings, "rules", "list", "--json", env=env)
    assert process.wait(LONGEST) == 0
    out, err = process.communicate()
    assert len(out) > PIPE
    assert json.loads(out)
    assert err == b""
    log = tmp_path / "log"
    assert start(settings, "rules", "list", "--json", env=env, log=log).wait(LONGEST) == 0
    assert log.read_bytes() == out
