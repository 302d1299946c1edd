"""One real Chromium for the tests of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome


@pytest.fixture(scope="module")
def opened_browser() -> Iterator[Callable[[], Chrome]]:
    """Opens one browser for all tests of a file, when the first of them wants it."""
    from tests.helpers.browsers import chromium  # Selenium, which few processes need

    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(chromium()))


@pytest.fixture
def browser(opened_browser: Callable[[], Chrome], request: pytest.FixtureRequest) -> Chrome:
    """The browser; the test is skipped, by its name, where there is none."""
    from tests.helpers.browsers import browser_paths

    browser_paths(request.node.name)
    return opened_browser()
