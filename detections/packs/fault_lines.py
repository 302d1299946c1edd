"""Which faults of a pack are shown, and in which order: by file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from detections.packs.documents import Document, RuleFault


def at_their_lines(
    faults: Sequence[RuleFault], checked: Iterable[tuple[Document, Sequence[RuleFault]]]
) -> Iterator[RuleFault]:
    """The faults, with detailed ones in place of the first error of each rule."""
    explained: set[int] = set()
    more: list[RuleFault] = []
    for document, found in checked:
        here = [each for each in faults if each.place == document.place]
        stopping = [each for each in here if each.stops and each.what != "override"]
        if not stopping:  # it runs: only mistakes and notes
            more += [replace(each, stops=False) for each in found]
            slips = {each.reason for each in found}
            explained |= {id(each) for each in here if each.what == "note" and _same(each, slips)}
            continue
        causes = [each for each in found if each.stops]
        slips = {each.reason for each in found}
        explained |= {id(each) for each in stopping if causes or _same(each, slips)}
        more += [
            each if causes else replace(each, stops=_same(stopping[0], {each.reason}))
            for each in found
        ]
    shown = [each for each in faults if id(each) not in explained] + more
    order: dict[Path, int] = {}
    for each in shown:
        order.setdefault(each.place.path, len(order))
    yield from sorted(shown, key=lambda each: (order[each.place.path], each.place.line))


def _same(fault: RuleFault, reasons: Iterable[str]) -> bool:
    """Whether a fault and one of the reasons name the same field."""
    return any(
        name in fault.reason for each in reasons for name in re.findall(r"field ('[^']+')", each)
    )
