"""Reads rule files: the rules and exceptions in them, as pySigma parses them.

A file, document or rule that cannot be used is a fault; the others are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.packs.actions import Actions, ParsedRule
from detections.packs.checking import check
from detections.packs.detection_check import PlaceholderValues
from detections.packs.documents import RuleFault, documents, reason_of, rule_files
from detections.packs.exceptions import DEFAULTS
from detections.packs.load_faults import LoadFaults
from detections.rule import FilePosition

SHIPPED: Final = Path(__file__).parent.parent / "rules"
"""The shipped pack."""


@dataclass(slots=True)
class ParsedFiles:
    """What files contain, in the order of files and lines."""

    rules: list[ParsedRule] = field(default_factory=list)
    exceptions: list[SigmaFilter] = field(default_factory=list)


def is_shipped(file: Path) -> bool:
    """Whether a file is of the shipped pack or of the shipped exceptions."""
    return file.is_relative_to(SHIPPED) or file.is_relative_to(DEFAULTS)


def parse_files(
    paths: Iterable[Path],
    placeholders: PlaceholderValues,
    faults: LoadFaults,
    *,
    may_be_empty: bool = False,
) -> ParsedFiles:
    """The rules and exceptions of files, and of folders with all below them.

    Each has its place in `faults`. `may_be_empty`: a folder without rule files is no fault, as for
    exceptions.
    """
    parsed = ParsedFiles()
    seen: set[Path] = set()
    for path in paths:
        for file in rule_files(path.expanduser()):
            if isinstance(file, RuleFault):
                if file.stops or not may_be_empty:
                    faults.add(file)
            elif file.resolve() not in seen:
                seen.add(file.resolve())
                _parse_file(file, placeholders, faults, parsed)
    return parsed


def _parse_file(
    file: Path, placeholders: PlaceholderValues, faults: LoadFaults, into: ParsedFiles
) -> None:
    actions = Actions()
    empty = True
    for document in documents(file):
        empty = False
        if isinstance(document, RuleFault):
            faults.add(document)
            continue
        if not is_shipped(file):  # the pack's own tests check those
            faults.add_check(document, check(document, placeholders))
        try:
            parsed = actions.parse(document)
        except Exception as error:  # noqa: BLE001  pySigma raises anything on hostile YAML
            faults.add(RuleFault(document.place, reason_of(error), "fix the rule"))
            continue
        if parsed is None:
            continue
        faults.set_place(parsed, document.place)
        if isinstance(parsed, SigmaFilter):
            into.exceptions.append(parsed)
        elif foreign := _foreign_source(parsed):
            faults.add_of(parsed, f"its log source is {foreign}, not CloudTrail", "remove it")
        else:
            into.rules.append(parsed)
    if empty:
        reason = "the file contains no rule"
        faults.add(RuleFault(FilePosition(file), reason, "remove it", stops=False, what="file"))


def _foreign_source(rule: ParsedRule) -> str:
    """The log source of a rule that is not for CloudTrail; empty for one that is, and for a
    correlation, which has none."""
    if not isinstance(rule, SigmaRule):
        return ""
    source = rule.logsource
    if source.product not in (None, "aws"):
        return f"product {source.product!r}"
    return f"service {source.service!r}" if source.service not in (None, "cloudtrail") else ""
