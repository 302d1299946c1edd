"""The page of the shipped rules by title: `python -m detections.packs.title_page` writes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from detections.packs.loading import SHIPPED, load_paths
from detections.rule import LEVELS, Rule
from trailhound.settings import DetectionSettings

PAGE: Final = Path("docs/rule-titles.md")

_HEAD: Final = """\
# The shipped rules by title

For somebody who has a title, from a message or a list: what the rule finds, what to look at first,
and what is usually behind it when nothing is wrong. For one of them, `trailhound rules show
RootAccountUsage` has the rest: all steps, references, ATT&CK, fields. What the rules have in
common, and how many alerts they raise, is in [rule-pack.md](rule-pack.md). An
[incident](incidents.md#its-level) may be above its alerts.

This page is made from the rules by `python -m detections.packs.title_page`.

| title | level | means | first | usually benign |
|---|---|---|---|---|
"""


def page(rules: Iterable[Rule]) -> str:
    """The page: alerting rules by title."""
    shown = sorted(
        (rule for rule in rules if rule.alerts),
        key=lambda rule: (rule.title.casefold(), -LEVELS.index(rule.level)),
    )
    return _HEAD + "".join(f"| {' | '.join(map(_cell, _row(rule)))} |\n" for rule in shown)


def _row(rule: Rule) -> tuple[str, ...]:
    return (
        rule.title,
        rule.level,
        first_sentence(rule.description),
        next(iter(rule.response), ""),
        "; ".join(rule.falsepositives),
    )


def first_sentence(text: str) -> str:
    """The first sentence of a description, on one line.

    >>> first_sentence("A key was made, e.g. for S3. It lasts.")
    'A key was made, e.g. for S3.'
    """
    words = " ".join(text.split()).split(" ")
    for place, word in enumerate(words):
        following = words[place + 1 : place + 2]
        ends = word.endswith(".") and word not in ("e.g.", "i.e.", "etc.")
        if ends and (not following or following[0][:1].isupper()):
            return " ".join(words[: place + 1])
    return " ".join(words)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def shipped_page() -> str:
    """The page as it should be."""
    return page(load_paths([SHIPPED], DetectionSettings()).rules)


if __name__ == "__main__":
    PAGE.write_text(shipped_page(), encoding="utf-8")
