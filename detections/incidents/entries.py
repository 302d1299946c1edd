"""The entries of an incident's time line: one for each alert, with what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from detections.alerts.document import access_keys, stamp
from detections.alerts.summary import summary
from detections.alerts.twins import TWIN_KEY, together
from detections.alerts.whose import BY_PRINCIPAL, as_named
from detections.incidents.closings import CLOSED
from detections.incidents.creations import order_within_second
from detections.incidents.document import LINKS, acted

Document = Mapping[str, Any]

FIELDS: Final = (
    "entity.resource",
    *(f"{LINKS}.{name}" for name in ("created", "used", BY_PRINCIPAL)),
)
"""The fields of alerts that are read here, besides those of an incident."""
STATES: Final = ("open", "acknowledged", CLOSED)
"""The states of an alert; an incident has the first that any of its alerts has."""
_LATER: Final = ("acts:", "policy:")
"""Links that are not named before all else: what a policy is given to says more."""
MOST: Final = 20
"""The most resources that an entry names."""


def timeline(alerts: Sequence[tuple[str, Document]]) -> list[dict[str, Any]]:
    """An entry for each alert, ordered by the first event of its actor. Twins (alerts of variants
    of a rule about the same events) are one entry, which names the others in `twins`."""
    entries = []
    variants: dict[str, list[tuple[str, Document]]] = {}
    for name, document in alerts:
        variants.setdefault(document.get(TWIN_KEY) or name, []).append((name, document))
    for several in variants.values():
        name, document = several[0][0], as_named(several[0][1])
        first, last = acted(document)
        named = objects(document)
        entries.append(
            {
                "time": stamp(first),
                "until": stamp(last),
                "alert": name,
                "twins": [twin for twin, _ in several[1:]],
                "level": document["level"],
                "state": min((it["state"] for _, it in several), key=STATES.index),
                "rule": together([it["rule"]["name"] for _, it in several]),
                "principals": list(about(document, "principal")),
                "addresses": list(about(document, "address")),
                "objects": named[:MOST],
                "objects_total": len(named),
                "countries": [],
                "calls": [each["name"] for each in document.get("calls") or ()],
                "outcome": document.get("outcome", ""),
                "summary": document.get("summary") or summary(document),
            }
        )
    return sorted(entries, key=_in_order)


def _in_order(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """By time; within a second, in which CloudTrail's times end, what makes a thing first."""
    first = min(map(order_within_second, entry["calls"][:1]), default=1)
    return entry["time"], first, entry["until"], entry["alert"]


def is_twin(one: Document, other: Document) -> bool:
    """Whether two alerts are of variants of a rule about the same events."""
    return bool(one.get(TWIN_KEY)) and one[TWIN_KEY] == other.get(TWIN_KEY)


def about(document: Document, kind: str) -> Iterable[str]:
    """The principals, addresses or accounts of the actor that the alert is linked by, or all that
    the alert names if it has no links."""
    links = document.get(LINKS) or {}
    found: list[str] = links.get(kind) or []
    if found or (links.get("first") and kind == "principal"):
        return found  # only failed sign-ins: there is no actor
    # A file in a folder without an account has no principal and no account.
    return list((document.get("entity") or {}).get(kind, ()))


def objects(document: Document) -> list[str]:
    """The resources that an alert is about, the main ones first: what it created, what else links
    can join it by (users, roles, buckets, …), all others, ARNs last. An ARN whose name is among
    them is left out, and so is whoever acted.

    >>> named = ["a/1", "arn:aws:s3:::loot", "loot", "AKIA1"]
    >>> links = {"created": ["key:AKIA1"], "used": ["bucket:loot"]}
    >>> objects({"entity": {"resource": named, "principal": ["ada"]}, "links": links})
    ['AKIA1', 'loot', 'a/1']
    """
    entity = document.get("entity") or {}
    links = document.get(LINKS) or {}
    created, used = (
        {each.rpartition(":")[2] for each in links.get(name) or () if not each.startswith(_LATER)}
        for name in ("created", "used")
    )
    actors = {*(entity.get("principal") or ()), *access_keys(document)}
    named = [each for each in entity.get("resource") or () if each not in actors]
    names = {each for each in named if not each.startswith("arn:")}
    ends = tuple(f"{mark}{each}" for each in names for mark in ":/")

    def rank(name: str) -> tuple[int, str]:
        kinds = (name in created, name in used, not name.startswith("arn:"))
        return next((place for place, holds in enumerate(kinds) if holds), len(kinds)), name

    return sorted((each for each in named if each in names or not each.endswith(ends)), key=rank)
