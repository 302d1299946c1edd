"""The docs are complete: every page is in the index, every link leads somewhere, every command,
kind of document, module of the command line and test helper is described."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tests import helpers
from trailhound import cli
from trailhound.cli.commands import COMMANDS
from trailhound.cli.main import app
from trailhound.state.kinds import KINDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(group: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command by its words; a group counts by what is in it."""
    found: list[tuple[str, ...]] = []
    for name in group.commands:
        command = group.commands[name]
        words = (*before, name)
        found += commands(command, words) if hasattr(command, "commands") else [words]
    return found


def test_every_page_is_in_the_index() -> None:
    linked = set(LINK.findall((DOCS / "README.md").read_text("utf-8")))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def test_every_command_is_in_the_page_of_commands() -> None:
    tables = (DOCS / "commands.md").read_text("utf-8").split("| command | does |")[1:]
    lines = [line for table in tables for line in table.split("\n\n")[0].splitlines()[2:]]
    rows = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in lines]
    named = set()
    for first, *others in rows:
        words = first.removeprefix("trailhound ").split()
        group = words[:1] if len(words) > 1 and re.fullmatch("[a-z][a-z-]*", words[1]) else []
        named.add((*group, words[len(group)]))
        named |= {(*group, other.split()[0]) for other in others}
    group = typer.main.get_group(app)
    assert set(commands(group)) <= named


def test_every_kind_of_document_is_in_the_architecture_page() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    table = text.split("| `kind` | is |")[1].split("\n\n")[0]
    described = dict(re.findall(r"^\| `(\w+)` \|.*\| `(\w+)\.py` \|$", table, re.MULTILINE))
    assert described == {kind.kind: kind.__module__.rpartition(".")[2] for kind in KINDS}


def test_what_the_architecture_page_names_exists() -> None:
    text = CODE.sub("", (DOCS / "architecture.md").read_text("utf-8"))
    named = re.findall(
        r"`((?:ingest|enrich|detections|dashboards|trailhound|tests)/[\w/.]*)`", text
    )
    assert named
    real = [name for name in named if not re.search(r"NAME|PAGE|TACTIC", name)]
    assert [name for name in real if not (ROOT / name).exists()] == []


def test_every_helper_is_in_the_index_of_helpers() -> None:
    modules = {path.stem for path in (ROOT / "tests/helpers").glob("*.py")} - {"__init__"}
    listed = set(re.findall(r"^(\w+)  +\S", helpers.__doc__ or "", re.MULTILINE))
    assert listed == modules


def test_what_tests_share_is_in_no_test() -> None:
    """Who changes a test, or looks for what there is to build one on, looks at the helpers."""
    of_a_test = re.compile(r"^from tests\.[\w.]*\btest_\w+ import", re.MULTILINE)
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    assert [each.name for each in files if of_a_test.search(each.read_text("utf-8"))] == []


def test_every_module_of_the_command_line_is_in_its_index() -> None:
    modules = {path.stem for path in (ROOT / "trailhound/cli").glob("*.py")} - {"__init__"}
    of_commands = {place.partition(":")[0] for _, place, _ in COMMANDS.values()}
    listed = set(re.findall(r"^    (\w+)  +\S", cli.__doc__ or "", re.MULTILINE))
    assert listed == modules - of_commands
