"""Further signs of a hunt: first calls and regions, dormant identities, probing, moving
credentials.

Each is found by aggregations over the span, and compared with everything that the index has from
before. Principals are identified by ARN, sessions by their role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from detections.events.identity import ADDRESS, KEY, LONG_TERM, RECIPIENT
from detections.events.index import EventIndex, terms
from detections.investigation.lead import Lead, Progress
from detections.investigation.nodes import network_of
from detections.investigation.probing import Probing
from detections.investigation.sign_reader import ACTORS, NO_SERVICE, SUCCEEDED, TIMES, SignReader
from detections.span import Span, moment
from trailhound.batching import batched
from trailhound.cluster.queries import Query, both, either
from trailhound.plural import plural

DORMANT: Final = timedelta(days=30)
"""The pause after which an identity or key counts as dormant."""
_AT_ONCE: Final = 200
_ADDRESSES: Final = 50
"""The most addresses of a key from which its networks are derived."""
_WRITES: Final[Query] = {"term": {"readOnly": "false"}}
_LAST: Final = {"last": TIMES["last"]}


class Signs:
    """Finds signs in a span. Raises `ClusterError`."""

    def __init__(self, index: EventIndex) -> None:
        self._index = index
        self._read = SignReader(index)
        self._probing = Probing(index)

    @property
    def unread(self) -> int:
        """Pairs of principal and call whose events were not read, since they were too many."""
        return self._probing.unread

    def found(
        self, span: Span, progress: Progress = lambda _what, _done, _total: None
    ) -> Iterator[Lead]:
        """All signs of a span, in no particular order."""
        kinds = {
            "what wakes": self._waking,
            "first calls": self._first_calls,
            "regions": self._regions,
            "refusals before a success": self._probing.failed_then_succeeded,
            "permission enumeration": self._probing.enumeration,
            "credentials that moved": self._moved,
        }
        for number, (what, signs) in enumerate(kinds.items()):
            progress(f"looking for {what}", number, len(kinds))
            yield from signs(span)

    def _waking(self, span: Span) -> Iterator[Lead]:
        """Keys of users, and identities, that act again after a pause of `DORMANT`."""
        kinds = [("dormant_key", KEY, LONG_TERM)]
        kinds += [("dormant_identity", name, of) for name, of in ACTORS]
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
                for each in self._index.buckets(both(span.query(), of), by, TIMES)
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
                        yield self._read.lead(
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
        asked = both(span.query(), SUCCEEDED, NO_SERVICE, either([_WRITES, _risky(8)]))
        new = list(self._index.buckets(asked, sources, {"risk": {"max": {"field": "risk_score"}}}))
        for bucket, clauses in self._unseen(span, new, (RECIPIENT, "eventName")):
            risk = int(bucket["risk"]["value"] or 1)
            yield self._read.lead(
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
        enabled = both(span.query(), {"term": {"eventName": "EnableRegion"}}, SUCCEEDED)
        for bucket in self._index.buckets(enabled, [terms("account", RECIPIENT)]):
            account = str(bucket["key"]["account"])
            yield self._read.lead(
                "region",
                "region_enabled",
                7,
                account,
                f"A region was switched on in account {account}",
                both(enabled, {"term": {RECIPIENT: account}}),
                activity="account",
            )
        sources = [terms("account", RECIPIENT), terms("region", "awsRegion")]
        asked = both(span.query(), _WRITES, SUCCEEDED, NO_SERVICE)
        new = list(self._index.buckets(asked, sources))
        for bucket, clauses in self._unseen(span, new, (RECIPIENT, "awsRegion")):
            account, region = (str(bucket["key"][each]) for each in ("account", "region"))
            yield self._read.lead(
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

    def _moved(self, span: Span) -> Iterator[Lead]:
        """Credentials that are used from a second network in the span (public addresses of another
        /16, or /32 of IPv6); the score rises with a second country and a second tool."""
        here = {
            "networks": {"terms": {"field": ADDRESS, "size": _ADDRESSES}},
            "countries": {"terms": {"field": "geolocation.country", "size": 20}},
            "tools": {"terms": {"field": "user_agent.name", "size": 20}},
        }
        located: Query = {"exists": {"field": "geolocation.country"}}
        person = both(span.query(), {"exists": {"field": KEY}}, NO_SERVICE)
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
            yield self._read.lead(
                "credential",
                "second_country" if abroad else "second_network",
                (6 if abroad else 3) + second,
                key,
                f"One key is used from {len(networks)}{least} networks{where}: "
                f"{', '.join(networks[:4])}{with_tools}",
                both(person, {"term": {KEY: key}}),
            )


def _within(last: int | None, first: int) -> bool:
    """Whether the pause between two times, in milliseconds, is shorter than `DORMANT`."""
    return last is not None and first - last < DORMANT // timedelta(milliseconds=1)


def _before(span: Span) -> Query:
    return {"range": {"@timestamp": {"lt": span.since.isoformat()}}}


def _risky(least: int) -> Query:
    return {"range": {"risk_score": {"gte": least}}}
