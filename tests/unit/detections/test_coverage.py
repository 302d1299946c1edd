"""ATT&CK coverage and the noise budget, without a cluster."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from detections.backtest import Backtest, Budget, RuleBacktest
from detections.coverage import gaps, layer, wanted
from detections.events.search import RuleOutcome
from detections.rule import Attack, FilePosition, Level, Rule
from trailhound.errors import RequestFailedError, UsageError


def rule(name: str, level: Level = "low", *techniques: str) -> Rule:
    return Rule(
        name, name, "sigma", level, None, FilePosition(Path()), attack=Attack((), techniques)
    )


RULES = [rule("a", "low", "T1098.001", "T1110"), rule("b", "high", "T1110")]


def test_a_layer_scores_a_technique_by_its_rules() -> None:
    made = layer(RULES)
    assert {each["techniqueID"]: each["score"] for each in made["techniques"]} == {
        "T1098.001": 1,
        "T1110": 2,
    }
    assert made["domain"] == "enterprise-attack"


def test_gaps_are_what_no_rule_is_tagged_with(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("id,name\nT1110,x\nT1098,y\nT1098.001,y\nT1098.003,z\nT1537,w\n", "utf-8")
    assert gaps(RULES, wanted(file)) == ["T1098.003", "T1537"]
    file.write_text("nothing", "utf-8")
    with pytest.raises(UsageError):
        wanted(file)


def test_a_budget_is_by_level_and_allows_one() -> None:
    budget = Budget(each=1, high_severity=0.1)
    assert budget.allowed("low", 10_000) == 10
    assert budget.allowed("critical", 10_000) == 1
    assert budget.allowed("low", 10) == 1
    assert Budget().allowed("low", 10) is None


def test_junit_tells_failures_from_errors() -> None:
    done = Backtest(
        10_000,
        (
            RuleBacktest(RuleOutcome(RULES[0], 11), 10.0),
            RuleBacktest(RuleOutcome(RULES[1], 1), 1.0),
            RuleBacktest(
                RuleOutcome(rule("c\x1b"), 0, error=RequestFailedError("no <answer>")), 10.0
            ),
        ),
    )
    assert not done.passed
    assert done.hits() == {"a": 11, "b": 1}
    suite = Xml.fromstring(done.junit())  # noqa: S314  our own
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    kinds = [[child.tag for child in case if child.tag != "system-out"] for case in suite]
    assert kinds == [["failure"], [], ["error"]]
