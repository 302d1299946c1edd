"""Completion: each shell gets its own script, and candidates that it can insert."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import typer.core

from trailhound.cli import completion
from trailhound.cli.main import main


def candidates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str
) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    monkeypatch.setenv(completion.VARIABLE, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with contextlib.suppress(SystemExit):
        main([])
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("trailhound al", "alerts"),
        ("trailhound alerts li", "list"),
        ("trailhound alerts list --le", "--level"),
        ("trailhound alerts list --level hi", "high"),
        ("trailhound rules list --level cr", "critical"),
        ("trailhound rules show RootA", "RootAccountUsage"),
        ("trailhound alerts list --rule SomeOwn", "SomeOwn rule: quoted"),
        ("trailhound events --output nd", "ndjson"),
        ("trailhound alerts close x --as fa", "false-positive"),
        ("trailhound incidents close x --as tr", "true-positive"),
        ("trailhound alerts list --disposition be", "benign"),
    ],
)
def test_commands_options_levels_and_rules_are_offered(
    line: str,
    offered: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "own.yml").write_text("title: 'SomeOwn rule: quoted'\nid: x\n", "utf-8")
    monkeypatch.setenv("TRAILHOUND_DETECTIONS__RULES", f'["{tmp_path}"]')
    assert offered in candidates(monkeypatch, capsys, line)


def test_a_cluster_that_does_not_answer_offers_no_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAILHOUND_CLUSTER__HOSTS", '["http://127.0.0.1:1"]')
    assert completion.namespaces("") == []
    nothing = typer.Context(typer.core.TyperCommand("x"))
    assert completion.alert_ids(nothing, "") == completion.incident_ids(nothing, "") == []


@pytest.mark.parametrize(
    ("shell", "mark"),
    [("bash", "complete -o default"), ("zsh", "#compdef trailhound"), ("fish", "complete --comm")],
)
def test_each_shell_has_its_own_script(
    shell: str, mark: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--show-completion", shell]) == 0
    script = capsys.readouterr().out
    assert mark in script
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert main(["--show-completion"]) == 0
    assert capsys.readouterr().out == script


def test_another_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show-completion", "csh"]) == 2
    assert "bash, zsh, fish" in capsys.readouterr().err


def test_bash_inserts_a_title_as_one_word() -> None:
    words = "(trailhound rules show 'Root\\ signs')"
    call = '_trailhound_completion trailhound; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", f". /dev/stdin; COMP_WORDS={words}; COMP_CWORD=3; {call}"],
        input=completion.script("bash"),
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["Root\\ signs\\ in\\ to\\ the\\ console\\ without\\ MFA"]
