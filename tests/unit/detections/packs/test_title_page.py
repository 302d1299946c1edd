"""The page of the shipped rules by title."""

from __future__ import annotations

from pathlib import Path

from detections.packs.title_page import PAGE, shipped_page

ROOT = Path(__file__).parents[4]


def test_the_page_is_that_of_the_rules() -> None:
    assert (ROOT / PAGE).read_text("utf-8") == shipped_page(), (
        "run `python -m detections.packs.title_page`"
    )
