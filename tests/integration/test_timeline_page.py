"""The page of a time line in a real Chromium: it reads, it filters, nothing in it acts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from detections.investigation.nodes import Node
from detections.investigation.sessions import Hop, Trace
from detections.investigation.timeline import Line, Timeline
from tests.helpers.browsers import drawn, logged, requested
from tests.helpers.reports import HOSTILE
from trailhound.report.render.timeline import timeline_page

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
LONG = "x" * 5_000


def line(number: int, text: str = "plain", **changes: object) -> Line:
    """A line, all of whose texts are `text`."""
    who = Node("user", text, "111122223333")
    hop = Hop(text, "2025-03-01T00:00:00.000Z", text, text, who, text, text)
    made = Line(
        number=number,
        first=BEGIN + timedelta(minutes=number),
        last=BEGIN + timedelta(minutes=number + 1),
        relation="did",
        trace=Trace(who, True, "key", (hop,)),
        actor=Node("role", text, "111122223333"),
        call=text,
        service=text,
        outcome="success",
        error="",
        address=text,
        agent=text,
        account=text,
        region=text,
        count=2,
        risk=1,
        resources={text: None},
        event=text,
        events=[{"time": "2025-03-01", "id": text, "resources": [text]}],
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def alert(text: str) -> dict[str, object]:
    return {
        "id": text,
        "level": "high",
        "severity": 8,
        "state": "open",
        "rule": {"name": text},
        "summary": text,
        "first_seen": "2025-03-01T00:01:30.000Z",
        "last_seen": "2025-03-01T00:01:30.000Z",
    }


STORY = Timeline(
    HOSTILE,
    [
        line(1, "GetObject"),
        line(2, "DeleteTrail", risk=9, outcome="failure", error="AccessDenied"),
        line(3, "PutObject", relation="target"),
        line(4, LONG, trace=Trace(Node("role", LONG), False, "", (), LONG)),
        line(5, HOSTILE, risk=6),
    ],
    [alert(HOSTILE)],
    total=10,
    folded=10,
)


@pytest.fixture
def page(browser: Chrome, tmp_path: Path) -> Chrome:
    file = tmp_path / "story.html"
    file.write_text(timeline_page(STORY, None), "utf-8")
    logged(browser, "browser")
    logged(browser, "performance")
    browser.get(file.as_uri())
    return browser


def lines(browser: Chrome) -> list[str]:
    """The first column of the lines that are shown."""
    found = browser.find_elements(By.CSS_SELECTOR, ".lines tbody tr")
    return [row.find_element(By.TAG_NAME, "td").text for row in found if row.is_displayed()]


def test_nothing_acts_and_nothing_is_asked_for(page: Chrome, tmp_path: Path) -> None:
    page.execute_script(
        "for (const each of document.querySelectorAll('details')) each.open = true;"
        "for (const each of document.querySelectorAll('main *')) {"
        " each.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})); each.focus?.(); }"
    )
    with pytest.raises(NoAlertPresentException):
        _ = page.switch_to.alert.text
    assert page.execute_script("return document.scripts.length") == 1
    assert page.execute_script("return document.images.length") == 0
    assert "<script>alert(1)</script>" in page.find_element(By.TAG_NAME, "main").text
    assert logged(page, "browser") == []
    asked = {url for url in requested(page) if not url.startswith("data:")}
    assert asked == {(tmp_path / "story.html").as_uri()}


def test_lines_are_filtered(page: Chrome) -> None:
    assert lines(page) == ["1", "8", "2", "3", "4", "5"]
    kind = Select(page.find_element(By.ID, "kind"))
    for value, expected in (
        ("alerts", ["8"]),
        ("failed", ["2"]),
        ("succeeded", ["1", "3", "4", "5"]),
        ("target", ["3"]),
        ("untraced", ["4"]),
        ("all", ["1", "8", "2", "3", "4", "5"]),
    ):
        kind.select_by_value(value)
        drawn(page)
        assert lines(page) == expected
    Select(page.find_element(By.ID, "risk")).select_by_value("8")
    drawn(page)
    assert lines(page) == ["8", "2"]
    assert page.find_element(By.ID, "said").text == "2 of 6 lines shown."
    page.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    drawn(page)
    page.find_element(By.ID, "text").send_keys("denied deletetrail")
    drawn(page)
    assert lines(page) == ["2"]


def test_it_reads_without_scripts(browser: Chrome, tmp_path: Path) -> None:
    file = tmp_path / "story.html"
    file.write_text(timeline_page(STORY, None), "utf-8")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(file.as_uri())
        assert not browser.find_element(By.ID, "filters").is_displayed()
        assert lines(browser) == ["1", "8", "2", "3", "4", "5"]
        fold = browser.find_element(By.CSS_SELECTOR, ".lines details")
        fold.find_element(By.TAG_NAME, "summary").click()
        assert fold.find_element(By.TAG_NAME, "li").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [1_280, 820, 500])
def test_nothing_runs_off_the_side(page: Chrome, width: int) -> None:
    page.set_window_size(width, 1_000)
    try:
        page.execute_script(
            "for (const each of document.querySelectorAll('details')) each.open = true;"
        )
        over = page.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0
    finally:
        page.set_window_size(1_280, 1_000)
