"""Correlations that cannot be evaluated are refused when they are loaded, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.helpers.sigma_correlations import correlation, loaded, plain
from trailhound.errors import RuleError

ARN = "userIdentity.arn"


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (
            [
                plain("A", "m"),
                correlation(type="temporal_ordered", rules=["A"], timespan="1m", condition="not A"),
            ],
            "`or` or `not`",
        ),
        (
            [
                plain("A", "m"),
                correlation(
                    type="value_sum",
                    rules=["A"],
                    timespan="1m",
                    condition={"gte": 2, "field": ["awsRegion", "eventName"]},
                ),
            ],
            "several fields",
        ),
        (
            [
                plain("A", "m"),
                correlation(
                    type="value_percentile",
                    rules=["A"],
                    timespan="1m",
                    condition={"gte": 2, "field": "awsRegion"},
                ),
            ],
            "percentile from 0 to 100",
        ),
        (
            [
                plain("A", "m"),
                plain("B", "m"),
                correlation(
                    type="event_count",
                    rules=["A", "B"],
                    timespan="1m",
                    group_by=["who"],
                    aliases={"who": {"A": ARN}},
                    condition={"gte": 2},
                ),
            ],
            "no field for the rule 'B'",
        ),
        (
            [
                plain("A", "m"),
                correlation(
                    "many",
                    type="event_count",
                    rules=["A"],
                    timespan="1m",
                    group_by=[ARN],
                    condition={"gte": 2},
                ),
                correlation(
                    type="event_count",
                    rules=["many"],
                    timespan="1m",
                    group_by=["awsRegion"],
                    condition={"gte": 2},
                ),
            ],
            "groups by userIdentity.arn",
        ),
    ],
)
def test_refuses_by_name(documents: Sequence[dict[str, Any]], said: str) -> None:
    with pytest.raises(RuleError, match=said) as refused:
        loaded(*documents)
    assert "correlation 'found'" in str(refused.value)
    assert refused.value.hint
