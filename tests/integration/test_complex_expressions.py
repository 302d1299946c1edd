"""Rules whose expressions the engine refuses as they are: they run, and find what they mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cli.main import app

RULE = """\
title: {number}
id: 00000000-0000-4000-8000-{number:012d}
logsource: {{product: aws, service: cloudtrail}}
detection: {{s: {{eventName: Told, {field}: '{value}'}}, condition: s}}
level: high
"""
GAP = "x" * 20
TEXT = f"start a{GAP}b and ab{GAP}c end"
OTHER = f"start a{GAP} b {GAP}c end"
VALUES = {
    "{field}|re": [f"a.{{20}}b", "ab.{0,40}c", f"a{'.' * 20}b", "(a|b).{18,22}(b|c) and"],  # noqa: F541
    "{field}": [f"*a{'?' * 20}b*", f"start a{'?' * 20}b*"],
}


@pytest.mark.parametrize("field", ["requestParameters.v", "userAgent"])
def test_they_find_what_they_mean(field: str, engine: str, namespace: str, tmp_path: Path) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    prepared(settings)
    events = [
        record(eventName="Told", requestParameters={"v": text}, userAgent=text)
        for text in (TEXT, OTHER, "nothing")
    ]
    backfill(settings, write_trail(tmp_path / "in", events))
    rules = tmp_path / "rules"
    rules.mkdir()
    expected: dict[str, int] = {}
    for place, values in VALUES.items():
        for value in values:
            number = len(expected) + 1
            text = RULE.format(number=number, field=place.format(field=field), value=value)
            (rules / f"{number}.yml").write_text(text, "utf-8")
            expected[f"00000000-0000-4000-8000-{number:012d}"] = 1
    common = ["--rules", str(rules), "--only", "--url", engine, "--namespace", namespace]
    done = CliRunner().invoke(app, ["rules", "backtest", *common, "--json"])
    assert done.stderr == ""
    assert json.loads(done.stdout) == expected
