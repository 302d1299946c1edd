"""What commands say of the product and version that answers, on each that is supported."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.dead_letters import retry, store
from tests.helpers.processes import printed, run
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.retention import enforce
from trailhound.cluster.templates import Names
from trailhound.settings import Settings


@pytest.fixture
def settings(each_engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(each_engine, namespace, tmp_path / "home")


def test_status_and_doctor_name_the_product_and_its_parts(settings: Settings) -> None:
    prepared(settings)
    found = printed(run(settings, "doctor", "--json").stdout)["findings"]
    facts = {each["what"]: (each["verdict"], each["fact"]) for each in found}
    dialect = dialect_of(connect(settings))
    assert facts["cluster"] == ("ok", dialect.name)
    assert facts["plugins"] == ("ok", ", ".join(f"{label}: no" for label, _ in dialect.parts))
    assert {facts[what][0] for what in ("index templates", "shards", "clock")} == {"ok"}
    status = printed(run(settings, "status", "--json").stdout)
    assert f"{status['product']} {status['version']}" == dialect.name
    assert f"version  {dialect.name}\n" in run(settings, "status").stdout.decode()


def test_a_codec_that_the_product_lacks_is_named_by_init(settings: Settings) -> None:
    ended = run(settings, "init", env={"TRAILHOUND_INDEX__CODEC": "zstd"})
    said = ended.stderr.decode()
    assert ended.returncode == 2
    assert "has no codec zstd" in said
    assert "best_compression" in said


def test_monitors_are_refused_where_the_product_has_none(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "monitors"
    env = {"TRAILHOUND_CLUSTER__HOSTS": f'["{settings.hosts[0]}"]'}
    ended = run(settings, "rules", "export", "--monitors", "-o", folder, env=env)
    dialect = dialect_of(connect(settings))
    if dialect.monitors:
        assert ended.returncode == 0
        assert list(folder.iterdir())
    else:
        assert ended.returncode == 2
        assert dialect.name in ended.stderr.decode()
        assert not folder.exists()


LENGTHS = (100, 8_190, 8_192, 20_000, 32_700, 32_767, 40_000, 70_000)
"""Bytes: below and above what `ignore_above` would hide, and what a term can hold at all."""
CONDITIONS = {"ends": "v|endswith: needle", "inside": "v|contains: NEEDLE", "absent": "v: null"}


def test_rules_find_values_of_every_length(settings: Settings, tmp_path: Path) -> None:
    client = prepared(settings)
    events = [
        record(requestParameters={"v": "x" * (length - 6) + "needle"}, responseElements={"v": "y"})
        for length in LENGTHS
    ]
    report = backfill(settings, write_trail(tmp_path / "trail", [*events, record()]))
    assert (report.counts.indexed, report.counts.dead_lettered) == (len(LENGTHS) + 1, 0)
    client.indices.refresh(index=f"{settings.prefix}*")
    pack = tmp_path / "rules"
    pack.mkdir()
    for number, condition in enumerate(CONDITIONS.values()):
        (pack / f"{number}.yml").write_text(
            f"title: {number}\nid: 00000000-0000-4000-8000-{number:012d}\nlevel: high\n"
            "logsource: {product: aws, service: cloudtrail}\n"
            f"detection:\n  s:\n    requestParameters.{condition}\n  condition: s\n",
            "utf-8",
        )
    ended = run(settings, "rules", "backtest", "--rules", pack, "--only", "--json")
    hits = {int(key[-12:]): count for key, count in json.loads(ended.stdout).items()}
    assert hits == {0: len(LENGTHS), 1: len(LENGTHS), 2: 1}


def test_a_dead_letter_is_tried_again(settings: Settings) -> None:
    client = prepared(settings)
    store(settings, json.dumps(record()).encode(), "file:///a.json.gz")
    counts = retry(settings)
    assert (counts.read, counts.indexed, counts.dead_lettered) == (1, 1, 0)
    client.indices.refresh(index=f"{settings.prefix}*")
    assert not dead_letters(client, settings)


@pytest.mark.parametrize("action", ["delete", "close"])
def test_days_behind_the_retention_go(settings: Settings, action: str, tmp_path: Path) -> None:
    client = prepared(settings)
    days = ("2025-03-01", "2025-03-09")
    backfill(
        settings,
        write_trail(tmp_path, [record(eventTime=f"{day}T12:00:00Z") for day in days]),
    )
    kept = settings.model_copy(
        update={"retention": settings.retention.model_copy(update={"days": 5, "action": action})}
    )
    report = enforce(client, kept, date(2025, 3, 10))
    old = Names(settings.prefix).day("2025.03.01")
    assert (report.deleted if action == "delete" else report.closed) == [old]
    again = enforce(client, kept, date(2025, 3, 10))
    assert (again.deleted, again.closed) == ([], [])


def test_rules_count_what_a_path_holds_in_every_form(settings: Settings, tmp_path: Path) -> None:
    """Counted by the engine where it can tell, else read and decided; the sum is the same.

    Also of events that another tool wrote, or a version before `trail.flat`.
    """
    client = prepared(settings)
    held: list[Any] = ["Yes", "yes", "no", 1, True, "", ["no", "YES"], {"below": "yes"}, None]
    other = [{"V": "yes"}, {"w": {"v": "yes"}}, {"vv": "yes"}, {}]
    events = [record(requestParameters={"v": value}) for value in held]
    events += [record(requestParameters=each) for each in other]
    events.append(record(requestParameters={"v": "yes", "long": "x" * 40_000}))
    backfill(settings, write_trail(tmp_path / "trail", events))
    client.indices.refresh(index=f"{settings.prefix}*")
    day = Names(settings.prefix).day("2025.03.01")
    flat = 0
    for identifier, source in documents(client, settings).items():
        flat += source["trail"].pop("flat", False)
        client.index(index=day, id=f"{identifier}-bare", body=source)
    # Where the product asks by it: all but the two that hold an object and the repaired one.
    assert flat == (len(events) - 3 if dialect_of(client).marks_flat else 0)
    client.indices.refresh(index=f"{settings.prefix}*")
    conditions = {
        "v: yes": "s",
        "v: '*'": "s",
        "v: 'no'": "not s",
    }
    pack = tmp_path / "rules"
    pack.mkdir()
    for number, (condition, whole) in enumerate(conditions.items()):
        (pack / f"{number}.yml").write_text(
            f"title: {number}\nid: 00000000-0000-4000-8000-{number:012d}\nlevel: high\n"
            "logsource: {product: aws, service: cloudtrail}\n"
            f"detection:\n  s:\n    requestParameters.{condition}\n  condition: {whole}\n",
            "utf-8",
        )
    ended = run(settings, "rules", "backtest", "--rules", pack, "--only", "--json")
    hits = {int(key[-12:]): count for key, count in json.loads(ended.stdout).items()}
    assert hits == {0: 2 * 5, 1: 2 * 9, 2: 2 * (len(events) - 2)}
