"""Patterns of metric filters, as CloudWatch Logs matches them, and what those of ours cover."""

from __future__ import annotations

import pytest

from trailhound.aws.alarm_catalogue import ALARMS, LONGEST, MOST_FILTERS, filters
from trailhound.aws.cis_alarms import CIS_ALARMS
from trailhound.aws.filter_patterns import matcher
from trailhound.aws.posture import monitored


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ('{ $.userIdentity.type = "Root" }', {"4.3"}),
        (
            (
                "{ ($.userIdentity.type=Root) && ($.userIdentity.invokedBy NOT EXISTS) && "
                '($.eventType != "AwsServiceEvent") }'
            ),
            {"4.3"},
        ),
        ("{ $.userIdentity.type = %R(?i:oo)t% }", None),
        (
            '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
            {"4.1"},
        ),
        ('{ ($.eventName = "ConsoleLogin") && ($.errorMessage = "Failed auth*") }', {"4.6"}),
        (
            (
                '{ $.eventName = ConsoleLogin && $.additionalEventData.MFAUsed != "Yes" && '
                '$.userIdentity.type = "IAMUser" && $.responseElements.ConsoleLogin = "Success" }'
            ),
            {"4.2"},
        ),
        ("{ $.eventName = %Trail$|Logging$% && $.eventSource = cloudtrail* }", {"4.5"}),
        ('{ $.eventSource = "kms.amazonaws.com" }', {"4.7"}),
        ("{ $.eventName = DisableKey }", set()),
        ('{ $.eventType = "AwsApiCall" && $.responseElements NOT EXISTS }', set()),
    ],
)
def test_a_filter_covers_a_control_by_what_it_matches(
    pattern: str, matched: set[str] | None
) -> None:
    if matched is None:
        with pytest.raises(ValueError, match="characters"):
            matcher(pattern)
        return
    test = matcher(pattern)
    covered = {
        control.cis
        for control in monitored.MONITORED
        if all(test(event) for event in control.events.values())
    }
    assert covered == matched
    assert not any(test(event) for event in monitored.ORDINARY)


@pytest.mark.parametrize(
    "pattern",
    [
        "{ $.a = }",
        "{ ($.a = 1 }",
        "{ $.a",
        "{",
        "ERROR",
        "{ $.a ~ 1 }",
        "[ip, user]",
        "{ $.a < x }",
        "{ " + "(" * 400 + "$.a = 1" + ")" * 400 + " }",
    ],
)
def test_a_pattern_that_is_not_understood_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any reason
        matcher(pattern)


def test_numbers_and_states_in_patterns() -> None:
    event = {"n": 5, "on": True, "none": None}
    for pattern in ("{ $.n > 4 && $.n <= 5 }", "{ $.on IS TRUE }", "{ $.none IS NULL }", ""):
        assert matcher(pattern)(event)
    for pattern in ("{ $.n < 5 }", "{ $.on IS FALSE }", "{ $.n IS NULL }", "{ $.missing > 1 }"):
        assert not matcher(pattern)(event)


def test_what_the_twelve_leave_open_the_others_cover_within_the_quotas() -> None:
    every = (*ALARMS, *CIS_ALARMS)
    assert len({each.alarm_name for each in every}) == len(every)
    assert len(filters(every)) <= MOST_FILTERS
    assert all(len(each.pattern) <= LONGEST for each in every)
    tests = [matcher(each.pattern) for each in every]
    for label, event in monitored.events():
        assert any(test(event) for test in tests), label
    assert not any(test(event) for test in tests for event in monitored.ORDINARY)
