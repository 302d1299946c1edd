"""A real Chromium for the tests, driven as a user's; skips by name where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from tests.helpers.queues import PATIENCE
from trailhound.errors import BrowserNotFoundError
from trailhound.report.render.pdf import find_browser, sandbox

HOW = "install Debian's `chromium` and `chromium-driver`, as .ci/run does"


def browser_paths(test: str = "pictures") -> tuple[Path, str]:
    """Chromium and its driver. Skips the test, by its name, where either is missing."""
    try:
        browser = find_browser()
    except BrowserNotFoundError:
        pytest.skip(f"{test}: there is no Chromium on this machine: {HOW}")
    driver = shutil.which("chromedriver")
    if driver is None:
        pytest.skip(f"{test}: there is no chromedriver on this machine: {HOW}")
    return browser, driver


@contextmanager
def chromium(width: int = 1280, height: int = 1000) -> Iterator[Chrome]:
    """A headless Chromium with a window of this size; its console and requests are recorded."""
    browser, driver = browser_paths()
    options = ChromeOptions()
    options.binary_location = str(browser)
    for each in (
        "--headless=new",
        f"--window-size={width},{height}",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        "--disable-background-networking",
        "--lang=en-GB",
        *sandbox(),
    ):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.set_capability("unhandledPromptBehavior", "ignore")
    started = Chrome(options=options, service=Service(driver))
    started.set_script_timeout(PATIENCE)
    started.set_page_load_timeout(PATIENCE)
    try:
        yield started
    finally:
        started.quit()


def logged(driver: Chrome, kind: str) -> list[dict[str, Any]]:
    """What the browser wrote to one of its logs since the last look."""
    found: list[dict[str, Any]] = driver.get_log(kind)  # type: ignore[no-untyped-call]
    return found


def requested(driver: Chrome) -> list[str]:
    """The addresses that the page asked for since the last look, its own among them."""
    found = []
    for entry in logged(driver, "performance"):
        message: dict[str, Any] = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            found.append(message["params"]["request"]["url"])
    return found


def drawn(driver: Chrome) -> None:
    """Waits until the page has drawn what it was told, which it does with the next frame."""
    driver.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
    )
