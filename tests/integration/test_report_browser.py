"""The report in a real Chromium: it draws, sorts, prints, asks for nothing, and nothing acts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.helpers.browsers import browser_paths, logged, requested
from tests.helpers.reports import HOSTILE, report_of
from trailhound.errors import BrowserNotFoundError, ReportError
from trailhound.report.render.network import BOXES, layout
from trailhound.report.render.page import as_html
from trailhound.report.render.pdf import as_pdf, find_browser
from trailhound.report.value import Graph, Node


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(as_html(report_of(HOSTILE)), "utf-8")
    return path


@pytest.fixture
def page(browser: Chrome, file: Path) -> Chrome:
    logged(browser, "browser")
    logged(browser, "performance")
    browser.get(file.as_uri())
    return browser


def test_nothing_acts_and_nothing_is_asked_for(page: Chrome, file: Path) -> None:
    with pytest.raises(NoAlertPresentException):
        _ = page.switch_to.alert.text
    # What a mouse or a focus would set off, were any text an attribute.
    page.execute_script(
        "for (const each of document.querySelectorAll('main *')) {"
        " each.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})); each.focus?.(); }"
    )
    with pytest.raises(NoAlertPresentException):
        _ = page.switch_to.alert.text
    assert page.execute_script("return document.scripts.length") == 1
    assert page.execute_script("return document.images.length") == 0
    assert "<script>alert(1)</script>" in page.find_element(By.TAG_NAME, "main").text
    assert logged(page, "browser") == []
    assert {url for url in requested(page) if not url.startswith("data:")} == {file.as_uri()}


def test_the_policy_stops_a_script_that_got_in_all_the_same(page: Chrome) -> None:
    """The second wall: were there an element, it would not run, nor ask for anything."""
    page.execute_script(
        "const element = document.createElement('script'); element.text = 'window.ran = 1';"
        "document.body.append(element); const image = new Image();"
        "image.src = 'http://127.0.0.1:9/x.png'; document.body.append(image);"
    )
    assert page.execute_script("return window.ran === undefined") is True
    refused = [entry["message"] for entry in logged(page, "browser")]
    assert any("script-src" in message for message in refused)
    assert any("img-src" in message for message in refused)


def test_the_charts_are_drawn(page: Chrome) -> None:
    images = page.find_elements(By.CSS_SELECTOR, "svg[role=img]")
    names = [each.get_attribute("aria-labelledby") or "" for each in images]
    for wanted in ("events-time", "failures-time", "alerts-time", "risk", "map", "graph"):
        assert any(wanted in name for name in names), wanted
    for image in images:
        assert image.size["width"] > 200
        assert image.size["height"] > 15
        marks = page.execute_script(
            "return [...arguments[0].querySelectorAll('path, rect, circle')]"
            ".filter(each => { const box = each.getBoundingClientRect();"
            " return box.width > 1 && box.height > 1 }).length",
            image,
        )
        assert marks > 0, image.get_attribute("aria-labelledby")
    assert page.execute_script(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )


@pytest.mark.parametrize(
    ("lane", "label"),
    [
        (0, "AWSReservedSSO_AdministratorAccess_a1b2/jana.nova@example.com"),
        (1, "DescribeOrganizationCustomRuleStatuses"),
        (2, "company-wide-CloudTrail-management-events-and-more"),
    ],
)
def test_a_name_that_was_cut_stays_in_its_box(page: Chrome, lane: int, label: str) -> None:
    short = layout(Graph((Node("n", lane, "principal", label, 1),), ())).boxes[0].short
    length = page.execute_script(
        "const text = document.querySelector('rect.box ~ text');"
        "text.textContent = arguments[0]; return text.getComputedTextLength()",
        short,
    )
    assert "…" in short
    assert length + 2 * 10 <= BOXES[lane], "as much room behind it as before it"


def column(table: WebElement, number: int) -> list[str]:
    cells = table.find_elements(By.CSS_SELECTOR, f"tbody tr > :nth-child({number})")
    return [each.get_attribute("data-sort") or each.text for each in cells]


def test_a_table_sorts_by_click_and_by_key(page: Chrome) -> None:
    details = page.find_element(By.CSS_SELECTOR, "#over-time details")
    details.find_element(By.TAG_NAME, "summary").click()
    table = details.find_element(By.TAG_NAME, "table")
    head = table.find_element(By.CSS_SELECTOR, "thead th:nth-child(2)")
    button = head.find_element(By.TAG_NAME, "button")
    before = column(table, 2)
    assert before == [str(100 + hour) for hour in range(24)]
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column(table, 2) == before[::-1]
    button.send_keys(Keys.ENTER)
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(table, 2) == before
    other = table.find_element(By.CSS_SELECTOR, "thead th:nth-child(4) button")
    other.send_keys(Keys.SPACE)
    assert column(table, 4) == sorted(column(table, 4), reverse=True)
    assert head.get_attribute("aria-sort") is None
    # By the keyboard alone, from one head to the next.
    assert page.switch_to.active_element == other
    other.send_keys(Keys.TAB)
    assert page.switch_to.active_element.text.startswith("High alerts")


def test_the_first_stop_of_the_keyboard_leads_past_the_contents(page: Chrome) -> None:
    page.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    skip = page.switch_to.active_element
    assert skip.text == "Skip to the report"
    skip.send_keys(Keys.ENTER)
    assert page.switch_to.active_element.get_attribute("id") == "main"


def test_it_reads_without_scripts(browser: Chrome, file: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(file.as_uri())
        text = browser.find_element(By.TAG_NAME, "main").text
        assert "What happened" in text
        assert len(browser.find_elements(By.CSS_SELECTOR, "svg.chart")) == 5
        assert not browser.find_elements(By.CSS_SELECTOR, "th button")
        browser.find_element(By.CSS_SELECTOR, "#attack-graph summary").click()
        assert browser.find_element(By.CSS_SELECTOR, "#attack-graph li").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [1600, 1280, 700, 500])
def test_nothing_runs_off_the_side(browser: Chrome, file: Path, width: int) -> None:
    browser.set_window_size(width, 1_000)
    browser.get(file.as_uri())
    try:
        over = browser.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0
    finally:
        browser.set_window_size(1_280, 1_000)


@pytest.mark.parametrize("width", [1600, 1050, 900])
def test_how_an_incident_was_closed_is_not_a_column_of_words(
    browser: Chrome, file: Path, width: int
) -> None:
    browser.set_window_size(width, 1_000)
    browser.get(file.as_uri())
    # Short words, among columns that take all the room that they get.
    browser.execute_script(
        "for (const each of document.querySelectorAll('.entries tbody tr > *')) {"
        " each.textContent = each.matches('.state') ? '32 alerts as benign, by ada: a test'"
        " : 'word '.repeat(40); }"
    )
    widths = browser.execute_script(
        "return [...document.querySelectorAll('td.state')].map(each =>"
        " each.getBoundingClientRect().width / parseFloat(getComputedStyle(each).fontSize))"
    )
    assert widths
    assert min(widths) > 10.9


def test_evidence_below_high_is_folded_on_a_screen_and_open_on_paper(page: Chrome) -> None:
    folded = "return [...document.querySelectorAll('details.evidence')].map(each => each.open)"
    assert page.find_elements(By.CSS_SELECTOR, ".finding.high table")
    assert not page.find_elements(By.CSS_SELECTOR, ".finding.high details.evidence")
    page.find_element(By.CSS_SELECTOR, "details.evidence summary").click()
    one, *others = page.execute_script(folded)
    assert one
    assert others
    assert not any(others)
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert all(page.execute_script(folded))
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(folded) == [one, *others]


def test_heads_of_tables_are_plain_text_while_it_prints(page: Chrome) -> None:
    """Chromium leaves buttons out where it repeats a head on the next page."""
    count = "return document.querySelectorAll('th button').length"
    before = page.execute_script(count)
    texts = "return [...document.querySelectorAll('thead th')].map(each => each.textContent)"
    words = page.execute_script(texts)
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert page.execute_script(count) == 0
    assert page.execute_script(texts) == words
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(count) == before > 0
    assert page.execute_script(texts) == words


def test_a_pdf_is_printed(file: Path, request: pytest.FixtureRequest) -> None:
    browser, _ = browser_paths(request.node.name)
    made = as_pdf(file.read_text("utf-8"), browser)
    assert made.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", made)) > 3
    assert b"/StructTreeRoot" in made  # tagged: headings and tables are known to readers
    assert b"/JavaScript" not in made


def test_a_browser_that_is_none_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(BrowserNotFoundError) as missing:
        find_browser(names=("no-such-browser",))
    assert "chromium" in missing.value.hint
    with pytest.raises(BrowserNotFoundError):
        find_browser(tmp_path / "nothing")
    fake = tmp_path / "fake"
    fake.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    fake.chmod(0o755)
    with pytest.raises(ReportError, match=r"exit code 3.*no display"):
        as_pdf("<p>x</p>", find_browser(fake))
