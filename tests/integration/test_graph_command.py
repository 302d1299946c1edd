"""`trailhound graph`, and pages of it and of paths: what they list, say, write and refuse."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.activity_pages import need_library
from tests.helpers.commands import command
from tests.helpers.engines import remove_namespace
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.errors import UsageError
from trailhound.report.render import library
from trailhound.settings import Settings

HOME = "111122223333"
ADA = f"arn:aws:iam::{HOME}:user/ada"
READ = "11111111-2222-4333-8444-555555555555"
OPS = f"arn:aws:iam::{HOME}:role/Ops"


def by_role(name: str, when: str, bucket: str, **more: Any) -> dict[str, Any]:
    who = {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{HOME}:assumed-role/Ops/s",
        "accountId": HOME,
        "accessKeyId": "ASIAOPS",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": OPS}},
    }
    return record(
        userIdentity=who,
        eventSource="s3.amazonaws.com",
        eventName=name,
        eventTime=when,
        requestParameters={"bucketName": bucket},
        **more,
    )


@pytest.fixture(scope="module")
def settings(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    need_library()
    folder = tmp_path_factory.mktemp("graph")
    made = own_settings(
        engine,
        "graphpage",
        folder / "home",
    )
    prepared(made)
    assumed = {
        "eventSource": "sts.amazonaws.com",
        "eventName": "AssumeRole",
        "requestParameters": {"roleArn": OPS},
        "eventTime": "2025-03-01T12:00:00Z",
    }
    hostile = "<img src=x onerror=alert(1)></script>"
    records = [
        record(**assumed, resources=[{"ARN": OPS, "type": "AWS::IAM::Role"}]),
        by_role("GetObject", "2025-03-01T12:05:00Z", "payroll", eventID=READ),
        by_role("GetObject", "2025-03-01T12:06:00Z", "payroll", userAgent=hostile),
        by_role("DeleteBucket", "2025-03-01T12:07:00Z", "payroll", errorCode="AccessDenied"),
        by_role("PutObject", "2025-03-01T12:08:00Z", "logs"),
    ]
    write_trail(folder / "trail", records)
    backfill(made, folder / "trail")
    yield made
    remove_namespace(engine, "graphpage")


def output_of(settings: Settings, *asked: str) -> dict[str, Any]:
    done = command(settings, *asked, "--json")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text("utf-8")
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text)
    made: dict[str, Any] = json.loads(found)
    return made


def test_edges_are_listed_the_nearest_first(settings: Settings) -> None:
    found = output_of(settings, "graph", "user:ada", "--hops", "2")
    require_listing(found, "graph")
    assert [(each["from"], each["to"]) for each in found["edges"]] == [
        ("user:ada", "role:Ops"),
        ("role:Ops", "s3:payroll"),
        ("role:Ops", "s3:logs"),
    ]
    payroll = found["edges"][1]
    assert payroll["calls"] == {"GetObject": 2, "DeleteBucket": 1}
    assert (payroll["count"], payroll["failed"], payroll["risk_score"]) == (3, 1, 6)
    assert payroll["events"][1] == READ  # the refused one has the higher risk score
    assert (payroll["first"], payroll["last"]) == (
        "2025-03-01T12:05:00.000Z",
        "2025-03-01T12:07:00.000Z",
    )
    assert [
        each["to"] for each in output_of(settings, "graph", "user:ada", "--hops", "1")["edges"]
    ] == ["role:Ops"]
    some = output_of(settings, "graph", "--limit", "1")
    assert (len(some["edges"]), some["total"], some["more"]) == (1, 3, True)
    assert "1 of 3 edges shown: --limit N" in command(settings, "graph", "--limit", "1").output
    outside = output_of(settings, "graph", "--until", "2020-01-01")
    assert (outside["edges"], outside["total"]) == ([], 0)


def test_a_page_of_paths_has_them_and_what_is_around(settings: Settings, tmp_path: Path) -> None:
    page = tmp_path / "paths.html"
    asked = ("paths", "--from", "user:ada", "--to", "s3:payroll", "--html", str(page))
    env = {"TRAILHOUND_DASHBOARDS__URL": "https://dashboards.example"}
    done = command(settings, *asked, env=env)
    assert done.exit_code == 0, done.output
    assert "user:ada → role:Ops → s3:payroll" in done.output.replace("\n", "")
    assert "3 edges" in done.output
    data = data_of(page)
    names = [each["name"] for each in data["nodes"]]
    (path,) = data["paths"]
    assert [names[each] for each in path["nodes"]] == ["user:ada", "role:Ops", "s3:payroll"]
    assert path["steps"][1]["id"] == READ
    assert path["steps"][1]["command"] == f"trailhound event {READ}"
    assert path["steps"][1]["link"].startswith("https://dashboards.example/app/")
    edges = {(names[each["s"]], names[each["t"]]): each for each in data["edges"]}
    assert set(edges) == {
        ("user:ada", "role:Ops"),
        ("role:Ops", "s3:payroll"),
        ("role:Ops", "s3:logs"),
    }
    payroll = edges["role:Ops", "s3:payroll"]
    assert sum(each[1] + each[2] for each in payroll["spans"]) == payroll["count"] == 3
    text = page.read_text("utf-8")
    assert "<img src=x" not in text
    assert "Paths from user:ada to s3:payroll" in html.unescape(text).replace("<wbr>", "")
    assert text.count("<script") == 3


def test_a_page_says_what_it_leaves_out(settings: Settings, tmp_path: Path) -> None:
    page = tmp_path / "graph.html"
    done = command(settings, "graph", "user:ada", "--limit", "1", "--html", str(page))
    assert done.exit_code == 0, done.output
    said = "2 of 3 edges are left out, and 2 nodes with them"
    assert said in " ".join(done.output.split())
    assert said in page.read_text("utf-8").replace("<wbr>", "")
    some = ("--from", "user:ada", "--to", "s3:*", "--limit", "1", "--html", str(page))
    said = "1 path shown, there are more: --limit N"
    assert said in " ".join(command(settings, "paths", *some).output.split())
    assert said in page.read_text("utf-8").replace("<wbr>", "")
    done = command(
        settings, "paths", "--from", "s3:logs", "--to", "s3:payroll", "--html", str(page)
    )
    assert done.exit_code == 0, done.output
    assert "no path was found" in page.read_text("utf-8").replace("<wbr>", "")
    assert {each["name"] for each in data_of(page)["nodes"]} == {
        "s3:logs",
        "s3:payroll",
        "role:Ops",
    }


def test_what_no_page_can_be_made_of_is_refused_before_the_work(
    settings: Settings, tmp_path: Path
) -> None:
    page = str(tmp_path / "a.html")
    for wrong, reason in (
        (("graph", "--limit", "2001", "--html", page), "at most 2,000 edges"),
        (("graph", "--html", str(tmp_path / "none" / "a.html")), "no such folder"),
        (("paths", "--lateral", "--html", page), "--lateral has no page"),
        (("graph", "user:aday"), "user:ada"),
        (("graph", "ada"), "is no node"),
        (("graph", "aday"), "the nearest: user:ada"),
    ):
        done = command(settings, *wrong)
        assert isinstance(done.exception, UsageError)
        assert reason in f"{done.exception} {done.exception.hint}"


def test_without_the_graph_library_a_page_has_its_tables_and_says_what_is_missing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = tmp_path / library.PIN.name
    pin.write_bytes(library.PIN.read_bytes())
    monkeypatch.setattr(library.graph_library, "__defaults__", (pin,))
    page = tmp_path / "a.html"
    for asked in (("graph",), ("paths", "--from", "user:ada", "--to", "s3:payroll")):
        done = command(settings, *asked, "--html", str(page))
        assert done.exit_code == 0, done.exception
        said = " ".join(done.stderr.split())
        assert "the page has tables and no drawing: the graph library cytoscape" in said
        assert "make assets" in said
        text = page.read_text("utf-8").replace("<wbr>", "")
        assert "tables and no drawing" in text
        assert "<details open><summary>All of the graph as a table" in text
        assert "s3:payroll" in text
        assert "<script" not in text
        page.unlink()
