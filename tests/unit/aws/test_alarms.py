"""The twelve alarms: to the letter, within CloudWatch's quotas, and like the rules they are of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.rule import SigmaRule

import detections
from detections.matcher import SigmaMatcher
from detections.samples import read_samples
from tests.helpers.definitions import ALARMS as DEFINITIONS
from trailhound.aws.alarm_catalogue import (
    ALARMS,
    LONGEST,
    MOST_FILTERS,
    MOST_REGEX,
    MOST_REGEX_FILTERS,
    NARROW,
    Alarm,
    filters,
    regexes,
)
from trailhound.aws.filter_patterns import matcher

RULES = Path(detections.__file__).parent / "rules" / "alarms"
BY_NAME = {each.name: each for each in ALARMS}


def events_of(alarm: Alarm) -> Iterator[Mapping[str, Any]]:
    read = read_samples(RULES / f"{alarm.rule}.yml")
    for trail in (*read.match, *read.no_match):
        yield from trail


def test_names_severities_and_thresholds_are_to_the_letter() -> None:
    assert {each.name: (each.severity, each.threshold) for each in ALARMS} == DEFINITIONS
    first, last = BY_NAME["RootAccountUsage"], BY_NAME["MultipleFailedLogins"]
    assert (first.filter.name, first.filter.namespace, first.alarm_name, first.kind) == (
        "SecurityAlert-RootAccountUsage",
        "CloudTrail/SecurityAlerts",
        "CloudTrail-RootAccountUsage",
        "SecurityAlert",
    )
    assert (last.filter.name, last.filter.namespace, last.alarm_name, last.kind) == (
        "ThreatAlert-MultipleFailedLogins",
        "CloudTrail/ThreatAlerts",
        "Threat-MultipleFailedLogins",
        "ThreatAlert",
    )
    assert [each.second_half for each in ALARMS] == [False] * 8 + [True] * 4
    assert [(each.name, each.metric) for each in NARROW] == [
        ("HighValueTargets", "HighValueEvents"),
        ("AuthenticationEvents", "AuthenticationEvents"),
        ("DataAccessEvents", "DataAccessEvents"),
    ]


def test_the_patterns_are_within_the_quotas() -> None:
    every = filters()
    assert len(every) == len({each.name for each in every}) == 15 < MOST_FILTERS
    assert sum(bool(regexes(each.pattern)) for each in every) <= MOST_REGEX_FILTERS
    for each in every:
        assert len(each.pattern) <= LONGEST
        assert regexes(each.pattern) <= MOST_REGEX
        matcher(each.pattern)  # raises where the language has no such thing
        for name in re.findall(r"%([^%]+)%", each.pattern):
            assert not set(name) & set("()\"' ")


@pytest.mark.parametrize("pattern", ["{ $.a = %(x)% }", "{ $.a like x }", "$.a = x", "{ $.a = x"])
def test_what_aws_refuses_is_refused_by_our_reading_too(pattern: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        matcher(pattern)


@pytest.mark.parametrize("name", BY_NAME)
def test_each_pattern_finds_what_its_rule_finds(name: str) -> None:
    alarm = BY_NAME[name]
    matches = matcher(alarm.pattern)
    rule = judged(alarm)
    found = [(matches(event), rule.matches(event)) for event in every_event()]
    assert any(one for one, _ in found)
    assert all(one == other for one, other in found)


def every_event() -> Iterator[Mapping[str, Any]]:
    for alarm in ALARMS:
        yield from events_of(alarm)


def judged(alarm: Alarm) -> SigmaMatcher:
    """The rule of each single event, without the default exceptions."""
    (first, *_) = yaml.safe_load_all((RULES / f"{alarm.rule}.yml").read_text("utf-8"))
    return SigmaMatcher.from_rule(SigmaRule.from_dict(first))


def login(**more: Any) -> dict[str, Any]:
    return {"eventName": "ConsoleLogin", "eventSource": "signin.amazonaws.com", **more}


DIFFERENT: dict[str, tuple[str, dict[str, Any], bool, bool]] = {
    "case": ("RootAccountUsage", {"userIdentity": {"type": "root"}}, False, True),
    "second instance": (
        "PotentialCryptoMining",
        {
            "eventName": "RunInstances",
            "responseElements": {
                "instancesSet": {
                    "items": [{"instanceType": "t3.micro"}, {"instanceType": "c5.xlarge"}]
                }
            },
        },
        False,
        True,
    ),
    "key that only begins so": (
        "SuspiciousRoleCreation",
        {
            "eventName": "CreateRole",
            "requestParameters": {"assumeRolePolicyDocument": '{"NotAWS":"*"}'},
        },
        True,
        False,
    ),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_where_a_pattern_differs_it_differs_as_the_plan_says(what: str) -> None:
    name, event, by_pattern, by_rule = DIFFERENT[what]
    alarm = BY_NAME[name]
    assert (matcher(alarm.pattern)(event), judged(alarm).matches(event)) == (by_pattern, by_rule)


def test_exceptions_and_windows_are_named_as_differences() -> None:
    identity_center = login(
        additionalEventData={"MFAUsed": "No"},
        userIdentity={
            "type": "AssumedRole",
            "sessionContext": {
                "sessionIssuer": {
                    "arn": "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_x"
                }
            },
        },
    )
    service = {"errorCode": "AccessDenied", "userIdentity": {"type": "AWSService"}}
    for name, event in (
        ("ConsoleLoginWithoutMFA", identity_center),
        ("UnauthorizedAPICalls", service),
    ):
        assert matcher(BY_NAME[name].pattern)(event)
        assert any(each.startswith("counts ") for each in BY_NAME[name].differs)
    for alarm in ALARMS:
        assert any("window" in each for each in alarm.differs) == (alarm.threshold > 1)
    assert matcher(BY_NAME["ConsoleLoginWithoutMFA"].pattern)(login())
    assert not matcher(BY_NAME["ConsoleLoginWithoutMFA"].pattern)(
        login(additionalEventData={"MFAUsed": "Yes"})
    )
