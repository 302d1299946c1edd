"""`trailhound rules` on a real engine: history, fields, and rules that ask much of the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml
from typer.testing import CliRunner

from detections.compiled import Compiled
from detections.events.search import Search
from detections.rule import FilePosition, Rule
from detections.span import ALL_TIME
from tests.helpers.detections import compile_detection
from tests.helpers.engines import remove_indices
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cli.main import app
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError

LONG = "x" * 40_000
EVENTS = [
    record(eventName="CreateUser"),
    record(eventName="createuser", sourceIPAddress="10.1.2.3, 8.8.8.8"),
    record(eventName="PutRolePolicy", requestParameters={"policyDocument": f'{LONG}"*"'}),
    record(eventName="GetObject", requestParameters={"a": {"b": ["Name7", "z"]}}),
]


def rule(number: int, selection: dict[str, Any], **more: Any) -> str:
    content = {
        "title": f"Rule {number}",
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"s": selection, "condition": "s"},
        "level": "low",
    }
    return yaml.safe_dump(content | more, sort_keys=False)


def test_history_is_counted_against_a_budget_and_fields_are_told(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    prepared(settings)
    assert backfill(settings, write_trail(tmp_path / "trail", EVENTS)).counts.indexed == 4
    pack = tmp_path / "pack"
    pack.mkdir()
    documents = [
        rule(1, {"eventName": "CreateUser"}),
        rule(2, {"requestParameters.policyDocument|contains": r'"\*"'}),
        rule(3, {"eventName": "Nothing", "requestParameters.never": "x", "status": "ok"}),
        rule(4, {"eventName|unknown": "x"}),
    ]
    (pack / "a.yml").write_text("---\n".join(documents), encoding="utf-8")
    common = ["--rules", str(pack), "--only", "--url", engine, "--namespace", namespace]

    junit = tmp_path / "junit.xml"
    command = ["rules", "backtest", *common, "--json", "--budget", "1", "--junit", str(junit)]
    done = CliRunner().invoke(app, [*command, "--until", "2025-03-01"])
    assert json.loads(done.stdout) == {
        "00000000-0000-4000-8000-000000000001": 2,
        "00000000-0000-4000-8000-000000000002": 1,
    }
    assert done.exit_code == 1, "two hits in four events are over the budget"
    detailed = CliRunner().invoke(app, [*command, "--detail", "--until", "2025-03-01"])
    found = json.loads(detailed.stdout)
    require_listing(found, "rules backtest --detail")
    first = found["00000000-0000-4000-8000-000000000001"]
    assert (first["hits"], sum(first["by_day"].values())) == (2, 2)
    assert set(first["by_day"]) == {"2025-03-01"}
    assert first["example"]["call"]
    assert first["example"]["principal"]
    assert "a.yml" in done.stderr
    suite = Xml.fromstring(junit.read_text("utf-8"))  # noqa: S314  our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")
    done = CliRunner().invoke(
        app, ["rules", "backtest", *common, "--json", "--since", "2025-03-02"]
    )
    assert (json.loads(done.stdout), done.exit_code) == ({}, 0)
    assert "nothing was tried" in done.stderr
    held = [*common, "--since", "2025-03-02", "--budget", "1"]
    assert CliRunner().invoke(app, ["rules", "backtest", *held]).exit_code == 1

    reported = json.loads(CliRunner().invoke(app, ["rules", "fields", *common, "--json"]).stdout)
    assert reported["unsearched"] == {"status": ["Rule 3"]}
    assert reported["unseen"] == {"requestParameters.never": ["Rule 3"]}
    assert {"eventSource", "requestParameters.a.b"} <= set(reported["unasked"])
    assert "eventName" not in reported["unasked"]


@pytest.mark.fresh_namespace
def test_failed_samples_are_named_with_the_file_of_their_rule(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    for number, name in enumerate(("a", "b", "c", "d"), 1):
        text = rule(number, {"eventName": "CreateUser"}, title="User made")
        (tmp_path / f"{name}.yml").write_text(text, "utf-8")
    samples = "match: [{eventName: CreateUser}]\nno_match: [{eventName: CreateUser}]\n"
    (tmp_path / "b.samples.yml").write_text(samples, "utf-8")
    (tmp_path / "c.samples.yml").write_text("match: []\n", "utf-8")
    (tmp_path / "d.samples.yml").write_text(samples.replace("CreateUser", "GetUser"), "utf-8")
    common = ["--rules", str(tmp_path), "--only", "--url", engine, "--namespace", namespace]
    done = CliRunner().invoke(app, ["rules", "test", *common])
    assert done.exit_code == 1
    heads = {name: f"{tmp_path / name}.yml:1: User made: " for name in "abcd"}
    for line in (
        heads["a"] + "there is no a.samples.yml beside it",
        heads["b"] + "sample no_match 1: should not fire",
        heads["c"] + f"{tmp_path}/c.samples.yml: samples have the keys match and no_match",
        heads["d"] + "sample match 1: should fire",
    ):
        assert line in " ".join(done.stderr.split()), line
    report = json.loads(CliRunner().invoke(app, ["rules", "test", *common, "--json"]).stdout)
    assert {(each["place"], each["title"]) for each in report["failed"]} == {
        (f"{tmp_path / name}.yml:1", "User made") for name in "bd"
    }


WIDE: list[tuple[dict[str, Any], int]] = [
    ({"eventName": [f"Name{n}" for n in range(70_000)] + ["GetObject"]}, 1),
    ({"eventName|contains": [f"ame{n}" for n in range(5_000)] + ["eatew", "tObj"]}, 1),
    (
        {"sourceIPAddress": [f"10.1.{n >> 8}.{n & 255}" for n in range(5_000)] + ["198.51.100.7"]},
        3,
    ),
    ({"requestParameters.a": [f"NAME{n}" for n in range(5_000)]}, 1),
    ({"requestParameters.a.b|endswith": [f"e{n}" for n in range(500)]}, 1),
    ({"requestParameters|contains": [f"ame{n}" for n in range(300)]}, 1),
    ({"userAgent|startswith": ["x" * 5_000, "AWS-"]}, 4),
    ({"requestParameters.policyDocument|endswith": f'{LONG}"\\*"'}, 1),
    ({"eventName|re": '^(?=Get).*[~@#&<>"]?t$'}, 1),
    ({"eventName|re": "(a?){50}(G|g)et" + "." * 6 + "$"}, 1),
    ({"eventName": 'Get"Object" OR *:\\* ) {'}, 0),
]


@pytest.fixture(scope="module")
def wide() -> dict[str, Compiled]:
    """What these compile to; seconds, and the same for every engine."""
    return {str(n): compile_detection({"s": each}) for n, (each, _) in enumerate(WIDE)}


def test_rules_that_ask_much_are_answered(
    wide: dict[str, Compiled], each_engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path)
    client = prepared(settings)
    backfill(settings, write_trail(tmp_path, EVENTS))
    client.indices.refresh(index=Names(settings.prefix).days)
    rules = [Rule(name, "", "sigma", "low", None, FilePosition(Path())) for name in wide]
    search = Search(client, settings)
    found = [len(list(each.findings)) for each in search.find(rules, wide, ALL_TIME)]
    assert found == [hits for _, hits in WIDE]
    counted = list(search.count(rules, wide, ALL_TIME))
    assert [each.error for each in counted] == [None] * len(WIDE)
    assert [each.hits for each in counted] == [hits for _, hits in WIDE]


def test_a_query_that_the_engine_refuses_fails_its_rule_alone(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    backfill(settings, write_trail(tmp_path, EVENTS))
    client.indices.refresh(index=Names(settings.prefix).days)
    good = compile_detection({"s": {"eventName": "CreateUser"}})
    bad = type(good)({"regexp": {"eventName": "(" * 10}}, None, good.matcher)
    rules = [Rule(name, "", "sigma", "low", None, FilePosition(Path())) for name in ("a", "b", "c")]
    search, compiled = Search(client, settings), {"a": good, "b": bad, "c": good}
    first, second, third = search.find(rules, compiled, ALL_TIME)
    assert [len(list(each.findings)) for each in (first, third)] == [2, 2]
    with pytest.raises(ClusterError, match="refused the query"):
        list(second.findings)
    counted = list(search.count(rules, compiled, ALL_TIME))
    assert [each.hits for each in counted] == [2, 0, 2]
    assert [each.error is None for each in counted] == [True, False, True]


@pytest.mark.parametrize(
    ("page", "paths"),
    [(1, ("user.name", "event.action")), (2, ("user.name", "requestParameters.userName"))],
)
def test_hits_are_read_to_the_last_page_with_the_fields_they_are_grouped_by(
    page: int,
    paths: tuple[str, ...],
    engine: str,
    namespace: str,
    tmp_path: Path,
) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    backfill(settings, write_trail(tmp_path, [record() for _ in range(5)]))
    client.indices.refresh(index=Names(settings.prefix).days)
    one = Rule("a", "", "sigma", "low", None, FilePosition(Path()), group_by=paths)
    compiled = {"a": compile_detection({"s": {"eventName": "CreateUser"}})}
    search = Search(client, settings, first_page=page, hits_page=page)
    (found,) = search.find([one], compiled, ALL_TIME)
    findings = list(found.findings)
    assert len({each.events for each in findings}) == len(findings) == 5
    assert [each.first_seen for each in findings] == sorted(each.first_seen for each in findings)
    groups = {each.group for each in findings}
    second = {"event.action": "CreateUser", "requestParameters.userName": "bob"}[paths[1]]
    assert groups == {(("user.name", "ada"), (paths[1], second))}


@pytest.mark.parametrize("detection", [{"eventName": "CreateUser"}, {"eventName|re": "(?=C)."}])
def test_a_day_that_is_gone_before_its_hits_are_read_fails_the_rule(
    detection: dict[str, Any], engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    backfill(settings, write_trail(tmp_path, [record() for _ in range(5)]))
    client.indices.refresh(index=Names(settings.prefix).days)
    one = Rule("a", "", "sigma", "low", None, FilePosition(Path()))
    compiled = {"a": compile_detection({"s": detection})}
    (found,) = Search(client, settings, first_page=1, hits_page=2).find([one], compiled, ALL_TIME)
    assert next(found.findings).count == 1
    remove_indices(client, Names(settings.prefix).days)
    with pytest.raises(ClusterError):
        list(found.findings)


def test_a_value_that_was_moved_groups_its_event(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    events = [record(requestParameters={"userName": LONG + end}) for end in "aab"]
    backfill(settings, write_trail(tmp_path, [*events, record()]))
    client.indices.refresh(index=Names(settings.prefix).days)
    paths = ("user.name", "requestParameters.userName")
    one = Rule("a", "", "sigma", "low", None, FilePosition(Path()), group_by=paths)
    compiled = {"a": compile_detection({"s": {"requestParameters.userName|exists": True}})}
    (found,) = Search(client, settings).find([one], compiled, ALL_TIME)
    findings = list(found.findings)
    groups = sorted(value for each in findings for _, value in each.group[1:])
    assert groups == ["bob", LONG + "a", LONG + "a", LONG + "b"]
    assert {each.group[0] for each in findings} == {("user.name", "ada")}


def test_a_rule_is_shown_line_by_line(tmp_path: Path) -> None:
    steps = {"response": ["Call Ada.", "Call\x1b[2J Bob."]}
    (tmp_path / "a.yml").write_text(
        rule(1, {"eventName": "CreateUser"}, title="Only one", trailhound=steps), encoding="utf-8"
    )
    done = CliRunner().invoke(app, ["rules", "show", "Only one", "--rules", str(tmp_path)])
    reported = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if "Call" in line]
    assert reported == ["Call Ada.", "Call\\x1b[2J Bob."]
    done = CliRunner().invoke(app, ["rules", "show", "MultipleFailedLogins"])
    part = (
        "MultipleFailedLogins, each event (ea9bb224-cde7-463f-8d35-2e0985a6d2d4, part of another)"
    )
    assert f"rules {part}" in " ".join(done.stdout.split())
