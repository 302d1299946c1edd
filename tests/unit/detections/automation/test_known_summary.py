"""What is said of known automation: true of an index without history, and before anything ran."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from detections.automation.known_summary import EventHistory, KnownSummary

FIRST = datetime(2025, 3, 3, 9, tzinfo=UTC)
WEEK = EventHistory(FIRST, FIRST.replace(day=9), days=7, recent=0)
MONTH = EventHistory(FIRST, FIRST.replace(day=30), days=28, recent=28)
NONE = KnownSummary(0, 0, MONTH, 10, 30, enabled=True, ran=False)


@pytest.mark.parametrize(
    ("summary", "said"),
    [
        (NONE, "nothing has been learned yet: run the daemon or `trailhound automation learn`"),
        (replace(NONE, ran=True), "none was counted on 10 of the last 30"),
        (replace(NONE, history=WEEK), "there are events on 7 days, 2025-03-03 to 2025-03-09; it"),
        (replace(NONE, history=WEEK), "takes 10 in the 30 days before, 0 now"),
        (replace(NONE, history=EventHistory()), "there are no events before today yet"),
        (replace(NONE, enabled=False), "learning is off"),
        (replace(NONE, ran=True, withheld="2 calls not learned"), "last 30; 2 calls not learned"),
        (replace(NONE, active=3, learned=2), "3 entries (2 learned); there are events on 28 days"),
    ],
)
def test_a_sentence_says_what_is_so(summary: KnownSummary, said: str) -> None:
    assert said in summary.sentence()
