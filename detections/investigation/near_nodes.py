"""Names of nodes that are similar to one that no event has.

Not in `paths.py`, which imports a library of graphs: most callers of this module need none.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from detections.investigation.nodes import Node

_NEAR: Final = 5
_BEGUN: Final = 4
"""The least characters of a name with which similar ones begin, which are named first."""
_UNKNOWN: Final = (
    "see the events of the span with `trailhound events`, or change --since and --until"
)


def nearest(nodes: Iterable[Node], kind: str, name: str, *, unknown: str = _UNKNOWN) -> str:
    """A hint with similar names: of this kind, or else of any. `unknown`: the hint if no name is
    similar."""
    every = sorted(nodes)
    same = {each.name: each for each in every if not kind or each.kind == kind}
    begun = [each for each in same if len(name) >= _BEGUN and each.startswith(name)]
    close = difflib.get_close_matches(name, same, _NEAR, 0.5)
    near = [same[each].short for each in dict.fromkeys((*begun, *close))]
    others = {each.name: each for each in every if each.name not in same}
    near += [others[each].short for each in difflib.get_close_matches(name, others, _NEAR, 0.8)]
    if not near:
        near = [each.short for each in every if name.casefold() in each.name.casefold()]
    if near:
        return f"the nearest: {', '.join(near[:_NEAR])}"
    return unknown
