"""Which identities of alerts the index has nothing of from before: an IAM user, a role, a person of
Identity Center whose first event is part of what the alert is about.

Known is who acted more than `EARLIER` before the alert's first event. In an account whose first
event is less than `HISTORY` older, everybody is new, so nobody counts as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from detections.events.identity import ARN, RECIPIENT
from detections.events.index import EventIndex
from detections.incidents.creations import last_part
from detections.span import moment
from trailhound.batching import batched
from trailhound.cluster.queries import Query

EARLIER: Final = timedelta(days=1)
"""How long before an alert an identity has to have acted to be known."""
HISTORY: Final = timedelta(days=7)
"""How long before an alert the events of its account have to begin."""

_SEARCHES: Final = 50
_OF_IDENTITY_CENTER: Final = "AWSReservedSSO_"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts: a `name`, and the query for its events: of a `kind`, on their ARN."""

    name: str
    kind: str
    arn: str

    @property
    def query(self) -> Query:
        return {self.kind: {ARN: {"value": self.arn}}}


@dataclass(frozen=True, slots=True)
class Subject:
    """The one identity that an alert is about, the account of its events, and the time of the first
    of these."""

    identity: Identity
    account: str
    first: datetime


class Newcomers:
    """Looks up first events, each once. Raises `ClusterError`."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._first: dict[Identity | str, datetime | None] = {}

    def of(self, subjects: Mapping[str, Subject]) -> dict[str, str]:
        """The names of new identities, by alert; alerts about others are left out."""
        identities = {each.identity for each in subjects.values()}
        self._look_up({each: each.query for each in identities})
        unknown = {
            name: each
            for name, each in subjects.items()
            if self._begins_after(each.identity, each.first - EARLIER)
        }
        accounts = {each.account for each in unknown.values()}
        self._look_up({account: {"term": {RECIPIENT: account}} for account in accounts})
        return {
            name: each.identity.name
            for name, each in unknown.items()
            if not self._begins_after(each.account, each.first - HISTORY)
        }

    def _look_up(self, queries: Mapping[Identity, Query] | Mapping[str, Query]) -> None:
        missing = [each for each in queries.items() if each[0] not in self._first]
        for part in batched(missing, _SEARCHES):
            replies = self._index.searches([_earliest(query) for _, query in part])
            for (key, _), reply in zip(part, replies, strict=True):
                hits = reply["hits"]["hits"]
                self._first[key] = moment(int(hits[0]["sort"][0])) if hits else None

    def _begins_after(self, key: Identity | str, limit: datetime) -> bool:
        first = self._first[key]
        return first is None or first > limit


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


def _earliest(query: Query) -> Query:
    return {
        "query": query,
        "size": 1,
        "_source": False,
        "sort": [{"@timestamp": "asc"}],
        "track_total_hits": False,
    }
