"""The commands of the table, held against AWS's own description of its interfaces."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from detections.incidents.undoing.rows import Undo
from detections.incidents.undoing.table import GONE

_CLI = {"s3api": "s3", "configservice": "config"}
"""Where the command line names a service differently."""

_SWITCHES = {"enable": "Enable", "no-publicly-accessible": "PubliclyAccessible"}
_RENAMED = {("lambda", "uuid"): "UUID"}

COMMANDS = sorted({undo.command for row in GONE.values() for undo in row if undo.command})


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(_CLI.get(service, service))


@pytest.mark.parametrize("command", COMMANDS)
def test_aws_has_the_call_and_its_options(command: str) -> None:
    service, call, *words = command.split()
    model = _model(service)
    calls = {xform_name(each, "-"): each for each in model.operation_names}
    shape = model.operation_model(calls[call]).input_shape
    members = {xform_name(each, "-"): each for each in shape.members}
    given = set()
    for word in words:
        if word.startswith("--"):
            name = word[2:]
            member = _SWITCHES.get(name) or _RENAMED.get((service, name))
            member = member or members.get(name) or members.get(name.removeprefix("no-"))
            assert member in shape.members or name in _SWITCHES, word
            given.add(member)
    missing = set(shape.required_members) - given
    assert not missing, f"{command}: {missing}"


def test_each_row_says_what_its_command_names() -> None:
    undo: Undo
    for (service, call), row in GONE.items():
        assert re.fullmatch(r"[a-z0-9-]+", service)
        assert row, call
        for undo in row:
            named = {int(each) for each in re.findall(r"\{(\d)\}", undo.what + undo.command)}
            assert named <= set(range(len(undo.values))), (call, undo.what)
            assert re.match(r"[a-z{].*[^.]$", undo.what), undo.what
            paths = " ".join((*(each.paths for each in undo.values), undo.outsider, undo.only[0]))
            assert all(each.startswith(("request.", "response.")) for each in paths.split()), call
            assert not row[0].fallback, call
