"""Whatever a user gives, a sentence answers: odd settings, variables, streams, terminals."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import forks
from tests.helpers.processes import LONGEST
from trailhound.cli.main import main

PROGRAM = (sys.executable, "-m", "trailhound")
FEW = Path(__file__).parents[2] / "detections" / "rules" / "initial-access"
DEEP = "a: " + "[" * 5_000
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def said(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> str:
    assert main(arguments) == code, capsys.readouterr()
    reported = capsys.readouterr().err
    assert "internal error" not in reported
    assert "Traceback" not in reported
    return reported


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAILHOUND_CONFIG", raising=False)
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize(
    "content",
    [
        b"\x7fELF\x00\xff",
        b"cluster: {hosts: [",
        b"- a\n- b",
        b"just text",
        b"1: 2\ntrue: 3",
        b"cluster: 2025-13-45",
        b"cluster: {timeout: soon}",
        b"!!python/object:os.system {}",
        b"namespace: \xed\xa0\x80",
        DEEP.encode(),
        BOMB.encode(),
        b"x: " + b"y" * 5_000_000,
        b"cluster: &c {hosts: *c}",
    ],
    ids=range(13),
)
def test_any_settings_file_is_answered_by_a_sentence(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_bytes(content)
    assert said(capsys, ["rules", "list", "--config", str(file)], 2).startswith("error: ")


def test_a_strangers_settings_in_a_folder_of_everybody_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs a command in /tmp must not run a program that somebody else has named there."""
    file = tmp_path / "trailhound.yaml"
    file.write_text("notify: {channels: [{name: a, kind: command, command: [/tmp/evil]}]}")
    if os.geteuid():
        monkeypatch.setattr(os, "geteuid", lambda: file.stat().st_uid + 1)
    else:
        os.chown(file, 65_534, -1)
    tmp_path.chmod(0o1777)
    reported = said(capsys, ["config", "show", "notify"], 2)
    assert "belongs to another user" in reported
    assert "--config" in reported
    said(capsys, ["config", "show", "notify", "--config", str(file)], 0)
    tmp_path.chmod(0o755)
    said(capsys, ["config", "show", "notify"], 0)


@pytest.fixture
def _few_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of processes that list rules, whichever: each would compile the shipped pack."""
    monkeypatch.setenv("TRAILHOUND_DETECTIONS__SHIPPED", "false")
    monkeypatch.setenv("TRAILHOUND_DETECTIONS__RULES", json.dumps([str(FEW)]))


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xef\xbb\xbfnamespace: a\n"])
def test_a_settings_file_without_settings_is_one(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.yaml"
    file.write_bytes(content)
    said(capsys, ["rules", "list", "--config", str(file)], 0)


def test_a_folder_is_no_settings_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Is a directory" in said(capsys, ["rules", "list", "--config", str(tmp_path)], 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAILHOUND_CLUSTER", "x"),
        ("TRAILHOUND_CLUSTER", "[]"),
        ("TRAILHOUND_FILTER", "1"),
        ("TRAILHOUND_NAMESPACE", "../x"),
        ("TRAILHOUND_CLUSTER__TIMEOUT", "soon"),
        ("TRAILHOUND_CONFIG", "/nowhere.yaml"),
        ("TRAILHOUND_DETECTIONS__RULES", "{"),
    ],
)
def test_odd_variables_are_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    reported = said(capsys, ["rules", "list"], 2)
    assert name in reported or value in reported


def test_an_empty_variable_names_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRAILHOUND_CONFIG", "")
    said(capsys, ["rules", "list"], 0)


@pytest.mark.parametrize("url", ["http://[", "ftp://x", "http://", "x y", "http://h:99999"])
def test_what_is_no_address_is_a_usage_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no address" in said(capsys, ["status", "--url", url], 2)


def test_without_a_home_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(_uid: int) -> pwd.struct_passwd:
        raise KeyError("no such user")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("TRAILHOUND_HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert "TRAILHOUND_HOME" in said(capsys, ["rules", "list"], 2)


def test_text_that_is_no_utf8_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    # The program's arguments are bytes; what is no UTF-8 comes as half a surrogate pair.
    said(capsys, ["rules", "show", os.fsdecode(b"\xff")], 2)


def test_a_reader_that_goes_away_ends_nothing() -> None:
    process = subprocess.Popen(
        [*PROGRAM, "rules", "export", "--monitors"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    reported = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(LONGEST) == 0, reported
    assert "Traceback" not in reported
    assert "Exception ignored" not in reported


@pytest.mark.usefixtures("_few_rules")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["rules", "list"], 0),
        (["rules", "list", "--json"], 0),
        (["rules", "show", "nosuch"], 2),
        (["--help"], 0),
        (["rules", "nosuch"], 2),
        (["rules", "list", "--help"], 0),
    ],
)
def test_a_reader_of_both_streams_that_went_away_changes_no_exit_code(
    arguments: list[str], code: int
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*PROGRAM, *arguments], stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == code


@pytest.mark.usefixtures("_few_rules")
@pytest.mark.parametrize(
    ("arguments", "redirection", "code"),
    [
        (["rules", "list", "--json"], ">/dev/full", 1),
        (["rules", "list"], ">/dev/full", 1),
        (["--version"], ">&-", 0),
        (["rules", "list"], ">&- 2>&-", 0),
        (["rules", "show", "nosuch"], "2>&-", 2),
    ],
)
def test_streams_that_are_full_or_closed(arguments: list[str], redirection: str, code: int) -> None:
    line = " ".join([*PROGRAM, *arguments, redirection])
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if "/dev/full" in redirection:
        assert "No space left" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"), [("dashboards build -o", 1), ("sample --events 2000", 2)]
)
def test_a_disk_that_gets_full(arguments: str, code: int, tmp_path: Path) -> None:
    """As far as files may not be larger than half a KiB."""
    # Bytecode that an import writes is cut at the limit too, and no later import could read it.
    limit = "ulimit -f 1; export PYTHONDONTWRITEBYTECODE=1;"
    line = " ".join([limit, *PROGRAM, arguments, str(tmp_path / "made")])
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert "internal error" not in done.stderr
    assert "File too large" in done.stderr


@pytest.mark.usefixtures("_few_rules")
@pytest.mark.parametrize(
    "variables",
    [
        {"COLUMNS": "1"},
        {"COLUMNS": "0"},
        {"COLUMNS": "abc"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
        {"TERM": "dumb"},
    ],
)
def test_no_terminal_hides_what_is_said(variables: dict[str, str]) -> None:
    assert "51b0a774-44bb-4e8f-aad8-f71287925304" in printed(variables, "rules", "list")
    assert "backfill" in printed(variables, "--help")


def printed(variables: dict[str, str], *arguments: str) -> str:
    """What a command writes into a pipe; by an interpreter of its own where that reads them."""
    env = {**os.environ, **variables}
    if variables.keys() <= {"COLUMNS", "TERM"}:
        done = forks.run(arguments, env, b"", 60)
    else:
        done = subprocess.run([*PROGRAM, *arguments], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


@pytest.mark.usefixtures("_few_rules")
@pytest.mark.parametrize("columns", ["", "40", "80"])
def test_what_is_piped_is_never_wrapped(columns: str, tmp_path: Path) -> None:
    pack = tmp_path / "rules"
    pack.mkdir()
    title = " ".join(["a title of many words"] * 10)
    (pack / "rule.yml").write_text(
        f"title: {title}\nid: 00000000-0000-4000-8000-000000000001\nlevel: high\n"
        "logsource: {product: aws, service: cloudtrail}\n"
        "detection: {s: {eventName: x}, condition: s}\n",
        "utf-8",
    )
    assert title in printed({"COLUMNS": columns}, "rules", "list", "--rules", str(pack))


def test_a_heading_in_a_pipe_is_no_wider_than_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from trailhound.cli.screen import out; out.heading('next')"],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("next ")
    assert len(line) == 80
