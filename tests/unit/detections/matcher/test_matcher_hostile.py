"""Events are written by strangers: depth, size, kinds and odd characters must not stop a match."""

from __future__ import annotations

from typing import Any

import pytest

from detections.matcher import SigmaMatcher


def of(field: str, value: Any) -> SigmaMatcher:
    return SigmaMatcher.from_detection({"selection": {field: value}})


def nested(depth: int, leaf: Any, *, arrays: bool = False) -> Any:
    for _ in range(depth):
        leaf = [leaf] if arrays else {"a": leaf}
    return leaf


def test_depth_beyond_pythons_recursion() -> None:
    record = {"requestParameters": nested(50_000, "deep"), "ids": nested(50_000, "x", arrays=True)}
    assert of("requestParameters|contains", "DEEP").matches(record)
    assert of("ids", "x").matches(record)
    assert of("|contains", "deep").matches(record)
    assert of("requestParameters.a.a.a|exists", True).matches(record)


@pytest.mark.parametrize("field", ["a", "a.b", "a.b.c"])
@pytest.mark.parametrize(
    "value", ["x", 1, 1.5, True, None, [], {}, [None], {"b": None}, {"b": [[]]}, {"": {"": 1}}]
)
def test_any_kind_at_any_depth_is_an_answer_not_an_error(field: str, value: Any) -> None:
    for modifier in ("", "|contains", "|re", "|cidr", "|exists", "|gt", "|hour", "|fieldref"):
        wanted: Any = {"|exists": True, "|gt": 9, "|hour": 9, "|cidr": "10.0.0.0/8"}.get(
            modifier, "zz"
        )
        matched = of(field + modifier, wanted).matches({"a": value})
        found = SigmaMatcher.from_detection({"s": {f"{field}|exists": True}}).matches({"a": value})
        assert matched is (modifier == "|exists" and found)


def test_long_values_cost_time_in_proportion() -> None:
    # Either would run for hours if it backtracked; the suite's own limit is minutes.
    value = "a" * 1_000_000
    assert not of("userAgent|re", "(a+)+:x").matches({"userAgent": value})
    assert not of("userAgent|re", ".+:assumed-role/aws:.+").matches({"userAgent": value})
    assert not of("userAgent", "*a*a*a*a*a*a*b").matches({"userAgent": value})
    assert not of("userAgent", "*a?a*a?a*a?b*").matches({"userAgent": value})


def test_characters_that_utf8_cannot_hold() -> None:
    record = {"userAgent": "\ud800 curl/8 \x00"}
    assert of("userAgent|re", "curl/[0-9]").matches(record)
    assert of("userAgent|contains", "CURL/8 \x00").matches(record)
    assert not of("userAgent|re", "wget").matches(record)


def test_classes_of_regular_expressions_are_ascii_in_both_engines() -> None:
    for pattern in (r"^\d$", r"^(?=.)\d$"):
        assert of("size|re", pattern).matches({"size": "3"})
        assert not of("size|re", pattern).matches({"size": "٣"})


@pytest.mark.parametrize(
    "value",
    [
        "1_000", "nan", "inf", "1e999", " 5", "", "٣", "9" * 5000, float("nan"), float("-inf"),
        "0x10", "5.", True,
    ],
)  # fmt: skip
def test_what_is_no_finite_number_compares_with_none(value: Any) -> None:
    record = {"size": value}
    finite = value == "1e999"  # written as a number, and larger than any
    assert of("size|gt", 0).matches(record) is finite
    assert not of("size|lt", 0).matches(record)


def test_integers_beyond_pythons_digits() -> None:
    record = {"size": 10**6000}
    assert of("size|gt", 5).matches(record)
    assert not of("size", "10*").matches(record)


@pytest.mark.parametrize(
    "value",
    ["10.0.0.1, 10.0.0.2", "AWS Internal", "redacted", "", "10.0.0", "010.0.0.1", "1" * 9_999, 10],
)
def test_what_is_no_address_is_in_no_network(value: Any) -> None:
    assert not of("sourceIPAddress|cidr", "0.0.0.0/0").matches({"sourceIPAddress": value})


@pytest.mark.parametrize(
    ("value", "hour"),
    [
        ("2022-12-11 19:42:55", 19),
        ("2022-12-11T19:42:55.123456789Z", 19),
        ("2022-12-11T19:42:55+02:00", 17),
        (1670787775, 19),
        ("yesterday", None),
        (10**30, None),
        (True, None),
        ("0001-01-01T00:00:00+10:00", None),
    ],
)
def test_times_as_trails_write_them(value: Any, hour: int | None) -> None:
    matched = [h for h in range(24) if of("eventTime|hour", h).matches({"eventTime": value})]
    assert matched == ([] if hour is None else [hour])
