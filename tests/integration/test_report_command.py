"""`trailhound report` as a process: what it writes, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.postures import ACCOUNT, posture
from tests.helpers.processes import run
from tests.helpers.schemas import require_report
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.errors import BrowserNotFoundError, UsageError
from trailhound.report import files
from trailhound.report.collect.gaps import UNCHECKED_ACCOUNTS
from trailhound.report.compliance import framework
from trailhound.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    days = [record(eventTime=f"2025-03-0{day}T12:00:00Z") for day in (3, 5)]
    write_trail(tmp_path / "trail", days)
    backfill(made, tmp_path / "trail")
    return made


def test_the_command_writes_what_the_names_say(settings: Settings, tmp_path: Path) -> None:
    html, document = tmp_path / "r.html", tmp_path / "r.json"
    checked = tmp_path / "posture.json"
    checked.write_text(json.dumps(posture().as_dict()), "utf-8")
    ended = run(
        settings,
        *("report", "--since", "2025-03-03", "--until", "2025-03-04", "--compliance", "cis"),
        *("--posture", checked, "-o", html, "-o", document),
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert str(html) in ended.stdout.decode()
    found = json.loads(document.read_text("utf-8"))
    require_report(found)
    assert found["scope"]["until"] == "2025-03-05T00:00:00Z"
    assert found["totals"]["events"] == 1
    assert found["coverage"]["rules"] > 50  # those that Trailhound ships
    assert found["compliance"][0]["framework"] == "cis"
    assert [each["account"] for each in found["posture"]["accounts"]] == [ACCOUNT]
    assert "How the accounts are logged" in html.read_text("utf-8")
    assert UNCHECKED_ACCOUNTS not in [each["title"] for each in found["gaps"]]
    assert html.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert html.stat().st_mode & 0o077 == 0  # names and addresses are nobody else's business
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--since", "2025-03-02", "--until", "2025-03-01"], "is after --until"),
        (["--mail"], "mail"),
        (["--posture", "nowhere.json"], "can't be read"),
    ],
)
def test_wrong_use_is_told(settings: Settings, arguments: list[str], word: str) -> None:
    ended = run(settings, "report", *arguments)
    said = ended.stderr.decode()
    assert ended.returncode == 2, said
    assert word in said
    assert "Traceback" not in said


def test_what_is_in_the_way_is_told_before_the_work(settings: Settings, tmp_path: Path) -> None:
    for path in (Path("report.doc"), tmp_path / "none" / "report.html", tmp_path):
        with pytest.raises(UsageError, match=str(path)):
            files.check([path], settings)
    with pytest.raises(UsageError, match="iso"):
        framework("iso")
    browser = {"report": {"browser": str(tmp_path / "none")}}
    named = own_settings(settings.hosts[0], "x", tmp_path, **browser)
    with pytest.raises(BrowserNotFoundError, match=r"report\.browser"):
        files.check([tmp_path / "r.pdf"], named)


def test_documents_of_an_unknown_kind_keep_no_command_from_its_work(
    settings: Settings, tmp_path: Path
) -> None:
    """The ledger index may hold what another release wrote: it is no reason to fail."""
    client = connect(settings)
    index = Names(settings.prefix).ledger
    unknown: list[dict[str, Any]] = [
        {"state": "mark", "kind": "mark-of-a-later-release"},
        {"state": "mark", "position": "AWSLogs/1/CloudTrail/", "listed_at": "2025-03-01T00:00:00Z"},
        {"kind": "something-new", "filtered": 596, "failures": 3},
        {"state": "daemon"},
        {},
    ]
    for number, body in enumerate(unknown):
        client.index(index=index, id=f"unknown-{number}", body=body, params={"refresh": "true"})
    out = tmp_path / "r.json"
    for arguments in (["status"], ["status", "--json"], ["report", "-o", str(out)], ["doctor"]):
        ended = run(settings, *arguments)
        said = ended.stderr.decode()
        assert ended.returncode == 0, (arguments, said, ended.stdout.decode())
        assert "Traceback" not in said
    gaps = {gap["title"] for gap in json.loads(out.read_text("utf-8"))["gaps"]}
    assert "Filtered records" not in gaps


@pytest.mark.parametrize(
    "limits",
    [
        ["--since", "2030-01-01"],
        ["--until", "2000-01-01"],
        ["--since", "2030-01-01", "--until", "2030-02-01"],
        ["--since", "1970-01-01", "--until", "1970-01-01"],
    ],
)
def test_a_time_without_events_is_a_report(
    limits: list[str], settings: Settings, tmp_path: Path
) -> None:
    html, document = tmp_path / "r.html", tmp_path / "r.json"
    checked = tmp_path / "posture.json"
    checked.write_text(json.dumps(posture().as_dict()), "utf-8")
    ended = run(settings, "report", *limits, "--compliance", "cis", "-o", html, "-o", document)
    assert ended.returncode == 0, ended.stderr.decode()
    found = json.loads(document.read_text("utf-8"))
    require_report(found)
    assert found["story"][0].startswith("There are no events in the index")
    assert "There are no events in the index" in html.read_text("utf-8")
    said = " ".join(ended.stderr.decode().split())
    assert "warning: There is no event in this time, so this report shows nothing. Those in" in said


def test_an_account_that_is_nowhere_is_named_and_the_code_is_1(
    settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "r.json"
    ended = run(settings, "report", "--account", "999999999999", "-o", out)
    assert ended.returncode == 1
    assert (
        "There is no event of 999999999999 at any time. Accounts found: " in ended.stderr.decode()
    )
    assert out.exists()
