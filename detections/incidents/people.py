"""The names of people of IAM Identity Center, whom many of their events name only by an id.

A call of the access portal has the id in `onBehalfOf` (CreateToken, ListAccounts,
GetRoleCredentials), a session of one of Identity Center's roles the name. They are tied by events
that have both: of sessions that have `onBehalfOf` too, and of sign-ins. Where there is none, by the
session of the requested role that began in the second in which its credentials were got.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from detections.events.identity import (
    ARN,
    BEGAN,
    NAME,
    OF_IDENTITY_CENTER,
    ON_BEHALF_OF,
    TYPE,
    is_person_id,
)
from detections.events.index import EventIndex, terms
from detections.incidents.actors import Source, account_of, at
from detections.incidents.creations import last_part
from trailhound.batching import batched
from trailhound.cluster.queries import Query, any_of, both, either

BEFORE: Final = timedelta(days=14)
"""How long before somebody acted their name is looked for."""
_AT_ONCE: Final = 1_000
_CALLS: Final = 1_000
"""Calls that got credentials, of one search."""
_SUCCESS: Final = {"term": {"event.outcome": "success"}}
_NAMING: Final = either([OF_IDENTITY_CENTER, {"term": {TYPE: "IdentityCenterUser"}}])
"""What has a name that Identity Center gave: not a session whose name its opener chose."""
_GETTING: Final = {"terms": {"eventName": ["GetRoleCredentials", "Federate"]}}
_REQUESTED: Final = (
    *("@timestamp", "recipientAccountId", "userIdentity.onBehalfOf.userId"),
    *("requestParameters", "serviceEventDetails"),
)
_ROLE: Final = "AWSReservedSSO_"

_Start = tuple[str, str, str]
"""Account, permission set, and the second in which a session began."""


def unnamed(source: Source) -> str:
    """The id of a person whom an event names by nothing else; empty for others.

    >>> unnamed({"user": {"name": "fb739b14-199e-410e-8b38-493aa539799f"}, "userIdentity": {
    ...     "onBehalfOf": {"userId": "fb739b14-199e-410e-8b38-493aa539799f"}}})
    'fb739b14-199e-410e-8b38-493aa539799f'
    >>> unnamed({"user": {"name": "ada"}, "userIdentity": {"onBehalfOf": {"userId": "fb73"}}})
    ''
    """
    found = at(source, "userIdentity", "onBehalfOf", "userId")
    return found if found and at(source, "user", "name") == found else ""


def with_name(source: Source, names: Mapping[str, str]) -> Source:
    """The event with the person's name in place of the id, where that is known."""
    name = names.get(unnamed(source), "")
    return {**source, "user": {"name": name}} if name else source


class People:
    """The people of one namespace, who are remembered. Raises `ClusterError`."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._names: dict[str, str] = {}

    def names(
        self, ids: Iterable[str], since: datetime | None, until: datetime | None
    ) -> Mapping[str, str]:
        """The names of people by their ids, from events shortly before and in a time; without those
        that no event names."""
        wanted = sorted({each for each in ids if each} - self._names.keys())
        for part in batched(wanted, _AT_ONCE):
            limits = _between(since, until)
            found = self._of_events(part, limits)
            if missing := [each for each in part if each not in found]:
                found |= self._of_sessions(missing, limits)
            self._names |= {each: found.get(each, "") for each in part}
        return {each: name for each, name in self._names.items() if name}

    def _of_events(self, ids: Sequence[str], limits: Sequence[Query]) -> dict[str, str]:
        query = both({"terms": {ON_BEHALF_OF: list(ids)}}, _SUCCESS, _NAMING, *limits)
        counted: dict[str, list[tuple[int, str]]] = {}
        for bucket in self._index.buckets(query, [terms("id", ON_BEHALF_OF), terms("name", NAME)]):
            name = last_part(str(bucket["key"]["name"]))
            if name and not is_person_id(name):
                of_person = counted.setdefault(str(bucket["key"]["id"]), [])
                of_person.append((-bucket["doc_count"], name))
        return {each: min(several)[1] for each, several in counted.items()}

    def _of_sessions(self, ids: Sequence[str], limits: Sequence[Query]) -> dict[str, str]:
        """By the sessions that began when the people got credentials of their roles, where it is
        one that began then."""
        starts: dict[_Start, str] = {}
        query = both({"terms": {ON_BEHALF_OF: list(ids)}}, _SUCCESS, _GETTING, *limits)
        request = {"_source": list(_REQUESTED)}
        for hit in self._index.documents(query, request, limit=_CALLS):
            source = hit["_source"]
            person = at(source, "userIdentity", "onBehalfOf", "userId")
            starts |= dict.fromkeys(_starts(source), person)
        if not starts:
            return {}
        began = sorted({second for _, _, second in starts})
        asked = both({"terms": {BEGAN: began}}, OF_IDENTITY_CENTER, *limits)
        several: dict[str, set[str]] = {}
        for bucket in self._index.buckets(asked, [terms("arn", ARN), terms("began", BEGAN)]):
            account, role, name = _session(str(bucket["key"]["arn"]))
            for (owner, wanted, second), person in starts.items():
                alike = role == _ROLE + wanted or role.startswith(f"{_ROLE}{wanted}_")
                if alike and owner == account and second == str(bucket["key"]["began"]):
                    several.setdefault(person, set()).add(name)
        return {person: names.pop() for person, names in several.items() if len(names) == 1}


def ids_of(index: EventIndex, did: Query) -> list[str]:
    """The ids of the people of Identity Center who made these events."""
    theirs = both(did, {"exists": {"field": ON_BEHALF_OF}}, _NAMING)
    found = index.buckets(theirs, [terms("id", ON_BEHALF_OF)])
    return sorted(str(each["key"]["id"]) for each in found)


def named_before_the_at(index: EventIndex, name: str) -> list[str]:
    """The people whose name is a mail address that begins with a text and an `@`."""
    alike = either([any_of(f"*/{name}@*", (NAME,)), any_of(f"{name}@*", (NAME,))])
    found = index.buckets(both(alike, _NAMING), [terms("name", NAME)])
    return sorted({last_part(str(each["key"]["name"])) for each in found})


def also_by(did: Query, ids: Collection[str]) -> Query:
    """Those events, and all on behalf of these people."""
    return either([did, {"terms": {ON_BEHALF_OF: sorted(ids)}}]) if ids else did


def _starts(source: Source) -> Iterator[_Start]:
    """When a session may have begun for which a call got credentials: within a second of it."""
    details = source.get("serviceEventDetails")
    asked = source.get("requestParameters")
    of_request: Mapping[str, Any] = asked if isinstance(asked, Mapping) else {}
    of_details: Mapping[str, Any] = details if isinstance(details, Mapping) else {}
    account = at(of_request, "accountId") or at(of_details, "account_id") or account_of(source)
    role = at(of_request, "roleName") or at(of_details, "role_name")
    if not role:
        return
    when = datetime.fromisoformat(at(source, "@timestamp")).astimezone(UTC)
    for seconds in (-1, 0, 1):
        second = when + timedelta(seconds=seconds)
        yield account, role, f"{second:%Y-%m-%dT%H:%M:%SZ}"


def _session(arn: str) -> tuple[str, str, str]:
    """Account, role and name of a session's ARN."""
    parts = arn.split(":", 5)
    role, _, name = (parts[5] if len(parts) > 5 else "").partition("/")[2].partition("/")
    return (parts[4] if len(parts) > 5 else ""), role, name


def _between(since: datetime | None, until: datetime | None) -> list[Query]:
    limits = {}
    if since is not None:
        limits["gte"] = (since - BEFORE).isoformat()
    if until is not None:
        limits["lte"] = (until + timedelta(days=1)).isoformat()
    return [{"range": {"@timestamp": limits}}] if limits else []
