"""The fields of an alert for joining: its links, the id of its incident, and whether it is due.

Every write of an alert's events marks it as due (`DUE`); the updater removes the mark with the
write that names the incident.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

from detections.alerts.document import stamp
from detections.alerts.whose import BY_PRINCIPAL
from detections.alerts.whose import stored as shares_of
from detections.incidents.joining import AddressDay, LinkedAlert, Links
from detections.incidents.reach import Stored

INCIDENT: Final = "incident"
DUE: Final = "incident_due"
LINKS: Final = "links"
NEW: Final = "new"
"""The member of the links that names identities of which the index had no success before."""
INSIDE: Final = "inside"
"""The member of the links that says that whatever the alert's events let in is an account whose own
trail is in the index."""
MERGED: Final = "merged_into"

FIELDS: Final = ("first_seen", "last_seen", MERGED, INCIDENT, LINKS)
"""The fields of an alert that `stored` reads."""

_ACTED: Final = ("first", "last")
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

Document = Mapping[str, Any]


def joined(
    links: Links,
    incident: str,
    usable: Iterable[AddressDay] = (),
    new: Iterable[str] = (),
    *,
    inside: bool = False,
) -> dict[str, Any]:
    """The fields of a joined alert. `usable`: the addresses by which it was joined; `new`: the
    identities that it is about and that were not known before; `inside`: as `INSIDE`."""
    times = map(stamp, links.acted) if links.acted else (None, None)
    return {
        LINKS: {
            "own": sorted(links.own),
            "created": sorted(links.created),
            "used": sorted(links.used),
            "address": sorted({address for address, _ in links.addresses}),
            "address_day": sorted(f"{address}@{day}" for address, day in links.addresses),
            "joined_address": sorted({address for address, _ in usable}),
            "principal": sorted(links.names),
            "account": sorted(links.accounts),
            NEW: sorted(new),
            INSIDE: inside,
            BY_PRINCIPAL: [each._asdict() for each in links.shares],
            **dict(zip(_ACTED, times, strict=True)),
        },
        INCIDENT: incident,
        DUE: False,
    }


def linked_alert(name: str, document: Document) -> LinkedAlert:
    """A stored alert with its links; without links if it was never joined."""
    first, last = span(document)
    stored = document.get(LINKS) or {}
    return LinkedAlert(
        name,
        first,
        last,
        Links(
            own=frozenset(stored.get("own", ())),
            created=frozenset(stored.get("created", ())),
            used=frozenset(stored.get("used", ())),
            addresses=frozenset(map(_address_day, stored.get("address_day", ()))),
            joined=frozenset(stored.get("joined_address", ())),
            acted=acted(document) if stored.get("first") else None,
            names=frozenset(stored.get("principal", ())),
            accounts=frozenset(stored.get("account", ())),
            shares=tuple(shares_of(document)),
        ),
    )


def stored(name: str, document: Document) -> Stored:
    """A stored alert, with the incident that it names."""
    return Stored(linked_alert(name, document), document.get(INCIDENT) or "")


def acted(document: Document) -> tuple[datetime, datetime]:
    """The times of the first and the last event that the alert is linked by, or of all its events
    if it has no links."""
    stored = document.get(LINKS) or {}
    if not all(stored.get(name) for name in _ACTED):
        return span(document)
    first, last = (datetime.fromisoformat(stored[name]) for name in _ACTED)
    return first, last


def is_of_days(document: Document) -> bool:
    """Whether the alert's rule evaluates complete days, so that the alert begins and ends with
    them."""
    return (document.get("rule") or {}).get("kind") == "anomaly"


def span(document: Document) -> tuple[datetime, datetime]:
    """The times of an alert's first and last event; 1970 if the document has none, so that it joins
    no other alert."""
    try:
        first = datetime.fromisoformat(document["first_seen"])
        last = datetime.fromisoformat(document.get("last_seen") or document["first_seen"])
        first, last = first.astimezone(UTC), last.astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return _NEVER, _NEVER
    return min(first, last), max(first, last)


def _address_day(stored: str) -> AddressDay:
    address, _, day = stored.rpartition("@")
    return address, date.fromisoformat(day)
