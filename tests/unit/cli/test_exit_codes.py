"""One rule for every command: which exit code, and what a program reads with `--json`."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.helpers.ports import own_port
from tests.helpers.required_arguments import ARGUMENTS
from trailhound import errors
from trailhound.cli import exit_codes
from trailhound.cli.commands import COMMANDS
from trailhound.cli.exit_codes import ExitCode, exit_code
from trailhound.cli.main import app, main

NOWHERE = "/nowhere/at/all"
CONSOLE_SCRIPT = "from trailhound.cli.main import run; run()"


def _commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        command = group.get_command(typer.Context(group), name)
        for inner, each in getattr(command, "commands", {}).items():
            yield (name, inner), each
        if not hasattr(command, "commands"):
            yield (name,), command


EVERY = dict(_commands())

ASKS_THE_CLUSTER = [
    (("status",), []),
    (("init",), []),
    (("backfill",), ["{trail}"]),
    (("backfill",), ["{trail}", "--dry-run"]),
    (("backfill",), ["{trail}", "--workers", "2"]),
    (("detect",), []),
    (("detect",), ["--since", "2025-03-01", "--until", "2025-03-02"]),
    (("rules", "backtest"), []),
    (("rules", "test"), []),
    (("rules", "fields"), []),
    (("alerts", "list"), []),
    (("alerts", "show"), ["some-id"]),
    (("event",), ["some-id"]),
    (("events",), []),
    (("timeline",), ["some-name"]),
    (("whois",), ["some-name"]),
    (("hunt",), []),
    (("paths",), ["--lateral"]),
    (("automation", "list"), []),
    (("automation", "learn"), []),
    (("graph",), []),
    (("ledger", "list"), []),
    (("ledger", "show"), ["some-id"]),
    (("ledger", "gone"), ["some-name"]),
    (("reconcile",), ["."]),
    (("deadletters", "list"), []),
    (("deadletters", "show"), ["some-id"]),
    (("deadletters", "dismiss"), ["--all", "--by", "ada"]),
    (("events",), ["--alert", "some-id"]),
    (("alerts", "ack"), ["some-id", "--by", "ada"]),
    (("alerts", "close"), ["some-id", "--by", "ada"]),
    (("report",), []),
    (("retry-deadletters",), []),
    (("doctor",), []),
]
WRONG_PATHS = [
    (("backfill",), [NOWHERE]),
    (("enrich",), [NOWHERE]),
    (("verify",), [NOWHERE]),
    (("reconcile",), [NOWHERE]),
    (("detect",), ["--files", NOWHERE]),
    (("rules", "check"), [NOWHERE]),
    (("rules", "list"), ["--rules", NOWHERE]),
    (("rules", "show"), ["RootAccountUsage", "--rules", NOWHERE]),
    (("rules", "coverage"), ["--techniques", NOWHERE]),
    (("rules", "coverage"), ["--output", "{file}/layer.json"]),
    (("detect",), ["--rules", NOWHERE]),
    (("hunt",), ["--report", "--folder", NOWHERE]),
    (("timeline",), ["ada", "--html", f"{NOWHERE}/story.html"]),
    (("graph",), ["--html", f"{NOWHERE}/graph.html"]),
    (("report",), ["-o", f"{NOWHERE}/report.html"]),
    (("dashboards", "import"), [f"{NOWHERE}.ndjson"]),
    (("dashboards", "build"), ["-o", "{file}/folder"]),
    (("sample",), ["{file}/folder"]),
]


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRAILHOUND_CONFIG", "TRAILHOUND_NAMESPACE", "TRAILHOUND_CLUSTER__HOSTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRAILHOUND_INGEST__GIVE_UP_AFTER", "0.2")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trail").mkdir()
    (tmp_path / "trail" / "a.json").write_text('{"Records": []}')
    (tmp_path / "file").write_text("not a folder")


def filled(arguments: list[str], folder: Path) -> list[str]:
    places = {"trail": folder / "trail", "new": folder / "new", "file": folder / "file"}
    return [each.format(**places) for each in arguments]


def check(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, *, json_too: bool
) -> str:
    """What a command says on stderr; its code, and the object that programs get."""
    assert main(arguments) == code, capsys.readouterr()
    reported = capsys.readouterr()
    assert "Traceback" not in reported.err
    assert "internal error" not in reported.err
    assert reported.err.strip()
    if json_too:
        assert main([*arguments, "--json"]) == code
        (line,) = capsys.readouterr().out.splitlines()
        found = json.loads(line)["error"]
        assert (found["exit_code"], bool(found["message"])) == (code, True)
    return reported.err


def test_every_error_has_the_code_that_the_tree_names() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.TrailhoundError)
    ]
    codes = {kind.__name__: exit_code(kind.__new__(kind, "x")) for kind in kinds}
    assert codes["SettingsError"] == codes["SourceNotFoundError"] == ExitCode.USAGE
    assert codes["AccessDeniedError"] == codes["PortInUseError"] == ExitCode.CLUSTER
    assert codes["DashboardsRefusedError"] == ExitCode.CLUSTER
    assert codes["SourceUnreachableError"] == codes["MailError"] == ExitCode.INCOMPLETE
    assert exit_code(KeyboardInterrupt()) == exit_code(typer.Abort()) == ExitCode.INTERRUPTED
    tree = (errors.__doc__ or "").split("TrailhoundError\n", 1)[1]
    assert {name for name in codes if name != "TrailhoundError"} <= set(
        tree.replace("│", " ").replace("├──", " ").replace("└──", " ").split()
    )
    assert "| 130 |" in (exit_codes.__doc__ or "")


@pytest.mark.parametrize("program", [("-m", "trailhound"), ("-c", CONSOLE_SCRIPT)])
@pytest.mark.parametrize("group", [[], ["rules"]])
def test_a_group_without_a_command_shows_its_help(
    program: tuple[str, str], group: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, *program, *group], capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert (
        f"Usage: trailhound {' '.join([*group, ''])}[OPTIONS] COMMAND" in done.stdout + done.stderr
    )


@pytest.mark.parametrize("command", EVERY, ids=" ".join)
def test_a_flag_that_is_none_is_a_usage_error(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    check(capsys, [*command, "--no-such-flag"], 2, json_too=True)


@pytest.mark.parametrize(
    "command",
    [name for name, each in EVERY.items() if any(p.name == "config" for p in each.params)],
    ids=" ".join,
)
@pytest.mark.parametrize("content", [None, b"{", b"\x00\xff", b"- a", b"clusterr: {}\n1: 2"])
def test_settings_that_can_not_be_used_are_a_usage_error(
    command: tuple[str, ...],
    content: bytes | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "settings.yaml"
    if content is not None:
        file.write_bytes(content)
    arguments = filled(ARGUMENTS.get(command, []), tmp_path)
    said = check(capsys, [*command, *arguments, "--config", str(file)], 2, json_too=False)
    assert "settings" in said


@pytest.mark.parametrize(("command", "arguments"), WRONG_PATHS)
def test_a_path_that_does_not_exist_is_a_usage_error(
    command: tuple[str, ...],
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    takes_json = any(each.name == "json" for each in EVERY[command].params)
    given = [*command, *filled(arguments, tmp_path)]
    check(capsys, given, 2, json_too=takes_json)
    main(given)
    assert not capsys.readouterr().out, "nothing is begun"


@pytest.mark.parametrize(("command", "arguments"), ASKS_THE_CLUSTER)
def test_a_cluster_that_can_not_be_reached_is_code_3(
    command: tuple[str, ...],
    arguments: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with own_port() as nobody:
        asked = [*command, *filled(arguments, tmp_path), "--url", f"http://127.0.0.1:{nobody}"]
        if command == ("doctor",):  # what it finds is its output, and no error
            assert main(asked) == 3
            return
        check(capsys, asked, 3, json_too=any(e.name == "json" for e in EVERY[command].params))


@pytest.mark.parametrize("verb", ["import", "export"])
def test_dashboards_that_can_not_be_reached_are_code_3(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with own_port() as nobody:
        url = f"http://127.0.0.1:{nobody}"
        check(capsys, ["dashboards", verb, "--url", url], 3, json_too=verb == "import")


@pytest.mark.parametrize(
    "arguments",
    [
        ["backfill", "trail", "--since", "2025-03-02", "--until", "2025-03-01"],
        ["detect", "--since", "2025-03-02", "--until", "2025-03-01"],
        ["rules", "backtest", "--since", "2025-03-02", "--until", "2025-03-01"],
        ["report", "--since", "2025-03-02", "--until", "2025-03-01"],
    ],
)
def test_dates_in_the_wrong_order_are_told_in_the_same_words(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    said = check(capsys, arguments, 2, json_too=False)
    assert "--since 2025-03-02 is after --until 2025-03-01" in said


@pytest.mark.parametrize("date", ["soon", "2025-13-01", "0001-01-01", "9999-12-31", "", "1e9"])
@pytest.mark.parametrize(
    "command", [["backfill", "trail"], ["detect"], ["rules", "backtest"], ["report"]]
)
def test_a_date_that_is_none_is_a_usage_error(
    command: list[str], date: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = check(capsys, [*command, "--until", date], 2, json_too=False)
    assert "--until" in said


def test_a_dashboard_that_there_is_not_is_a_usage_error_with_the_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with own_port() as nobody:
        url = f"http://127.0.0.1:{nobody}"
        asked = ["dashboards", "open", "nosuch", "--print", "--url", url]
        said = check(capsys, asked, 2, json_too=False)
    assert "nosuch" in said
    assert "overview" in said
