"""Which identities of alerts the index has no successful call of from before: an IAM user, a role,
a person of Identity Center whose first success is part of what the alert is about.

Known is who acted more than `EARLIER` before the alert's first event, with success: a denied call
can be made for that by anybody who has nothing but a key. In an account whose first
event is less than `HISTORY` older, everybody is new, so nobody counts as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from detections.events.identity import ARN, RECIPIENT
from detections.events.index import EventIndex
from detections.incidents.creations import last_part
from detections.span import moment
from trailhound.batching import batched
from trailhound.cluster.queries import Query
from trailhound.cluster.reader import has_any, is_any

EARLIER: Final = timedelta(days=1)
"""How long before an alert an identity has to have acted to be known."""
HISTORY: Final = timedelta(days=7)
"""How long before an alert the events of its account have to begin."""
SHORTLY: Final = timedelta(days=7)
"""Most identities acted as shortly before the time by which they had to: only of the others every
day is asked for the first event."""

_FAILED: Final = {"term": {"event.outcome": "failure"}}
_SEARCHES: Final = 50
_OF_IDENTITY_CENTER: Final = "AWSReservedSSO_"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts: a `name`, and the query for what it did: of a `kind`, on the ARN of events."""

    name: str
    kind: str
    arn: str

    @property
    def query(self) -> Query:
        own = {self.kind: {ARN: {"value": self.arn}}}
        return {"bool": {"filter": [own], "must_not": [_FAILED]}}


@dataclass(frozen=True, slots=True)
class Subject:
    """The one identity that an alert is about, the account of its events, and the time of the first
    of these."""

    identity: Identity
    account: str
    first: datetime

    @property
    def in_account(self) -> Query:
        return {"term": {RECIPIENT: self.account}}


_Key = TypeVar("_Key", Identity, str)


class Newcomers:
    """Looks up who acted before, and when those who did not began. Raises `ClusterError`.

    That somebody acted at some time stays so: it is remembered for as long as this is.
    """

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._acted: dict[Identity | str, datetime] = {}

    def of(self, subjects: Mapping[str, Subject]) -> dict[str, str]:
        """The names of new identities, by alert; alerts about others are left out."""
        limits: dict[Identity, datetime] = {}
        for each in subjects.values():
            limit = each.first - EARLIER
            limits[each.identity] = min(limit, limits.get(each.identity, limit))
        self._look_shortly_before(limits)
        self._look_up({each: each.query for each in limits if not self._known(each, limits[each])})
        unknown = {
            name: each
            for name, each in subjects.items()
            if not self._known(each.identity, each.first - EARLIER)
        }
        self._look_up({each.account: each.in_account for each in unknown.values()})
        return {
            name: each.identity.name
            for name, each in unknown.items()
            if self._known(each.account, each.first - HISTORY)
        }

    def _look_shortly_before(self, limits: Mapping[Identity, datetime]) -> None:
        """Look which identities, of those that are not known to, acted shortly before a time."""
        asked = [each for each in limits if not self._known(each, limits[each])]
        for part in batched(asked, _SEARCHES):
            bodies = [has_any(_shortly_before(each.query, limits[each])) for each in part]
            replies = self._index.searches(bodies)
            for each, reply in zip(part, replies, strict=True):
                if is_any(reply):
                    self._note(each, limits[each])

    def _look_up(self, queries: Mapping[_Key, Query]) -> None:
        """Look up the first event of each."""
        for part in batched(list(queries.items()), _SEARCHES):
            replies = self._index.searches([_earliest(query) for _, query in part])
            for (key, _), reply in zip(part, replies, strict=True):
                if hits := reply["hits"]["hits"]:
                    self._note(key, moment(int(hits[0]["sort"][0])))

    def _note(self, key: Identity | str, time: datetime) -> None:
        self._acted[key] = min(time, self._acted.get(key, time))

    def _known(self, key: Identity | str, limit: datetime) -> bool:
        """Whether somebody is known to have acted at a time or before."""
        time = self._acted.get(key)
        return time is not None and time <= limit


def subject_of(document: Mapping[str, Any]) -> Subject | None:
    """The identity that an alert is about; None where its events are of several, or of none that
    can be told from others.

    >>> alert = {"first_seen": "2025-03-01T10:00:00.000Z", "entity": {"account": ["1"],
    ...     "arn": ["arn:aws:sts::1:assumed-role/Ops/a", "arn:aws:sts::1:assumed-role/Ops/b"]}}
    >>> subject_of(alert).identity
    Identity(name='Ops', kind='prefix', arn='arn:aws:sts::1:assumed-role/Ops/')
    >>> subject_of({**alert, "entity": {"arn": ["arn:aws:iam::1:user/a", "arn:aws:iam::1:user/b"]}})
    """
    entity = document.get("entity") or {}
    found = {_identity(arn) for arn in entity.get("arn") or ()}
    accounts = entity.get("account") or ()
    if len(found) != 1 or (identity := found.pop()) is None or not accounts:
        return None
    return Subject(identity, accounts[0], datetime.fromisoformat(document["first_seen"]))


def _identity(arn: str) -> Identity | None:
    """The identity of an ARN. Root is no newcomer, and a federated user is whoever made it."""
    beginning, _, rest = arn.partition("/")
    if beginning.endswith(":user") and rest:
        return Identity(last_part(arn), "term", arn)
    role, _, session = rest.partition("/")
    if not beginning.endswith(":assumed-role") or not session:
        return None
    if role.startswith(_OF_IDENTITY_CENTER):  # the same person in every account
        people = f"arn:*:assumed-role/{_OF_IDENTITY_CENTER}*/{_literal(session)}"
        return Identity(session, "wildcard", people)
    return Identity(role, "prefix", f"{beginning}/{role}/")


def _literal(text: str) -> str:
    """Text of a wildcard query that stands for itself."""
    return "".join(f"\\{each}" if each in "*?\\" else each for each in text)


def _earliest(query: Query) -> dict[str, Any]:
    """A search for the time of the first event."""
    return {
        "query": query,
        "size": 1,
        "_source": False,
        "sort": [{"@timestamp": "asc"}],
        "track_total_hits": False,
    }


def _shortly_before(query: Query, limit: datetime) -> Query:
    since = limit - SHORTLY
    during = {"range": {"@timestamp": {"gte": since.isoformat(), "lte": limit.isoformat()}}}
    return {"bool": {"filter": [query, during]}}
