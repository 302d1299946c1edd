"""Traces a session to its person: by the call that issued its credentials, who made it, and so on.

A session is identified by its access key, which the call that opened it names in
`responseElements.credentials.accessKeyId` (`resource.access_key`), in the trail of either account.
Credentials that an AWS service derives for a call on a session's behalf have a key that no call
issued; they have the ARN and creation date of that session. Names of sessions are chosen by those
who open them, so they are at most a hint, never a proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from detections.events.identity import of_identity_center
from detections.events.index import EventIndex
from detections.events.light import Mapped
from detections.incidents.actors import account_of, at
from detections.incidents.creations import ISSUING
from detections.investigation.nodes import Node, actor_node, node, texts
from trailhound.batching import batched
from trailhound.cluster.queries import either

Source = Mapping[str, Any]

FIELDS: Final = (
    "userIdentity",
    "user_type",
    "user.name",
    "recipientAccountId",
    "eventSource",
    "source.ip",
)
"""The fields of a stored event that `session_of` and `actor_node` read."""
_ISSUE_FIELDS: Final = (
    *FIELDS,
    "@timestamp",
    "eventName",
    "sharedEventID",
    "resource.access_key",
    "resource.arn",
)
_AT_ONCE: Final = 1_000
_PAIRS_AT_ONCE: Final = 200
_ISSUED_ALIKE: Final = "several sessions of this name began at that second"


class Session(NamedTuple):
    """Temporary credentials: their access key, and the ARN and creation date of the session."""

    key: str
    arn: str = ""
    began: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """A call that issued credentials: made by `by`, for credentials that act as `to`."""

    event: str
    time: str
    call: str
    account: str
    by: Node
    to: str
    key: str

    def as_json(self) -> dict[str, str]:
        """As `--json` prints it."""
        return {
            "event": self.event,
            "time": self.time,
            "call": self.call,
            "account": self.account,
            "by": self.by.full,
            "to": self.to,
            "key": self.key,
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """Who is behind a session. `hops` are the calls that led to it, the first one first.

    `origin` is the person, service or account at its beginning. If that is not known (`traced` is
    false), it is the earliest known one, and `reason` says why.
    """

    origin: Node
    traced: bool
    how: str
    hops: tuple[Hop, ...] = ()
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "origin": self.origin.full,
            "traced": self.traced,
            "how": self.how,
            "reason": self.reason,
            "hops": [each.as_json() for each in self.hops],
        }


@dataclass(frozen=True, slots=True)
class _Issue:
    """The call that issued a session's credentials, and who made it."""

    event: str
    time: str
    call: str
    account: str
    source: Source
    to: str
    key: str
    shared: str

    @property
    def is_foreign(self) -> bool:
        """Whether the trail of the called account names only the account of the caller."""
        return at(self.source, "userIdentity", "type") == "AWSAccount"


def session_of(source: Source) -> Session | None:
    """The temporary session that made a stored event; None for keys of users and without a key."""
    identity = source.get("userIdentity")
    if not isinstance(identity, Mapping):
        return None
    key, arn = at(identity, "accessKeyId"), at(identity, "arn")
    began = at(identity, "sessionContext", "attributes", "creationDate")
    if key.startswith("AKIA") or not (key or (arn and began)):
        return None
    return Session(key, arn, began)


class Sessions:
    """Traces sessions, and keeps the results. Raises `ClusterError`."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._issues: dict[Session, _Issue | str] = {}
        """By session, the call that issued its credentials, or why none is known."""

    def trace(self, events: Iterable[Source]) -> dict[Session, Trace]:
        """The traces of the sessions that made these stored events, by session."""
        begun: dict[Session, Source] = {}
        for event in events:
            session = session_of(event)
            if session is not None:
                begun.setdefault(session, event)
        waiting = dict(begun)
        while waiting:
            self._find([each for each in waiting if each not in self._issues])
            further: dict[Session, Source] = {}
            for session in waiting:
                issue = self._issues[session]
                if isinstance(issue, _Issue) and _is_session(issue.source):
                    before = session_of(issue.source)
                    if before is not None and before not in self._issues:
                        further[before] = issue.source
            waiting = further
        return {session: self._traced(session, event) for session, event in begun.items()}

    def _traced(self, session: Session, event: Source) -> Trace:
        hops: list[Hop] = []
        seen = {session}
        at_last: Source = event
        reason = ""
        now: Session | None = session
        how = ""
        while now is not None:
            issue = self._issues.get(now, "")
            if not isinstance(issue, _Issue):
                reason = issue
                break
            by = _caller(issue.source)
            how = how or ("issued key" if issue.key == now.key else "session start")
            hops.insert(
                0,
                Hop(
                    event=issue.event,
                    time=issue.time,
                    call=issue.call,
                    account=issue.account,
                    by=by,
                    to=issue.to,
                    key=issue.key,
                ),
            )
            at_last = issue.source
            now = session_of(at_last) if _is_session(at_last) else None
            if now is not None and now in seen:
                reason = "the calls that issued its credentials form a circle"
                break
            if now is not None:
                seen.add(now)
        return _ended(at_last, tuple(hops), how, reason)

    def _find(self, sessions: Sequence[Session]) -> None:
        """The calls that issued sessions: by key, or else by the session's ARN and creation
        date."""
        by_key = self._by_key(sorted({each.key for each in sessions if each.key}))
        rest: list[Session] = []
        for session in sessions:
            if found := by_key.get(session.key):
                self._issues[session] = found
            elif session.arn and session.began:
                rest.append(session)
            else:
                self._issues[session] = f"no event in the index issued the key {session.key}"
        by_start = self._by_start(rest)
        for session in rest:
            issues = by_start.get((session.arn, _second(session.began)), ())
            keys = {each.key or each.event for each in issues}
            named = f"the key {session.key}" if session.key else session.arn
            if len(keys) == 1:
                self._issues[session] = _best(issues)
            else:
                self._issues[session] = (
                    _ISSUED_ALIKE if keys else f"no event in the index issued {named}"
                )

    def _by_key(self, keys: Sequence[str]) -> dict[str, _Issue]:
        found: dict[str, list[_Issue]] = {}
        for part in batched(keys, _AT_ONCE):
            for issue in self._issuing({"terms": {"resource.access_key": list(part)}}):
                found.setdefault(issue.key, []).append(issue)
        self._add_callers(found)
        return {key: _best(several) for key, several in found.items()}

    def _by_start(self, sessions: Sequence[Session]) -> dict[tuple[str, str], list[_Issue]]:
        starts = sorted({(each.arn, each.began) for each in sessions})
        found: dict[tuple[str, str], list[_Issue]] = {}
        for pairs in batched(starts, _PAIRS_AT_ONCE):
            clauses = []
            for arn, began in pairs:
                if (moment := _moment(began)) is not None:
                    until = moment + timedelta(seconds=1)
                    when = {"gte": moment.isoformat(), "lt": until.isoformat()}
                    same = [{"term": {"resource.arn": arn}}, {"range": {"@timestamp": when}}]
                    clauses.append({"bool": {"filter": same}})
            if not clauses:
                continue
            for issue in self._issuing(either(clauses)):
                found.setdefault((issue.to, _second(issue.time)), []).append(issue)
        by_key: dict[str, list[_Issue]] = {}
        for several in found.values():
            for issue in several:
                by_key.setdefault(issue.key, []).append(issue)
        self._add_callers(by_key)
        return {
            start: [each for key in {issue.key for issue in several} for each in by_key[key]]
            for start, several in found.items()
        }

    def _issuing(self, clause: Mapping[str, Any]) -> Iterable[_Issue]:
        asked = [
            clause,
            {"terms": {"eventName": list(ISSUING)}},
            {"term": {"event.outcome": "success"}},
        ]
        request = {"_source": Mapped(_ISSUE_FIELDS)}
        for hit in self._index.documents({"bool": {"filter": asked}}, request):
            source = hit["_source"]
            leaves = source.get("resource") or {}
            to = next((each for each in texts(leaves.get("arn")) if ":assumed-role/" in each), "")
            for key in texts(leaves.get("access_key")) or [""]:
                if key and key == at(source, "userIdentity", "accessKeyId"):
                    continue
                yield _issue(hit, to, key)

    def _add_callers(self, found: dict[str, list[_Issue]]) -> None:
        """Adds the caller to calls from another account, from the trail of that account, whose
        record may not name the key."""
        shared = {
            each.shared: key
            for key, several in found.items()
            if all(each.is_foreign for each in several)
            for each in several
            if each.shared
        }
        for names in batched(sorted(shared), _AT_ONCE):
            asked = {"terms": {"sharedEventID": list(names)}}
            for hit in self._index.documents(asked, {"_source": Mapped(_ISSUE_FIELDS)}):
                source = hit["_source"]
                key = shared[at(source, "sharedEventID")]
                issue = _issue(hit, found[key][0].to, key)
                if not issue.is_foreign:
                    found[key].append(issue)


def _issue(hit: Mapping[str, Any], to: str, key: str) -> _Issue:
    source = hit["_source"]
    return _Issue(
        event=hit["_id"],
        time=str(source["@timestamp"]),
        call=at(source, "eventName"),
        account=account_of(source),
        source=source,
        to=to,
        key=key,
        shared=at(source, "sharedEventID"),
    )


def direct(source: Source) -> Trace:
    """The trace of an event that no temporary session made."""
    return _ended(source, (), "identity", "")


def _best(issues: Sequence[_Issue]) -> _Issue:
    """The best of several records of a call: the one that names the caller, of a call in the trails
    of two accounts; the first, of a key issued twice (one record is forged)."""
    return min(issues, key=lambda each: (each.is_foreign, each.time, each.event))


def _is_session(source: Source) -> bool:
    """Whether an event was made with temporary credentials and does not name the person itself."""
    return at(source, "userIdentity", "type") in ("AssumedRole", "FederatedUser")


def _caller(source: Source) -> Node:
    """Who made a call. One of Roles Anywhere names nobody but the trust anchor whose certificate
    the caller has."""
    arns = texts((source.get("resource") or {}).get("arn"))
    if at(source, "eventName") == "CreateSession" and (
        anchors := [each for each in arns if ":trust-anchor/" in each]
    ):
        return node("resource", anchors[0])
    return actor_node(source) or node("account", account_of(source))


def _ended(source: Source, hops: tuple[Hop, ...], how: str, reason: str) -> Trace:
    """The trace from the first known call: its identity, or what its other fields say."""
    identity = source.get("userIdentity")
    identity = identity if isinstance(identity, Mapping) else {}
    actor = _caller(source)
    context = ("sessionContext",)
    if actor.kind == "service":
        by = at(identity, "invokedBy") or actor.name
        return Trace(node("service", by), True, how or "identity", hops)
    if at(identity, "type") == "AWSAccount":
        return Trace(
            actor,
            False,
            how or "identity",
            hops,
            "the caller is of another account, whose trail is not in the index",
        )
    if not _is_session(source):
        return Trace(actor, True, how or "identity", hops)
    account = at(identity, "accountId") or account_of(source)
    arn = at(identity, "arn")
    if person := at(identity, *context, "sourceIdentity"):
        return Trace(node("user", person, account), True, "source identity", hops)
    issuer = at(identity, *context, "sessionIssuer", "arn")
    session_name = arn.rpartition("/")[2]
    if of_identity_center(issuer):
        return Trace(node("user", session_name), True, "identity center", hops)
    if person := at(identity, "onBehalfOf", "userId"):
        return Trace(node("user", person), True, "on behalf of", hops)
    if at(identity, *context, "sessionIssuer", "type") == "IAMUser":
        user = at(identity, *context, "sessionIssuer", "userName")
        return Trace(node("user", user, account), True, "session issuer", hops)
    if workload := _workload(identity, session_name):
        return Trace(workload, True, "instance" if workload.kind == "ec2" else "workload", hops)
    hint = f"; its session name says {session_name}" if session_name else ""
    return Trace(actor, False, how or "session name", hops, f"{reason}{hint}")


def _workload(identity: Mapping[str, Any], session_name: str) -> Node | None:
    """The instance or function that AWS gave a session's credentials to, if it says so: in
    `ec2RoleDelivery`, or in `inScopeOf`. The name of a session alone can be chosen freely."""
    if at(identity, "sessionContext", "ec2RoleDelivery"):
        return node("ec2", session_name)
    issued_to = at(identity, "inScopeOf", "credentialsIssuedTo")
    if not issued_to:
        return None
    if "instance/" in issued_to:
        return node("ec2", issued_to.rpartition("/")[2])
    return node("resource", issued_to)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).replace(microsecond=0)


def _second(text: str) -> str:
    """A time to the second, from any form."""
    moment = _moment(text)
    return text if moment is None else moment.astimezone(UTC).isoformat()
