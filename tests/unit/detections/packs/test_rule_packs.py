"""Loading packs: every fault with its place, and the other rules in force all the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sigma.correlations import SigmaCorrelationRule

from detections.correlations.correlation import Correlation
from detections.matcher.placeholders import SHIPPED
from detections.packs.describe import explained, listed, shown
from detections.packs.loading import load, load_paths
from tests.unit.detections.packs.by_hand import IDS, pack, text
from trailhound.api import RuleSet
from trailhound.errors import UsageError
from trailhound.settings import DetectionSettings


def test_a_rule_has_all_that_its_file_says(tmp_path: Path) -> None:
    made = pack(
        tmp_path,
        text(
            tags="[attack.defense_evasion, attack.t1562.008, cve.2020-1]",
            references="[https://a.example]",
            falsepositives="[admins]",
            trailhound="{response: [Call Ada.], severity: 9, interval: 10m, group_by: [user.name],"
            " suppress: 1h}",
        ),
    )
    (rule,) = made.rules
    assert (rule.id, rule.title, rule.level, rule.kind) == (IDS[1], "Rule 1", "high", "sigma")
    assert (rule.attack.tactics, rule.attack.techniques) == (("defense-evasion",), ("T1562.008",))
    assert (rule.severity, rule.response, rule.group_by) == (9, ("Call Ada.",), ("user.name",))
    assert (rule.interval, rule.suppress) == (timedelta(minutes=10), timedelta(hours=1))
    assert (rule.references, rule.falsepositives) == (("https://a.example",), ("admins",))
    assert made.faults == ()
    assert shown(made, rule)["fields"] == ["eventName"]
    assert listed(made)[0]["state"] == "on"
    assert explained(made, rule)[0] == {"query": made.compiled[rule.id].plain}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (text(2, detection="{s: {eventName|unknown: x}, condition: s}"), "unknown"),
        (text(2, detection="{s: {eventName: x}, condition: t}"), "'t'"),
        (text(2, detection="{s: {eventname: x}, condition: s}"), "does not search"),
        (text(2, detection=""), "detection"),
        (text(2, id="no-uuid"), "UUID"),
        (text(2, level="grave"), "grave"),
        (text(2, title="[a"), "YAML"),
        (text(2) + "level: low\n", "twice"),
        ("- a\n- b\n", "not a mapping"),
        (text(2, trailhound="{nothing: 1}"), "'nothing'"),
        (text(2, trailhound="{severity: 11}"), "severity"),
        (text(2, trailhound="{interval: soon}"), "is not a duration"),
        (text(2, trailhound="[a]"), "not a mapping"),
        (text(2, detection="{s: {eventName|expand: '%x%'}, condition: s}"), "%x%"),
        (text(2, logsource="{product: windows}"), "windows"),
        (text(2, detection="{s: {eventName|re: '('}, condition: s}"), "egular expression"),
    ],
)
def test_a_broken_rule_is_told_with_its_line_and_the_others_run(
    document: str, says: str, tmp_path: Path
) -> None:
    made = pack(tmp_path, text(1), document)
    assert [rule.id for rule in made.rules] == [IDS[1]]
    (fault,) = made.faults
    assert fault.stops
    assert says in fault.reason
    assert fault.hint or "UUID" in fault.reason or "level" in fault.reason
    assert fault.place.path.name == "a.yml"
    assert fault.place.line >= 6


def test_a_rule_on_a_field_that_is_not_searched_runs_and_is_told(tmp_path: Path) -> None:
    made = pack(tmp_path, text(detection="{s: {eventName: x, status: ok}, condition: s}"))
    assert len(made.rules) == 1
    (fault,) = made.faults
    assert not fault.stops
    assert "'status'" in fault.reason
    assert fault.rule_id == IDS[1]


CORRELATION = """title: Many
id: {id}
correlation:
  type: event_count
  rules: [{rule}]
  group-by: [userIdentity.arn]
  timespan: 5m
  condition: {{gte: 5}}
{more}"""


def test_a_repeated_id_is_a_warning_and_the_first_rule_runs(tmp_path: Path) -> None:
    made = pack(tmp_path, text(1), text(1, title="Another"))
    assert [rule.title for rule in made.rules] == ["Rule 1"]
    (fault,) = made.problems
    assert "is already used by" in fault.reason
    assert (fault.stops, fault.what, made.incomplete) == (False, "warning", False)
    assert pack(tmp_path, text(1), text(2, level="grave")).incomplete


def test_a_correlation_may_name_a_rule_by_a_title_that_only_one_has(tmp_path: Path) -> None:
    by_title = CORRELATION.format(id=IDS[2], rule="Rule 1", more="")
    made = pack(tmp_path, text(1), by_title)
    assert [rule.id for rule in made.alerting] == [IDS[2]]
    (fault,) = made.problems
    assert "names the rule 'Rule 1' by its title" in fault.reason
    assert (fault.what, made.incomplete) == ("warning", False)
    other = "6c2a4f0e-3a67-4a0f-8f2b-1c0d9a5b7e10"
    twice = pack(tmp_path, text(1), text(1, id=other), by_title)
    assert "Many" not in {rule.title for rule in twice.rules}
    assert twice.incomplete


def test_a_condition_may_be_a_range(tmp_path: Path) -> None:
    between = CORRELATION.replace("{{gte: 5}}", "{{gt: 100, lte: 200}}")
    made = pack(tmp_path, text(1), between.format(id=IDS[2], rule=IDS[1], more=""))
    assert made.faults == ()
    rule = made.rule(IDS[2])
    assert isinstance(rule.definition, SigmaCorrelationRule)
    threshold = Correlation.of(rule.definition).threshold
    assert [threshold.holds(count) for count in (100, 101, 200, 201)] == [False, True, True, False]
    assert threshold.minimum == 101
    shown_as, _ = explained(made, rule)
    assert shown_as["correlation"]["condition"] == {"gt": 100, "lte": 200}
    wrong = between.replace("200", "many").format(id=IDS[2], rule=IDS[1], more="")
    (fault,) = pack(tmp_path, text(1), wrong).problems
    assert "'many'" in fault.reason


@pytest.mark.parametrize(
    ("rules", "lines", "reason"),
    [
        ("[base]", "group-by: [userIdentity.arn]", ""),
        ("[base]", "group-by: [sourceIPAddress]", "group by userIdentity.arn"),
        (
            "[base]",
            "group-by: [userIdentity.arn]\n  aliases: {userIdentity.arn: {base: user.name}}",
            "without aliases",
        ),
        ("[inner]", "group-by: [userIdentity.arn]", "not for correlations of correlations"),
    ],
)
def test_sessions_are_counted_together_where_a_principal_is_counted(
    tmp_path: Path, rules: str, lines: str, reason: str
) -> None:
    def counting(number: int, name: str, rest: str) -> str:
        body = "  type: event_count\n  timespan: 5m\n  condition: {gte: 3}\n"
        return f"title: {name}\nname: {name}\nid: {IDS[number]}\ncorrelation:\n{body}{rest}"

    inner = counting(2, "inner", "  rules: [base]\n  group-by: [userIdentity.arn]\n")
    outer = counting(3, "outer", f"  rules: {rules}\n  {lines}\ntrailhound: {{by_role: true}}\n")
    base = text(1, name="base")
    (tmp_path / "rules.yml").write_text("\n---\n".join([base, inner, outer]), "utf-8")
    pack = load_paths([tmp_path], DetectionSettings())
    if reason:
        assert [reason in str(each) for each in pack.problems] == [True]
        return
    assert pack.problems == ()
    assert pack.rule(IDS[3]).by_role
    off = DetectionSettings(overrides={IDS[3]: {"by_role": False}})
    assert not load_paths([tmp_path], off).rule(IDS[3]).by_role


def test_a_folder_that_is_given_twice_has_its_faults_once(tmp_path: Path) -> None:
    (folder := tmp_path / "rules").mkdir()
    (folder / "a.yml").write_text(text(1, level="grave"), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    paths = [folder, tmp_path / "rules" / ".." / "rules", tmp_path / "empty", tmp_path / "empty"]
    made = load_paths(paths, DetectionSettings(exceptions=[folder]))
    reasons = [each.reason for each in made.faults]
    assert len(reasons) == len(set(reasons)) == 2


def test_a_rule_that_only_serves_a_correlation_raises_no_alert(tmp_path: Path) -> None:
    made = pack(tmp_path, CORRELATION.format(id=IDS[2], rule=IDS[1], more=""), text(1))
    by_id = {rule.id: rule for rule in made.rules}
    assert [rule.id for rule in made.alerting] == [IDS[2]]
    assert by_id[IDS[2]].kind == "correlation"
    assert isinstance(by_id[IDS[2]].definition, SigmaCorrelationRule)
    assert set(made.compiled) == {IDS[1]}
    explanation, _ = explained(made, by_id[IDS[2]])
    assert set(explanation["rules"]) == {IDS[1]}
    part = {"id": IDS[1], "title": "Rule 1", "state": "part of another"}
    many = {"id": IDS[2], "title": "Many", "state": "on"}
    of_many, of_part = (shown(made, by_id[each]) for each in (IDS[2], IDS[1]))
    assert (of_many["rules"], of_many["correlations"]) == ([part], [])
    assert (of_part["rules"], of_part["correlations"]) == ([], [many])
    off = pack(
        tmp_path,
        CORRELATION.format(id=IDS[2], rule=IDS[1], more=""),
        text(1),
        overrides={IDS[2]: {"enabled": False}},
    )
    assert shown(off, off.rule(IDS[1]))["correlations"] == [many | {"state": "off"}]
    assert off.alerting == ()
    kept = pack(
        tmp_path, CORRELATION.format(id=IDS[2], rule=IDS[1], more="  generate: true\n"), text(1)
    )
    assert len(kept.alerting) == 2


def test_a_correlation_on_a_rule_that_is_missing_or_broken_is_a_fault(tmp_path: Path) -> None:
    made = pack(tmp_path, CORRELATION.format(id=IDS[2], rule=IDS[5], more=""), text(1))
    assert [rule.id for rule in made.rules] == [IDS[1]]
    assert IDS[5] in made.faults[0].reason
    broken = text(1, detection="{s: {nosuchfield: x}, condition: s}")
    made = pack(tmp_path, CORRELATION.format(id=IDS[2], rule=IDS[1], more=""), broken)
    assert made.rules == ()
    assert len(made.faults) == 2


def test_another_level_brings_its_severity_unless_one_is_given(tmp_path: Path) -> None:
    own = text(1, trailhound="{severity: 2}")
    made = pack(tmp_path, own, overrides={IDS[1]: {"level": "critical"}})
    assert [(each.level, each.severity) for each in made.rules] == [("critical", 10)]
    made = pack(tmp_path, own, overrides={IDS[1]: {"level": "critical", "severity": 9}})
    assert [(each.level, each.severity) for each in made.rules] == [("critical", 9)]
    made = pack(tmp_path, own, overrides={IDS[1]: {"severity": 7}})
    assert [(each.level, each.severity) for each in made.rules] == [("high", 7)]


def test_settings_override_a_rule_without_touching_it(tmp_path: Path) -> None:
    overrides = {
        IDS[1]: {"level": "low", "interval": "1h"},
        IDS[2]: {"enabled": False},
        IDS[9]: {"enabled": False},
    }
    made = pack(tmp_path, text(1), text(2), overrides=overrides)
    (rule,) = made.rules
    assert (rule.level, rule.interval) == ("low", timedelta(hours=1))
    assert rule.severity == 3, "it gave none of its own"
    assert [each.id for each in made.disabled] == [IDS[2]]
    (fault,) = made.faults
    assert not fault.stops
    assert IDS[9] in fault.reason


def test_a_rule_that_hardly_ever_runs_is_a_warning(tmp_path: Path) -> None:
    """`5M` was meant to be minutes."""
    changed = {IDS[1]: {"interval": "5M", "suppress": "1d"}, IDS[2]: {"suppress": "365d"}}
    made = pack(tmp_path, text(1), text(2), overrides=changed)
    assert len(made.rules) == 2
    assert [each.what for each in made.problems] == ["warning", "warning"]
    assert [each.reason.split(" (")[0] for each in made.problems] == [
        "'Rule 1' runs only every 152 days",
        "an alert of 'Rule 2' takes up all further events of its group for 365 days",
    ]
    assert "`M` is a month" in made.problems[0].hint


def test_placeholders_come_from_the_settings(tmp_path: Path) -> None:
    document = text(detection="{s: {eventName|expand: '%calls%'}, condition: s}")
    made = pack(tmp_path, document, placeholders={"calls": ["StopLogging"]})
    assert "StopLogging" in str(made.compiled[IDS[1]].query)


def test_services_that_act_for_callers_need_no_setting(tmp_path: Path) -> None:
    document = text(
        detection="{s: {userIdentity.invokedBy|expand: '%acting_for_callers%'}, condition: s}"
    )
    own = {"acting_for_callers": ["mine.amazonaws.com"]}
    more = {"acting_for_callers": [*SHIPPED["acting_for_callers"], *own["acting_for_callers"]]}
    for made, found in (
        (pack(tmp_path, document), True),
        (pack(tmp_path, document, placeholders=more), True),
        (pack(tmp_path, document, placeholders=own), False),
    ):
        assert [each.what for each in made.faults] == ([] if found else ["warning"])
        assert (
            found
            or f"lacks {len(SHIPPED['acting_for_callers'])} of it: apigateway"
            in made.faults[0].reason
        )
        for service in ("member.org.stacksets.cloudformation", "scheduler", "ssm", "states"):
            event = {"userIdentity": {"invokedBy": f"{service}.amazonaws.com"}}
            assert [*RuleSet(made).matching(event)] == ([made.rule(IDS[1])] if found else [])


def test_a_rule_is_named_by_the_beginning_of_its_id_or_title(tmp_path: Path) -> None:
    made = pack(tmp_path, text(1), text(2))
    assert made.rule("rule 2").id == IDS[2]
    assert made.rule(IDS[1]).title == "Rule 1"
    for name in ("Rule", "nothing"):
        with pytest.raises(UsageError):
            made.rule(name)


def test_global_and_repeated_documents_are_templates(tmp_path: Path) -> None:
    template = "action: global\nlogsource: {product: aws, service: cloudtrail}\nlevel: low\n"
    repeat = f"action: repeat\ntitle: Again\nid: {IDS[3]}\n"
    made = pack(tmp_path, template, text(1, logsource="", level=""), repeat)
    assert [(rule.title, rule.level) for rule in made.rules] == [
        ("Rule 1", "low"),
        ("Again", "low"),
    ]


def test_a_missing_path_is_wrong_use_and_samples_are_no_rules(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_paths([tmp_path / "nothing"], DetectionSettings())
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.samples.yml").write_text("match: []\n", encoding="utf-8")
    assert pack(tmp_path, text(1)).faults == ()


def test_hostile_yaml_is_a_fault_and_no_more(tmp_path: Path) -> None:
    laughs = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8)
    )
    deep = "a: " + "[" * 2_000 + "]" * 2_000 + "\n"
    for hostile in (laughs, deep, "title: !!python/object:os.system x\n", "title: \x00\n"):
        (tmp_path / "rules").mkdir(exist_ok=True)
        (tmp_path / "rules" / "b.yml").write_text(hostile, encoding="utf-8")
        made = pack(tmp_path, text(1))
        assert [rule.id for rule in made.rules] == [IDS[1]]
        assert {fault.place.path.name for fault in made.faults} == {"b.yml"}
        assert any(fault.stops for fault in made.faults)


def test_a_pack_in_use_stays_while_others_come_and_go(tmp_path: Path) -> None:
    first = pack(tmp_path, text(1))
    for number in range(2, 9):
        (tmp_path / str(number)).mkdir()
        pack(tmp_path / str(number), text(number))
        assert load_paths([tmp_path / "rules"], DetectionSettings()) is first


def test_the_shipped_pack_loads_without_a_fault() -> None:
    made = load(DetectionSettings())
    assert [str(fault) for fault in made.faults] == []
    assert len(made.alerting) >= 98
    assert load(DetectionSettings(shipped=False)).rules == ()


def test_all_rules_of_sigmahq_load(shared_data: Path) -> None:
    made = load_paths([shared_data / "sigmahq"], DetectionSettings())
    assert len(made.rules) == len(made.compiled) == 57
    assert not any(fault.stops for fault in made.faults)


@pytest.mark.parametrize("name", ["rules", "exceptions"])
def test_a_missing_path_of_the_settings_is_a_fault_and_the_other_rules_load(
    tmp_path: Path, name: str
) -> None:
    gone = tmp_path / "gone"
    made = load(DetectionSettings(**{name: [gone]}))
    (fault,) = [each for each in made.problems if each.stops]
    assert (fault.place.path, fault.what) == (gone, "file")
    assert fault.reason == f"detections.{name}: no such file or folder"
    others = [each.id for each in load(DetectionSettings()).rules]
    assert [each.id for each in made.rules] == others


def test_a_pack_is_made_anew_exactly_when_something_of_it_changed(tmp_path: Path) -> None:
    first = pack(tmp_path, text(1))
    file = tmp_path / "rules" / "a.yml"
    assert load_paths([tmp_path / "rules"], DetectionSettings()) is first
    off = pack(tmp_path, text(1), overrides={IDS[1]: {"enabled": False}})
    assert off.rules == ()
    file.write_text(text(1).replace("Rule 1", "Rule 9"), "utf-8")  # as long as before
    assert load_paths([tmp_path / "rules"], DetectionSettings()) != first
    (tmp_path / "rules" / "b.yml").write_text(text(2), "utf-8")
    assert len(load_paths([tmp_path / "rules"], DetectionSettings()).rules) == 2
    file.unlink()
    (left,) = load_paths([tmp_path / "rules"], DetectionSettings()).rules
    assert left.id == IDS[2]
    exception = tmp_path / "exception.yml"
    exception.write_text("just text", "utf-8")
    settings = DetectionSettings(exceptions=[exception])
    assert load_paths([tmp_path / "rules"], settings).faults
    exception.unlink()
    (fault,) = [each for each in load_paths([tmp_path / "rules"], settings).faults if each.stops]
    assert fault.place.path == exception, "an exception that is not there stops no rule"


def test_a_folder_of_exceptions_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "exceptions").mkdir()
    assert pack(tmp_path, text(1), exceptions=[tmp_path / "exceptions"]).faults == ()


def test_a_misspelt_title_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        load(DetectionSettings()).rule("RootAcountUsage")
    assert refused.value.hint == "did you mean 'RootAccountUsage'?"
