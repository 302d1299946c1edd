"""The sessions that a principal opened, through any number of calls that issue credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from detections.events.identity import ARN, BEGAN, KEY, MADE_KEY
from detections.events.index import EventIndex, terms
from detections.incidents.creations import ISSUING
from detections.investigation.sessions import FIELDS, Session, Sessions, session_of
from trailhound.batching import batched
from trailhound.cluster.queries import Query, both, either
from trailhound.plural import plural

MOST_KEYS: Final = 50_000
"""The most keys that are followed; a search allows 65,536 terms."""
_AT_ONCE: Final = 5_000
_STARTS_AT_ONCE: Final = 500
MOST_NAMES: Final = 300
"""The most names of sessions without a key in a query, which allows 1,024 clauses."""
_SUCCESS: Final = {"term": {"event.outcome": "success"}}
_ISSUED: Final = {"terms": {"eventName": list(ISSUING)}}


@dataclass(slots=True)
class Opened:
    """The opened sessions: their keys, and, for sessions whose events have no key, ARN and creation
    date. `more`: there are keys beyond `MOST_KEYS`, which were not followed.
    """

    keys: set[str] = field(default_factory=set)
    starts: set[tuple[str, str]] = field(default_factory=set)
    more: bool = False

    def query(self) -> Query | None:
        """A query for the events of these sessions; None without sessions."""
        clauses: list[Query] = []
        if self.keys:
            clauses.append({"terms": {KEY: sorted(self.keys)}})
        named = self._by_name()
        keyless: list[Query] = [
            both({"term": {ARN: arn}}, {"terms": {BEGAN: named[arn]}})
            for arn in sorted(named)[:MOST_NAMES]
        ]
        if keyless:
            none: Query = {"bool": {"must_not": [{"exists": {"field": KEY}}]}}
            clauses.append(both(either(keyless), none))
        return either(clauses) if clauses else None

    def left_out(self) -> list[str]:
        """Which of their events the query does not find, and why, as sentences without a full
        stop."""
        sentences = []
        if self.more:
            sentences.append(f"more than {MOST_KEYS:,} session keys: the others were not followed")
        named = self._by_name()
        if beyond := sorted(named)[MOST_NAMES:]:
            count = sum(len(named[arn]) for arn in beyond)
            sentences.append(
                f"{plural(count, 'session')} without a key beyond those of {MOST_NAMES:,} names "
                f"{'was' if count == 1 else 'were'} left out, the first of them {beyond[0]}"
            )
        return sentences

    def _by_name(self) -> dict[str, list[str]]:
        made: dict[str, list[str]] = {}
        for arn, began in sorted(self.starts):
            made.setdefault(arn, []).append(began)
        return made


def opened_by(index: EventIndex, did: Query, sessions: Sessions) -> Opened:
    """The sessions that the actor of the events `did` opened, those opened with these, and so on.
    Raises `ClusterError`."""
    made = Opened()
    frontier = _issued(index, did)
    while frontier:
        frontier -= made.keys
        room = MOST_KEYS - len(made.keys)
        if len(frontier) > room:
            made.more = True
            frontier = set(sorted(frontier)[:room])
        made.keys |= frontier
        further: set[str] = set()
        for part in batched(sorted(frontier), _AT_ONCE):
            further |= _issued(index, {"terms": {KEY: part}})
        frontier = further - made.keys
        if not frontier:
            frontier = _derived(index, made, sessions) - made.keys
        if made.more:
            break
    return made


def _issued(index: EventIndex, did: Query) -> set[str]:
    """The keys that calls issued, including calls into other accounts whose key only the trail of
    the other account names."""
    asked: Query = {"bool": {"filter": [did, _ISSUED, _SUCCESS]}}
    keys: set[str] = set()
    shared: set[str] = set()
    for bucket in index.buckets(asked, [terms("key", MADE_KEY), terms("by", KEY)]):
        if bucket["key"]["key"] != bucket["key"]["by"]:
            keys.add(str(bucket["key"]["key"]))
    for part in ({"must_not": [{"exists": {"field": KEY}}]}, {"filter": [{"term": {KEY: ""}}]}):
        without: Query = {"bool": {"filter": [asked, {"bool": part}]}}
        keys |= {
            str(each["key"]["key"]) for each in index.buckets(without, [terms("key", MADE_KEY)])
        }
    nameless: Query = {"bool": {"filter": [asked], "must_not": [{"exists": {"field": MADE_KEY}}]}}
    for bucket in index.buckets(nameless, [terms("shared", "sharedEventID")]):
        shared.add(str(bucket["key"]["shared"]))
    for ids in batched(sorted(shared), _AT_ONCE):
        same: Query = {"bool": {"filter": [{"terms": {"sharedEventID": ids}}, _ISSUED, _SUCCESS]}}
        keys |= {str(each["key"]["key"]) for each in index.buckets(same, [terms("key", MADE_KEY)])}
    return keys


def _derived(index: EventIndex, made: Opened, sessions: Sessions) -> set[str]:
    """Keys derived from these sessions, which no call issued: AWS services use them for calls on a
    session's behalf. Each is traced itself, since names of sessions prove nothing."""
    starts: set[tuple[str, str]] = set()
    for part in batched(sorted(made.keys), _AT_ONCE):
        for bucket in index.buckets(
            {"terms": {KEY: part}}, [terms("arn", ARN), terms("began", BEGAN)]
        ):
            starts.add((str(bucket["key"]["arn"]), str(bucket["key"]["began"])))
    candidates: dict[Session, Mapping[str, Any]] = {}
    for pairs in batched(sorted(starts - made.starts), _STARTS_AT_ONCE):
        wanted = set(pairs)
        query: Query = {
            "bool": {
                "filter": [
                    {"terms": {ARN: sorted({arn for arn, _ in pairs})}},
                    {"terms": {BEGAN: sorted({began for _, began in pairs})}},
                ]
            }
        }
        sources = [
            terms("arn", ARN),
            terms("began", BEGAN),
            {"key": {"terms": {"field": KEY, "missing_bucket": True}}},
        ]
        one = {"one": {"top_hits": {"size": 1, "_source": list(FIELDS)}}}
        for bucket in index.buckets(query, sources, one):
            values = bucket["key"]
            key = values["key"] or ""
            if (values["arn"], values["began"]) not in wanted or key in made.keys:
                continue
            source = bucket["one"]["hits"]["hits"][0]["_source"]
            if session := session_of(source):
                candidates[session] = source
    found: set[str] = set()
    for session, trace in sessions.trace(candidates.values()).items():
        if any(hop.key in made.keys for hop in trace.hops):
            if session.key:
                found.add(session.key)
            else:
                made.starts.add((session.arn, session.began))
    return found
