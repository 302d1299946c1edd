"""The nodes of the activity graph that a text names."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from detections.investigation.near_nodes import nearest
from detections.investigation.nodes import KINDS, Node
from trailhound.errors import UsageError

if TYPE_CHECKING:
    from detections.investigation.graph import ActivityGraph


def named(nodes: Iterable[Node], text: str) -> list[Node]:
    """The nodes that a text names: `user:ada` in every account, `user:ada@ACCOUNT` in one; `*`
    stands for any text. Raises `UsageError` for a text without a kind."""
    kind, colon, rest = text.strip().partition(":")
    if not colon or kind not in KINDS or not rest:
        near = nearest(nodes, "", text.strip(), unknown=f"the kinds: {', '.join(KINDS)}")
        raise UsageError(f"{text} is no node", hint=f"write its kind before the name; {near}")
    name, mark, account = rest.rpartition("@")
    wanted = [(rest, "")] + ([(name, account)] if mark and account.isdecimal() else [])
    return sorted(
        each
        for each in nodes
        if each.kind == kind
        and any(
            _matches(each.name, pattern) and (not where or each.account == where)
            for pattern, where in wanted
        )
    )


def resolve(graph: ActivityGraph, text: str) -> list[Node]:
    """The nodes of a complete graph that a text names. Raises `UsageError` with similar names if
    there is none."""
    if found := named(graph.graph.nodes, text):
        return found
    kind, _, rest = text.strip().partition(":")
    raise UsageError(f"there is no node {text}", hint=nearest(graph.graph.nodes, kind, rest))


def _matches(name: str, pattern: str) -> bool:
    if "*" not in pattern:
        return name == pattern
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))
