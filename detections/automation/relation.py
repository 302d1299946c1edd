"""The relation `known_automation`: who makes which call from where, and from when until when.

`Relation.knows` decides for one event, `Relation.clause` is the equivalent query. The time of the
event decides, so entries that were learned later do not apply to it.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from detections.compiled import Query
from detections.events.identity import ADDRESS, ISSUER, RECIPIENT
from detections.matcher.event_values import Record, RecordTest, text, values_at
from detections.span import milliseconds
from trailhound.cluster.queries import between
from trailhound.settings.detections import KnownAutomationSettings
from trailhound.state.known_automation import KnownAutomation

ROLE_ID: Final = "userIdentity.sessionContext.sessionIssuer.principalId"
ENDPOINT: Final = "vpcEndpointId"
_FROM_CONSOLE: Final = "sessionCredentialFromConsole"
CONSOLE: Final[Query] = {"term": {_FROM_CONSOLE: "true"}}
"""Calls of the console: a person's, whose role and network may be those of a program too."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """The calls that one entry covers. An empty `rule_id`, `account`, `role_id` or `source` means
    any.

    `role` is the role's ARN, `role_id` its unique id (AROA…), which differs after the role is
    deleted and created again. `network` is a CIDR. `endpoint` is the VPC endpoint of the call,
    empty for none: the owner of a VPC chooses its addresses freely, so an address from an endpoint
    proves nothing by itself. The entry covers events from `since` on and before `until`; None means
    no limit.
    """

    role: str
    call: str
    network: str
    rule_id: str = ""
    account: str = ""
    role_id: str = ""
    source: str = ""
    endpoint: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def concerns(self, rule_id: str, possible: RecordTest | None) -> bool:
        """Whether it may cover events of a rule; `possible` is the rule's `precheck` on the
        call."""
        if self.rule_id not in ("", rule_id):
            return False
        if possible is None or not self.source:
            return True
        return possible({"eventSource": self.source, "eventName": self.call})


_READ: Final[Mapping[str, Callable[[Record], list[Any]]]] = {
    name: values_at(name)
    for name in (
        *("eventSource", "eventName", ISSUER, ROLE_ID, RECIPIENT, ADDRESS, ENDPOINT),
        _FROM_CONSOLE,
    )
}
_Test = Callable[[Record], bool]


class Relation:
    """The relation made of some entries."""

    def __init__(self, entries: Iterable[Trusted] = ()) -> None:
        self.entries = tuple(entries)
        self._by_role: dict[str, list[tuple[Trusted, _Test]]] = defaultdict(list)
        for each in self.entries:
            self._by_role[each.role].append((each, _test(each)))

    def knows(self, rule_id: str, record: Record) -> bool:
        """Whether an event, given as it would be indexed, is known automation for a rule."""
        for role in _READ[ISSUER](record):
            for each, test in self._by_role.get(text(role), ()):
                if each.rule_id in ("", rule_id) and test(record):
                    return True
        return False

    def clause(self, rule_id: str, possible: RecordTest | None) -> Query | None:
        """The query for such events; None if no entry concerns the rule."""
        calls: dict[Trusted, set[str]] = defaultdict(set)
        for each in self.entries:
            if each.concerns(rule_id, possible):
                calls[replace(each, call="", rule_id="")].add(each.call)
        if not calls:
            return None
        several = [query_of(each, sorted(names)) for each, names in calls.items()]
        if len(several) == 1:
            return several[0]
        return {"bool": {"should": several, "minimum_should_match": 1}}


def trusted_by_settings(settings: KnownAutomationSettings) -> list[Trusted]:
    """The entries of `detections.known_automation.trusted`."""
    return [
        Trusted(
            role=each.role,
            call=call,
            network=network,
            endpoint=each.vpc_endpoint,
            until=each.until,
        )
        for each in settings.trusted
        for call in each.calls
        for network in each.networks
    ]


def relation_of(settings: KnownAutomationSettings, entries: Iterable[KnownAutomation]) -> Relation:
    """The relation that the settings and stored entries make. Learned entries count only while
    learning is enabled."""
    stored = [
        Trusted(
            role=each.role,
            call=each.call,
            network=each.network,
            rule_id=each.rule_id,
            account=each.account,
            role_id=each.role_id,
            source=each.source,
            endpoint=each.endpoint,
            since=each.since,
            until=each.until,
        )
        for each in entries
        if settings.enabled or each.origin == "set"
    ]
    return Relation([*trusted_by_settings(settings), *stored])


def query_of(entry: Trusted, calls: Sequence[str]) -> Query:
    """The query for the events that an entry covers, with `calls` instead of its own call."""
    fields = {
        ISSUER: entry.role,
        ROLE_ID: entry.role_id,
        RECIPIENT: entry.account,
        "eventSource": entry.source,
        ENDPOINT: entry.endpoint,
    }
    found: list[Query] = [{"terms": {"eventName": list(calls)}}]
    found += [{"term": {name: value}} for name, value in fields.items() if value]
    found.append({"term": {ADDRESS: entry.network}})
    found += between("@timestamp", entry.since, entry.until)
    barred = [CONSOLE] if entry.endpoint else [CONSOLE, {"exists": {"field": ENDPOINT}}]
    return {"bool": {"filter": found, "must_not": barred}}


def network_of(address: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    """The network by which an address is recognised; empty for text that is not an address.

    >>> network_of("203.0.113.7", 24, 48), network_of("2001:db8:1:2::3", 24, 48)
    ('203.0.113.0/24', '2001:db8:1::/48')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    prefix = ipv4_prefix if found.version == 4 else ipv6_prefix
    return str(ipaddress.ip_network((found, prefix), strict=False))


def _test(entry: Trusted) -> _Test:
    wanted = {
        "eventSource": entry.source,
        "eventName": entry.call,
        ROLE_ID: entry.role_id,
        RECIPIENT: entry.account,
        ENDPOINT: entry.endpoint,
    }
    tests = [(_READ[name], value) for name, value in wanted.items() if value]
    network = ipaddress.ip_network(entry.network, strict=False)
    since = None if entry.since is None else milliseconds(entry.since)
    until = None if entry.until is None else milliseconds(entry.until)

    def holds(record: Record) -> bool:
        if not all(value in map(text, read(record)) for read, value in tests):
            return False
        if not entry.endpoint and _READ[ENDPOINT](record):
            return False
        if "true" in map(text, _READ[_FROM_CONSOLE](record)):
            return False
        time = milliseconds(datetime.fromisoformat(str(record["@timestamp"])))
        if (since is not None and time < since) or (until is not None and time >= until):
            return False
        return any(_inside(text(each), network) for each in _READ[ADDRESS](record))

    return holds


def _inside(address: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False
