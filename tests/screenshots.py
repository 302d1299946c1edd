"""`make screenshots`: the pictures of docs/, of the same sample each time.

A sample trail is indexed and looked through by the shipped rules on a real engine, the report and
a page of paths are made of it, and a real Chromium shows them.
"""

from __future__ import annotations

import sys
import tempfile
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from detections.span import Span
from tests.helpers.browsers import chromium, drawn
from tests.helpers.commands import command
from tests.helpers.engines import remove_namespace, session_engine
from tests.helpers.trails import backfill, own_settings, prepared
from trailhound.app.detection.detection import History, rules_in_force
from trailhound.report.collect.compose import compose
from trailhound.report.collect.query import ReportWindow
from trailhound.report.render.page import as_html
from trailhound.report.value import Report
from trailhound.sample import SampleSpec, write_sample

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LARGEST = 300_000
"""Bytes of a picture."""
SPEC = SampleSpec(events=6_000, seed=1, start=date(2025, 3, 3), days=3)
MADE = datetime(2025, 3, 6, 6, tzinfo=UTC)
PICTURES = (
    ("report-overview", 1600, 1274, "what-happened"),
    ("report-places", 1600, 700, "risk-and-places"),
    ("report-finding", 1280, 980, "findings"),
    ("report-graph", 1280, 916, "attack-graph"),
    ("report-compliance", 1280, 760, "compliance-1"),
)
"""Name, width and height of the window, the section that it begins with."""


def sample_pages() -> tuple[Report, str]:
    """The report of the sample, with what the shipped rules find in it, and the page of the paths
    that its stolen key takes."""
    namespace = f"shots{uuid.uuid4().hex[:8]}"
    with session_engine() as url, tempfile.TemporaryDirectory() as folder:
        settings = own_settings(url, namespace, Path(folder) / "home")
        try:
            client = prepared(settings)
            sample = write_sample(Path(folder) / "trail", SPEC)
            backfill(settings, Path(folder) / "trail")
            pack = rules_in_force(settings)
            since = datetime(SPEC.start.year, SPEC.start.month, SPEC.start.day, tzinfo=UTC)
            history = History(client, settings, pack, Span(since, MADE))
            for piece, _ in history.run():
                print(f"detected from {piece.span.since:%Y-%m-%d} on", flush=True)
            history.join()
            made = compose(
                client, settings, ReportWindow(), rules=pack.rules, frameworks=("cis",), now=MADE
            )
            page = Path(folder) / "paths.html"
            (stolen,) = [each for each in sample.attacks if each.name == "stolen-key"]
            day = stolen.steps[0].event_time[:10]
            user = f"user:{stolen.principal.rpartition('/')[2]}"
            asked = ("paths", "--from", user, "--to", "s3:*", "--since", day, "--until", day)
            done = command(settings, *asked, "--html", str(page))
            if done.exit_code:
                sys.exit(done.output)
            paths = page.read_text("utf-8").replace(f" · namespace {namespace}", "")
        finally:
            remove_namespace(url, namespace)
    return replace(made, scope=replace(made.scope, namespace="")), paths


def shoot(driver: Chrome, file: Path) -> None:
    """Each picture, from the section it begins with."""
    for name, width, height, section in PICTURES:
        driver.set_window_size(width, height)
        driver.get(file.as_uri())
        target = driver.find_element(By.ID, section)
        top = "arguments[0].scrollIntoView({block: 'start', behavior: 'instant'})"
        if section != "what-happened":
            driver.execute_script(top, target)
        save(driver, name)


def shoot_paths(driver: Chrome, file: Path) -> None:
    """The page of paths, as it opens."""
    driver.set_window_size(1_440, 1_000)
    driver.get(file.as_uri())
    drawn(driver)
    save(driver, "graph-paths")


def save(driver: Chrome, name: str) -> None:
    path = IMAGES / f"{name}.png"
    driver.save_screenshot(str(path))
    size = path.stat().st_size
    print(f"{path.name}: {size:,} bytes")
    if size > LARGEST:
        sys.exit(f"{path} is larger than {LARGEST:,} bytes: show less of the page")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as driver:
        report, paths = sample_pages()
        file, graph = Path(folder) / "report.html", Path(folder) / "paths.html"
        file.write_text(as_html(report), "utf-8")
        graph.write_text(paths, "utf-8")
        shoot(driver, file)
        shoot_paths(driver, graph)


if __name__ == "__main__":
    main()
