"""Whose the events of an alert are, as far as its links say: the numbers of each principal, where
there are several, and the name of a person whom the events name by an id.

An alarm that counts over an account has the events of whoever made some: without the numbers, an
ordinary workload with five of them is not told from an intruder with a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from detections.alerts.summary import LONGEST_NAME, who_of
from detections.events.identity import is_person_id

Document = Mapping[str, Any]

BY_PRINCIPAL: Final = "by_principal"
"""The member of the links that has the shares, where there are several; of an alert for programs,
too."""
MOST: Final = 20
"""The most principals whose share is kept."""
_NAMED: Final = 2
"""The most principals that a sentence names."""


FIELDS: Final = (
    *("summary", "count", "entity.principal"),
    *(f"links.{name}" for name in ("principal", BY_PRINCIPAL)),
)
"""The fields of an alert that are read here."""


class Share(NamedTuple):
    """How many of an alert's events a principal made, and how many of these failed."""

    principal: str
    events: int
    failed: int


def shares(events: Iterable[tuple[str, bool]]) -> tuple[Share, ...]:
    """The shares of principals in events, each of which is a name and whether it failed; empty
    unless there are several. The largest is first; of events most of which were denied, that with
    the most of these.

    >>> shares([("ci", False), ("ada", True), ("ada", True), ("ci", False), ("ci", False)])[0]
    Share(principal='ci', events=3, failed=0)
    >>> shares([("ci", False), ("ci", False), *[("ada", True)] * 2, ("ci", True)])[0].principal
    'ada'
    >>> shares([("ada", True)])
    ()
    """
    counted: dict[str, list[int]] = {}
    for name, failed in events:
        if name:
            numbers = counted.setdefault(name, [0, 0])
            numbers[0] += 1
            numbers[1] += failed
    found = [Share(name, events, failed) for name, (events, failed) in counted.items()]
    denied = 2 * sum(each.failed for each in found) >= sum(each.events for each in found)
    found.sort(key=lambda it: (-it.failed if denied else 0, -it.events, it.principal))
    return tuple(found[:MOST]) if len(found) > 1 else ()


def stored(document: Document) -> list[Share]:
    """The shares that an alert is stored with; none if it has one principal, and for alerts of the
    last release."""
    found = (document.get("links") or {}).get(BY_PRINCIPAL) or ()
    return [Share(**each) for each in found]


def as_named(document: Document) -> Document:
    """The alert as it is shown: with its principals in the order of their shares, these in its
    sentence, and a person's name in place of the id."""
    known = stored(document)
    made = dict(document)
    if known and "summary" in made:
        before = f"{who_of(document)}: "
        if made["summary"].startswith(before):
            said = whose(known, document)
            made["summary"] = f"{said}: {made['summary'].removeprefix(before)}"
    made = dict(with_person(made))
    if known and "entity" in made:
        entity = made["entity"]
        order = {each.principal: place for place, each in enumerate(known)}
        named = sorted(entity.get("principal") or (), key=lambda name: order.get(name, len(order)))
        made["entity"] = {**entity, "principal": named}
        made[BY_PRINCIPAL] = [each._asdict() for each in known]
    return made


def whose(known: Sequence[Share], alert: Document) -> str:
    """The principals with the numbers of their events; without, where the alert has more events
    than were counted.

    >>> known = [Share("mallory", 42, 42), Share("ci/build", 5, 5), Share("eve", 1, 0)]
    >>> whose(known, {"count": 48})
    'mallory (42), ci/build (5) and 1 more (1)'
    >>> whose(known, {"count": 5000})
    'mallory, ci/build and 1 more'
    """
    exact = sum(each.events for each in known) == alert.get("count")

    def number(events: int) -> str:
        return f" ({events:,})" if exact else ""

    named = ", ".join(f"{_short(each.principal)}{number(each.events)}" for each in known[:_NAMED])
    rest = known[_NAMED:]
    principals = len((alert.get("entity") or {}).get("principal") or ())
    left = max(len(rest), principals - _NAMED)
    if not left:
        return named
    return f"{named} and {left:,} more{number(sum(each.events for each in rest))}"


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def person_named(document: Mapping[str, Any]) -> tuple[str, str]:
    """The id of the person of Identity Center whom an alert names by nothing else, and the name by
    which it is linked; empty where it has none or several.

    >>> person = "fb739b14-199e-410e-8b38-493aa539799f"
    >>> person_named({"entity": {"principal": [person]}, "links": {"principal": ["ada"]}})
    ('fb739b14-199e-410e-8b38-493aa539799f', 'ada')
    """
    principals = (document.get("entity") or {}).get("principal") or ()
    ids = [each for each in principals if is_person_id(each)]
    linked = (document.get("links") or {}).get("principal") or ()
    names = [each for each in linked if each not in principals]
    return (ids[0], names[0]) if len(ids) == len(names) == 1 else ("", "")


def with_person(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The alert, with the person's name in place of the id (`person_named`)."""
    person, name = person_named(document)
    if not person:
        return document
    entity = document["entity"]
    principals = [name if each == person else each for each in entity["principal"]]
    made = {**document, "entity": {**entity, "principal": principals}}
    if "summary" in document:
        made["summary"] = document["summary"].replace(person, name)
    return made
