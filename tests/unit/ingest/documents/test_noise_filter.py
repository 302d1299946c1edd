"""The `filter:` setting: which events it drops, by which name, and how it refuses faulty blocks."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.documents.noise_filter import NoiseFilter
from trailhound.errors import SettingsError
from trailhound.settings import Settings

DECRYPT = {"eventSource": "kms.amazonaws.com", "eventName": "Decrypt"}
SHORT = {"eventSource": "kms.amazonaws.com", "eventName": ["Decrypt", "GenerateDataKey"]}
LONG = {
    "name": "reads",
    "detection": {
        "reader": {"eventName|startswith": ["Describe", "List", "Get"]},
        "failed": {"errorCode|exists": True},
        "condition": "reader and not failed",
    },
}


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (DECRYPT, "filter.0"),
        ({**DECRYPT, "eventName": "generatedatakey"}, "filter.0"),
        ({**DECRYPT, "eventName": "DisableKey"}, None),
        ({**DECRYPT, "eventSource": "s3.amazonaws.com"}, None),
        ({"eventName": "ListUsers"}, "reads"),
        ({"eventName": "ListUsers", "errorCode": "AccessDenied"}, None),
        ({}, None),
        ({"eventName": {"not": "a string"}}, None),
    ],
)
def test_drops_by_the_first_block_that_matches(record: dict[str, Any], name: str | None) -> None:
    assert NoiseFilter([SHORT, LONG]).drops(record) == name


def test_blocks_come_from_the_settings() -> None:
    assert NoiseFilter(Settings(filter=[SHORT]).filter).drops(DECRYPT) == "filter.0"


def test_a_detection_without_name_or_condition() -> None:
    noise = NoiseFilter([{"detection": {"a": {"eventSource": "kms*"}, "b": {"readOnly": True}}}])
    assert noise.drops({"eventSource": "kms.amazonaws.com", "readOnly": "true"}) == "filter.0"
    assert noise.drops({"eventSource": "kms.amazonaws.com"}) is None


def test_no_blocks_drop_nothing() -> None:
    noise = NoiseFilter([])
    assert not noise
    assert noise.fields == frozenset()
    assert noise.drops(DECRYPT) is None


def test_fields_of_all_blocks() -> None:
    noise = NoiseFilter([SHORT, LONG])
    assert noise
    assert noise.fields == {"eventSource", "eventName", "errorCode"}


FAULTY: list[tuple[Any, str]] = [
    ({}, "no fields"),
    ({"name": "x", "eventName": "y"}, "belong to a block with `detection`"),
    ({"eventName": "x", "condition": "selection"}, "belong to a block with `detection`"),
    ({"detection": {"a": {"eventName": "x"}}, "level": "low"}, "level"),
    ({"detection": "eventName"}, "not a mapping"),
    ({"detection": {"eventName": "Decrypt"}}, "eventName under `detection` name no field"),
    ({"detection": {"a": {"eventName": "x"}, "condition": "b"}}, "'b'"),
    ({"detection": {}}, "empty"),
    ({"eventName|regex": "x"}, "regex"),
    ({"eventName|re": "["}, "invalid"),
    ({"eventName|expand": "%quiet%"}, "%quiet%"),
]


@pytest.mark.parametrize(("block", "names"), FAULTY)
def test_a_faulty_block_is_named(block: Any, names: str) -> None:
    with pytest.raises(SettingsError) as caught:
        NoiseFilter([SHORT, block])
    assert names in str(caught.value)
    assert "filter.1: " in str(caught.value)


def test_every_faulty_block_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        NoiseFilter([block for block, _ in FAULTY])
    for position, (_, names) in enumerate(FAULTY):
        assert f"filter.{position}: " in str(caught.value)
        assert names in str(caught.value)


def test_keywords_are_taken_where_a_condition_says_so() -> None:
    noise = NoiseFilter([{"detection": {"words": ["health-check"], "condition": "words"}}])
    assert noise.drops({"requestParameters": {"key": ["logs/Health-Check.txt"]}}) == "filter.0"
    assert noise.drops(DECRYPT) is None
