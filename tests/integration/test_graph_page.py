"""The page of the activity graph in a real Chromium: what it shows, filters and says; that no text
of an event acts, and nothing is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from detections.investigation.nodes import Node
from tests.helpers.activity_pages import Drawn, need_library, page_of
from tests.helpers.browsers import drawn, logged, requested
from tests.helpers.reports import ACTIVE, HOSTILE
from trailhound.report.render.activity import ActivityPage, activity_page
from trailhound.report.render.library import graph_library

ADA, OPS, DATA, LOGS, KEY, BOB = (
    Node("user", "ada", "111122223333"),
    Node("role", "Ops", "111122223333"),
    Node("s3", "data"),
    Node("s3", "logs"),
    Node("key", "AKIAIOSFODNN7EXAMPLE"),
    Node("user", "bob", "111122223333"),
)
LONG = Node("secret", "x" * 10_000, "111122223333")
EDGES = [
    Drawn(ADA, OPS, "AssumeRole", 3, 1, 5, (0, 1)),
    Drawn(OPS, DATA, "GetObject", 40, 0, 9, (1, 2, 3)),
    Drawn(ADA, DATA, "ListObjects", 2, 0, 1, (4,)),
    Drawn(OPS, LOGS, "DeleteTrail", 4, 4, 8, (5,)),
    Drawn(KEY, ADA, "AssumeRole", 3, 1, 5, (0,)),
    Drawn(BOB, OPS, "AssumeRole", 1, 0, 3, (9,)),
]
NASTY = [
    Drawn(Node("user", HOSTILE, HOSTILE), Node("s3", HOSTILE), HOSTILE, 2, 1, 9, (0, 1), HOSTILE),
    Drawn(Node("user", HOSTILE, HOSTILE), LONG, "y" * 10_000, text="z" * 10_000),
]


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    need_library()


def show(browser: Chrome, folder: Path, page: ActivityPage) -> Path:
    file = folder / "graph.html"
    file.write_text(activity_page(page, graph_library()), "utf-8")
    logged(browser, "browser")
    logged(browser, "performance")
    browser.get(file.as_uri())
    return file


@pytest.fixture
def page(browser: Chrome, tmp_path: Path) -> Chrome:
    made = page_of(EDGES, [(ADA, OPS, DATA), (ADA, DATA)])
    made.notes.append("12 of 18 edges are left out")
    show(browser, tmp_path, made)
    return browser


def script(browser: Chrome, body: str, *values: Any) -> Any:
    """Runs within the page; `cy` is what draws it."""
    return browser.execute_script(f"const {{ cy, state }} = trailhoundGraph; {body}", *values)


def visible(browser: Chrome) -> tuple[int, int]:
    """Nodes and edges that are drawn."""
    count = "return [cy.nodes(':visible').length, cy.edges(':visible').length]"
    nodes, edges = script(browser, count)
    return nodes, edges


def panel(browser: Chrome) -> str:
    return browser.find_element(By.ID, "panel").text


def choose(browser: Chrome, name: str, value: str) -> None:
    Select(browser.find_element(By.ID, name)).select_by_value(value)
    drawn(browser)


def move(browser: Chrome, name: str, value: int) -> None:
    """A slider, as if dragged there."""
    browser.execute_script(
        "const [name, value] = arguments; const input = document.getElementById(name);"
        "input.value = value; input.dispatchEvent(new Event('input', {bubbles: true}));",
        name,
        value,
    )
    drawn(browser)


def click_at(browser: Chrome, element: str) -> None:
    """A real click on what is drawn of an element."""
    place = script(
        browser,
        "const one = cy.$(arguments[0]); const at = one.isNode() ? one.renderedPosition()"
        " : one.renderedMidpoint(); return [at.x - cy.width() / 2, at.y - cy.height() / 2]",
        element,
    )
    canvas = browser.find_element(By.ID, "canvas")
    actions = ActionChains(browser).move_to_element_with_offset(canvas, *map(int, place))
    actions.click().perform()


def number_of(browser: Chrome, label: str) -> str:
    """The drawn node that is labelled so, as a selector."""
    found = script(
        browser,
        "return cy.nodes().filter(n => n.data('label') === arguments[0]).map(n => '#' + n.id())",
        label,
    )
    assert len(found) == 1, (label, found)
    return str(found[0])


def test_it_is_drawn_without_a_request_or_a_word_on_the_console(
    page: Chrome, tmp_path: Path
) -> None:
    assert visible(page) == (6, 6)
    assert script(page, "return cy.edges('.path').length") == 3
    assert logged(page, "browser") == []
    asked = {url for url in requested(page) if not url.startswith("data:")}
    assert asked == {(tmp_path / "graph.html").as_uri()}
    assert page.execute_script("return document.scripts.length") == 3
    painted = (
        "const canvas = [...document.querySelectorAll('#canvas canvas')].at(-1);"
        "return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.some(each => each > 0)"
    )
    drawn(page)
    assert page.execute_script(painted)
    text = page.find_element(By.TAG_NAME, "main").text
    assert "12 of 18 edges are left out" in text
    legend = page.find_element(By.CLASS_NAME, "legend").text
    assert "S3 bucket" in legend
    assert "Lambda" not in legend


def test_no_text_of_an_event_acts(browser: Chrome, tmp_path: Path) -> None:
    one, other = NASTY[0].one, NASTY[0].other
    show(browser, tmp_path, page_of(NASTY, [(one, other)], title=f"Paths from {HOSTILE}"))
    for number in range(script(browser, "return cy.elements().length")):
        script(browser, "cy.elements()[arguments[0]].emit('tap')", number)
        browser.execute_script(
            "for (const each of document.querySelectorAll('main *')) {"
            " each.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})); each.focus?.(); }"
        )
        assert not set(ACTIVE) & set(panel(browser))
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert.text
    assert browser.execute_script("return document.scripts.length") == 3
    assert browser.execute_script("return document.images.length") == 1  # ours, for a print
    # All there, as texts.
    said = browser.execute_script("return document.querySelector('main').textContent")
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in said
    assert "⟨U+202E⟩" in said
    assert "9,000 more characters" in said
    links = browser.execute_script("return [...document.links].map(each => each.href)")
    assert {each.split(":")[0] for each in links} <= {"https", "file"}
    commands = browser.execute_script(
        "return [...document.querySelectorAll('.copy code')].map(each => each.textContent)"
    )
    assert not [each for each in commands if "alert" in each]  # no shell gets such a text
    assert logged(browser, "browser") == []


def test_the_policy_stops_a_script_that_got_in_all_the_same(page: Chrome) -> None:
    page.execute_script(
        "const element = document.createElement('script'); element.text = 'window.ran = 1';"
        "document.body.append(element); const image = new Image();"
        "image.src = 'http://127.0.0.1:9/x.png'; document.body.append(image);"
        "fetch('http://127.0.0.1:9/').catch(() => null);"
    )
    assert page.execute_script("return window.ran === undefined") is True
    refused = " ".join(entry["message"] for entry in logged(page, "browser"))
    for wall in ("script-src", "img-src", "connect-src"):
        assert wall in refused or (wall == "connect-src" and "default-src" in refused)


def test_outcome_and_risk_decide_which_edges_are_shown(page: Chrome) -> None:
    choose(page, "outcome", "failure")
    assert visible(page) == (4, 3)  # of ada's, the key's and the role's on logs
    assert script(page, "return cy.edges(':visible').every(e => e.data('refused'))")
    assert "3 of 6 edges and 4 of 6 nodes" in page.find_element(By.ID, "said").text
    choose(page, "outcome", "success")
    assert visible(page) == (5, 5)
    assert script(page, "return cy.edges(':visible').every(e => !e.data('refused'))")
    choose(page, "risk", "5")
    assert visible(page) == (4, 3)
    choose(page, "risk", "10")
    assert visible(page) == (0, 0)
    page.find_element(By.CSS_SELECTOR, "#filters button[type=reset]").click()
    drawn(page)
    assert visible(page) == (6, 6)
    # All of an edge failed, or not: dashed, and so is its colour.
    assert script(
        page, "return cy.edges().filter(e => e.data('refused')).map(e => e.data('band'))"
    ) == [2]


def test_the_time_decides_which_edges_are_shown_and_how_wide(page: Chrome) -> None:
    whole = script(page, "return cy.edges().map(e => e.data('width'))")
    move(page, "until", 1)
    assert visible(page) == (4, 3)
    assert script(
        page, "return cy.edges(':visible').some(e => e.data('width') < arguments[0])", max(whole)
    )
    assert "to 2025-03-01 13:00:00" in page.find_element(By.ID, "times").text
    move(page, "from", 5)  # it does not get past the other
    assert page.find_element(By.ID, "from").get_attribute("value") == "1"
    move(page, "until", 9)
    move(page, "from", 9)
    assert visible(page) == (2, 1)
    choose(page, "outcome", "failure")
    assert visible(page) == (0, 0)
    bars = page.find_elements(By.CSS_SELECTOR, "#histogram rect")
    assert len(bars) == 10
    assert len(page.find_elements(By.CSS_SELECTOR, "#histogram rect.out")) == 9


def test_a_click_on_an_edge_shows_what_it_stands_on(page: Chrome) -> None:
    edge = script(
        page,
        "return cy.edges().filter(e => e.source().data('label') === 'role:Ops' && "
        "e.target().data('label') === 's3:data').id()",
    )
    click_at(page, f"#{edge}")
    said = panel(page)
    for wanted in (
        "role:Ops → s3:data",
        "40, none failed",
        "2025-03-01 12:00:00",
        "step 2 of path 1",
        "GetObject",
        "trailhound event id-1",
        "trailhound event event-1",
        "Open in Dashboards",
    ):
        assert wanted in said, wanted
    link = page.find_element(By.CSS_SELECTOR, "#panel a")
    assert link.get_attribute("href") == "https://dashboards.example/event-1"
    assert script(page, "return cy.elements('.faded').length") > 0
    # From there to a node, by a button.
    page.find_element(By.XPATH, "//aside//button[.='role:Ops']").click()
    said = panel(page)
    assert "role of account 111122223333" in said
    assert "44 events, 4 failed" in said
    assert "→ s3:data: GetObject ×40" in said
    assert "← user:bob: AssumeRole" in said
    assert "trailhound timeline role:Ops@111122223333" in said
    # The filters are those of the panel, too.
    choose(page, "outcome", "failure")
    assert "→ s3:logs: DeleteTrail ×4" in panel(page)
    assert "s3:data" not in panel(page)


def test_a_click_on_a_node_and_one_beside_it(page: Chrome) -> None:
    click_at(page, number_of(page, "s3:data"))
    assert panel(page).startswith("s3:data\n")
    canvas = page.find_element(By.ID, "canvas")
    corner = (-(canvas.size["width"] // 2) + 5, -(canvas.size["height"] // 2) + 5)
    ActionChains(page).move_to_element_with_offset(canvas, *corner).click().perform()
    assert panel(page).startswith("2 paths")
    assert script(page, "return cy.elements('.faded').length") == 0


def test_a_path_alone_has_its_steps(page: Chrome) -> None:
    choose(page, "path", "0")
    assert visible(page) == (3, 2)
    assert script(page, "return cy.edges(':visible').map(e => e.data('step'))") == [
        "1 AssumeRole",
        "2 AssumeRole",
    ]
    assert "1. user:ada → role:Ops" in panel(page)
    assert "2. role:Ops → s3:data" in panel(page)
    choose(page, "path", "all")
    assert visible(page) == (3, 3)
    choose(page, "path", "")
    assert visible(page) == (6, 6)


CROWD = [Drawn(ADA, Node("s3", f"bucket-{number}"), risk=1 + number % 7) for number in range(60)]
"""More than a screen shows with their names."""


def said(browser: Chrome) -> str:
    return browser.find_element(By.ID, "said").text


def test_of_many_nodes_the_paths_are_shown_first_and_the_rest_is_counted(
    browser: Chrome, tmp_path: Path
) -> None:
    show(browser, tmp_path, page_of([*EDGES, *CROWD], [(ADA, OPS, DATA), (ADA, DATA)]))
    drawn(browser)
    assert visible(browser) == (3, 3)
    nodes, edges = script(browser, "return [cy.nodes().length, cy.edges().length]")
    hidden = f"{edges - 3} edges and {nodes - 3} nodes are hidden"
    assert (
        f"3 of {edges} edges and 3 of {nodes} nodes shown. These are the paths: {hidden}"
        in said(browser)
    )
    # The names are read: they are drawn in at least 9 pixels.
    assert (
        script(browser, "return cy.zoom() * parseFloat(cy.nodes(':visible')[0].style('font-size'))")
        >= 9
    )
    browser.find_element(By.CSS_SELECTOR, "#said button").click()
    drawn(browser)
    assert visible(browser) == (nodes, edges)
    assert "hidden" not in said(browser)
    browser.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    drawn(browser)
    assert visible(browser) == (3, 3)
    # What is asked for by name is shown, with all of the rest.
    browser.find_element(By.ID, "search").send_keys("s3:bucket-59", Keys.ENTER)
    assert panel(browser).startswith("s3:bucket-59\n")
    assert visible(browser) == (nodes, edges)


def test_of_many_nodes_without_a_path_the_edges_of_the_highest_risk_are_shown_first(
    browser: Chrome, tmp_path: Path
) -> None:
    show(browser, tmp_path, page_of(CROWD))
    drawn(browser)
    assert visible(browser) == (25, 24)
    seen, hidden = script(
        browser,
        "const { edges } = JSON.parse(document.getElementById('data').textContent);"
        "return [true, false].map(shown => cy.edges().filter(e => e.visible() === shown)"
        ".map(e => edges[e.data('place')].risk))",
    )
    assert min(seen) >= max(hidden)
    assert "These have the highest risk scores: 36 edges and 36 nodes are hidden" in said(browser)
    over = script(
        browser,
        "const boxes = cy.nodes(':visible').map(n => n.boundingBox({includeEdges: false}));"
        "return boxes.some((a, i) => boxes.some((b, j) => i < j && a.x1 < b.x2 && b.x1 < a.x2"
        " && a.y1 < b.y2 && b.y1 < a.y2))",
    )
    assert not over
    choose(browser, "path", "")
    assert visible(browser) == (61, 60)


def test_a_node_is_found_and_the_drawing_moved_by_keys_alone(page: Chrome) -> None:
    search = page.find_element(By.ID, "search")
    search.send_keys("S3:LO", Keys.ENTER)
    assert panel(page).startswith("s3:logs\n")
    search.clear()
    search.send_keys("nobody", Keys.ENTER)
    assert "No node here has “nobody”" in page.find_element(By.ID, "said").text
    canvas = page.find_element(By.ID, "canvas")
    page.execute_script("arguments[0].focus()", canvas)
    before = script(page, "return [cy.zoom(), cy.pan().x, cy.pan().y]")
    canvas.send_keys("+", Keys.ARROW_LEFT)
    assert script(page, "return cy.zoom()") == pytest.approx(before[0] * 1.3)
    canvas.send_keys("0")
    assert script(page, "return cy.zoom()") == pytest.approx(before[0], rel=0.5)
    canvas.send_keys(Keys.ESCAPE)
    assert panel(page).startswith("2 paths")


def test_it_reads_without_scripts(browser: Chrome, tmp_path: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, tmp_path, page_of(EDGES, [(ADA, OPS, DATA)]))
        text = browser.find_element(By.TAG_NAME, "main").text
        assert "which this browser does not run" in text
        assert not browser.find_element(By.ID, "graph").is_displayed()
        steps = browser.find_elements(By.CSS_SELECTOR, "#paths tbody tr")
        assert [row.text.split()[0] for row in steps] == ["1", "2"]
        assert "no risk score of its events" in text
        assert not browser.find_elements(By.CSS_SELECTOR, "#paths .score")
        assert "event-1" in steps[1].text
        browser.find_element(By.CSS_SELECTOR, "#edges summary").click()
        rows = browser.find_elements(By.CSS_SELECTOR, "#edges tbody tr")
        assert len(rows) == 6
        assert all(row.is_displayed() for row in rows)
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("width", [1_280, 800, 500])
def test_nothing_runs_off_the_side(browser: Chrome, tmp_path: Path, width: int) -> None:
    browser.set_window_size(width, 1_000)
    try:
        one, other = NASTY[0].one, NASTY[0].other
        show(browser, tmp_path, page_of([*EDGES, *NASTY], [(ADA, OPS, DATA), (one, other)]))
        for selector in ("node", "edge"):
            script(browser, "cy.$(arguments[0]).forEach(each => each.emit('tap'))", selector)
            over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert browser.execute_script(f"return {over}") <= 0
    finally:
        browser.set_window_size(1_280, 1_000)


def test_it_follows_the_scheme_and_prints_light(page: Chrome) -> None:
    light = script(page, "return cy.nodes()[0].style('color')")
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    drawn(page)
    try:
        assert script(page, "return cy.nodes()[0].style('color')") != light
        page.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert (
            script(page, "return cy.nodes()[0].style('color')") != light
        )  # the screen is as it was
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    picture = page.find_element(By.ID, "print")
    assert (picture.get_attribute("src") or "").startswith("data:image/png;base64,")
    assert page.execute_script("return arguments[0].naturalWidth", picture) > 100


def test_a_thousand_edges_are_drawn_once_a_frame(browser: Chrome, tmp_path: Path) -> None:
    """However fast a slider moves: what is measured is work, not time."""
    edges = [
        Drawn(
            Node("role", f"role-{number % 97}", "111122223333"),
            Node("s3", f"bucket-{number % 400}"),
            count=1 + number % 9,
            failed=number % 2,
            risk=1 + number % 10,
            hours=(number % 48,),
        )
        for number in range(1_000)
    ]
    made = page_of(edges)
    show(browser, tmp_path, made)
    assert script(browser, "return cy.edges().length") == 1_000
    choose(browser, "path", "")
    assert "1,000 of 1,000 edges" in browser.find_element(By.ID, "said").text
    redrawn = browser.execute_async_script(
        """
        const done = arguments[0]; const { cy } = trailhoundGraph;
        const until = document.getElementById("until");
        let said = 0, drawn = 0, frames = 0;
        const seen = new MutationObserver(() => { said += 1; });
        seen.observe(document.getElementById("said"), {childList: true});
        cy.on("render", () => { drawn += 1; });
        for (let turn = 0; turn < 200; turn += 1) {
          until.value = turn % 48; until.dispatchEvent(new Event("input", {bubbles: true}));
        }
        const next = () => {
          frames += 1;
          if (frames < 4) requestAnimationFrame(next); else done([said, drawn]);
        };
        requestAnimationFrame(next);
        """
    )
    assert redrawn[0] == 1
    assert redrawn[1] <= 4
    shown = visible(browser)[1]
    assert 0 < shown < 1_000
    choose(browser, "risk", "10")
    assert 0 < visible(browser)[1] < shown
    script(browser, "cy.nodes(':visible').first().emit('tap')")
    assert "→ s3:bucket-" in panel(browser)
    assert logged(browser, "browser") == []
