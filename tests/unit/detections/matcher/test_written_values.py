"""YAML scalars of rules, exceptions, samples, placeholders and filters, compared as written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from detections.backend.compiler import compile_matcher
from detections.matcher import SigmaMatcher
from detections.packs.loading import load_paths
from detections.packs.pack import Pack
from detections.samples import read_samples
from ingest.documents.noise_filter import NoiseFilter
from tests.helpers.trails import record
from trailhound.settings import DetectionSettings, load

RULE = """\
title: A rule
id: 00000000-0000-4000-8000-00000000000a
logsource: {{product: aws, service: cloudtrail}}
detection:
  s:
    {field}: {written}
  condition: {condition}
level: high
"""
FIELD = "requestParameters.value"
SAME_TEXT = (
    *("No", "no", "NO", "Yes", "on", "off", "y", "n"),
    *("001122334455", "0", "1122", "0x1F", "0o17", "0b11", "017", "1_000", "+1", "-7"),
    *("1.10", "1.0", "1.", ".5", "1e3", "1E3", "1.5e+3", ".inf", "-.INF", ".nan"),
    *("12:30", "1:20:30", "2024-03-01", "2024-03-01T10:00:00Z", "2024-03-01 10:00:00"),
    *("True", "FALSE", "Null", "NULL", "=", "1e999", "123456789012345678901234567890"),
)
"""Unquoted scalars that are texts in an event."""


def pack(folder: Path, written: str, field: str = FIELD, condition: str = "s") -> Pack:
    file = folder / "rule.yml"
    file.write_text(RULE.format(field=field, written=written, condition=condition), "utf-8")
    given = {"given": ["001"]} if "%given%" in written else {}
    return load_paths([file], DetectionSettings(placeholders=given))


def matcher(folder: Path, written: str, **more: str) -> SigmaMatcher:
    made = pack(folder, written, **more)
    assert made.faults == ()
    found = made.compiled[made.rules[0].id].matcher
    assert found is not None
    return found


def event(value: Any) -> dict[str, Any]:
    return record(requestParameters={"value": value})


@pytest.mark.parametrize("written", SAME_TEXT)
def test_a_rule_matches_the_text_as_it_was_written(written: str, tmp_path: Path) -> None:
    found = matcher(tmp_path, written)
    assert found.matches(event(written))
    assert not found.matches(event(f"{written}0"))
    assert not found.matches(event("else"))
    refused = matcher(tmp_path, written, condition="not s")
    assert not refused.matches(event(written))
    assert refused.matches(event("else"))


@pytest.mark.parametrize("written", SAME_TEXT)
@pytest.mark.parametrize("modifier", ["contains", "startswith", "endswith", "cased"])
def test_modifiers_of_texts_see_the_same(written: str, modifier: str, tmp_path: Path) -> None:
    found = matcher(tmp_path, written, field=f"{FIELD}|{modifier}")
    assert found.matches(event(written))
    assert not found.matches(event("else"))


@pytest.mark.parametrize("written", SAME_TEXT)
def test_lists_and_keywords_see_the_same(written: str, tmp_path: Path) -> None:
    assert matcher(tmp_path, f"[elsewhere, {written}]").matches(event(written))
    file = tmp_path / "keyword.yml"
    text = RULE.format(field="x", written="x", condition="s").replace(
        "  s:\n    x: x", f"  s:\n    - {written}"
    )
    file.write_text(text, "utf-8")
    made = load_paths([file], DetectionSettings())
    assert made.faults == ()
    found = made.compiled[made.rules[0].id].matcher
    assert found is not None
    assert found.matches(event(f"before {written} after"))


@pytest.mark.parametrize(
    ("written", "same", "other"),
    [
        ("1.10", [1.1, "1.10"], ["1.1", 1.2, "1.100"]),
        ("1.0", [1, 1.0, "1.0"], ["1", True]),
        ("1e3", [1000, 1000.0, "1e3"], ["1000"]),
        ("5", [5, 5.0, "5"], ["05", "5.0", True]),
        ("-7", [-7, "-7"], [7]),
        ("007", ["007"], [7, "7"]),
        ("0x10", ["0x10"], [16, "16"]),
        ("1_000", ["1_000"], [1000, "1000"]),
        ("true", [True, "true", "True"], [False, 1, "yes"]),
        ("false", [False, "false"], [True, 0, "no"]),
        ("No", ["No", "no"], [False, "false"]),
        ("'1.10'", ["1.10"], ["1.1"]),
        ("null", [None, {}, []], ["null", "", 0]),
        ("~", [None, "~"], ["", "x"]),
        ("'null'", ["null"], [None]),
        ("''", [""], [None]),
    ],
)
def test_numbers_booleans_and_null_keep_their_meaning(
    written: str, same: list[Any], other: list[Any], tmp_path: Path
) -> None:
    found = matcher(tmp_path, written)
    assert [found.matches(event(value)) for value in same] == [True] * len(same)
    assert [found.matches(event(value)) for value in other] == [False] * len(other)


@pytest.mark.parametrize(
    ("field", "written", "same", "other"),
    [
        ("exists", "yes", "x", None),
        ("exists", "on", "x", None),
        ("exists", "no", None, "x"),
        ("exists", "False", None, "x"),
        ("gte", "010", 10, 9),
        ("gte", "1e3", 1000, 999),
        ("lt", "1_000", 999, 1000),
        ("gt", "-1.50", 0, -2),
        ("re", "12", "x12", "x1"),
        ("re", "1.10", "1.10", "1.1"),
        ("expand", "'%given%'", "001", "1"),
    ],
)
def test_what_sigma_gives_a_type_is_read_as_that_type(
    field: str, written: str, same: Any, other: Any, tmp_path: Path
) -> None:
    found = matcher(tmp_path, written, field=f"{FIELD}|{field}")
    assert found.matches(event(same))
    assert not found.matches(event(other))


def test_names_of_selections_are_texts(tmp_path: Path) -> None:
    file = tmp_path / "rule.yml"
    text = RULE.format(field=FIELD, written="No", condition="on and not 1 of 0*")
    file.write_text(text.replace("  s:", "  on:") + "", "utf-8")
    text = file.read_text("utf-8").replace("  condition", "  007: {eventName: Other}\n  condition")
    file.write_text(text, "utf-8")
    made = load_paths([file], DetectionSettings())
    assert made.faults == ()


def test_an_exception_compares_as_written(tmp_path: Path) -> None:
    exception = tmp_path / "exception.yml"
    exception.write_text(
        "title: An exception\nlogsource: {product: aws, service: cloudtrail}\n"
        "filter: {rules: any, admins: {recipientAccountId: 001122334455}, condition: not admins}\n",
        "utf-8",
    )
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE.format(field=FIELD, written="No", condition="s"), "utf-8")
    made = load_paths([rule], DetectionSettings(exceptions=[exception]))
    assert made.faults == ()
    found = made.compiled[made.rules[0].id].matcher
    assert found is not None
    assert found.matches(event("No"))
    assert not found.matches(event("No") | {"recipientAccountId": "001122334455"})


def test_samples_hold_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "rule.samples.yml").write_text(
        "match:\n  - {a: No, b: 001, c: 1.10, d: true, e: 12, f: 1.5, g: ~, h: 2024-03-01, on: x,\n"
        "     geolocation: {latitude: 48.10}}\nno_match: [{eventName: x}]\n",
        "utf-8",
    )
    ((found,),) = read_samples(tmp_path / "rule.yml").match
    assert found == {
        "a": "No",
        "b": "001",
        "c": "1.10",
        "d": True,
        "e": 12,
        "f": 1.5,
        "g": None,
        "h": "2024-03-01",
        "on": "x",
        "geolocation": {"latitude": 48.1},
    }


@pytest.mark.parametrize("written", SAME_TEXT)
def test_a_filter_in_the_settings_file_drops_what_was_written(written: str, tmp_path: Path) -> None:
    file = tmp_path / "trailhound.yaml"
    file.write_text(f"filter:\n  - {{{FIELD}: {written}, eventName: CreateUser}}\n", "utf-8")
    noise = NoiseFilter(load(file).filter)
    assert noise.drops(event(written) | {"eventName": "CreateUser"}) == "filter.0"
    assert noise.drops(event("else") | {"eventName": "CreateUser"}) is None


def test_a_filter_in_the_environment_compares_numbers_as_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = '[{"eventVersion": 1.10}, {"requestParameters.value": [2.0, true, "No"]}]'
    monkeypatch.setenv("TRAILHOUND_FILTER", blocks)
    noise = NoiseFilter(load().filter)
    assert noise.drops({"eventVersion": "1.10"}) == "filter.0"
    assert noise.drops({"eventVersion": "1.1"}) is None
    assert noise.drops(event("2.0")) == "filter.1"
    assert noise.drops(event("2")) is None
    assert noise.drops(event("No")) == "filter.1"
    assert noise.drops(event(True)) == "filter.1"


def test_settings_hold_texts_as_written_and_still_read_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "trailhound.yaml"
    file.write_text(
        "namespace: 007\n"
        "cluster: {username: No, password: 1.10, timeout: 7}\n"
        "detections:\n  scheduled: no\n"
        "  placeholders: {admins: [001122334455, 111122223333, NULL]}\n"
        "retention: {days: ~}\n",
        "utf-8",
    )
    settings = load(file)
    assert settings.namespace == "007"
    assert settings.cluster.username == "No"
    assert settings.cluster.password is not None
    assert settings.cluster.password.get_secret_value() == "1.10"
    assert settings.cluster.timeout == 7
    assert settings.detections.scheduled is False
    assert settings.detections.placeholders == {"admins": ["001122334455", "111122223333", "NULL"]}
    assert settings.retention.days is None
    monkeypatch.setenv("TRAILHOUND_DETECTIONS__PLACEHOLDERS", '{"admins": [111122223333, 1.10]}')
    assert load(file).detections.placeholders == {"admins": ["111122223333", "1.10"]}


def test_a_variable_may_say_null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAILHOUND_RUN__LISTEN", "null")
    assert load().run.listen is None


def test_a_number_of_a_rule_is_asked_for_in_each_of_its_forms(tmp_path: Path) -> None:
    query = json.dumps(compile_matcher(matcher(tmp_path, "1.10", field="eventVersion")).plain)
    assert '"1.10"' in query
    assert '"1.1"' in query


def test_aliases_that_grow_beyond_measure_are_a_fault(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    bomb = "\n    ".join(lines)
    made = pack(tmp_path, f"x\n    {bomb}")
    assert made.rules == ()
    assert "aliases" in made.faults[0].reason
