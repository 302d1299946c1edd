"""Further signs of a hunt: first calls and regions, dormant identities, probing, moving
credentials.

Each is found by aggregations over the span, and compared with everything that the index has from
before. Principals are identified by ARN, sessions by their role.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from detections.events.identity import ADDRESS, ARN, ISSUER, KEY, LONG_TERM, RECIPIENT, TYPE
from detections.events.index import EventIndex, terms
from detections.investigation.lead import EVIDENCE, Lead, Progress
from detections.investigation.nodes import network_of
from detections.investigation.scoring import CALLS
from detections.span import Span, moment
from trailhound.batching import batched
from trailhound.cluster.queries import Query, both, either
from trailhound.plural import plural

DORMANT: Final = timedelta(days=30)
"""The pause after which an identity or key counts as dormant."""
WINDOW: Final = timedelta(hours=1)
FAILURES: Final = 3
"""The least number of failures of a call before a success, within `WINDOW`."""
MOST_SEQUENCES: Final = 500
"""The most pairs of principal and call whose events are read, those with the most failures."""
DENIED: Final = 10
"""The least number of different calls that are denied within `WINDOW`."""
_AT_ONCE: Final = 200
_RANGES: Final = 500
"""The most time ranges in one query."""
_ADDRESSES: Final = 50
"""The most addresses of a key from which its networks are derived."""
_NO_SERVICE: Final[Query] = {"bool": {"must_not": [{"term": {"user_type": "aws_service"}}]}}
_FAILED: Final[Query] = {"term": {"event.outcome": "failure"}}
_SUCCEEDED: Final[Query] = {"term": {"event.outcome": "success"}}
_REFUSED: Final[Query] = either(
    [
        {"prefix": {"errorCode": "AccessDenied"}},
        {"wildcard": {"errorCode": {"value": "*UnauthorizedOperation"}}},
    ]
)
_DENIED: Final[Query] = either(
    [
        _REFUSED,
        {"bool": {"filter": [_FAILED, {"term": {"eventSource": "signin.amazonaws.com"}}]}},
    ]
)
"""Denied calls and sign-ins. A missing object or a throttled call does not count."""
_WRITES: Final[Query] = {"term": {"readOnly": "false"}}
_TIMES: Final = {
    "first": {"min": {"field": "@timestamp"}},
    "last": {"max": {"field": "@timestamp"}},
}
_LAST: Final = {"last": _TIMES["last"]}
_ACTORS: Final[tuple[tuple[str, Query], ...]] = (
    (ISSUER, {"term": {TYPE: "AssumedRole"}}),
    (ARN, {"terms": {TYPE: ["IAMUser", "Root", "FederatedUser"]}}),
)
"""Kinds of actors: the field that identifies them, and the query for their events."""


class Signs:
    """Finds signs in a span. Raises `ClusterError`."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self.unread = 0
        """Pairs of principal and call beyond `MOST_SEQUENCES`, whose events were not read."""

    def found(
        self, span: Span, progress: Progress = lambda _what, _done, _total: None
    ) -> Iterator[Lead]:
        """All signs of a span, in no particular order."""
        kinds = {
            "what wakes": self._waking,
            "first calls": self._first_calls,
            "regions": self._regions,
            "refusals before a success": self._failed_then_succeeded,
            "permission enumeration": self._enumeration,
            "credentials that moved": self._moved,
        }
        for number, (what, signs) in enumerate(kinds.items()):
            progress(f"looking for {what}", number, len(kinds))
            yield from signs(span)

    def _waking(self, span: Span) -> Iterator[Lead]:
        """Keys of users, and identities, that act again after a pause of `DORMANT`."""
        kinds = [("dormant_key", KEY, LONG_TERM)]
        kinds += [("dormant_identity", name, of) for name, of in _ACTORS]
        if not self._index.count(_before(span)):
            return
        for pattern, name, of in kinds:
            # Those that acted in the pause are not dormant; few others remain.
            by = [terms("who", name)]
            late = {"range": {"@timestamp": {"gte": (span.since - DORMANT).isoformat()}}}
            awake = {
                str(each["key"]["who"]): int(each["last"]["value"])
                for each in self._index.buckets(both(_before(span), late, of), by, _LAST)
            }
            active = [
                each
                for each in self._index.buckets(both(span.query(), of), by, _TIMES)
                if not _within(awake.get(str(each["key"]["who"])), int(each["first"]["value"]))
            ]
            for part in batched(active, _AT_ONCE):
                before = [
                    {
                        "query": both({"term": {name: each["key"]["who"]}}, _before(span)),
                        "track_total_hits": False,
                        "aggs": _LAST,
                    }
                    for each in part
                ]
                for bucket, reply in zip(part, self._index.searches(before), strict=True):
                    last = (reply.get("aggregations") or {}).get("last", {}).get("value")
                    first = moment(int(bucket["first"]["value"]))
                    if last is None or not bucket["key"]["who"]:
                        continue
                    asleep = first - moment(int(last))
                    if asleep >= DORMANT:
                        who = str(bucket["key"]["who"])
                        yield self._lead(
                            "dormant",
                            pattern,
                            6,
                            who,
                            f"Acts after {plural(asleep.days, 'day')} without an event",
                            both(span.query(), {"term": {name: who}}),
                        )

    def _first_calls(self, span: Span) -> Iterator[Lead]:
        """High-risk or write calls that are the first of their kind in an account."""
        sources = [terms("account", RECIPIENT), terms("call", "eventName")]
        asked = both(span.query(), _SUCCEEDED, _NO_SERVICE, either([_WRITES, _risky(8)]))
        new = list(self._index.buckets(asked, sources, {"risk": {"max": {"field": "risk_score"}}}))
        for bucket, clauses in self._unseen(span, new, (RECIPIENT, "eventName")):
            risk = int(bucket["risk"]["value"] or 1)
            yield self._lead(
                "first",
                "first_seen_call",
                5 if risk >= 8 else 3,
                f"{bucket['key']['account']} {bucket['key']['call']}",
                f"{bucket['key']['call']} for the first time in account {bucket['key']['account']}",
                both(asked, *clauses),
                activity="account",
            )

    def _regions(self, span: Span) -> Iterator[Lead]:
        """Regions that were enabled, and regions with a first write call."""
        enabled = both(span.query(), {"term": {"eventName": "EnableRegion"}}, _SUCCEEDED)
        for bucket in self._index.buckets(enabled, [terms("account", RECIPIENT)]):
            account = str(bucket["key"]["account"])
            yield self._lead(
                "region",
                "region_enabled",
                7,
                account,
                f"A region was switched on in account {account}",
                both(enabled, {"term": {RECIPIENT: account}}),
                activity="account",
            )
        sources = [terms("account", RECIPIENT), terms("region", "awsRegion")]
        asked = both(span.query(), _WRITES, _SUCCEEDED, _NO_SERVICE)
        new = list(self._index.buckets(asked, sources))
        for bucket, clauses in self._unseen(span, new, (RECIPIENT, "awsRegion")):
            account, region = (str(bucket["key"][each]) for each in ("account", "region"))
            yield self._lead(
                "region",
                "first_seen_region",
                5,
                f"{account} {region}",
                f"Something was changed in {region} for the first time in account {account}",
                both(asked, *clauses),
                activity="account",
            )

    def _unseen(
        self, span: Span, buckets: Sequence[Mapping[str, Any]], fields: tuple[str, str]
    ) -> Iterator[tuple[Mapping[str, Any], list[Query]]]:
        """The pairs (account, value) that are new for an account which has earlier events, with
        their clauses."""
        known: dict[str, bool] = {}
        for part in batched(buckets, _AT_ONCE):
            pairs = []
            for each in part:
                names = [str(value) for value in each["key"].values()]
                pairs.append([{"term": {f: v}} for f, v in zip(fields, names, strict=True)])
            bodies = [
                {"query": both(_before(span), *clauses), "track_total_hits": 1} for clauses in pairs
            ]
            replies = self._index.searches(bodies)
            for each, clauses, reply in zip(part, pairs, replies, strict=True):
                account = str(next(iter(each["key"].values())))
                if account not in known:
                    known[account] = self._index.count(both(_before(span), clauses[0])) > 0
                if known[account] and not reply["hits"]["total"]["value"]:
                    yield each, clauses

    def _failed_then_succeeded(self, span: Span) -> Iterator[Lead]:
        """At least `FAILURES` failures of a call by a principal, then a success, within
        `WINDOW`."""
        outcomes = {"denied": {"filter": _DENIED}, "succeeded": {"filter": _SUCCEEDED}}
        candidates: list[tuple[int, str, str, str, Query]] = []
        for name, of in _ACTORS:
            asked = both(span.query(), of)
            sources = [terms("call", "eventName"), terms("who", name)]
            for bucket in self._index.buckets(asked, sources, outcomes):
                tried, won = (bucket[each]["doc_count"] for each in ("denied", "succeeded"))
                if tried >= FAILURES and won:
                    who, call = str(bucket["key"]["who"]), str(bucket["key"]["call"])
                    candidates.append((tried, who, call, name, asked))
        candidates.sort(key=lambda each: (-each[0], *each[1:4]))
        self.unread += max(0, len(candidates) - MOST_SEQUENCES)
        chosen = candidates[:MOST_SEQUENCES]
        times = self._dense_refusals(chosen)
        for tried, who, call, name, asked in chosen:
            if not (ranges := times.get((name, who, call))):
                continue
            query = both(asked, {"term": {"eventName": call}}, {"term": {name: who}})
            decisive = both(query, either([_DENIED, _SUCCEEDED]), either(_clauses(ranges)))
            recent: deque[datetime] = deque()
            for when, outcome in self._events(decisive, "event.outcome"):
                while recent and when - recent[0] > WINDOW:
                    recent.popleft()
                if outcome == "failure":
                    recent.append(when)
                elif len(recent) >= FAILURES:
                    others = f" ({tried:,} refusals in all)" if tried > len(recent) else ""
                    yield self._lead(
                        "sequence",
                        "failed_then_succeeded",
                        6,
                        who,
                        f"{call} was refused {len(recent):,} times, and then succeeded{others}",
                        both(query, either([_DENIED, _SUCCEEDED]), *_clauses([(recent[0], when)])),
                    )
                    break

    def _dense_refusals(
        self, candidates: Sequence[tuple[int, str, str, str, Query]]
    ) -> dict[tuple[str, str, str], list[tuple[datetime, datetime]]]:
        """For each candidate (field, principal, call), the times in which a success may follow
        `FAILURES` failures: `WINDOW` from the first of failures that are near enough together.

        The failures of all candidates are read together; for most, nothing else has to be read.
        """
        made: dict[tuple[str, str, str], list[tuple[datetime, datetime]]] = defaultdict(list)
        for name, of_field in groupby(sorted(candidates, key=itemgetter(3)), key=itemgetter(3)):
            part = list(of_field)
            recent: dict[tuple[str, str], deque[datetime]] = {
                (who, call): deque(maxlen=FAILURES) for _, who, call, _, _ in part
            }
            query = both(
                part[0][4],
                _DENIED,
                {"terms": {name: sorted({who for who, _ in recent})}},
                {"terms": {"eventName": sorted({call for _, call in recent})}},
            )
            asked = {"_source": False, "docvalue_fields": [name, "eventName"]}
            for hit in self._index.documents(query, asked):
                fields = hit.get("fields", {})
                who, call = (str((fields.get(each) or [""])[0]) for each in (name, "eventName"))
                times = recent.get((who, call))
                if times is None:
                    continue
                times.append(moment(int(hit["sort"][0])))
                if len(times) == FAILURES and times[-1] - times[0] <= WINDOW:
                    ranges = made[name, who, call]
                    since = times[0]
                    if ranges and since <= ranges[-1][1]:
                        since = ranges.pop()[0]
                    ranges.append((since, times[0] + WINDOW))
        return made

    def _enumeration(self, span: Span) -> Iterator[Lead]:
        """At least `DENIED` different calls of a principal that are denied within `WINDOW`."""
        for name, of in _ACTORS:
            asked = both(span.query(), of, _REFUSED)
            distinct = {"calls": {"cardinality": {"field": "eventName"}}}
            for bucket in self._index.buckets(asked, [terms("who", name)], distinct):
                # The engine's number is approximate, so candidates near the limit are read.
                if bucket["calls"]["value"] < DENIED * 0.8:
                    continue
                who = str(bucket["key"]["who"])
                query = both(asked, {"term": {name: who}})
                window: deque[tuple[datetime, str]] = deque()
                for when, call in self._events(query, "eventName"):
                    window.append((when, call))
                    while when - window[0][0] > WINDOW:
                        window.popleft()
                    different = {call for _, call in window}
                    if len(different) >= DENIED:
                        yield self._lead(
                            "enumeration",
                            "permission_enumeration",
                            7,
                            who,
                            f"{DENIED} or more different calls were denied within an hour",
                            query,
                        )
                        break

    def _moved(self, span: Span) -> Iterator[Lead]:
        """Credentials that are used from a second network in the span (public addresses of another
        /16, or /32 of IPv6); the score rises with a second country and a second tool."""
        here = {
            "networks": {"terms": {"field": ADDRESS, "size": _ADDRESSES}},
            "countries": {"terms": {"field": "geolocation.country", "size": 20}},
            "tools": {"terms": {"field": "user_agent.name", "size": 20}},
        }
        located: Query = {"exists": {"field": "geolocation.country"}}
        person = both(span.query(), {"exists": {"field": KEY}}, _NO_SERVICE)
        for bucket in self._index.buckets(both(person, located), [terms("key", KEY)], here):
            key = str(bucket["key"]["key"])
            networks = sorted({network_of(each["key"]) for each in bucket["networks"]["buckets"]})
            tools = sorted(str(each["key"]) for each in bucket["tools"]["buckets"])
            if not key or len(networks) < 2:
                continue
            countries = sorted(str(each["key"]) for each in bucket["countries"]["buckets"])
            abroad, second = len(countries) > 1, len(tools) > 1
            least = " or more" if bucket["networks"].get("sum_other_doc_count") else ""
            where = f" in {', '.join(countries[:4])}" if abroad else ""
            with_tools = f", with {len(tools)} tools: {', '.join(tools[:4])}" if second else ""
            yield self._lead(
                "credential",
                "second_country" if abroad else "second_network",
                (6 if abroad else 3) + second,
                key,
                f"One key is used from {len(networks)}{least} networks{where}: "
                f"{', '.join(networks[:4])}{with_tools}",
                both(person, {"term": {KEY: key}}),
            )

    def _events(self, query: Query, name: str) -> Iterator[tuple[datetime, str]]:
        """The time of each event and its value of a field, from doc values."""
        for hit in self._index.documents(query, {"_source": False, "docvalue_fields": [name]}):
            values = hit.get("fields", {}).get(name) or [""]
            yield moment(int(hit["sort"][0])), str(values[0])

    def _lead(
        self,
        family: str,
        pattern: str,
        score: int,
        who: str,
        description: str,
        query: Query,
        activity: Any = "user",
    ) -> Lead:
        """A lead with its numbers, its calls and its first events."""
        reply = self._index.search(
            {
                "query": query,
                "size": EVIDENCE,
                "_source": False,
                "sort": [{"@timestamp": "asc"}],
                "aggs": {**_TIMES, "calls": {"terms": {"field": "eventName", "size": CALLS}}},
            }
        )
        found = reply["aggregations"]
        return Lead(
            family=family,
            pattern=pattern,
            score=score,
            identifier=who,
            activity=activity,
            description=description,
            calls=tuple(str(each["key"]) for each in found["calls"]["buckets"]),
            count=reply["hits"]["total"]["value"],
            first=moment(int(found["first"]["value"])),
            last=moment(int(found["last"]["value"])),
            events=tuple(hit["_id"] for hit in reply["hits"]["hits"]),
        )


def _within(last: int | None, first: int) -> bool:
    """Whether the pause between two times, in milliseconds, is shorter than `DORMANT`."""
    return last is not None and first - last < DORMANT // timedelta(milliseconds=1)


def _clauses(ranges: Sequence[tuple[datetime, datetime]]) -> list[Query]:
    """Time ranges as clauses; one clause that covers all, if there are too many."""
    few = ranges if len(ranges) <= _RANGES else [(ranges[0][0], ranges[-1][1])]
    return [
        {"range": {"@timestamp": {"gte": since.isoformat(), "lte": until.isoformat()}}}
        for since, until in few
    ]


def _before(span: Span) -> Query:
    return {"range": {"@timestamp": {"lt": span.since.isoformat()}}}


def _risky(least: int) -> Query:
    return {"range": {"risk_score": {"gte": least}}}
