"""The options of rules: what settings override, and keys of the last release."""

from __future__ import annotations

from pathlib import Path

import pytest

from detections.packs.describe import shown
from detections.packs.kinds import KINDS, OPTIONS
from detections.packs.loading import load_paths
from detections.packs.pack import Pack
from tests.unit.detections.packs.by_hand import GOOD, IDS, written
from trailhound.errors import RuleError
from trailhound.settings import DetectionSettings
from trailhound.settings import load as load_settings

ANOMALY = GOOD + "trailhound: {anomaly: {group_by: [userIdentity.arn], min_count: 7}}\n"
TRAVEL = GOOD + "trailhound: {impossible_travel: {group_by: [userIdentity.arn]}}\n"
TERMS = GOOD + "trailhound: {new_terms: {field: awsRegion, group_by: [userIdentity.arn]}}\n"
OLD_ANOMALY = GOOD + (
    "trailhound: {anomaly: {per: [userIdentity.arn], least: 7, baseline: hour_of_week, learn: 3}}\n"
)
OLD_TRAVEL = GOOD + "trailhound: {impossible_travel: {per: [userIdentity.arn]}}\n"
OLD_TERMS = GOOD + (
    "trailhound: {new_terms: {field: awsRegion, per: [userIdentity.arn], learn: 3}}\n"
)
MANY = (
    GOOD.replace(IDS[1], IDS[2]).replace("title: Good", "title: Part\nname: part")
    + f"---\ntitle: Many\nid: {IDS[1]}\n"
    "correlation: {type: event_count, rules: [part], timespan: 1h, condition: {gte: 3}}\n"
)


def overridden(folder: Path, text: str, override: str) -> Pack:
    """A rule with settings as a user writes them: from a file."""
    rules = written(folder / "rules", text)
    config = f"detections:\n  overrides:\n    {IDS[1]}: {override}\n"
    settings = load_settings(written(folder, config, "trailhound.yaml"))
    return load_paths([rules], settings.detections)


@pytest.mark.parametrize(
    ("text", "override", "attribute", "value"),
    [
        (ANOMALY, "{min_count: 20}", "min_count", 20),
        (ANOMALY, "{minutes: 30}", "window", 30 * 60_000),
        (ANOMALY, "{deviations: 3.5}", "deviations", 3.5),
        (ANOMALY, "{group_by: sourceIPAddress}", "group_by", ("sourceIPAddress",)),
        (ANOMALY, "{baseline: hour_of_week, weeks: 10, training_weeks: 5}", "training_weeks", 5),
        (ANOMALY, "{measure: distinct, field: awsRegion}", "field", "awsRegion"),
        (TRAVEL, "{max_kmh: 700}", "max_kmh", 700),
        (TRAVEL, "{min_km: 100}", "min_km", 100),
        (TERMS, "{days: 60, training_days: 14}", "days", 60),
        (TRAVEL, "{group_by: sourceIPAddress}", "group_by", ("sourceIPAddress",)),
        (TERMS, "{field: user_agent.kind}", "field", "user_agent.kind"),
    ],
)
def test_every_option_of_a_kind_can_be_set(
    text: str, override: str, attribute: str, value: object, tmp_path: Path
) -> None:
    made = overridden(tmp_path, text, override)
    assert made.problems == ()
    (rule,) = made.rules
    assert getattr(rule.definition, attribute) == value


@pytest.mark.parametrize(
    ("text", "read", "notes"),
    [
        (
            OLD_ANOMALY,
            {"group_by": ("userIdentity.arn",), "min_count": 7, "training_weeks": 3},
            ["learn", "least", "per"],
        ),
        (OLD_TRAVEL, {"group_by": ("userIdentity.arn",)}, ["per"]),
        (OLD_TERMS, {"group_by": ("userIdentity.arn",), "training_days": 3}, ["learn", "per"]),
    ],
)
def test_keys_of_the_last_release_are_read_with_a_note(
    text: str, read: dict[str, object], notes: list[str], tmp_path: Path
) -> None:
    made = load_paths([written(tmp_path, text)], DetectionSettings())
    assert made.problems == ()
    (rule,) = made.rules
    assert {name: getattr(rule.definition, name) for name in read} == read
    assert [each.reason.split()[1] for each in made.faults] == notes
    assert {(each.what, each.stops) for each in made.faults} == {("note", False)}
    assert all("the next release" in each.hint for each in made.faults)


@pytest.mark.parametrize(
    ("text", "override", "attribute", "value"),
    [
        (ANOMALY, "{least: 20}", "min_count", 20),
        (OLD_ANOMALY, "{min_count: 20}", "min_count", 20),
        (ANOMALY, "{per: sourceIPAddress}", "group_by", ("sourceIPAddress",)),
        (ANOMALY, "{baseline: hour_of_week, learn: 5}", "training_weeks", 5),
        (TERMS, "{learn: 14}", "training_days", 14),
    ],
)
def test_overrides_take_the_keys_of_the_last_release_with_a_note(
    text: str, override: str, attribute: str, value: object, tmp_path: Path
) -> None:
    made = overridden(tmp_path, text, override)
    assert made.problems == ()
    (rule,) = made.rules
    assert getattr(rule.definition, attribute) == value
    noted = [each for each in made.faults if each.reason.startswith("detections.overrides")]
    assert len(noted) == (text != OLD_ANOMALY)


def test_a_rule_with_both_names_of_a_key_is_a_fault_at_its_line(tmp_path: Path) -> None:
    text = ANOMALY.replace("min_count: 7", "min_count: 7, least: 7")
    made = load_paths([written(tmp_path, text)], DetectionSettings())
    assert made.rules == ()
    (fault,) = made.problems
    assert "least is the old name of min_count" in fault.reason


def test_what_any_rule_has_can_be_set(tmp_path: Path) -> None:
    made = overridden(
        tmp_path, GOOD, "{severity: 4, interval: 15m, suppress: 2h, group_by: user.name}"
    )
    (rule,) = made.rules
    assert (rule.level, rule.severity, rule.group_by) == ("high", 4, ("user.name",))
    assert (rule.interval.total_seconds(), rule.suppress.total_seconds()) == (900, 7200)


def test_a_correlation_takes_timespan_and_threshold(tmp_path: Path) -> None:
    made = overridden(tmp_path, MANY, "{timespan: 10m, threshold: 8}")
    assert made.problems == ()
    rule = made.rule(IDS[1])
    assert (rule.definition.timespan.seconds, rule.definition.condition.count) == (600, 8)
    options = shown(made, rule)["options"]
    assert (options["timespan"], options["condition"]) == ("10m", {"gte": 8})
    assert options["type"] == "event_count"


@pytest.mark.parametrize(
    ("text", "override", "says"),
    [
        (GOOD, "{min_count: 3}", "`min_count` is no option"),
        (GOOD, "{least: 3}", "`least` is no option"),
        (TRAVEL, "{min_count: 3, min_km: 7}", "`min_count` is no option"),
        (TRAVEL, "{least: 3}", "`least` is no option"),
        (ANOMALY, "{minutes: 0}", "minutes is 0"),
        (ANOMALY, "{field: awsRegion}", "measure: distinct"),
        (TERMS, "{training_days: 90}", "training_days is 90"),
        (TERMS, "{group_by: [requestParameters.x]}", "cannot group by"),
        (MANY, "{group_by: user.name}", "`group_by`"),
        (MANY, "{days: 3}", "`days` is no option"),
    ],
)
def test_a_key_that_is_not_used_is_reported_and_the_rule_runs(
    text: str, override: str, says: str, tmp_path: Path
) -> None:
    made = overridden(tmp_path, text, override)
    (problem,) = made.problems
    assert says in problem.reason
    assert problem.what == "override"
    assert not problem.stops
    assert IDS[1] in [rule.id for rule in made.rules]


@pytest.mark.parametrize("kind", KINDS)
def test_the_options_named_are_those_that_a_kind_reads(kind: str) -> None:
    base = {"new_terms": {"field": "awsRegion"}}.get(kind, {"group_by": ["userIdentity.arn"]})
    with pytest.raises(RuleError) as caught:
        KINDS[kind](base | {"nothing": 1})  # type: ignore[index]
    read = set(caught.value.hint.removeprefix("it takes ").split(", "))
    assert read <= set(OPTIONS[kind])  # type: ignore[index]
