"""Of an incident, whose credentials are to be contained, and who is only named: an address or a
resource that two share may have joined a colleague or a pipeline to an intruder. Pure.

A party is all alerts that are connected by persons, sessions and keys, or by credentials and rights
that one created and another one acts with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from detections.alerts.document import access_keys, openers
from detections.incidents.acting import ACTS, acted_with
from detections.incidents.document import LINKS
from detections.incidents.entries import about
from detections.rule import LEVELS

Document = Mapping[str, Any]

CREDENTIALS: Final = (ACTS, "key:", "role:", "user:")
"""How tokens begin of what one creates for another one to act with."""
NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Parties:
    """`order`: the principals and keys that are contained, those of the most severe alerts first;
    `aside`: those that are not; `sentences` name the latter, without a full stop."""

    order: Mapping[str, int]
    aside: frozenset[str] = frozenset()
    sentences: tuple[str, ...] = ()

    def contained(self, names: Iterable[str]) -> list[str]:
        """The names of principals or keys without those aside, in order."""
        last = len(self.order)
        rest = (each for each in names if each not in self.aside)
        return sorted(rest, key=lambda each: self.order.get(each, last))


def parties(alerts: Sequence[Document]) -> Parties:
    """Those of the alerts of an incident. No step is advised for a party that an address or a
    resource alone joined to one with a more severe alert."""
    found = sorted(_connected(alerts), key=_level, reverse=True)
    top = _level(found[0]) if found else 0
    main = [each for each in found if _level(each) == top]
    order: dict[str, int] = {}
    for each in sorted((it for some in main for it in some), key=lambda it: -_of(it)):
        for name in _named(each):
            order.setdefault(name, len(order))
    aside: set[str] = set()
    sentences = []
    for some in found[len(main) :]:
        names = dict.fromkeys(name for each in some for name in _named(each) if name not in order)
        aside |= names.keys()
        keys = {key for each in some for key in access_keys(each)}
        if who := [each for each in names if each not in keys] or list(names):
            sentences.append(_sentence(who, _by(some, main), LEVELS[_level(some)]))
    return Parties(order, frozenset(aside), tuple(sentences))


def _sentence(who: Sequence[str], by: str, level: str) -> str:
    named = ", ".join(who[:NAMED]) + (f" and {len(who) - NAMED} more" if len(who) > NAMED else "")
    return (
        f"also in this incident: {named}. No step is advised for them, because {by} alone joined "
        f"them to it, and their most severe alert is {level}: look at their alerts"
    )


def _by(party: Sequence[Document], main: Sequence[Sequence[Document]]) -> str:
    shared = _addresses(party) & _addresses(it for some in main for it in some)
    return f"the address {min(shared)}" if shared else "a resource or an address"


def _addresses(alerts: Iterable[Document]) -> set[str]:
    return {address for each in alerts for address in _links(each, "address")}


def _connected(alerts: Sequence[Document]) -> list[list[Document]]:
    """The alerts of each party."""
    parent = list(range(len(alerts)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    holders: dict[str, int] = {}
    makers: dict[str, list[int]] = {}
    for number, each in enumerate(alerts):
        for token in _links(each, "own"):
            parent[root(number)] = root(holders.setdefault(token, number))
        for token in _links(each, "created"):
            if token.startswith(CREDENTIALS):
                makers.setdefault(token, []).append(number)
    for number, each in enumerate(alerts):
        own = _links(each, "own")
        for token in (*own, *acted_with(own, _links(each, "used"))):
            for maker in makers.get(token, ()):
                parent[root(number)] = root(maker)
    found: dict[int, list[Document]] = {}
    for number, each in enumerate(alerts):
        found.setdefault(root(number), []).append(each)
    return list(found.values())


def _links(alert: Document, kind: str) -> Sequence[str]:
    return (alert.get(LINKS) or {}).get(kind) or ()


def _named(alert: Document) -> list[str]:
    return [*access_keys(alert), *about(alert, "principal"), *openers(alert)]


def _level(party: Sequence[Document]) -> int:
    return max(map(_of, party))


def _of(alert: Document) -> int:
    return LEVELS.index(alert["level"])
