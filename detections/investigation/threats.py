"""The threats of the report: pattern matches by user and by address, anomalies, suspicious
addresses.

Patterns and anomalies are the shipped rules of `detections/rules/patterns`, so that a hunt, an
alert and a dashboard agree on what they are; overrides and exceptions of the settings apply.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.daily_indices import DailyIndices
from detections.events.identity import ACCOUNT, ADDRESS, ARN, NAME, RECIPIENT
from detections.events.index import SORT, EventIndex, terms
from detections.events.principal import HAS_ARN
from detections.finding import Finding
from detections.investigation.hunting import Part
from detections.investigation.lead import EVIDENCE, Lead
from detections.investigation.past import Asked, Looking, Past
from detections.investigation.scoring import (
    ANOMALY,
    CALLS,
    FLAGGED,
    KNOWN,
    USERS,
    AddressFigures,
    Countries,
    leads_of,
    listed_countries,
    unusual_country,
)
from detections.packs.loading import SHIPPED, load_paths
from detections.packs.pack import Pack
from detections.rule import Rule
from detections.running.evaluation import Evaluator
from detections.span import Span, moment
from trailhound.batching import batched
from trailhound.cluster.queries import Query, both
from trailhound.settings import Settings

TRAVEL: Final = "edc1380b-4877-4b7b-a07f-17427e00090c"
_ACCOUNTS: Final = 1_000
_AT_ONCE: Final = 100
"""Searches in one request."""
_ADDRESSES: Final = 1_000
"""The number of addresses whose users and calls one search counts."""
_CALLED: Final = {"calls": {"terms": {"field": "eventName", "size": CALLS}}}


def _but(*clauses: Query) -> Query:
    return {"bool": {"must_not": list(clauses)}}


_ERROR: Final[Query] = {
    "bool": {
        "filter": [{"exists": {"field": "errorCode"}}],
        "must_not": [{"term": {"errorCode": ""}}],
    }
}
_SERVICE: Final[Query] = {"term": {"user_type": "aws_service"}}
_ARN_VIEW: Final = both(HAS_ARN, _but(_SERVICE))
_NAME_VIEW: Final = _but(HAS_ARN, _SERVICE)


def disabled_threats(pack: Pack) -> tuple[str, ...]:
    """Titles of the rules of threats that the settings switch off."""
    return tuple(
        sorted(
            each.title for each in pack.disabled if each.variant_of or each.id in (ANOMALY, TRAVEL)
        )
    )


class Threats:
    """Finds threats in a span. Raises `ClusterError`, and `RuleError` for a rule that an override
    made invalid."""

    def __init__(
        self, client: OpenSearch, settings: Settings, index: EventIndex, days: DailyIndices
    ) -> None:
        places = [SHIPPED / "patterns", SHIPPED / "initial-access" / "impossible_travel.yml"]
        pack = load_paths(places, settings.detections)
        self._rules = pack.rules
        self.disabled = disabled_threats(pack)
        """Titles of the rules that are not looked for, since they are switched off."""
        self._evaluator = Evaluator(client, settings, pack.compiled, index=days)
        self._index = index
        self._past = Past(index, days)
        self._countries = listed_countries(settings.investigation.suspicious_countries)

    def parts(self) -> list[Part]:
        """What can be looked for."""
        asked = [rule for rule in self._rules if rule.variant_of or rule.id in (ANOMALY, TRAVEL)]
        made = [Part(rule.title, partial(self._of_rule, rule)) for rule in asked]
        return [*made, Part("suspicious addresses", self._addresses, past=True)]

    def _of_rule(self, rule: Rule, span: Span, _: Looking) -> Iterable[Lead]:
        if rule.variant_of:
            return self._patterns(rule, span)
        if rule.id == ANOMALY:
            return self._findings("anomaly", "anomalous_activity", rule, span)
        return self._findings("travel", "impossible_travel", rule, span)

    def _patterns(self, rule: Rule, span: Span) -> Iterable[Lead]:
        """A threat for each user or address, from all its bursts of a rule in the span."""
        return self._findings("pattern", rule.variant_of, rule, span)

    def _findings(self, family: str, pattern: str, rule: Rule, span: Span) -> Iterable[Lead]:
        found = list(self._evaluator.evaluate(rule, span))
        calls = dict(zip(map(id, found), self._calls(found), strict=True))
        return leads_of(family, pattern, rule, found, lambda finding: calls[id(finding)])

    def _calls(self, findings: Sequence[Finding]) -> Iterator[list[str]]:
        """The calls of the events that each finding names."""
        for part in batched(findings, _AT_ONCE):
            bodies = []
            for each in part:
                when = {"gte": each.first_seen.isoformat(), "lte": each.last_seen.isoformat()}
                query = both(
                    {"ids": {"values": list(each.events)}}, {"range": {"@timestamp": when}}
                )
                bodies.append({"query": query, "track_total_hits": False, "aggs": _CALLED})
            for reply in self._index.searches(bodies, few_days=True):
                yield _names(reply)

    def _addresses(self, span: Span, looking: Looking) -> Iterator[Lead]:
        sources = [terms("address", ADDRESS)]
        aggregations = {
            "errors": {"filter": _ERROR},
            "first": {"min": {"field": "@timestamp"}},
            "last": {"max": {"field": "@timestamp"}},
            "country": {"terms": {"field": "geolocation.country", "size": 1}},
            "accounts": {"terms": {"field": RECIPIENT, "size": _ACCOUNTS}},
            "named": {
                "filter": _ARN_VIEW,
                "aggs": {"arns": {"terms": {"field": ARN, "size": USERS + 1}}},
            },
            "nameless": {"filter": _NAME_VIEW},
        }
        since = self._first_events(span, looking)
        likely: list[AddressFigures] = []
        for bucket in self._index.buckets(span.query(), sources, aggregations):
            figures = self._figures(bucket, since)
            # As many ARNs as are asked for are enough, and fewer are all; each event without one
            # may be another user's. Only where there may be enough are they counted.
            most = len(bucket["named"]["arns"]["buckets"]) + bucket["nameless"]["doc_count"]
            if figures.points(most) >= FLAGGED:
                likely.append(figures)
        for part in batched(likely, _ADDRESSES):
            here = both({"terms": {ADDRESS: [each.address for each in part]}}, span.query())
            users = self._users(here)
            flagged = [each for each in part if each.points(users[each.address]) >= FLAGGED]
            calls = self._calls_from(flagged, span)
            for few in batched(flagged, _AT_ONCE):
                replies = self._index.searches([_first_of(each) for each in few], few_days=True)
                for figures, reply in zip(few, replies, strict=True):
                    ids = [hit["_id"] for hit in reply["hits"]["hits"]]
                    yield figures.lead(users[figures.address], calls[figures.address], ids)

    def _figures(self, bucket: Mapping[str, Any], since: Countries) -> AddressFigures:
        country = "".join(str(each["key"]) for each in bucket["country"]["buckets"])
        accounts = [str(each["key"]) for each in bucket["accounts"]["buckets"]]
        first = int(bucket["first"]["value"])
        return AddressFigures(
            address=str(bucket["key"]["address"]),
            events=bucket["doc_count"],
            errors=bucket["errors"]["doc_count"],
            first=first,
            last=int(bucket["last"]["value"]),
            unusual=unusual_country(country, accounts, first, since, self._countries),
        )

    def _users(self, query: Query) -> Counter[str]:
        """The number of distinct users of each address, by account and ARN, or by account and name
        without an ARN. Buckets come in order of addresses, so only the number is kept."""
        address = terms("address", ADDRESS)
        # A role of an account is the same user in the trails of others.
        views = [
            (_ARN_VIEW, [address, terms("user", ARN)]),
            (_NAME_VIEW, [address, terms("user", NAME), terms("account", ACCOUNT)]),
        ]
        return Counter(
            str(bucket["key"]["address"])
            for view, by in views
            for bucket in self._index.buckets(both(query, view), by)
        )

    def _calls_from(
        self, flagged: Sequence[AddressFigures], span: Span
    ) -> Mapping[str, Sequence[str]]:
        """The calls of each address, the most frequent first, at most `CALLS`."""
        if not flagged:
            return {}
        query = both({"terms": {ADDRESS: [each.address for each in flagged]}}, span.query())
        by = [terms("address", ADDRESS), terms("call", "eventName")]
        made: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for bucket in self._index.buckets(query, by):
            key = bucket["key"]
            made[str(key["address"])].append((-bucket["doc_count"], str(key["call"])))
        return defaultdict(
            tuple, {who: [call for _, call in sorted(calls)[:CALLS]] for who, calls in made.items()}
        )

    def _first_events(self, span: Span, looking: Looking) -> Countries:
        """Of the accounts of the span, and their countries. Of those that an account had before it
        counts as known, only that they were: an earlier time than that of all others."""
        try:
            known = span.since - KNOWN
        except OverflowError:  # nothing is before the first of days
            known = span.since
        recent = Span(known, span.until).query()
        first = {"first": {"min": {"field": "@timestamp"}}}
        fields = RECIPIENT, "geolocation.country"
        made: dict[tuple[str, ...], int] = {}
        for number in (1, 2):
            sources = [terms(f"n{place}", each) for place, each in enumerate(fields[:number])]
            for bucket in self._index.buckets(recent, sources, first):
                name = tuple(str(each) for each in bucket["key"].values())
                made[name] = int(bucket["first"]["value"])
        asked = [
            Asked(fields[:number], [name for name in made if len(name) == number])
            for number in (1, 2)
        ]
        for before in self._past.last(known, asked, looking):
            made |= before
        return {(name[0], name[1] if len(name) > 1 else ""): time for name, time in made.items()}


def _first_of(figures: AddressFigures) -> dict[str, Any]:
    """A search for the first events of an address."""
    when = {
        "gte": moment(figures.first).isoformat(),
        "lte": moment(figures.last).isoformat(),
    }
    return {
        "query": both({"term": {ADDRESS: figures.address}}, {"range": {"@timestamp": when}}),
        "size": EVIDENCE,
        "_source": False,
        "track_total_hits": False,
        "sort": SORT,
    }


def _names(reply: Mapping[str, Any]) -> list[str]:
    found = (reply.get("aggregations") or {"calls": {"buckets": []}})["calls"]["buckets"]
    return [str(each["key"]) for each in found]
