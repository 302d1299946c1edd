"""Which events of a readable object are wanted."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from enrich.view import view_of
from ingest.documents.record_filter import RecordFilter, criteria
from ingest.objects import Selection, TrailObject
from trailhound.settings import Settings

RECORD = b'{"recipientAccountId":"111122223333","awsRegion":"us-east-1","eventName":"Decrypt"}'
TODAY = date(2025, 3, 20)
LOOSE = TrailObject("/exports/a.json.gz", "", 0)
CASES: list[tuple[dict[str, Any], dict[str, Any], str, bool]] = [
    ({"since": date(2025, 3, 2)}, {}, "2025.03.01", False),
    ({"since": date(2025, 3, 2)}, {}, "2025.03.02", True),
    ({"until": date(2025, 3, 2)}, {}, "2025.03.02", True),
    ({"until": date(2025, 3, 2)}, {}, "2025.03.03", False),
    ({"accounts": frozenset({"111122223333"})}, {}, "2025.03.01", True),
    ({"accounts": frozenset({"222233334444"})}, {}, "2025.03.01", False),
    ({"regions": frozenset({"us-east-1", "x"})}, {}, "2025.03.01", True),
    ({"regions": frozenset({"x"})}, {}, "2025.03.01", False),
    ({}, {"retention": {"days": 10}}, "2025.03.10", True),
    ({}, {"retention": {"days": 10}}, "2025.03.09", False),
    ({"since": date(2025, 3, 15)}, {"retention": {"days": 10}}, "2025.03.14", False),
    ({"since": date(2025, 3, 1)}, {"retention": {"days": 10}}, "2025.03.09", False),
    ({}, {"filter": [{"eventName": "decrypt"}]}, "2025.03.01", False),
    ({}, {"filter": [{"eventName": "Encrypt"}]}, "2025.03.01", True),
    ({}, {"filter": [{"eventName": "Encrypt"}, {"awsRegion": "us-*"}]}, "2025.03.01", False),
]


@pytest.mark.parametrize(
    ("folder", "since", "until", "wanted"),
    [
        ("2025/03", "2025-03-02", None, False),
        ("2025/03", None, "2025-02-28", True),
        ("2025/03", "2025-03-05", "2025-03-31", False),
        ("2025/03", "2025-03-01", "2025-03-01", True),
        ("2025/03", "2025-03-02", "2025-03-31", False),
        ("2025", "2025-03-01", "2025-03-31", False),
        ("2026", "2026-01-01", "2026-01-01", True),
    ],
)
def test_a_months_folder_counts_as_that_of_its_day_nearest_to_the_record(
    folder: str, since: str | None, until: str | None, wanted: bool
) -> None:
    path = f"s3://b/AWSLogs/111122223333/CloudTrail/us-east-1/{folder}/merged.json.gz"
    selection = Selection(
        date.fromisoformat(since) if since else None, date.fromisoformat(until) if until else None
    )
    choice = RecordFilter(Settings(), selection, today=TODAY).of(TrailObject(path, "", 0))
    assert choice is not None
    assert choice.accepts(view_of(RECORD), RECORD, "2025.02.20") is wanted


FOLDER = "s3://b/AWSLogs/222233334444/CloudTrail/eu-west-1/2025/03/09/k.json.gz"
"""Of another account, region and day than the record's own."""


@pytest.mark.parametrize(("selected", "set_to", "day", "wanted"), CASES)
def test_an_event_is_wanted_or_not(
    selected: dict[str, Any], set_to: dict[str, Any], day: str, wanted: bool
) -> None:
    choice = RecordFilter(Settings(**set_to), Selection(**selected), today=TODAY).of(LOOSE)
    assert choice is not None
    assert choice.accepts(view_of(RECORD), RECORD, day) is wanted
    assert not choice.by_folder


@pytest.mark.parametrize(
    ("selected", "wanted", "named"),
    [
        ({"since": date(2025, 3, 9)}, True, {("day", "2025-03-01"): 1}),
        ({"until": date(2025, 3, 9)}, True, {}),
        ({"since": date(2025, 3, 2), "until": date(2025, 3, 8)}, False, {}),
        ({"accounts": frozenset({"222233334444"})}, True, {("account", "111122223333"): 1}),
        ({"accounts": frozenset({"111122223333"})}, True, {}),
        ({"accounts": frozenset({"333344445555"})}, False, {}),
        ({"regions": frozenset({"eu-west-1"})}, True, {("region", "us-east-1"): 1}),
        ({"regions": frozenset({"us-east-1"})}, True, {}),
        ({"regions": frozenset({"eu-west-2"})}, False, {}),
        (
            {"regions": frozenset({"eu-west-1"}), "accounts": frozenset({"222233334444"})},
            True,
            {("region", "us-east-1"): 1, ("account", "111122223333"): 1},
        ),
    ],
)
def test_a_record_is_wanted_by_its_own_fields_or_by_its_folder(
    selected: dict[str, Any], wanted: bool, named: dict[tuple[str, str], int]
) -> None:
    item = TrailObject(FOLDER, "", 0)
    choice = RecordFilter(Settings(), Selection(**selected), today=TODAY).of(item)
    assert choice is not None
    assert choice.accepts(view_of(RECORD), RECORD, "2025.03.01") is wanted
    assert dict(choice.named) == named
    assert choice.by_folder == bool(named)


def test_the_folder_does_not_bring_in_what_the_retention_or_the_filter_drops() -> None:
    item = TrailObject(FOLDER, "", 0)
    for settings in (
        Settings.model_validate({"retention": {"days": 12}}),
        Settings(filter=[{"eventName": "Decrypt"}]),
    ):
        choice = RecordFilter(settings, Selection(since=date(2025, 3, 9)), today=TODAY).of(item)
        assert choice is not None
        assert not choice.accepts(view_of(RECORD), RECORD, "2025.03.01")
        assert not choice.by_folder


def test_a_record_that_says_nothing_in_a_place_that_says_nothing_is_in_every_part() -> None:
    bare = b'{"eventName":"Decrypt"}'
    for selected in (
        Selection(accounts=frozenset({"111122223333"})),
        Selection(regions=frozenset({"us-east-1"})),
    ):
        choice = RecordFilter(Settings(), selected, today=TODAY).of(LOOSE)
        assert choice is not None
        assert choice.accepts(view_of(bare), bare, "2025.03.01")
        assert choice.by_folder == 1


def test_the_path_that_was_walked_says_where_a_file_belongs() -> None:
    item = TrailObject("/data/k.json.gz", "", 0, walked=FOLDER)
    choice = RecordFilter(Settings(), Selection(since=date(2025, 3, 9)), today=TODAY).of(item)
    assert choice is not None
    assert choice.accepts(view_of(RECORD), RECORD, "2025.03.01")


def test_without_a_wish_nothing_is_asked() -> None:
    wanted = RecordFilter(Settings(), Selection(), today=TODAY)
    assert not wanted.is_active
    assert wanted.of(LOOSE) is None
    assert wanted.criteria.everything


@pytest.mark.parametrize(
    "filters",
    [
        ([{"eventName": "A"}], [{"eventName": "B"}]),
        ([{"eventName": "A"}], [{"eventName|startswith": "A"}]),
        ([{"sessionId": "1"}], [{"sessionId": 1}]),
        ([{"eventName": ["A", "B"]}], [{"eventName": ["A"]}]),
    ],
)
def test_another_filter_is_another_criterion(filters: tuple[Any, Any]) -> None:
    one, other = (criteria(Settings(filter=each), Selection(), today=TODAY) for each in filters)
    assert one == criteria(Settings(filter=filters[0]), Selection(), today=TODAY)
    assert not one.covers(other)
    assert not other.covers(one)


def test_the_retention_is_a_criterion_by_its_first_day() -> None:
    settings = Settings.model_validate({"retention": {"days": 10}})
    now = criteria(settings, Selection(), today=TODAY)
    later = criteria(settings, Selection(), today=date(2025, 3, 21))
    longer = criteria(
        Settings.model_validate({"retention": {"days": 20}}), Selection(), today=TODAY
    )
    assert now.oldest == "2025-03-10"
    assert now.covers(later)
    assert not now.covers(longer)
