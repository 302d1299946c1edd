"""Exceptions of rules: what each leaves out, and that a faulty one breaks no rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.detections.packs.by_hand import IDS, pack, text

EXCEPTION = """title: Not by the pipeline
logsource: {{product: aws, service: cloudtrail}}
filter:
  rules: [{rule}]
  ours: {{userIdentity.arn|{modifier}: deploy}}
  condition: not ours
"""


def exception(tmp_path: Path, rule: str, modifier: str = "contains") -> Path:
    file = tmp_path / "exceptions.yml"
    file.write_text(EXCEPTION.format(rule=rule, modifier=modifier), encoding="utf-8")
    return file


def test_an_exception_narrows_its_rule_alone(tmp_path: Path) -> None:
    file = exception(tmp_path, IDS[1])
    made = pack(tmp_path, text(1), text(2), exceptions=[file])
    assert made.problems == ()
    event = {"eventName": "DeleteTrail", "userIdentity": {"arn": "arn:…:role/deploy"}}
    answers = {
        name: each.matcher.matches(event) for name, each in made.compiled.items() if each.matcher
    }
    assert answers == {IDS[1]: False, IDS[2]: True}
    assert "must_not" in str(made.compiled[IDS[1]].query)


@pytest.mark.parametrize(
    ("rule", "modifier", "stops"), [(IDS[7], "contains", False), (IDS[1], "expand", True)]
)
def test_a_faulty_exception_breaks_no_rule(
    rule: str, modifier: str, stops: bool, tmp_path: Path
) -> None:
    file = exception(tmp_path, rule, modifier)
    if modifier == "expand":
        file.write_text(file.read_text().replace("deploy", "'%nobody%'"), encoding="utf-8")
    made = pack(tmp_path, text(1), exceptions=[file])
    assert [each.id for each in made.rules] == [IDS[1]]
    (fault,) = made.faults
    assert (fault.place.path, fault.stops) == (file, stops)


@pytest.mark.parametrize("name", ["them", "_ours", "2ours", "all"])
def test_an_exception_that_cannot_be_joined_breaks_no_rule(name: str, tmp_path: Path) -> None:
    """Names that are fine by themselves, and not where pySigma joins them to a rule."""
    file = exception(tmp_path, "any").rename(tmp_path / "named.yml")
    file.write_text(file.read_text().replace("[any]", "any").replace("ours", name), "utf-8")
    made = pack(tmp_path, text(1), text(2), exceptions=[file])
    assert [(each.id, made.compiled[each.id].before_exceptions) for each in made.rules] == [
        *((IDS[1], None), (IDS[2], None))
    ]
    (fault,) = made.faults
    assert (fault.place.path, fault.stops, fault.what) == (file, True, "exception")


def test_an_exception_that_leaves_out_all_others_is_a_warning(tmp_path: Path) -> None:
    file = exception(tmp_path, IDS[1])
    file.write_text(file.read_text().replace("condition: not ours", "condition: ours"), "utf-8")
    (fault,) = pack(tmp_path, text(1), exceptions=[file]).problems
    assert (fault.place.path, fault.stops, fault.what) == (file, False, "warning")
    assert "leaves out every event that does not match it" in fault.reason


@pytest.mark.parametrize(
    ("selection", "noted"),
    [
        ("{userIdentity.arn|contains: deploy}", ["userIdentity.arn"]),
        ("{userAgent: x, eventName: DeleteTrail}", ["userAgent"]),
        ("{sourceIPAddress: 203.0.113.7}", []),
        ("{userIdentity.arn: 'arn:aws:iam::111122223333:user/ada', userAgent: x}", []),
    ],
)
def test_an_exception_by_what_a_caller_chooses_is_noted(
    selection: str, noted: list[str], tmp_path: Path
) -> None:
    file = exception(tmp_path, IDS[1])
    written = file.read_text().replace("{userIdentity.arn|contains: deploy}", selection)
    file.write_text(written, "utf-8")
    made = pack(tmp_path, text(1), exceptions=[file])
    assert made.problems == ()
    assert [each.reason.split("'")[1] for each in made.faults] == noted
    assert {each.what for each in made.faults} <= {"note"}


def test_an_anomaly_is_also_compiled_without_its_exceptions(tmp_path: Path) -> None:
    made = pack(tmp_path, text(1), text(2), exceptions=[exception(tmp_path, IDS[1])])
    before = made.compiled[IDS[1]].before_exceptions
    assert before is not None
    assert before.query == made.compiled[IDS[2]].query
    assert made.compiled[IDS[2]].before_exceptions is None


def test_names_in_an_exception_are_taken_as_they_were_written(tmp_path: Path) -> None:
    file = exception(tmp_path, IDS[1], "contains")
    file.write_text(file.read_text().replace("ours", "off"), encoding="utf-8")
    made = pack(tmp_path, text(1), exceptions=[file])
    assert [each.id for each in made.rules] == [IDS[1]]
    assert made.problems == ()


def test_each_rule_that_an_exception_names_has_to_be_there(tmp_path: Path) -> None:
    exception = (
        "title: Quiet\nlogsource: {product: aws, service: cloudtrail}\n"
        f"filter:\n  rules: [{IDS[1]}, no_such_rule]\n"
        "  s: {awsRegion: eu-west-1}\n  condition: not s\n"
    )
    made = pack(tmp_path, text(1), exception)
    (fault,) = made.problems
    assert "names 'no_such_rule', and no rule has that id" in fault.reason
    assert (fault.what, fault.stops) == ("exception", False)
