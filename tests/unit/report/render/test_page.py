"""The HTML page: that no text of an event can act, and that everybody can read it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tests.helpers.reports import ACTIVE, HOSTILE, report_of
from trailhound.report.findings import Findings
from trailhound.report.render import page as module
from trailhound.report.render.page import as_html, most_informative
from trailhound.report.value import Coverage, Ranking, Report, Timeline, Totals

CSS = (Path(module.__file__).parent / "assets" / "report.css").read_text("utf-8")


class Page(HTMLParser):
    """A page taken apart: elements with their attributes, in order, and the text within."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements and the names of their attributes: what a text must not change. Places where a
        line may end are the text's own, and nothing but places."""
        made = [(tag, tuple(sorted(attributes))) for tag, attributes in self.elements]
        return [each for each in made if each != ("wbr", ())]


@pytest.fixture(scope="module")
def hostile_html() -> str:
    return as_html(report_of(HOSTILE))


@pytest.fixture(scope="module")
def hostile(hostile_html: str) -> Page:
    return Page(hostile_html)


@pytest.fixture(scope="module")
def harmless() -> Page:
    return Page(as_html(report_of("a text without harm")))


def test_hostile_text_makes_no_element_and_no_attribute(hostile: Page, harmless: Page) -> None:
    assert hostile.shape == harmless.shape
    assert len(hostile.all("script")) == 1


def test_hostile_text_is_there_to_be_read(hostile: Page) -> None:
    text = "".join(hostile.text)
    # Every section, the graph's labels among them.
    assert text.count("<script>alert(1)</script>") > 100
    assert "⟨U+202E⟩" in text
    assert "{{7*7}}" in text


def test_no_character_that_acts_or_hides_reaches_the_page(hostile_html: str) -> None:
    assert not set(ACTIVE) & set(hostile_html)
    hostile_html.encode("utf-8")


def test_no_address_leads_anywhere(hostile: Page, harmless: Page) -> None:
    for page in (hostile, harmless):
        for tag, attributes in page.elements:
            for name, value in attributes.items():
                assert not name.startswith("on"), (tag, name)
                assert name not in ("style", "src", "srcset", "action", "formaction", "background")
                if name in ("href", "xlink:href"):
                    assert value is not None
                    assert value.startswith("#") or value == "data:,", value
    ids = {attributes["id"] for _, attributes in harmless.elements if "id" in attributes}
    for link in harmless.all("a"):
        target = link["href"]
        assert target is not None
        assert target[1:] in ids


def test_the_policy_allows_the_own_script_and_style_alone(hostile_html: str) -> None:
    page = Page(hostile_html)
    (policy,) = [
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", hostile_html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert allowed[directive] == f"'sha256-{digest}'"
    assert "unsafe" not in policy


def test_landmarks_and_headings_are_in_order(harmless: Page) -> None:
    tags = [tag for tag, _ in harmless.elements]
    counts = Counter(tags)
    assert counts["main"] == counts["h1"] == counts["nav"] == counts["footer"] == 1
    assert dict(harmless.elements[0][1])["lang"] == "en"
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in harmless.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_section_table_and_image_has_its_name(harmless: Page) -> None:
    ids = {attributes.get("id") for _, attributes in harmless.elements}
    labelled = [*harmless.all("section"), *harmless.all("article")]
    images = [each for each in harmless.all("svg") if each.get("role") == "img"]
    assert len(images) > 6
    for each in [*labelled, *images]:
        names = each["aria-labelledby"]
        assert names is not None
        assert set(names.split()) <= ids
    for each in harmless.all("svg"):
        assert each.get("role") == "img" or each.get("aria-hidden") == "true"
    tables = len(harmless.all("table"))
    assert tables == len(harmless.all("caption")) > 8
    assert all(each.get("scope") in ("col", "row") for each in harmless.all("th"))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    if len(colour) == 4:
        colour = "#" + "".join(2 * digit for digit in colour[1:])
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def variable(name: str, theme: str) -> str:
    """A colour of the light or of the dark page; the dark one has those of the light that it does
    not set itself."""
    found = re.findall(rf"--{name}: (#[0-9a-f]{{3,6}});", CSS)
    assert found, name
    return str(found[-1] if theme == "dark" else found[0])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("ink", "paper"),
        ("ink", "soft"),
        ("quiet", "paper"),
        ("quiet", "soft"),
        ("link", "paper"),
        ("high-ink", "paper"),
        ("medium-ink", "medium-soft"),
        ("medium-ink", "paper"),
        ("low-ink", "low-soft"),
        ("head-ink", "head"),
        ("head-quiet", "head"),
    ],
)
def test_text_stands_out_from_its_ground(text: str, ground: str, theme: str) -> None:
    assert contrast(variable(text, theme), variable(ground, theme)) >= 4.5
    assert contrast("#ffffff", variable("high", theme)) >= 4.5


def test_every_cell_names_its_column_for_a_narrow_screen(harmless: Page) -> None:
    cells = [
        *harmless.all("td"),
        *(each for each in harmless.all("th") if each["scope"] == "row"),
    ]
    assert len(cells) > 100
    assert all(each.get("data-label") for each in cells)


def test_a_report_without_events_says_so() -> None:
    full = report_of("x")
    nothing = Ranking(0, 0)
    empty = replace(
        full,
        totals=Totals(),
        timeline=Timeline(60),
        spots=(),
        principals=nothing,
        addresses=nothing,
        countries=nothing,
        errors=nothing,
        calls=nothing,
        findings=Findings(0, 0),
        riskiest=(),
        coverage=Coverage(0, 0),
        graph=type(full.graph)(),
        story=("There are no events.",),
    )
    page = Page(as_html(empty))
    text = "".join(page.text)
    assert "There are no events." in text
    assert "There is no alert for this time" in text
    assert not [each for each in page.all("svg") if each.get("class") == "chart"]


def test_without_alerts_the_riskiest_events_stand_in_their_place() -> None:
    full = report_of("x")
    text = "".join(Page(as_html(replace(full, findings=Findings(0, 0)))).text)
    assert "There is no alert for this time" in text
    assert "Riskiest events" in text
    assert "Riskiest events" not in "".join(Page(as_html(full)).text)


def test_what_was_not_verified_is_said_plainly() -> None:
    full = report_of("x")
    proof = replace(full.integrity, verified=0, tampered=0, sentence="Nothing was verified: …")
    assert "Nothing was verified" in "".join(Page(as_html(replace(full, integrity=proof))).text)


def test_the_events_shown_are_the_first_of_each_call() -> None:
    full: Report = report_of("x")
    (event, *_) = full.findings.bands[0].top[0].evidence
    tries = [replace(event, id=f"{n}", call="ConsoleLogin", time=event.time) for n in range(9)]
    later = replace(event, id="z", call="CreateUser")
    shown = most_informative([*tries, later], 3)
    assert [each.id for each in shown] == ["0", "1", "z"]


def test_the_top_five_are_told_apart_by_their_times() -> None:
    full = report_of("x")
    one = full.findings.top[0]
    times = [one.first - timedelta(days=days) for days in (1, 2)]
    alike = tuple(replace(one, first=each, last=each) for each in times)
    html = as_html(replace(full, findings=replace(full.findings, top=alike)))
    items = html.partition('<ol class="top">')[2].partition("</ol>")[0].split("<li>")[1:]
    assert len(set(items)) == 2
    assert all(f"{each:%Y-%m-%d}" in item for each, item in zip(times, items, strict=True))
