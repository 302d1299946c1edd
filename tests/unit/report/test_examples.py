"""What the docstrings of the report show is what happens."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import trailhound.report
import trailhound.report.render

NAMES = sorted(
    module.name
    for package in (trailhound.report.render, trailhound.report)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
)


@pytest.mark.parametrize("name", NAMES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    found = [finder.find(importlib.import_module(name)) for name in NAMES]
    assert sum(bool(test.examples) for tests in found for test in tests) > 12
