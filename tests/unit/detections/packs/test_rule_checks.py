"""`rules check` and what loading names: every fault at once, each at its own line, with a hint."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from detections.packs.describe import problem_lines
from detections.packs.documents import documents
from detections.packs.exceptions import DEFAULTS
from detections.packs.loading import load, load_paths
from detections.rule import Rule
from detections.suggestions import nearest
from tests.unit.detections.packs.by_hand import GOOD, IDS, text, written
from trailhound.app.doctor.local_checks import rules_checks
from trailhound.cli.exit_codes import exit_code
from trailhound.cli.main import app
from trailhound.errors import UsageError
from trailhound.settings import DetectionSettings
from trailhound.settings import load as load_settings

BAD = """\
title: Bad
id: not-a-uuid
lvl: high
date: 2024-13-45
status: nonsense
logsource: {product: aws, service: cloudtrail}
detection:
  sel:
    eventNam: CreateUser
    userIdentity.tpye: Root
    eventSource|startwith: iam
    requestParameters.x|re: '('
  other:
    - {eventName: x}
    - {awsRegoin: y}
  condition: sel and not othr
trailhound:
  severty: 3
  interval: soon
  anomaly:
    group_by: [userIdentity.arn]
    min_cuont: 3
    minutes: x
    deviations: -1
---
title: Not YAML
detection:
  s: {eventName: [x
  condition: s
---
title: A slip
id: 00000000-0000-4000-8000-000000000002
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: x}, condition: s}
levle: high
runbook: https://wiki.example
owner: the team
"""
EXPECTED = {
    2: ("UUID", ""),
    3: ("'lvl'", "'level'"),
    4: ("2024-13-45", ""),
    5: ("nonsense", ""),
    9: ("'eventNam'", "'eventName'"),
    10: ("'userIdentity.tpye'", "'userIdentity.type'"),
    11: ("'startwith'", "'startswith'"),
    12: ("egular expression", ""),
    15: ("'awsRegoin'", "'awsRegion'"),
    16: ("'othr'", "'other'"),
    18: ("'severty'", "'severity'"),
    19: ("'soon'", ""),
    22: ("'min_cuont'", "'min_count'"),
    23: ("minutes is 'x'", ""),
    24: ("deviations is -1", ""),
    29: ("not YAML", ""),
    35: ("'levle'", "'level'"),
}
"""Line → what is said there, and what may be meant."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file but a test's own, and the shipped pack only where a test is about it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRAILHOUND_DETECTIONS__SHIPPED", "false")


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["rules", "check", *map(str, arguments)])


def test_all_faults_are_named_at_once_each_at_its_own_line(tmp_path: Path) -> None:
    file = written(tmp_path / "rules", BAD)
    done = check(file, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert {each["line"] for each in found["faults"]} == set(EXPECTED)
    assert len(found["faults"]) == len(EXPECTED)
    for each in found["faults"]:
        reason, hint = EXPECTED[each["line"]]
        assert reason in each["reason"]
        assert hint in each["hint"]
        assert each["file"] == str(file)
    assert (found["rules"], found["sound"]) == (1, 0), "the rule with a slip runs, and is not sound"
    said = check(file).stderr
    assert f"{file}:9: " in said
    assert "did you mean 'eventName'?" in said


@pytest.mark.parametrize(
    "more",
    [
        "runbook: https://wiki.example",
        "owner: ada",
        "score: 7",
        "mitre: {tactic: x}",
        "tests: [a]",
        "priority: 1",
        "license: MIT",
        "scope: [server]",
        "taxonomy: sigma",
        "related: [{id: 00000000-0000-4000-8000-000000000009, type: derived}]",
    ],
)
def test_keys_that_sigma_allows_are_sound(more: str, tmp_path: Path) -> None:
    done = check(written(tmp_path / "rules", GOOD + more + "\n"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 valid rule, 0 faults" in done.stdout


@pytest.mark.parametrize(
    ("line", "reason", "hint"),
    [
        ("Level: low", "'Level'", "'level'"),
        ("detections: {}", "'detections'", "'detection'"),
        ("tag: [a]", "'tag'", "'tags'"),
        ("desc: x", "'desc'", "'description'"),
        ("false_positives: [x]", "'false_positives'", "'falsepositives'"),
        ("logsrc: x", "'logsrc'", "'logsource'"),
        ("severity: 3", "'severity'", "trailhound"),
        ("condition: s", "'condition'", "detection"),
        ("trailhoud: {}", "'trailhoud'", "'trailhound'"),
    ],
)
def test_a_slip_at_the_top_is_a_fault_and_the_rule_runs(
    line: str, reason: str, hint: str, tmp_path: Path
) -> None:
    text = GOOD.replace("level: high\n", "") + line + "\n"
    made = load_paths([written(tmp_path / "rules", text)], DetectionSettings())
    (fault,) = made.problems
    assert (fault.place.line, fault.stops) == (5, False)
    assert reason in fault.reason
    assert hint in fault.hint
    assert len(made.rules) == 1


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("eventNam", "eventName"),
        ("event_name", "eventName"),
        ("EventName", "eventName"),
        ("userIdentty.type", "userIdentity.type"),
        ("userIdentity.sessionContext.sessionIsuer.userName", "sessionIssuer.userName"),
        ("requestParameter.userName", "requestParameters.userName"),
        ("risk_scor", "risk_score"),
        ("sourceIpAdress", "sourceIPAddress"),
    ],
)
def test_a_field_that_no_event_has_is_a_fault(field: str, meant: str, tmp_path: Path) -> None:
    detection = f"{{s: {{eventName: x, {field}: y}}, condition: s}}"
    text = GOOD.replace("{s: {eventName: DeleteTrail}, condition: s}", detection)
    done = check(written(tmp_path / "rules", text))
    assert done.exit_code == 1
    assert "a.yml:4: " in done.stderr
    assert meant in done.stderr


def test_fields_of_free_form_objects_and_new_ones_are_no_fault(tmp_path: Path) -> None:
    for field in ("requestParameters.any.thing", "userIdentity.brandNewObject", "tlsDetails"):
        detection = f"{{s: {{eventName: x, {field}: y}}, condition: s}}"
        text = GOOD.replace("{s: {eventName: DeleteTrail}, condition: s}", detection)
        assert check(written(tmp_path / "rules", text)).exit_code == 0


@pytest.mark.parametrize("value", ["no", "Yes", "[on, true]"])
def test_a_word_for_a_boolean_is_named_where_events_have_booleans(
    value: str, tmp_path: Path
) -> None:
    detection = f"{{s: {{eventName: x, readOnly: {value}}}, condition: s}}"
    text = GOOD.replace("{s: {eventName: DeleteTrail}, condition: s}", detection)
    done = check(written(tmp_path / "rules", text))
    assert done.exit_code == 1
    assert "a.yml:4: 'readOnly' is true or false in events" in done.stderr
    sound = text.replace(f"readOnly: {value}", "readOnly: [false, True]")
    assert check(written(tmp_path / "rules", sound)).exit_code == 0


def test_a_tag_that_attack_does_not_have_is_a_warning(tmp_path: Path) -> None:
    """A channel that selects by tactic would never get the rule's alerts."""
    tags = ["attack.persistance", "attack.foo", "attack.t9999", "attack.t1098.1", "attack.ta0003"]
    fine = ["attack.defense_evasion", "attack.stealth", "attack.T1098.001", "attack.s0001", "my.x"]
    (tmp_path / "a.yml").write_text(f"{GOOD}tags:\n" + "".join(f"- {it}\n" for it in fine + tags))
    checked = CliRunner().invoke(app, ["rules", "check", str(tmp_path)])
    assert (checked.exit_code, "5 warnings" in checked.output) == (0, True)
    lines = checked.output.splitlines()
    for number, tag in enumerate(tags, GOOD.count("\n") + 2 + len(fine)):
        name = tag.removeprefix("attack.")
        (said,) = [each for each in lines if f"a.yml:{number}: ATT&CK has no" in each]
        assert repr(name) in said
    assert "did you mean `attack.persistence`?" in checked.output
    strict = CliRunner().invoke(app, ["rules", "check", "--strict", str(tmp_path)])
    assert strict.exit_code == 1


def test_correlations_are_checked_too(tmp_path: Path) -> None:
    text = (
        GOOD.replace("title: Good", "title: Good\nname: good") + "---\n"
        "title: Many\ncorrelation:\n  type: event_count\n  rules: [good]\n  groupby: [user.name]\n"
        "  group-by: [userIdentity.arnn]\n  timespan: soon\n  condition: {gte: x}\n"
    )
    done = check(written(tmp_path / "rules", text), "--json")
    lines = {each["line"]: each["hint"] for each in json.loads(done.stdout)["faults"]}
    assert {12, 13, 14, 15} <= set(lines)
    assert "group-by" in lines[12]
    assert "userIdentity.arn" in lines[13]


def two_exceptions(folder: Path) -> tuple[Rule, Path]:
    """Writes a good rule, an exception for a shipped one, which is returned, and an exception for
    none, whose file is returned."""
    text = (
        "title: An exception\nlogsource: {{product: aws, service: cloudtrail}}\n"
        "filter: {{rules: [{}], s: {{userIdentity.userName: deploy}}, condition: not s}}\n"
    )
    plain = next(rule for rule in load(DetectionSettings()).rules if rule.kind == "sigma")
    written(folder / "rules", GOOD)
    written(folder / "exceptions", text.format(plain.id), "fits.yml")
    return plain, written(folder / "exceptions", text.format(IDS[7]), "none.yml")


def test_an_exception_that_fits_no_rule_is_named_with_the_shipped_pack_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAILHOUND_DETECTIONS__SHIPPED")
    _, none = two_exceptions(tmp_path)
    written(tmp_path, "detections: {exceptions: [exceptions]}\n", "trailhound.yaml")
    done = check(tmp_path / "rules")
    assert done.exit_code == 1
    assert "matches no rule" in done.stderr
    assert none.name in done.stderr
    (note,) = (line for line in done.stderr.splitlines() if "fits.yml" in line)
    assert note.startswith("note: ")
    assert "a caller can set 'userIdentity.userName'" in note
    assert "1 valid rule" in done.stdout


def test_a_folder_of_exceptions_alone_is_checked(tmp_path: Path) -> None:
    done = check(DEFAULTS)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"0 valid rules, {len(load(DetectionSettings()).exceptions)} exceptions" in done.stdout


def test_folders_that_are_not_there_or_empty(tmp_path: Path) -> None:
    done = check(tmp_path / "nowhere")
    assert isinstance(done.exception, UsageError)
    assert done.exception is not None
    assert exit_code(done.exception) == 2
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "README.md").write_text("nothing", "utf-8")
    done = check(tmp_path / "empty")
    assert done.exit_code == 1
    assert "no rule file" in done.stderr
    assert "no rule to check" in done.stderr


def test_a_fault_is_no_warning_and_says_what_comes_of_it(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    written(rules, GOOD.replace("condition: s", "condition: cal"))
    written(rules, GOOD.replace(IDS[1], IDS[2]) + "lvl: high\n", "b.yml")
    written(rules, GOOD.replace(IDS[1], IDS[2]), "c.yml")
    said = {each.split(":")[1].strip(): each for each in check(rules).stderr.splitlines()}
    starts = {Path(file).name: each.split(":")[0] for file, each in said.items()}
    assert starts == {"a.yml": "fault", "b.yml": "fault", "c.yml": "warning"}
    ends = {Path(file).name for file, each in said.items() if "the rule will not run" in each}
    assert ends == {"a.yml"}


def test_the_rules_in_force_are_checked_without_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAILHOUND_DETECTIONS__SHIPPED")
    done = check()
    assert (done.exit_code, done.stderr) == (0, "")
    written(tmp_path, "detections: {shipped: false, rules: [rules]}\n", "trailhound.yaml")
    written(tmp_path / "rules", BAD)
    assert check().exit_code == 1


def test_whatever_is_not_used_is_counted_and_named_and_the_rest_runs(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    written(rules, GOOD)
    written(rules, GOOD.replace("Good", "Taken"), "b.yml")
    written(rules, "", "c.yml")
    (rules / "d.yml").write_bytes(b"title: \xff\n")
    (rules / "e.yml").symlink_to(tmp_path / "nowhere.yml")
    written(rules, GOOD.replace(IDS[1], IDS[2]), "f.YML")
    (rules / "none").mkdir()
    exceptions = tmp_path / "exceptions"
    exceptions.mkdir()
    settings = DetectionSettings.model_validate(
        {
            "shipped": False,
            "rules": [rules, rules / "none"],
            "exceptions": [exceptions],
            "placeholders": {"admins": ["ada"]},
            "overrides": {IDS[9]: {"enabled": False}},
        }
    )
    made = load(settings)
    assert sorted(rule.id for rule in made.rules) == [IDS[1], IDS[2]]
    output = "\n".join(problem_lines(made))
    for part in (
        *(
            "is already used by",
            "c.yml:1: the file contains no rule",
            "d.yml:1",
            "not UTF-8",
            "e.yml:1",
        ),
        f"{rules / 'none'}:1: the folder contains no rule file",
        *("%admins%", f"no rule has the id '{IDS[9]}'"),
    ):
        assert part in output
    assert str(exceptions) not in output  # `rules except` fills it
    assert "4 faults of files" in output.splitlines()[0]
    assert "1 fault of overrides" in output.splitlines()[0]
    assert "1 fault of placeholders" in output.splitlines()[0]


def test_slips_are_near_and_other_words_are_not() -> None:
    assert nearest("tesst", ["tests"]) == "tests"
    assert nearest("x", ["id"]) is None
    assert nearest("", ["id"]) is None


def test_what_follows_a_broken_document_is_read_with_its_lines(tmp_path: Path) -> None:
    file = written(tmp_path / "rules", "a: [\n---\n" + GOOD + "---\nb: {\n---\n" + GOOD)
    lines = [found.place.line for found in documents(file)]
    assert lines == [2, 3, 10, 11]


def test_doctor_names_the_same(tmp_path: Path) -> None:
    far = text(2, detection="{s: {geolocation.asn|exists: true}, condition: s}")
    rules = written(tmp_path / "rules", f"{GOOD}lvl: high\n---\n{far}")
    content = f"detections: {{rules: [{rules}], overrides: {{{IDS[9]}: {{enabled: false}}}}}}\n"
    settings = load_settings(written(tmp_path, content, "trailhound.yaml"))
    found, lacking = rules_checks(settings)
    assert (lacking.what, lacking.verdict) == ("data of rules", "warning")
    assert lacking.advice == "set enrich.asn_database"
    assert found.verdict == "warning"
    assert "2 that alert" in found.fact
    for line in problem_lines(load(settings.detections)):
        assert line in found.fact
    written(tmp_path / "rules", BAD)
    assert next(rules_checks(settings)).verdict == "failed"
    written(tmp_path, "detections: {shipped: false}\n", "trailhound.yaml")
    (none,) = rules_checks(load_settings(tmp_path / "trailhound.yaml"))
    assert (none.verdict, none.fact[:17]) == ("warning", "none raises alert")


def test_faults_of_the_filter_setting_are_named_with_the_rules(tmp_path: Path) -> None:
    settings = written(
        tmp_path,
        "filter:\n  - {eventNam: x}\n  - eventName|foo: y\n    evntSource: z\n",
        "trailhound.yaml",
    )
    rules = written(tmp_path / "rules", GOOD + "lvl: high\n")
    done = check(rules)
    assert done.exit_code == 1
    assert "did you mean 'level'?" in done.stderr
    for line, name in ((2, "'eventName'"), (3, "'foo'"), (4, "'eventSource'")):
        assert [each for each in done.stderr.splitlines() if f"{settings.name}:{line}" in each], (
            line,
            name,
        )
        assert name in done.stderr
    assert "4 faults" in done.stdout + done.stderr
    assert len(json.loads(check(rules, "--json").stdout)["filter"]) == 3


def test_a_backfill_with_a_faulty_filter_reads_nothing(tmp_path: Path) -> None:
    written(tmp_path, "filter:\n  - {eventNam: x}\n", "trailhound.yaml")
    (tmp_path / "trail").mkdir()
    done = CliRunner().invoke(app, ["backfill", str(tmp_path / "trail"), "--dry-run"])
    assert done.exception is not None
    assert exit_code(done.exception) == 2
    assert "trailhound.yaml:2" in str(done.exception)


def test_a_pipe_or_a_device_in_the_place_of_a_rule_is_a_fault(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yml"
    os.mkfifo(pipe)
    for path, kind in ((pipe, "named pipe"), (tmp_path, "named pipe"), ("/dev/zero", "device")):
        done = CliRunner().invoke(app, ["rules", "check", str(path)])
        assert isinstance(done, Result)
        assert done.exit_code == 1
        assert f"it is a {kind}, not a file" in done.output


def test_a_path_whose_one_rule_is_faulty_is_not_called_empty(tmp_path: Path) -> None:
    file = written(
        tmp_path, "title: A\nlogsource: {product: aws}\ndetection: {condition: nothing}\n"
    )
    for given in (file, tmp_path):
        done = check(given)
        assert done.exit_code == 1
        assert str(file) in done.stderr
        assert "no rule to check" not in done.stderr


def test_a_fault_of_the_settings_is_at_its_line_or_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "detections:\n  overrides:\n    nosuch: {level: high}\n"
    file = written(tmp_path, lines, "trailhound.yaml")
    said = check("--config", file).stderr
    assert f"{file}:3: detections.overrides: no rule has the id 'nosuch'" in said
    monkeypatch.setenv("TRAILHOUND_DETECTIONS__OVERRIDES", '{"nosuch": {"level": "high"}}')
    said = check().stderr
    assert "TRAILHOUND_DETECTIONS__OVERRIDES: detections.overrides: no rule" in said


def test_what_is_for_rules_that_only_leaves_out_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAILHOUND_DETECTIONS__SHIPPED")
    plain, none = two_exceptions(tmp_path)
    overrides = f"{{{plain.id}: {{level: low}}, {IDS[8]}: {{level: low}}}}"
    settings = f"detections: {{exceptions: [exceptions], overrides: {overrides}}}\n"
    written(tmp_path, settings, "trailhound.yaml")
    command = ["rules", "coverage", "--rules", str(tmp_path / "rules"), "--only"]
    warned = CliRunner().invoke(app, command).stderr.replace("\n", " ")
    assert (none.name in warned, IDS[8] in warned) == (True, True), warned
    assert ("fits.yml" in warned, plain.id in warned) == (False, False), warned


def test_a_test_or_backtest_of_nothing_does_not_pass(tmp_path: Path) -> None:
    rules = written(tmp_path / "rules", GOOD)
    command = ["rules", "test", "--rules", str(rules), "--only"]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "0 samples, 0 failed" in done.stdout) == (1, True)
    assert "nothing was tested" in done.stderr
    assert CliRunner().invoke(app, [*command, "--json"]).exit_code == 1
