"""A namespace that does not exist: the same exit code and the existing ones from every command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.helpers.required_arguments import ARGUMENTS
from tests.helpers.trails import prepared
from trailhound.cli.exit_codes import ExitCode
from trailhound.cli.main import main
from trailhound.settings import Settings

NONE = "no-such-namespace"
SEARCH = [
    *(("alerts", verb) for verb in ("list", "show", "ack", "close", "reopen", "precision")),
    *(("incidents", verb) for verb in ("list", "show", "ack", "close")),
    *((verb,) for verb in ("status", "events", "timeline", "whois", "hunt", "graph", "detect")),
    ("report", "-o", "week.html"),
    ("rules", "backtest"),
    ("rules", "noise"),
    ("rules", "except", "some-id", "--by", "principal", "--dry-run"),
    ("paths", "--lateral"),
]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(settings)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "1000")


def ended(
    settings: Settings, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str]:
    code = main([*arguments, "--url", settings.hosts[0], "--namespace", NONE])
    return code, " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", SEARCH, ids=" ".join)
def test_it_is_a_usage_error_that_names_the_existing_ones(
    command: tuple[str, ...], settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = ended(settings, capsys, *command, *ARGUMENTS.get(command, []))
    assert (code, "(there are: " in said) == (ExitCode.USAGE, True), said


def test_status_claims_nothing_of_what_is_not_there(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["status", "--url", settings.hosts[0], "--namespace", NONE]
    assert main(asked) == ExitCode.USAGE
    shown = capsys.readouterr()
    assert "health" not in shown.out
    assert "unready" in shown.out
    assert f"there is no namespace {NONE}" in shown.err
    assert main([*asked, "--json"]) == ExitCode.USAGE
    report = json.loads(capsys.readouterr().out)
    assert report["error"]["kind"] == "NoEventsIndexError"
    assert (report["ready"], report["reasons"][0]["code"]) == (False, "state")
    assert "health" not in report
    assert main(["status", "--url", settings.hosts[0], "--namespace", settings.namespace]) == 0
    assert "there is no namespace" not in capsys.readouterr().err
