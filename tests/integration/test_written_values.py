"""YAML values as they were written, through the command line: a filter, rules, an exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from tests.helpers.trails import documents, own_settings, prepared, record, write_trail
from trailhound.cli.main import app
from trailhound.cluster.client import connect

VALUES: dict[str, list[Any]] = {
    "No": ["No", "no"],
    "on": ["on"],
    "001122334455": ["001122334455"],
    "1.10": ["1.10", 1.1],
    "1.0": ["1.0", 1, 1.0],
    "1e3": ["1e3", 1000],
    "0x10": ["0x10"],
    "12:30": ["12:30"],
    "2024-03-01": ["2024-03-01"],
    ".inf": [".inf"],
    "true": [True, "true"],
    "7": [7, "7", 7.0],
}
"""A rule's unquoted value → those of events that it matches; all others it doesn't."""


def rule(number: int, value: str, condition: str) -> str:
    return (
        f"title: {value} {condition}\nid: 00000000-0000-4000-8000-{number:012d}\n"
        "logsource: {product: aws, service: cloudtrail}\nlevel: high\n"
        f"detection:\n  s:\n    requestParameters.v: {value}\n  call: {{eventName: Told}}\n"
        f"  condition: call and {condition}\n"
    )


def test_rules_and_filters_find_what_is_written(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    prepared(own_settings(engine, namespace, tmp_path))
    values = [value for several in VALUES.values() for value in several]
    events = [record(eventName="Told", requestParameters={"v": value}) for value in values]
    noise = [
        record(eventName="Dropped", additionalEventData={"MFAUsed": "No"}),
        record(eventName="Dropped", recipientAccountId="001122334455"),
    ]
    kept = record(eventName="Kept", additionalEventData={"MFAUsed": "Yes"})
    trail = write_trail(tmp_path / "trail", [*events, *noise, kept])
    config = tmp_path / "trailhound.yaml"
    config.write_text(
        f"home: {tmp_path}\nnamespace: {namespace}\ncluster: {{hosts: ['{engine}']}}\n"
        "filter:\n  - {additionalEventData.MFAUsed: No}\n  - {recipientAccountId: 001122334455}\n",
        "utf-8",
    )
    common = ["--config", str(config)]
    done = CliRunner().invoke(app, ["backfill", str(trail), *common])
    assert done.exit_code == 0, done.output
    settings = own_settings(engine, namespace, tmp_path)
    client = connect(settings)
    client.indices.refresh(index=f"{namespace}-*")
    names = [each["eventName"] for each in documents(client, settings).values()]
    assert sorted(names) == ["Kept"] + ["Told"] * len(events)

    pack = tmp_path / "rules"
    pack.mkdir()
    for number, value in enumerate(VALUES):
        (pack / f"{number}.yml").write_text(rule(number, value, "s"), "utf-8")
        (pack / f"not-{number}.yml").write_text(rule(100 + number, value, "not s"), "utf-8")
    command = ["rules", "backtest", "--rules", str(pack), "--only", "--json", *common]
    done = CliRunner().invoke(app, command)
    hits = {int(key[-12:]): count for key, count in json.loads(done.stdout).items()}
    expected = {number: len(each) for number, each in enumerate(VALUES.values())}
    expected |= {100 + number: len(values) - count for number, count in expected.items()}
    assert hits == expected
