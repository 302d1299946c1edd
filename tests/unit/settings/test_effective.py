"""Settings with their origins, and the file that `config init` writes."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from tests.helpers.schemas import require_listing
from trailhound.cli.main import main
from trailhound.settings import Settings, load
from trailhound.settings.effective import commented, effective

FILE = """\
cluster:
  hosts: ["https://ada:hunter2@a:9200"]
  password: hunter2
  timeout: 5
notify:
  channels:
  - {name: a, kind: webhook, url: "https://b/hunter2", secret: hunter2}
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "NAMESPACE", "CLUSTER__HOSTS"):
        monkeypatch.delenv(f"TRAILHOUND_{name}", raising=False)
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))


def test_each_setting_has_the_place_that_decided_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "trailhound.yaml").write_text(FILE, "utf-8")
    monkeypatch.setenv("TRAILHOUND_CLUSTER__TIMEOUT", "6")
    monkeypatch.setenv("TRAILHOUND_RUN", '{"log_level": "debug"}')
    flags = {"namespace": "team"}
    found = {each.name: each for each in effective(load(None, flags), None, flags)}
    assert {name: each.origin for name, each in found.items() if each.origin != "default"} == {
        "home": "TRAILHOUND_HOME",
        "namespace": "the command line",
        "cluster.hosts": "trailhound.yaml:2",
        "cluster.password": "trailhound.yaml:3",
        "cluster.timeout": "TRAILHOUND_CLUSTER__TIMEOUT",
        "run.log_level": "TRAILHOUND_RUN",
        "notify.channels": "trailhound.yaml:6",
    }
    assert (found["cluster.timeout"].value, found["run.stop_seconds"].origin) == (6.0, "default")


def test_entries_are_shown_with_what_was_given_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = "00000000-0000-4000-8000-000000000001"
    text = f"{FILE}detections: {{overrides: {{{rule}: {{enabled: false}}}}}}\n"
    (tmp_path / "trailhound.yaml").write_text(text, "utf-8")
    assert main(["config", "show", "--changed"]) == 0
    shown = dict(line.split("\t")[:2] for line in capsys.readouterr().out.splitlines())
    assert json.loads(shown["detections.overrides"]) == {rule: {"enabled": False}}
    (channel,) = json.loads(shown["notify.channels"])
    assert [*channel] == ["name", "kind", "url", "secret"]


@pytest.mark.parametrize("host", ["ada:hunter2@a:9200", "https://ada:hunter2@[a", "ada:hunter2@[a"])
def test_a_login_is_not_shown_whatever_the_address(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRAILHOUND_CLUSTER__HOSTS", json.dumps([host]))
    for form in ([], ["--json"]):
        assert main(["config", "show", "cluster.hosts", *form]) == 0
        printed = capsys.readouterr()
        assert "hunter2" not in printed.out + printed.err
        assert "cluster.hosts" in printed.out
    assert main(["config", "show", "--url", host]) == 0
    assert "hunter2" not in capsys.readouterr().out


@pytest.mark.parametrize("form", [[], ["--json"], ["--output", "ndjson"], ["--output", "csv"]])
def test_no_form_shows_a_secret(
    form: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trailhound.yaml").write_text(FILE, "utf-8")
    assert main(["config", "show", *form]) == 0
    printed = capsys.readouterr().out
    assert "hunter2" not in printed
    assert "https://a:9200" in printed
    if form == ["--json"]:
        require_listing(json.loads(printed), "config show")


def test_a_part_can_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trailhound.yaml").write_text(FILE, "utf-8")
    assert main(["config", "show", "cluster", "--changed"]) == 0
    names = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["name", "cluster.hosts", "cluster.password", "cluster.timeout"]
    assert main(["config", "show", "clust"]) == 2


def test_the_file_to_begin_with_changes_nothing_and_is_not_written_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "init"]) == 0
    file = tmp_path / "trailhound.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all(line.startswith("#") for line in file.read_text("utf-8").splitlines() if line)
    assert "`engine:` above `  port: …`" in file.read_text("utf-8")
    defaults = load()
    assert main(["config", "init"]) == 2
    assert "not overwritten" in capsys.readouterr().err

    file.write_text(re.sub("^# ", "", commented(), flags=re.MULTILINE), "utf-8")
    whole = load()
    assert whole.model_dump() | {"home": defaults.home} == defaults.model_dump()
    text = file.read_text("utf-8")
    assert all(f"\n{name}:" in f"\n{text}" for name in Settings.model_fields)
