"""The commands: each is there, and costs its start no other's imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.helpers.ports import own_port
from trailhound.cli.commands import COMMANDS
from trailhound.cli.main import app, main


def test_each_command_is_found_under_its_name_with_its_panel() -> None:
    group: Any = typer.main.get_command(app)
    context = typer.Context(group)
    assert group.list_commands(context) == list(COMMANDS)
    for name, (panel, _, summary) in COMMANDS.items():
        command = group.get_command(context, name)
        assert (command.name, command.rich_help_panel) == (name, panel)
        assert " ".join(command.help.split("\n\n")[0].split()) == summary
    assert group.get_command(context, "no-such-command") is None


HEAVY = {"boto3", "botocore", "jinja2", "apprise", "pyarrow", "sigma", "detections.matcher"}


def imported(script: str) -> set[str]:
    """The modules that a Python program has imported at its end."""
    script = f"import sys\n{script}\nprint('modules:', *sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.rpartition("modules:")[2].split())


def test_a_start_imports_what_its_command_needs() -> None:
    """What takes long to import waits until something is to be done with it."""
    engine = imported("import trailhound.cli.main, trailhound.cli.engine")
    assert not (HEAVY | {"ingest.pipeline"}) & engine


def test_the_list_of_commands_imports_none_of_them() -> None:
    found = imported("from trailhound.cli.main import main; main(['--help'])")
    commands = {f"trailhound.cli.{place.partition(':')[0]}" for _, place, _ in COMMANDS.values()}
    assert not (HEAVY | commands | {"opensearchpy", "pydantic"}) & found


def test_help_parses_no_rule_and_builds_no_settings() -> None:
    """Half of what it would take, each."""
    found = imported(
        "from trailhound.cli.main import main; main(['alerts', 'list', '--help'])\n"
        "from trailhound.settings import ClusterSettings, Settings\n"
        "assert not (Settings.__pydantic_complete__ or ClusterSettings.__pydantic_complete__)"
    )
    parsers = {"sigma.rule", "pyparsing", "detections.matcher.sigma_matcher"}
    assert not (HEAVY - {"detections.matcher"} | parsers) & found


def test_a_plain_backfill_imports_no_rules_and_no_aws() -> None:
    found = imported("from trailhound.cli.main import main; main(['backfill', '--help'])")
    assert not (HEAVY | {"trailhound.cli.detect", "ingest.backfill.enqueue"}) & found


def test_a_bucket_needs_no_more_of_aws_than_its_client() -> None:
    script = (
        "from ingest.sources import open_source\n"
        "from trailhound.settings import Settings\n"
        "open_source('s3://bucket/prefix', Settings(aws={'region': 'eu-west-1'}))"
    )
    found = imported(script)
    assert "botocore" in found
    assert not {"boto3", "s3transfer", "smart_open"} & found


@pytest.mark.parametrize("words", [["events"], ["alerts", "list"], ["alerts"], []])
def test_a_switch_has_no_type_in_the_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["help", *words]) == 0
    by_command = capsys.readouterr().out
    assert main([*words, "--help"]) == 0
    assert capsys.readouterr().out == by_command
    assert "--help" in by_command
    assert "bool" not in by_command


def test_a_misspelt_option_is_answered_by_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["events", "--sinc", "7d", "--json"]) == 2
    printed = capsys.readouterr()
    for text in (printed.err, printed.out):
        assert "No such option '--sinc'. Did you mean '--since'?" in text


def test_quiet_and_verbose_may_follow_their_command(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["rules", "list", "--level", "critical"]
    assert main(few) == 0
    assert " that alert" in capsys.readouterr().err
    assert main([*few, "-q"]) == 0
    quiet = capsys.readouterr()
    assert (quiet.err, "RootAccountUsage" in quiet.out) == ("", True)
    with own_port() as nobody:
        asked = ["events", "-v", "--url", f"http://ada:secret@127.0.0.1:{nobody}"]
        assert main(asked) == 3
    assert "secret" not in capsys.readouterr().err


def test_options_of_every_command_may_precede_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.yaml"
    monkeypatch.delenv("TRAILHOUND_NAMESPACE", raising=False)
    file.write_text("namespace: from-the-file\n", "utf-8")
    for given in (["--config", str(file)], [f"--config={file}", "--url", "http://127.0.0.1:1"]):
        assert main([*given, "-q", "config", "show", "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)["settings"]
        assert {each["name"]: each["value"] for each in shown}["namespace"] == "from-the-file"
    assert main(["--config", str(file)]) == 2
