"""Options of rules that are refused, each by its name."""

from __future__ import annotations

from typing import Any

import pytest

from detections.kinds import anomaly, new_terms, travel
from trailhound.errors import RuleError

ARN = "userIdentity.arn"


@pytest.mark.parametrize(
    ("parse", "content", "said"),
    [
        (new_terms.parse, {}, "field is None"),
        (new_terms.parse, {"field": "requestParameters.x"}, "cannot group by"),
        (new_terms.parse, {"field": "awsRegion", "days": 0}, "days is 0"),
        (new_terms.parse, {"field": "awsRegion", "day": 3}, "no key 'day'"),
        (new_terms.parse, {"field": "awsRegion", "training_events": "any"}, "one of rule, all"),
        (anomaly.parse, {}, "group_by names no field"),
        (anomaly.parse, {"group_by": [ARN], "measure": "sum"}, "measure is 'sum'"),
        (anomaly.parse, {"group_by": [ARN], "field": "awsRegion"}, "measure: distinct"),
        (
            anomaly.parse,
            {"group_by": [ARN], "baseline": "hour_of_week", "weeks": 2},
            "training_weeks is 4",
        ),
        (travel.parse, {"group_by": []}, "group_by names no field"),
        (travel.parse, {"group_by": [ARN], "max_kmh": True}, "max_kmh is True"),
    ],
)
def test_refuses_what_it_does_not_know(parse: Any, content: dict[str, Any], said: str) -> None:
    with pytest.raises(RuleError, match=said):
        parse(content)
