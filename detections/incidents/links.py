"""The links of an alert, from its events: those of the actor with the most events.

An alert with many principals must not join the incidents of all of them: an alarm that counts over
the account may have 125 reads by an intruder and three by ordinary workloads. So an alert is linked
only by its leading actor, and not at all if that actor has less than `LEAD` of the events. Where
none has, sessions of one role from one address are one actor. Failed sign-ins name no actor: they
count for the actor of other events from the same address, or else for the address.

Whoever may assume a role may give the session the name of a colleague's, and rules that group by
principal put both into one alert. So the people who opened sessions of the leading actor's name are
linked as well.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from detections.alerts.text import one_line
from detections.alerts.whose import shares
from detections.incidents.acting import ACTS, NO_FUNCTIONS, Functions, few, given, instance_token
from detections.incidents.actors import Actor, Source, account_of, actor_of, at, texts_at
from detections.incidents.creations import CREATED, LEAVES, LONGEST, resource_token
from detections.incidents.joining import AddressDay, Links
from enrich.address import INTERNAL_NETWORKS

LEAD: Final = 1 / 3
"""The least share of an alert's events that its leading actor must have."""

MOST: Final = 200
"""The most tokens of a kind kept for an alert: the first by name, created resources first."""

NAMES: Final = 20
"""The most names and accounts kept; one person has few."""

NAMESAKES: Final = 5
"""The most other people linked who opened sessions of one name."""

_SIGN_IN: Final = "signin.amazonaws.com"

Issuers = Mapping[str, Actor]
"""Temporary access key → the actor who was issued it."""


@dataclass(frozen=True, slots=True)
class _Act:
    """One event: actor, address, and the resources it created and used."""

    actor: Actor | None
    address: str
    time: datetime
    created: frozenset[str]
    used: frozenset[str]
    failed: bool
    failed_sign_in: bool
    name: str
    account: str


def links_of(
    events: Iterable[Source], issuers: Issuers, functions: Functions = NO_FUNCTIONS
) -> Links:
    """The links of an alert with these stored events. `functions`: who made the functions that the
    sessions may be of.

    With a stolen key, an alert may also count the ordinary work of its owner. So if half of the
    leading actor's events are from one address, events from others are not used for links and
    times.
    """
    acts = [_act(each, issuers, functions) for each in events]
    of_principals = shares((act.name, act.failed) for act in acts)
    lead = _lead(acts)
    if lead is None:
        return Links(shares=of_principals)
    by_address = Counter(act.address for act in lead)
    most = _largest(by_address)
    settled = 2 * by_address[most] >= len(lead)
    main = [act for act in lead if act.address == most] if settled else lead
    namesakes = _namesakes(acts, lead)
    lead, main = [*lead, *namesakes], [*main, *namesakes]
    owners = Counter(name for act in acts for name in (act.actor.own if act.actor else ()))
    made = {each for act in lead for each in act.created}
    gifts = few(each for each in made if each.startswith(ACTS))
    created = frozenset((*_first(each for each in made if not each.startswith(ACTS)), *gifts))
    return Links(
        own=frozenset(_most(owners, (name for act in lead if act.actor for name in act.actor.own))),
        created=created,
        used=frozenset(_first(each for act in lead for each in act.used if each not in created)),
        addresses=frozenset(_days(main)),
        joined=frozenset(),
        acted=(min(act.time for act in main), max(act.time for act in main)),
        names=frozenset(_first(act.name for act in lead if act.actor and act.name)[:NAMES]),
        accounts=frozenset(_first(act.account for act in lead if act.account)[:NAMES]),
        shares=of_principals,
    )


def of_both(one: Links, other: Links) -> Links:
    """The links of two parts of an alert."""
    times = [time for each in (one, other) if each.acted for time in each.acted]
    return Links(
        own=one.own | other.own,
        created=one.created | other.created,
        used=one.used | other.used,
        addresses=one.addresses | other.addresses,
        joined=one.joined | other.joined,
        acted=(min(times), max(times)) if times else None,
        names=one.names | other.names,
        accounts=one.accounts | other.accounts,
        shares=max(one.shares, other.shares, key=lambda each: sum(it.events for it in each)),
    )


def _lead(acts: Sequence[_Act]) -> list[_Act] | None:
    """The events of the leading actor or the leading address; where none leads, those of a role's
    sessions from one address, of which a caller may open one for each call."""
    return _of_largest(acts, lambda actor, _: actor.name) or _of_largest(acts, _role_at)


def _namesakes(acts: Iterable[_Act], lead: Sequence[_Act]) -> list[_Act]:
    """The events in sessions that bear the name of a role's session of the leading actor, and were
    opened by other people: of those with the most events."""
    known = {act.actor.name for act in lead if act.actor}
    names = {(act.name, act.account) for act in lead if act.actor and act.actor.role and act.name}
    found: dict[str, list[_Act]] = {}
    for act in acts:
        actor = act.actor
        if actor is None or not (actor.role and actor.person) or actor.name in known:
            continue
        if (act.name, act.account) in names:
            found.setdefault(actor.name, []).append(act)
    most = sorted(found, key=lambda name: (-len(found[name]), name))[:NAMESAKES]
    return [act for name in most for act in found[name]]


def _role_at(actor: Actor, address: str) -> str:
    return f"{actor.role}@{address}" if actor.role and address and not actor.person else actor.name


def _of_largest(acts: Sequence[_Act], name: Callable[[Actor, str], str]) -> list[_Act] | None:
    """The events of the party with the most of them, by the name that an actor at an address has;
    None if it has less than `LEAD`."""
    by_address: dict[str, Counter[str]] = {}
    for act in acts:
        if act.actor is not None:
            by_address.setdefault(act.address, Counter())[name(act.actor, act.address)] += 1
    parties: dict[str, list[_Act]] = {}
    for act in acts:
        if act.actor is not None:
            party = name(act.actor, act.address)
        elif act.failed_sign_in and act.address in by_address:
            party = _largest(by_address[act.address])
        elif act.failed_sign_in and act.address:
            party = f"address:{act.address}"
        else:
            continue
        parties.setdefault(party, []).append(act)
    if not parties:
        return None
    found = parties[_largest({party: len(several) for party, several in parties.items()})]
    return found if len(found) >= LEAD * len(acts) else None


def _largest(counts: Mapping[str, int]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def _act(source: Source, issuers: Issuers, functions: Functions) -> _Act:
    account = account_of(source)
    failed = at(source, "event", "outcome") == "failure"
    failed_sign_in = failed and at(source, "eventSource") == _SIGN_IN
    actor = None if failed_sign_in else _resolved(actor_of(source), issuers)
    created = frozenset[str]()
    if not failed:
        leaf = CREATED.get(at(source, "eventName"))
        created = frozenset((*(_tokens(source, leaf, account) if leaf else ()), *given(source)))
    named: Any = source.get("resource")
    kinds = LEAVES.intersection(named) if isinstance(named, Mapping) else ()
    used = {each for leaf in kinds for each in _tokens(source, leaf, account)}
    if actor is not None:
        used |= actor.by
        if actor.role:
            used.add(actor.role)
            if not actor.person and actor.key not in issuers:
                # Whoever opens a session chooses its name: only of one that nobody is known to
                # have opened does it say which instance or function it is of.
                used |= {instance_token(source)} - {""}
                used |= functions.tokens(source, actor.role)
    return _Act(
        actor=actor,
        address=public_address(at(source, "source", "ip")),
        time=datetime.fromisoformat(str(source["@timestamp"])).astimezone(UTC),
        created=created,
        used=frozenset(used),
        failed=failed,
        failed_sign_in=failed_sign_in,
        name=one_line(at(source, "user", "name"), LONGEST),
        account=one_line(account, LONGEST),
    )


def _resolved(actor: Actor | None, issuers: Issuers) -> Actor | None:
    """The person behind an actor's session, if the call that issued its key is known; else the
    actor."""
    if actor is None or actor.person:
        return actor
    issuer = issuers.get(actor.key)
    if issuer is None:
        return actor
    return replace(
        actor,
        name=issuer.name or actor.name,
        own=actor.own | issuer.own,
        person=issuer.person,
        by=issuer.by,
    )


def issued_to(chain: Mapping[str, Actor], hops: int = 5) -> dict[str, Actor]:
    """By key, the first actor of a chain in which each was issued credentials with those of
    another.

    `chain` maps a key to the actor who made the call that issued it.
    """
    found: dict[str, Actor] = {}
    for key, issuer in chain.items():
        actor, own, by = issuer, issuer.own, issuer.by
        for _ in range(hops):
            before = chain.get(actor.key)
            if actor.person or before is None or before.name == actor.name:
                break
            named = replace(before, name=before.name or actor.name)
            actor, own, by = named, own | before.own, by | before.by
        found[key] = Actor(actor.name, own, actor.key, actor.role, actor.person, by)
    return found


def _tokens(source: Source, leaf: str, account: str) -> Iterator[str]:
    for value in texts_at(source, "resource", leaf):
        if made := resource_token(leaf, value, account):
            yield made


@lru_cache(maxsize=8_192)
def public_address(text: str) -> str:
    """A public address; empty for private ones and other text.

    >>> public_address("203.0.113.7"), public_address("10.0.0.1")
    ('203.0.113.7', '')
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    if any(address in network for network in INTERNAL_NETWORKS) or "%" in text:
        return ""
    return str(address)


def _days(acts: Iterable[_Act]) -> list[AddressDay]:
    return sorted({(act.address, act.time.date()) for act in acts if act.address})[:MOST]


def _first(tokens: Iterable[str]) -> list[str]:
    return sorted(set(tokens))[:MOST]


def _most(counts: Mapping[str, int], tokens: Iterable[str]) -> list[str]:
    """The most frequent tokens, a person before its many sessions."""
    return sorted(set(tokens), key=lambda each: (-counts[each], each))[:MOST]
