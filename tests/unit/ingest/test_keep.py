"""Which events of a readable object are wanted."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from enrich.view import view_of
from ingest.documents.record_filter import RecordFilter
from ingest.objects import Selection
from trailhound.settings import Settings

RECORD = b'{"recipientAccountId":"111122223333","awsRegion":"us-east-1","eventName":"Decrypt"}'
TODAY = date(2025, 3, 20)
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


@pytest.mark.parametrize(("selected", "set_to", "day", "wanted"), CASES)
def test_an_event_is_wanted_or_not(
    selected: dict[str, Any], set_to: dict[str, Any], day: str, wanted: bool
) -> None:
    keeper = RecordFilter(Settings(**set_to), Selection(**selected), today=TODAY)
    assert keeper.is_active
    assert keeper.wants(view_of(RECORD), RECORD, day) is wanted


def test_without_a_wish_nothing_is_asked() -> None:
    assert not RecordFilter(Settings(), Selection(), today=TODAY).is_active
