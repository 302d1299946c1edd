"""The plan's tables follow from the figures that stand on the page, by the arithmetic in bench."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from bench.plan import Assumed, Measured, tables

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text("utf-8")


def figures(heading: str) -> dict[str, float]:
    """`name` → value of the rows of a table under a heading."""
    section = PAGE.split(heading)[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([\d,.]+) \|", section, re.MULTILINE)
    return {name: float(value.replace(",", "")) for name, value in rows}


def test_the_tables_are_what_the_arithmetic_makes_of_the_figures() -> None:
    assert tables(Measured(**figures("## Measured")), Assumed()) in PAGE


def test_every_assumption_is_stated() -> None:
    stated = figures("## Assumed")
    assert stated == {field.name: getattr(Assumed(), field.name) for field in fields(Assumed)}
