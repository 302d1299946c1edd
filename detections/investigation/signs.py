"""Further signs of a hunt: first calls and regions, dormant identities, probing, moving
credentials.

Each is found by aggregations over the span, and compared with everything that the index has from
before (`past.py`). Principals are identified by ARN, sessions by their role.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from detections.events.daily_indices import DailyIndices
from detections.events.identity import ADDRESS, KEY, LONG_TERM, RECIPIENT
from detections.events.index import EventIndex, terms
from detections.investigation.hunting import Part
from detections.investigation.lead import Lead
from detections.investigation.nodes import network_of
from detections.investigation.past import Asked, Looking, Past
from detections.investigation.probing import Probing
from detections.investigation.sign_reader import (
    ACTORS,
    NO_SERVICE,
    SUCCEEDED,
    TIMES,
    Sign,
    SignReader,
)
from detections.span import Span, moment
from trailhound.cluster.queries import Query, both, either
from trailhound.plural import plural

DORMANT: Final = timedelta(days=30)
"""The pause after which an identity or key counts as dormant."""
_ADDRESSES: Final = 50
"""The most addresses of a key from which its networks are derived."""
_WRITES: Final[Query] = {"term": {"readOnly": "false"}}


class Signs:
    """Finds signs in a span. Raises `ClusterError`."""

    def __init__(self, index: EventIndex, days: DailyIndices) -> None:
        self._index = index
        self._read = SignReader(index)
        self._past = Past(index, days)
        self._probing = Probing(index)

    @property
    def unread(self) -> int:
        """Pairs of principal and call whose events were not read, since they were too many."""
        return self._probing.unread

    def parts(self) -> list[Part]:
        """What can be looked for."""
        return [
            Part("refusals before a success", _of_span(self._probing.failed_then_succeeded)),
            Part("permission enumeration", _of_span(self._probing.enumeration)),
            Part("credentials that moved", _of_span(self._moved)),
            Part("regions that were enabled", _of_span(self._enabled)),
            Part("first changes in a region", self._regions, past=True),
            Part("first calls", self._first_calls, past=True),
            Part("what wakes", self._waking, past=True),
        ]

    def _waking(self, span: Span, looking: Looking) -> Iterator[Lead]:
        """Keys of users, and identities, that act again after a pause of `DORMANT`."""
        kinds = [("dormant_key", KEY, LONG_TERM)]
        kinds += [("dormant_identity", name, of) for name, of in ACTORS]
        first = {"first": TIMES["first"]}
        acting = [
            {
                (str(each["key"]["who"]),): int(each["first"]["value"])
                for each in self._index.buckets(both(span.query(), of), [terms("who", name)], first)
                if each["key"]["who"]
            }
            for _, name, of in kinds
        ]
        asked = [Asked((name,), names) for (_, name, _), names in zip(kinds, acting, strict=True)]
        before = self._past.last(span.since, asked, looking)
        for (pattern, name, _), active, last in zip(kinds, acting, before, strict=True):
            waking = [
                (who, asleep)
                for (who,), begin in active.items()
                if (who,) in last and (asleep := moment(begin) - moment(last[who,])) >= DORMANT
            ]
            yield from self._read.leads(
                Sign(
                    "dormant",
                    pattern,
                    6,
                    who,
                    f"Acts after {plural(asleep.days, 'day')} without an event",
                    both(span.query(), {"term": {name: who}}),
                )
                for who, asleep in waking
            )

    def _first_calls(self, span: Span, looking: Looking) -> Iterator[Lead]:
        """High-risk or write calls that are the first of their kind in an account."""
        fields = RECIPIENT, "eventName"
        asked = both(span.query(), SUCCEEDED, NO_SERVICE, either([_WRITES, _risky(8)]))
        risks = {"risk": {"max": {"field": "risk_score"}}}
        made = self._pairs(asked, fields, risks)
        yield from self._read.leads(
            Sign(
                "first",
                "first_seen_call",
                5 if (made[account, call]["risk"]["value"] or 1) >= 8 else 3,
                f"{account} {call}",
                f"{call} for the first time in account {account}",
                both(asked, *_clauses(fields, (account, call))),
                activity="account",
            )
            for account, call in self._unseen(span, list(made), fields, looking)
        )

    def _enabled(self, span: Span) -> Iterator[Lead]:
        """Regions that were enabled."""
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

    def _regions(self, span: Span, looking: Looking) -> Iterator[Lead]:
        """Regions with a first write call."""
        fields = RECIPIENT, "awsRegion"
        asked = both(span.query(), _WRITES, SUCCEEDED, NO_SERVICE)
        made = list(self._pairs(asked, fields))
        yield from self._read.leads(
            Sign(
                "region",
                "first_seen_region",
                5,
                f"{account} {region}",
                f"Something was changed in {region} for the first time in account {account}",
                both(asked, *_clauses(fields, (account, region))),
                activity="account",
            )
            for account, region in self._unseen(span, made, fields, looking)
        )

    def _pairs(
        self, asked: Query, fields: tuple[str, str], aggregations: Mapping[str, Any] | None = None
    ) -> dict[tuple[str, str], Mapping[str, Any]]:
        """The pairs of values that events have, with their bucket."""
        sources = [terms("account", fields[0]), terms("value", fields[1])]
        return {
            (str(each["key"]["account"]), str(each["key"]["value"])): each
            for each in self._index.buckets(asked, sources, aggregations)
        }

    def _unseen(
        self,
        span: Span,
        pairs: Sequence[tuple[str, str]],
        fields: tuple[str, str],
        looking: Looking,
    ) -> list[tuple[str, str]]:
        """The pairs (account, value) that are new for an account which has earlier events."""
        accounts = {pair[:1] for pair in pairs}
        # The accounts first: of one that has no past, no call need be looked for.
        (known,) = self._past.last(span.since, [Asked(fields[:1], accounts)], looking)
        of_pairs = Asked(fields, [pair for pair in pairs if pair[:1] in known])
        (seen,) = self._past.last(span.since, [of_pairs], looking)
        return [pair for pair in pairs if pair[:1] in known and pair not in seen]

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


def _of_span(
    find: Callable[[Span], Iterable[Lead]],
) -> Callable[[Span, Looking], Iterable[Lead]]:
    """Of what needs no past."""
    return lambda span, _: find(span)


def _clauses(fields: Sequence[str], values: Sequence[str]) -> list[Query]:
    return [{"term": {each: value}} for each, value in zip(fields, values, strict=True)]


def _risky(least: int) -> Query:
    return {"range": {"risk_score": {"gte": least}}}
