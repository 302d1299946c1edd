"""Decides which alerts change their incident when some alerts are new or changed.

An incident may last for months, so it is not read completely. If an alert only gained links, it
stays joined to its incident, and the alerts that it joins now are found by its links: their
incidents become one. Only if links are gone, or the alert that an incident is named after, all
alerts of that incident are read and joined again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from detections.incidents.joining import LinkedAlert, Sharing, incidents, linked, near


@dataclass(frozen=True, slots=True)
class Stored:
    """An alert and the id of its incident; empty if it was never joined."""

    alert: LinkedAlert
    incident: str = ""


class AlertLookup(Protocol):
    """All stored alerts, without those that were merged into others."""

    def joining(self, alerts: Sequence[LinkedAlert]) -> Iterable[Stored]:
        """A superset of the alerts that join one of these, whose links are usable ones."""

    def members(self, incidents: Iterable[str]) -> Iterable[Stored]:
        """All alerts that name one of these incidents."""

    def named(self, names: Iterable[str]) -> Iterable[Stored]:
        """The existing alerts with these ids."""

    def sharing(self, alerts: Iterable[LinkedAlert]) -> Sharing:
        """How many principals share what these alerts have, and what earlier ones had."""


@dataclass(slots=True)
class IncidentChanges:
    """The incident of each alert that is due or has to change. `lost`: ids of incidents that are
    now part of another."""

    incident: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)


def decided(
    due: Mapping[str, LinkedAlert],
    before: Mapping[str, Stored],
    lookup: AlertLookup,
    gap: timedelta,
    renewed: Iterable[str] = (),
) -> IncidentChanges:
    """The incidents of the alerts that are due. `before`: these alerts as they were last joined;
    `renewed`: incidents that have lost an alert, and are joined again."""
    sharing = lookup.sharing([*due.values(), *(each.alert for each in before.values())])
    made = _Joining(due, before, lookup, gap)
    made.take_whole(renewed)
    made.take_whole(
        before[name].incident
        for name, alert in due.items()
        if not _holds(alert, before[name], sharing)
    )
    made.look_around()
    return made.decision()


class _Joining:
    """A decision being made. `here`: the alerts that are due, and those looked up;
    `whole`: incidents all of whose alerts are here, which are joined again."""

    def __init__(
        self,
        due: Mapping[str, LinkedAlert],
        before: Mapping[str, Stored],
        lookup: AlertLookup,
        gap: timedelta,
    ) -> None:
        self._due = due
        self._lookup = lookup
        self._gap = gap
        self._here = {name: Stored(alert, before[name].incident) for name, alert in due.items()}
        self._whole: set[str] = set()
        self._waiting = list(due)
        """Alerts whose neighbours are to be searched."""

    def take_whole(self, names: Iterable[str]) -> None:
        """Read all alerts of incidents, to join them again."""
        wanted = set(names) - self._whole - {""}
        self._whole |= wanted
        for each in self._lookup.members(sorted(wanted)) if wanted else ():
            name = each.alert.id
            self._here.setdefault(name, each)
            if name not in self._waiting:
                self._waiting.append(name)

    def look_around(self) -> None:
        """Read the alerts that join those being joined again, and the alerts that their incidents
        are named after, which may be the earliest. An incident is also joined again if the alert it
        is named after is gone or names another incident."""
        while self._waiting:
            alerts = [self._here[name].alert for name in self._waiting]
            self._waiting = []
            sharing = self._lookup.sharing(alerts)
            usable = [_usable(each, sharing) for each in alerts]
            others = [
                each for each in self._lookup.joining(usable) if each.alert.id not in self._here
            ]
            sharing = self._lookup.sharing(each.alert for each in others)
            for each in others:
                if _joins_any(_usable(each.alert, sharing), usable, self._gap):
                    self._here[each.alert.id] = each
            self._read_names()

    def _read_names(self) -> None:
        while True:
            named = {each.incident for each in self._here.values()} - self._whole - {""}
            missing = named - self._here.keys()
            for each in self._lookup.named(sorted(missing)) if missing else ():
                self._here[each.alert.id] = each
            broken = {
                name
                for name in named
                if name not in self._here or self._here[name].incident != name
            }
            if not broken:
                return
            self.take_whole(broken)

    def decision(self) -> IncidentChanges:
        sharing = self._lookup.sharing(each.alert for each in self._here.values())
        known: dict[str, list[str]] = {}
        for name, each in self._here.items():
            if each.incident and each.incident not in self._whole:
                known.setdefault(each.incident, []).append(name)
        alerts = [each.alert for each in self._here.values()]
        found = incidents(alerts, sharing, self._gap, known.values())
        of = {name: each.id for each in found for name in each.alerts}
        made = IncidentChanges()
        for incident, names in known.items():
            if of[names[0]] == incident:
                continue
            made.lost.add(incident)
            for each in self._lookup.members([incident]):
                if each.alert.id not in self._here:
                    made.incident[each.alert.id] = of[names[0]]
        for name, each in self._here.items():
            if name in self._due or each.incident != of[name]:
                made.incident[name] = of[name]
        return made


def _holds(alert: LinkedAlert, before: Stored, sharing: Sharing) -> bool:
    """Whether an alert still has all the links that it was joined by."""
    now, then = sharing.usable(alert), sharing.usable(before.alert)
    return (
        then.own <= now.own
        and then.created <= now.created
        and then.handed <= now.created | now.handed
        and then.used <= now.used
        and before.alert.links.joined <= {address for address, _ in now.addresses}
    )


def _usable(alert: LinkedAlert, sharing: Sharing) -> LinkedAlert:
    return LinkedAlert(alert.id, alert.first, alert.last, sharing.usable(alert))


def _joins_any(one: LinkedAlert, several: Iterable[LinkedAlert], gap: timedelta) -> bool:
    return any(near(one, other, gap) and linked(one.links, other.links) for other in several)
