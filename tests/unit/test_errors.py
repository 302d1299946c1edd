"""An error that ends a command says what to do."""

from __future__ import annotations

import ast
from pathlib import Path

from trailhound import errors

ROOT = Path(__file__).parents[2]
PACKAGES = ("trailhound", "ingest", "enrich", "detections", "dashboards")
OF_ONE_THING = (errors.RecordError, errors.TrailFileError, errors.SourceError)
"""They are counted and named with their reason, beside others of their kind."""
ENDING = {
    name
    for name, each in vars(errors).items()
    if isinstance(each, type)
    and issubclass(each, errors.TrailhoundError)
    and not issubclass(each, OF_ONE_THING)
}


def without_hint(file: Path) -> list[str]:
    """Where an error is made of a text alone, or of one with an empty hint."""
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        texts = node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
        hints = [each.value for each in node.keywords if each.arg in ("hint", None)]
        empty = any(isinstance(each, ast.Constant) and not each.value for each in hints)
        if node.func.id in ENDING and texts and (empty or not hints):
            found.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    return found


def test_every_error_that_ends_a_command_has_a_hint() -> None:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    assert [place for file in files for place in without_hint(file)] == []
