"""Decides which alerts are one incident. Pure.

Two alerts join if they are near in time and have the same person, session, key or address, or if
one of them created a resource that the other one uses or is. An incident is a set of alerts that
are connected by such pairs, so the order of arrival makes no difference.

Links that many share do not join alerts: addresses with more than `ADDRESS_PRINCIPALS` principals a
day, and roles that more than `ROLE_PEOPLE` people assumed. A key or role that made more than
`WORKLOADS` things on earlier days is one that deploys: what it gives others to act with does not
join, and of what it creates only a credential does, and only whoever acts with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from detections.alerts.whose import Share
from detections.incidents.acting import ACTS, WORKLOADS, acted_with, makers

ADDRESS_PRINCIPALS: Final = 2
ROLE_PEOPLE: Final = 3

AddressDay = tuple[str, date]
MakerDay = tuple[str, date]
"""A key, user's or role's token, and a day: what it made is counted before that."""

_CREDENTIALS: Final = ("key:", "role:", "user:")
"""How tokens begin of what somebody acts as or with."""


@dataclass(frozen=True, slots=True)
class Links:
    """The links of an alert.

    `own`: its person, sessions and keys; `created` and `used`: resources. All are tokens
    (`key:AKIA…`, `user:111122223333:ada`), so that a created user is also a person, and a created
    key also a key. `addresses`: by UTC day; `joined`: the addresses by which it was last joined.
    The others do not join alerts: `acted`, the times of the first and last event of the actor,
    `names` and `accounts`; `shares`, of all of its principals, if there are several. `handed`: of
    usable links, the created credentials that join only whoever acts with them.
    """

    own: frozenset[str] = frozenset()
    created: frozenset[str] = frozenset()
    used: frozenset[str] = frozenset()
    addresses: frozenset[AddressDay] = frozenset()
    joined: frozenset[str] = frozenset()
    acted: tuple[datetime, datetime] | None = None
    names: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    shares: tuple[Share, ...] = ()
    handed: frozenset[str] = frozenset()

    @property
    def acting(self) -> frozenset[str]:
        """Whom the actor is, and the roles of its sessions."""
        return self.own | acted_with(self.own)


NO_LINKS: Final = Links()


@dataclass(frozen=True, slots=True)
class LinkedAlert:
    """An alert with its links; `first` and `last` are the times of its events."""

    id: str
    first: datetime
    last: datetime
    links: Links = NO_LINKS


@dataclass(frozen=True, slots=True)
class Sharing:
    """How many principals share addresses and roles, and how much a key or role made before. What
    is not listed is not shared.

    `addresses`: the number of principals that used an address on a day, 0 if the day is no longer
    in the index; `roles`: the number of people who assumed a role, by its token; `givers`: the
    number of those that a key or role gave something to act with on the days before a day;
    `makers`: the number of things that it made or changed then.
    """

    addresses: Mapping[AddressDay, int] = field(default_factory=dict)
    roles: Mapping[str, int] = field(default_factory=dict)
    givers: Mapping[MakerDay, int] = field(default_factory=dict)
    makers: Mapping[MakerDay, int] = field(default_factory=dict)

    def usable(self, alert: LinkedAlert) -> Links:
        """The links of an alert without those that too many share. An address that is shared on any
        of the alert's days is left out. For a day that is no longer in the index, an address stays
        a link if it was one."""
        shared = {
            each[0]
            for each in alert.links.addresses
            for count in [self.addresses.get(each, 1)]
            if count > ADDRESS_PRINCIPALS or (not count and each[0] not in alert.links.joined)
        }
        created = self._unshared(alert.links.created)
        handed = frozenset[str]()
        by = [(each, alert.first.date()) for each in makers(alert.links.own)] if created else ()
        if any(self.givers.get(each, 0) > WORKLOADS for each in by):
            created -= gifts(created)
        if any(self.makers.get(each, 0) > WORKLOADS for each in by):
            handed = frozenset(each for each in created if each.startswith(_CREDENTIALS))
            created = gifts(created)
        return Links(
            self._unshared(alert.links.own),
            created,
            self._unshared(alert.links.used),
            frozenset(each for each in alert.links.addresses if each[0] not in shared),
            handed=handed,
        )

    def _unshared(self, tokens: frozenset[str]) -> frozenset[str]:
        return frozenset(each for each in tokens if self.roles.get(each, 0) <= ROLE_PEOPLE)


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident. Its `id` is that of its earliest alert; `alerts` are ids in order of time."""

    id: str
    alerts: tuple[str, ...]


def gifts(tokens: Iterable[str]) -> frozenset[str]:
    """Those of the tokens that join an alert that created them only to others that use them."""
    return frozenset(each for each in tokens if each.startswith(ACTS))


def near(one: LinkedAlert, other: LinkedAlert, gap: timedelta) -> bool:
    """Whether the time between two alerts is at most `gap`."""
    return one.first - gap <= other.last and other.first <= one.last + gap


def linked(one: Links, other: Links) -> bool:
    """Whether two alerts have a link in common, regardless of their times. Links must be usable.

    >>> made = Links(created=frozenset({"key:AKIA1"}))
    >>> linked(made, Links(own=frozenset({"key:AKIA1"})))
    True
    >>> used = Links(used=frozenset({"bucket:logs"}))
    >>> linked(used, used)
    False
    """
    if one.own & other.own:
        return True
    both = one.created & other.created
    if one.created & (other.own | other.used) or both - gifts(both):
        return True
    if other.created & (one.own | one.used):
        return True
    if one.handed & other.acting or other.handed & one.acting:
        return True
    return bool({each for each, _ in one.addresses} & {each for each, _ in other.addresses})


def incidents(
    alerts: Iterable[LinkedAlert],
    sharing: Sharing,
    gap: timedelta,
    known: Iterable[Sequence[str]] = (),
) -> tuple[Incident, ...]:
    """All incidents of these alerts, in order of time; an alert that joins no other is an incident.

    An alert that is given twice counts once, as given last. `known`: ids of alerts that are
    connected through alerts which are not given.
    """
    by_id = {each.id: each for each in alerts}
    parent = {name: name for name in by_id}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one, other in _pairs(by_id, sharing, gap):
        parent[root(one)] = root(other)
    for several in known:
        for name in several[1:]:
            parent[root(name)] = root(several[0])
    groups: dict[str, list[LinkedAlert]] = {}
    for each in by_id.values():
        groups.setdefault(root(each.id), []).append(each)
    return tuple(sorted(map(_incident, groups.values()), key=lambda it: _place(by_id[it.id])))


def _incident(alerts: Iterable[LinkedAlert]) -> Incident:
    names = tuple(each.id for each in sorted(alerts, key=_place))
    return Incident(names[0], names)


def _place(alert: LinkedAlert) -> tuple[datetime, str]:
    return alert.first, alert.id


def _pairs(
    alerts: Mapping[str, LinkedAlert], sharing: Sharing, gap: timedelta
) -> Iterator[tuple[str, str]]:
    """Pairs that connect all alerts that join (not every pair), found by token, then by time."""
    holders: dict[str, list[LinkedAlert]] = {}
    makers: dict[str, list[LinkedAlert]] = {}
    users: dict[str, list[LinkedAlert]] = {}
    handers: dict[str, list[LinkedAlert]] = {}
    actors: dict[str, list[LinkedAlert]] = {}
    for each in alerts.values():
        links = sharing.usable(each)
        for token in links.own | {f"address:{address}" for address, _ in links.addresses}:
            holders.setdefault(token, []).append(each)
        for token in links.created:
            makers.setdefault(token, []).append(each)
        for token in links.used:
            users.setdefault(token, []).append(each)
        for token in links.handed:
            handers.setdefault(token, []).append(each)
        for token in acted_with(links.own):
            actors.setdefault(token, []).append(each)
    for several in holders.values():
        yield from _neighbours(several, gap)
    for token, several in makers.items():
        for one in several:
            alike = () if token.startswith(ACTS) else several
            for other in (*alike, *holders.get(token, ()), *users.get(token, ())):
                if one is not other and near(one, other, gap):
                    yield one.id, other.id
    for token, several in handers.items():
        for one in several:
            for other in (*holders.get(token, ()), *actors.get(token, ())):
                if one is not other and near(one, other, gap):
                    yield one.id, other.id


def _neighbours(alerts: list[LinkedAlert], gap: timedelta) -> Iterator[tuple[str, str]]:
    """Each alert with the earlier one that ends last, which connects all that are near."""
    alerts.sort(key=_place)
    furthest = alerts[0]
    for each in alerts[1:]:
        if near(furthest, each, gap):
            yield furthest.id, each.id
        if each.last > furthest.last:
            furthest = each
