"""Every fault of the settings at once, each with the place to fix it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from trailhound.app.settings_check import check
from trailhound.errors import SettingsError
from trailhound.settings import Settings, load
from trailhound.settings.variables import settings_in

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRAILHOUND_")]:
        monkeypatch.delenv(name)


def written(folder: Path, text: str) -> Path:
    file = folder / "trailhound.yaml"
    file.write_text(text, "utf-8")
    return file


FAULTY = """\
cluster:
  hosts: [https://a:9200]
  timeout: -1
  colour: blue
retention:
  days: soon
run:
  sources:
    - queue: q
      poll: s3://b
    - {poll: "http://b"}
"""


def test_every_fault_is_told_at_once_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, FAULTY)
    monkeypatch.setenv("TRAILHOUND_ENGINE__PORT", "80")
    monkeypatch.setenv("TRAILHOUND_FILTER", "[not json")
    monkeypatch.setenv("TRAILHOUND_CLUSTER__PASSWORD", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load(file, {"index": {"shards": 0}})
    lines = caught.value.message.splitlines()[1:]

    def reported(setting: str) -> str:
        (line,) = [line for line in lines if line.startswith(f"  {setting}: ")]
        return line.rpartition("(")[2].rstrip(")")

    assert reported("cluster.timeout") == f"{file}:3"
    assert reported("cluster.colour") == f"{file}:4"
    assert reported("retention.days") == f"{file}:6"
    assert reported("run.sources.0") == f"{file}:9"
    assert reported("run.sources.1.poll") == f"{file}:11"
    assert reported("engine.port") == "TRAILHOUND_ENGINE__PORT"
    assert reported("index.shards") == "the command line"
    assert any(line.startswith("  TRAILHOUND_FILTER: it is not JSON: write ") for line in lines)
    assert len(lines) == 8
    assert "hunter2" not in caught.value.message
    assert "soon" not in caught.value.message


def test_the_page_of_the_settings_is_named_where_a_variable_holds_no_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAILHOUND_FILTER", "[not json")
    with pytest.raises(SettingsError) as caught:
        Settings()
    page = caught.value.hint.removeprefix("see ")
    assert "filter" in (Path(__file__).parents[3] / page).read_text(encoding="utf-8")
    assert page == "docs/settings.md"


def test_the_environment_is_named_where_it_overrules_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, "retention:\n  days: 30\n")
    monkeypatch.setenv("TRAILHOUND_RETENTION__DAYS", "-4")
    with pytest.raises(SettingsError, match=r"retention\.days: .*\(TRAILHOUND_RETENTION__DAYS\)"):
        load(file)


def test_names_that_stand_twice_are_a_fault(tmp_path: Path) -> None:
    file = written(tmp_path, "run:\n  log: json\ncluster: {timeout: 5}\nrun:\n  listen: null\n")
    with pytest.raises(SettingsError, match=r"run: it is given twice \(.*yaml:4\)"):
        load(file)


def test_what_is_no_yaml_is_told_with_its_line_and_without_its_text(tmp_path: Path) -> None:
    file = written(tmp_path, "cluster:\n  password: 'hunter2\n  hosts: [\n")
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert f"{file}:" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_what_no_type_can_tell_is_found_before_a_daemon_starts(tmp_path: Path) -> None:
    text = (
        "cluster:\n  password_file: /nowhere/password\n"
        "run:\n  sources:\n    - queue: q\n    - queue: q\n"
        "filter:\n  - {eventName: Decrypt}\n  - {eventName|nonsense: Decrypt}\n"
    )
    file = written(tmp_path, text)
    assert load(file).filter  # the other commands are not the worse for it
    with pytest.raises(SettingsError) as caught:
        load(file, check=check)
    lines = caught.value.message.splitlines()[1:]
    assert len(lines) == 3
    places = (("filter.1.eventName|nonsense", 9), ("cluster.password_file", 2))
    for setting, number in (*places, ("run.sources.1", 6)):
        assert any(
            line.startswith(f"  {setting}: ") and line.endswith(f"({file}:{number})")
            for line in lines
        ), lines


def nullable(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every setting that null is allowed for, down to those within lists."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from nullable(kind, (*path, name))
        elif type(None) in get_args(kind):
            yield (*path, name)


NULLABLE = list(nullable(Settings))


@pytest.mark.parametrize("path", NULLABLE, ids=".".join)
def test_null_in_the_environment_is_nothing_as_in_the_file(
    path: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it overrules what the file has."""
    monkeypatch.setenv(f"TRAILHOUND_{'__'.join(path)}".upper(), "null")
    value: object = load(written(tmp_path, "run:\n  listen: 127.0.0.1:80\n"))
    for name in path:
        value = getattr(value, name)
    assert value is None


def test_null_where_there_must_be_something_is_a_fault_with_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAILHOUND_ENGINE__PORT", "null")
    with pytest.raises(SettingsError, match=r"engine\.port: .*\(TRAILHOUND_ENGINE__PORT\)"):
        load()


def test_every_fault_of_a_filter_is_named_with_its_line_and_what_may_be_meant(
    tmp_path: Path,
) -> None:
    file = written(
        tmp_path,
        "filter:\n"
        "  - eventSource: kms.amazonaws.com\n"
        "    eventNam: Decrypt\n"
        "    userAgent|startwith: x\n"
        "  - name: recorder\n"
        "    detection:\n"
        "      reader:\n"
        "        - userIdentity.tpye: Root\n"
        "        - requestParameters.x|re: '('\n"
        "      condition: reader and not failde\n"
        "  - {}\n"
        "  - {requestParameters.anything: No}\n",
    )
    with pytest.raises(SettingsError) as caught:
        load(file, check=check)
    lines = caught.value.message.splitlines()[1:]
    expected = {
        3: "did you mean 'eventName'?",
        4: "did you mean 'startswith'?",
        8: "did you mean 'userIdentity.type'?",
        9: "egular expression",
        10: "'failde'",
        11: "holds no fields",
    }
    assert len(lines) == len(expected)
    for line, says in expected.items():
        (found,) = [each for each in lines if each.endswith(f"({file}:{line})")]
        assert says in found


@pytest.mark.parametrize(
    ("text", "setting", "meant"),
    [
        ("detections:\n  overrides: {x: {levl: high}}\n", "detections.overrides.x.levl", "level"),
        (
            "detections:\n  overrides: {x: {max_khm: 3}}\n",
            "detections.overrides.x.max_khm",
            "max_kmh",
        ),
        ("run:\n  sources: [{queue: q, pol: x}]\n", "run.sources.0.pol", "poll"),
        ("clutser: {}\n", "clutser", "cluster"),
    ],
)
def test_an_unknown_setting_names_the_one_that_may_be_meant(
    text: str, setting: str, meant: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, text))
    (line,) = caught.value.message.splitlines()[1:]
    assert line.startswith(f"  {setting}: ")
    assert f"did you mean {meant!r}?" in line


@pytest.mark.parametrize(
    ("text", "setting", "meant"),
    [
        ("  port: 9220\n", "port", ["engine.port", "report.mail.port"]),
        ("cluster:\n  heap_mb: 900\n", "cluster.heap_mb", ["engine.heap_mb"]),
        ("  mail:\n    port: 25\n", "mail", ["report.mail"]),
        ("cluster:\n  engine: {}\n", "cluster.engine", ["engine"]),
        ("cluster:\n  host: [a]\n", "cluster.host", ["hosts"]),
        ("tiemout: 9\n", "tiemout", []),
    ],
)
def test_a_setting_without_the_line_of_its_section_is_answered_by_its_full_name(
    text: str, setting: str, meant: list[str], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, text))
    (line,) = caught.value.message.splitlines()[1:]
    assert line.startswith(f"  {setting}: there is no such setting")
    suggested = " or ".join(repr(each) for each in meant)
    assert (f"; did you mean {suggested}? (" in line) if meant else ("did you mean" not in line)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("CLUSTR__HOSTS", "clustr: there is no such setting; did you mean 'cluster'?"),
        ("trailhound_clustr__hosts", "did you mean 'cluster'? (trailhound_clustr__hosts)"),
        ("COLOURS__OF__IT", "colours: there is no such setting (TRAILHOUND_COLOURS__OF__IT)"),
        ("NAMESPCE", "namespce: there is no such setting; did you mean 'namespace'?"),
        ("CLUSTER_HOSTS", "did you mean 'TRAILHOUND_CLUSTER__HOSTS'? (TRAILHOUND_CLUSTER_HOSTS)"),
        ("REPORT_MAIL_PORT", "did you mean 'TRAILHOUND_REPORT__MAIL__PORT'?"),
    ],
)
def test_a_variable_of_no_section_is_a_fault(
    variable: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = variable if variable.islower() else f"TRAILHOUND_{variable}"
    monkeypatch.setenv(own, "hunter2")
    with pytest.raises(SettingsError) as caught:
        load()
    (line,) = caught.value.message.splitlines()[1:]
    assert said in line
    assert "hunter2" not in caught.value.message


def test_variables_that_have_the_prefix_and_are_no_settings_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compose = (ROOT / "compose.yaml").read_text("utf-8")
    own = set(re.findall(r"\$\{(TRAILHOUND_\w+)", compose))
    assert own >= {"TRAILHOUND_LOGS", "TRAILHOUND_QUEUE"}
    tests = {"TRAILHOUND_TEST_ENGINE", "TRAILHOUND_TEST_PRODUCT", "TRAILHOUND_TEST_EXAMPLES"}
    for name in own | tests | {"TRAILHOUND_DEBUG", "TRAILHOUND_ALERT_ID", "TRAILHOUND_USER"}:
        monkeypatch.setenv(name, "x")
    # What Kubernetes sets for services named `trailhound` and `trailhound-engine`.
    for name in ("PORT", "PORT_9108_TCP", "ENGINE_PORT", "ENGINE_PORT_9200_TCP"):
        monkeypatch.setenv(f"TRAILHOUND_{name}", "tcp://10.0.0.1:9108")
    monkeypatch.setenv("TRAILHOUND_ENGINE_SERVICE_HOST", "10.0.0.1")
    assert load().model_dump() == Settings().model_dump()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RUN__LISTEN", "", "write HOST:PORT"),
        ("NAMESPACE", "A_B", "lower-case letters"),
        ("RUN__SOURCES", '[{"poll": "bucket"}]', "write s3://bucket/prefix"),
        ("NOTIFY__CHANNELS", '[{"name": "a b", "kind": "command"}]', "write 1 to 64 letters"),
        ("NOTIFY__CHANNELS", '[{"name": "a", "kind": "sns", "topic": "x"}]', "the topic's ARN"),
    ],
)
def test_a_setting_without_its_form_is_answered_by_what_to_write(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f"TRAILHOUND_{name}", value)
    with pytest.raises(SettingsError, match=said) as caught:
        load()
    assert "pattern" not in str(caught.value)


def test_names_of_the_first_level_may_be_in_capitals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("Namespace: team\nCLUSTER: {timeout: 7}\n", encoding="utf-8")
    monkeypatch.setenv("trailhound_home", "/srv/a")
    made = load(file)
    assert (made.namespace, made.cluster.timeout, made.home) == ("team", 7, Path("/srv/a"))


def test_each_layer_lies_above_the_next_name_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.yaml"
    cluster = "{hosts: [http://file:1], timeout: 7, region: file, username: file}"
    file.write_text(f"cluster: {cluster}\nengine: {{port: 9220}}\n", encoding="utf-8")
    monkeypatch.setenv("TRAILHOUND_CLUSTER", '{"timeout": 8, "region": "json", "service": "es"}')
    monkeypatch.setenv("TRAILHOUND_CLUSTER__REGION", "variable")
    made = load(file, {"cluster": {"hosts": ["http://flag:1"]}})
    assert made.cluster.model_dump(include={"hosts", "timeout", "region", "username"}) == {
        "hosts": ["http://flag:1"],
        "timeout": 8,
        "region": "variable",
        "username": "file",
    }
    assert made.engine.port == 9220
    assert Settings(cluster={"timeout": 9}).cluster.region == "variable"
    assert Settings(cluster={"timeout": 9}).cluster.timeout == 9


def test_what_nobody_gave_is_as_if_it_were_validated() -> None:
    """The default sections are made without their validators."""
    assert Settings.model_validate(Settings().model_dump()).model_dump() == Settings().model_dump()
    assert load().model_dump() == Settings().model_dump()
    for name in type(load()).model_fields:
        section = getattr(load(), name)
        if isinstance(section, BaseModel):
            assert type(section)() == section, name


def lists() -> Iterator[str]:
    """The paths of all settings that are lists or sets."""
    for names in settings_in(Settings):
        kind: Any = Settings
        for name in names:
            kind = kind.model_fields[name].annotation
        if get_origin(kind) in (list, frozenset):
            yield ".".join(names)


@pytest.mark.parametrize("path", list(lists()))
def test_every_list_says_how_it_is_written(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, text = f"TRAILHOUND_{path.replace('.', '__').upper()}", "https://a"
    for name in reversed(path.split(".")):
        text = f"{{{name}: {text}}}" if text.startswith("{") else f'{{{name}: "{text}"}}'
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, text))
    assert f'  {path}: it is a list: write ["VALUE"]' in caught.value.message
    monkeypatch.setenv(variable, "https://a")
    with pytest.raises(SettingsError) as caught:
        load()
    assert f"  {variable}: it is not JSON: write a list as '[\"VALUE\"]'" in caught.value.message
