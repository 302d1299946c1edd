"""What can be ruled out from a few fields of the record itself."""

from __future__ import annotations

from typing import Any

import pytest

from detections.matcher import SigmaMatcher
from detections.matcher.precheck import precheck

PRECHECKS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"a": {"eventName": "X", "userAgent": "y"}}, {"eventName": "x"}, True),
    ({"a": {"eventName": "X", "userAgent": "y"}}, {"eventName": "z"}, False),
    ({"a": {"eventName": "X"}, "b": {"userAgent": "y"}, "condition": "a and not b"}, {}, False),
    (
        {"a": {"eventName": "X"}, "b": {"userAgent": "y"}, "condition": "a and not b"},
        {"eventName": "x"},
        True,
    ),
    (
        {"a": {"eventName": "X"}, "b": {"userAgent": "y"}, "condition": "not (a or b)"},
        {"eventName": "x"},
        False,
    ),
    (
        {"a": {"eventName|re": "^X"}, "b": ["word"], "condition": "a and b"},
        {"eventName": "Y"},
        False,
    ),
]


@pytest.mark.parametrize(("detection", "view", "expected"), PRECHECKS)
def test_precheck_rules_out_by_the_fields_known(
    detection: dict[str, Any], view: dict[str, Any], expected: bool
) -> None:
    possible = precheck(SigmaMatcher.from_detection(detection), {"eventName"})
    assert possible is not None
    assert possible(view) is expected


def test_precheck_is_none_where_the_fields_decide_nothing() -> None:
    either = {"a": {"eventName": "x"}, "b": {"userAgent": "y"}, "condition": "a or b"}
    assert precheck(SigmaMatcher.from_detection(either), {"eventName"}) is None
    two = {"a": {"eventName|fieldref": "userAgent"}}
    assert precheck(SigmaMatcher.from_detection(two), {"eventName"}) is None


def test_no_matchers_match_nothing() -> None:
    nothing = SigmaMatcher.any_of([])
    assert not nothing.matches({})
    possible = precheck(nothing, set())
    assert possible is not None
    assert not possible({})
