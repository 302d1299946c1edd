"""The subject of an investigation, from the text that names it: a principal, key, address,
resource, alert or incident.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from opensearchpy import OpenSearch

from detections.alerts.alert_events import events_of
from detections.events.identity import (
    ACCOUNT,
    ADDRESS,
    INVOKED_BY,
    KEY,
    MADE_KEY,
    NAME,
    ON_BEHALF_OF,
    RECIPIENT,
    SOURCE_IDENTITY,
    TYPE,
)
from detections.events.index import EventIndex, terms
from detections.events.selection import RESOURCE, by_address, by_principal, by_resource
from detections.incidents.people import also_by, ids_of, named_before_the_at
from detections.incidents.store import IncidentStore
from detections.investigation.nodes import KINDS
from detections.investigation.sessions import FIELDS, Sessions
from trailhound.cluster.queries import Query, any_of, both, either
from trailhound.errors import UsageError
from trailhound.settings import Settings

_KEY: Final = re.compile(r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{4,}")
_HEX: Final = re.compile(r"[0-9a-f]{4,64}(?:…|\.\.\.)?")
_IN_ACCOUNT: Final = re.compile(r"(.+)@([0-9]{12})")
"""A name with an account; no mail address ends so."""
_ACCOUNTS: Final = (ACCOUNT, RECIPIENT)


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject. `did`: a query for the events it made; `target`: for those about it, of an
    incident those that opened its sessions; `evidence`: for those that an incident's alerts name.
    `follow`: whether sessions that it opened belong to it."""

    text: str
    kind: str
    did: Query | None = None
    target: Query | None = None
    evidence: Query | None = None
    follow: bool = True


def subject_of(client: OpenSearch, settings: Settings, index: EventIndex, text: str) -> Subject:
    """The subject that a text names. A kind before it (`user:`, `role:`, `key:`, `ip:`, `s3:`,
    `incident:` …) decides; without a kind it is a key, an address, an incident or alert, or a name.

    Raises `UsageError` for an empty text and an incident that does not exist, and opensearch-py's
    errors.
    """
    text = text.strip()
    if not text:
        raise UsageError("nothing is named", hint="name a principal, key, address or resource")
    kind, colon, rest = text.partition(":")
    if colon and rest and kind in (*KINDS, "incident", "principal"):
        return _of_kind(client, settings, index, kind, rest)
    if _KEY.fullmatch(text):
        return _of_key(text)
    if _is_address(text):
        return _of_address(text)
    if _HEX.fullmatch(text) and (found := _incidents(client, settings, text)):
        return _of_incident(client, settings, index, found)
    return _of_person(index, _of_name(text))


def _of_person(index: EventIndex, subject: Subject) -> Subject:
    """With the name of a person of Identity Center, also what has only the id of that person. The
    part of a mail address before the `@` names the person, where it names nobody else."""
    name = subject.text
    if subject.did is None or "*" in name or _IN_ACCOUNT.fullmatch(name):
        return subject
    exactly = either([any_of(name, (NAME, ON_BEHALF_OF)), any_of(f"*/{name}", (NAME,))])
    if ids := ids_of(index, both(subject.did, exactly)):
        return replace(subject, did=also_by(subject.did, ids))
    if any(mark in name for mark in "@/:") or _is_known(index, subject):
        return subject
    people = named_before_the_at(index, name)
    return _of_person(index, _of_name(people[0])) if len(people) == 1 else subject


def _is_known(index: EventIndex, subject: Subject) -> bool:
    return index.count(either([each for each in (subject.did, subject.target) if each])) > 0


def _of_kind(
    client: OpenSearch, settings: Settings, index: EventIndex, kind: str, rest: str
) -> Subject:
    if kind == "incident":
        if found := _incidents(client, settings, rest):
            return _of_incident(client, settings, index, found)
        raise UsageError(
            f"there is no incident or alert {rest}", hint="see `trailhound incidents list`"
        )
    made: dict[str, Callable[[str], Subject]] = {
        "key": _of_key,
        "ip": _of_address,
        "principal": lambda text: _of_person(index, _of_name(text)),
        "service": lambda name: Subject(f"service:{name}", "service", did=_service(name)),
        "account": lambda name: Subject(f"account:{name}", "account", did=any_of(name, (ACCOUNT,))),
        "federated": _of_name,
    }
    if kind in made:
        return made[kind](rest)
    name, _, account = rest.rpartition("@")
    if not name or not account.isdecimal():
        name, account = rest, ""
    leaves = {"s3": "bucket", "ec2": "instance", "resource": ""}
    leaf = leaves.get(kind, kind)
    if kind == "resource" and ".amazonaws.com:" in rest:
        service, _, call = rest.rpartition(":")
        both = [any_of(service, ("eventSource",)), any_of(call, ("eventName",))]
        return Subject(f"resource:{rest}", kind, target={"bool": {"filter": both}})
    target = any_of(name, (f"resource.{leaf}",) if leaf else RESOURCE)
    did = by_principal(name) if kind in ("user", "role") else None
    if kind == "user" and name == "root":
        did = {"term": {TYPE: "Root"}}
    if account:
        of_account = any_of(account, _ACCOUNTS)
        did = {"bool": {"filter": [did, of_account]}} if did else None
        target = {"bool": {"filter": [target, of_account]}}
    subject = Subject(f"{kind}:{rest}", kind, did=did, target=target)
    if kind == "user" and not account:
        return replace(_of_person(index, replace(subject, text=name)), text=subject.text)
    return subject


def _of_key(key: str) -> Subject:
    return Subject(f"key:{key}", "key", did=any_of(key, (KEY,)), target=any_of(key, (MADE_KEY,)))


def _of_address(text: str) -> Subject:
    # Others may share the address, so sessions opened from it do not belong to it.
    return Subject(f"ip:{text}", "ip", did=by_address(text), follow=False)


def _of_name(text: str) -> Subject:
    if found := _IN_ACCOUNT.fullmatch(text):
        name, account = found.groups()
        of_account = any_of(account, _ACCOUNTS)
        whole = _of_name(name)
        return Subject(
            text,
            "name",
            did={"bool": {"filter": [whole.did, of_account]}},
            target={"bool": {"filter": [whole.target, of_account]}},
        )
    did = either([by_principal(text), any_of(text, (SOURCE_IDENTITY,))])
    return Subject(text, "name", did=did, target=by_resource(text))


def _service(name: str) -> Query:
    return {
        "bool": {
            "filter": [
                {"term": {"user_type": "aws_service"}},
                any_of(name, ("eventSource", INVOKED_BY)),
            ]
        }
    }


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "." in text or ":" in text


def _incidents(client: OpenSearch, settings: Settings, text: str) -> str:
    """The id of the incident whose id, or whose alert's id, the text is; empty if there is none."""
    found = IncidentStore(client, settings).resolve([text])
    if text in found.names:
        return found.names[text]
    why = found.left.get(text, "")
    if why.startswith("several") or "begin with it" in why:
        raise UsageError(f"{text}: {why}", hint="give more of the id")
    return ""


def _of_incident(client: OpenSearch, settings: Settings, index: EventIndex, name: str) -> Subject:
    """The events of an incident's alerts; the calls that opened the sessions of its principals; and
    further events from its addresses, with the keys that its principals used and those with which
    their sessions were opened."""
    store = IncidentStore(client, settings)
    incident = store.get(name)
    ids: list[str] = []
    clauses: list[Query] = []
    for alert in store.members([name]).get(name, ()):
        found = events_of(client, settings, alert)
        if found.ids:
            ids += found.ids
        else:
            clauses.append(found.query)
    evidence = either([{"ids": {"values": sorted(set(ids))}}, *clauses])
    addresses = list(incident["addresses"])
    where: list[Query] = [{"terms": {ADDRESS: addresses}}] if addresses else []
    named: list[Query] = (
        [{"terms": {NAME: list(incident["principals"])}}] if incident["principals"] else []
    )
    used = both(evidence, *named, *where, {"exists": {"field": KEY}})
    keys, opening = _keys_and_opening(index, used)
    target: Query | None = {"ids": {"values": opening}} if opening else None
    if target and where:  # without an address, all that the opener ever did would be the incident's
        callers = both(target, {"exists": {"field": KEY}})
        keys |= {str(each["key"]["key"]) for each in index.buckets(callers, [terms("key", KEY)])}
    keys.discard("")
    # Calls of Identity Center's portal have no key.
    theirs = either([*named, {"term": {TYPE: "IdentityCenterUser"}}])
    people = ids_of(index, both(evidence, theirs, *where)) if where else []
    used_by: list[Query] = [{"terms": {KEY: sorted(keys)}}] if keys else []
    used_by += [{"terms": {ON_BEHALF_OF: people}}] if people else []
    did = both(either(used_by), *where) if used_by else None
    return Subject(f"incident:{name}", "incident", did=did, target=target, evidence=evidence)


def _keys_and_opening(index: EventIndex, used: Query) -> tuple[set[str], list[str]]:
    """The keys of these events, and the ids of the calls that opened their sessions, through any
    number of roles."""
    one = {"one": {"top_hits": {"size": 1, "_source": list(FIELDS)}}}
    events = {
        str(each["key"]["key"]): each["one"]["hits"]["hits"][0]["_source"]
        for each in index.buckets(used, [terms("key", KEY)], one)
    }
    traces = Sessions(index).trace(events.values())
    return set(events), sorted({hop.event for each in traces.values() for hop in each.hops})
