"""The threats of the report: pattern matches by user and by address, anomalies, suspicious
addresses.

Patterns and anomalies are the shipped rules of `detections/rules/patterns`, so that a hunt, an
alert and a dashboard agree on what they are; overrides and exceptions of the settings apply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.events.identity import ACCOUNT, ADDRESS, ARN, NAME, RECIPIENT
from detections.events.index import EventIndex, terms
from detections.events.principal import HAS_ARN
from detections.finding import Finding
from detections.investigation.lead import EVIDENCE, Lead
from detections.packs.loading import SHIPPED, load_paths
from detections.rule import Rule
from detections.running.evaluation import Evaluator
from detections.span import Span, moment
from trailhound.cluster.queries import Query
from trailhound.settings import Settings

ANOMALY: Final = "a378c706-16eb-4739-88e9-c1a3c72b8c30"
TRAVEL: Final = "edc1380b-4877-4b7b-a07f-17427e00090c"
USERS, EVENTS, ERRORS = 3, 100, 10
"""What a suspicious address has more than."""
POINTS: Final = {"users": 5, "events": 4, "errors": 6, "geography": 3}
FLAGGED: Final = 7
_ACCOUNTS: Final = 100
_KNOWN: Final = timedelta(days=7)
"""How long an account must have been known before a country counts as new to it."""
_ERROR: Final[Query] = {
    "bool": {
        "filter": [{"exists": {"field": "errorCode"}}],
        "must_not": [{"term": {"errorCode": ""}}],
    }
}


class Threats:
    """Finds threats in a span. Raises `ClusterError`, and `RuleError` for a rule that an override
    made impossible."""

    def __init__(
        self, client: OpenSearch, settings: Settings, index: EventIndex, expression: str
    ) -> None:
        places = [SHIPPED / "patterns", SHIPPED / "initial-access" / "impossible_travel.yml"]
        pack = load_paths(places, settings.detections)
        self._rules = [*pack.rules, *pack.disabled]
        self._evaluator = Evaluator(client, settings, pack.compiled, index=expression)
        self._index = index
        self._countries = {each.casefold() for each in settings.investigation.suspicious_countries}

    def found(self, span: Span) -> Iterator[Lead]:
        """All threats of a span, in no particular order."""
        for rule in self._rules:
            if rule.variant_of:
                yield from self._patterns(rule, span)
            elif rule.id == ANOMALY:
                yield from self._findings("anomaly", "anomalous_activity", rule, span)
            elif rule.id == TRAVEL:
                yield from self._findings("travel", "impossible_travel", rule, span)
        yield from self._addresses(span)

    def _patterns(self, rule: Rule, span: Span) -> Iterable[Lead]:
        """One threat for each user or address, of all bursts of it in the span."""
        return self._findings("pattern", rule.variant_of, rule, span)

    def _findings(self, family: str, pattern: str, rule: Rule, span: Span) -> Iterable[Lead]:
        made: dict[str, Lead] = {}
        said: dict[str, list[Finding]] = {}
        for finding in self._evaluator.evaluate(rule, span):
            values = dict(finding.group)
            address = values.get(ADDRESS) if family == "pattern" else None
            name = (
                address or values.get(ARN) or values.get(NAME) or "".join(
                    value for _, value in finding.group[-1:]
                )
            )  # fmt: skip
            account = values.get(RECIPIENT, "")
            # A person without an ARN can be in several accounts.
            key = name if name.startswith("arn:") or address else f"{account}/{name}"
            calls = self._calls(finding)
            known = made.get(key)
            if known is None:
                known = made[key] = Lead(
                    family,
                    pattern,
                    rule.severity,
                    name,
                    "ip" if address else "user",
                    " ".join(rule.description.split()) if family == "pattern" else "",
                    more={"anomaly_type": "high_frequency"} if family == "anomaly" else {},
                )
            said.setdefault(key, []).append(finding)
            known.calls = tuple(dict.fromkeys((*known.calls, *calls)))
            known.count += finding.count
            known.first = min(known.first or finding.first_seen, finding.first_seen)
            known.last = max(known.last or finding.last_seen, finding.last_seen)
            known.events = (*known.events, *finding.events)[:EVIDENCE]
        for key, lead in made.items():
            lead.description = lead.description or _detail(family, said[key])
        return made.values()

    def _calls(self, finding: Finding) -> list[str]:
        if not finding.events:
            return []
        reply = self._index.search(
            {
                "query": {"ids": {"values": list(finding.events)}},
                "aggs": {"calls": {"terms": {"field": "eventName", "size": 50}}},
            }
        )
        buckets = (reply.get("aggregations") or {"calls": {"buckets": []}})["calls"]["buckets"]
        return [str(each["key"]) for each in buckets]

    def _addresses(self, span: Span) -> Iterator[Lead]:
        sources = [terms("address", ADDRESS)]
        few = USERS + 1
        aggregations = {
            "errors": {"filter": _ERROR},
            "first": {"min": {"field": "@timestamp"}},
            "last": {"max": {"field": "@timestamp"}},
            "country": {"terms": {"field": "geolocation.country", "size": 1}},
            "accounts": {"terms": {"field": RECIPIENT, "size": _ACCOUNTS}},
            "arns": {"terms": {"field": ARN, "size": few}},
            "names": {"terms": {"field": NAME, "size": few}},
        }
        since = self._first_events(span)
        for bucket in self._index.buckets(span.query(), sources, aggregations):
            country = "".join(str(each["key"]) for each in bucket["country"]["buckets"])
            accounts = [str(each["key"]) for each in bucket["accounts"]["buckets"]]
            first = int(bucket["first"]["value"])
            unusual = self._unusual_country(country, accounts, first, since) if country else ""
            points = POINTS["events"] * (bucket["doc_count"] > EVENTS)
            points += POINTS["errors"] * (bucket["errors"]["doc_count"] > ERRORS)
            points += POINTS["geography"] * bool(unusual)
            # It has at most as many users as ARNs and names: only where there may be enough are
            # they counted.
            many = len(bucket["arns"]["buckets"]) + len(bucket["names"]["buckets"]) > USERS
            if points + POINTS["users"] * many >= FLAGGED:
                lead = self._address(bucket, span, points, unusual)
                if lead.score >= FLAGGED:
                    yield lead

    def _address(self, bucket: Mapping[str, Any], span: Span, points: int, unusual: str) -> Lead:
        address = str(bucket["key"]["address"])
        own: Query = {"bool": {"filter": [{"term": {ADDRESS: address}}, span.query()]}}
        users = self._users(own)
        reasons = []
        if users > USERS:
            points += POINTS["users"]
            reasons.append(f"{users:,} users")
        if bucket["doc_count"] > EVENTS:
            reasons.append(f"{bucket['doc_count']:,} events")
        if bucket["errors"]["doc_count"] > ERRORS:
            reasons.append(f"{bucket['errors']['doc_count']:,} with an error")
        if unusual:
            reasons.append(unusual)
        asked = {
            "query": own,
            "size": EVIDENCE,
            "_source": False,
            "sort": [{"@timestamp": "asc"}],
            "aggs": {"calls": {"terms": {"field": "eventName", "size": 50}}},
        }
        reply = self._index.search(asked)
        return Lead(
            "address",
            "suspicious_ip",
            min(points, 10),
            address,
            "ip",
            f"Suspicious address: {', '.join(reasons)}",
            tuple(str(each["key"]) for each in reply["aggregations"]["calls"]["buckets"]),
            bucket["doc_count"],
            moment(int(bucket["first"]["value"])),
            moment(int(bucket["last"]["value"])),
            tuple(hit["_id"] for hit in reply["hits"]["hits"]),
            {"unique_users": users, "failed_operations": bucket["errors"]["doc_count"]},
        )

    def _users(self, own: Query) -> int:
        """Users told apart by account and ARN, those without an ARN by account and name."""
        service = {"term": {"user_type": "aws_service"}}
        by_arn: Query = {"bool": {"filter": [own, HAS_ARN], "must_not": [service]}}
        by_name: Query = {"bool": {"filter": [own], "must_not": [HAS_ARN, service]}}
        count = 0
        for query, name in ((by_arn, ARN), (by_name, NAME)):
            # A role of one account is the same user in the trails of others.
            account = ACCOUNT if name == NAME else name
            sources = [terms("user", name), terms("account", account)]
            count += sum(1 for _ in self._index.buckets(query, sources))
        return count

    def _first_events(self, span: Span) -> dict[tuple[str, str], int]:
        """When each account had its first event, and its first from each country: by (account, "")
        and (account, country), in milliseconds; of all events up to the end of the span."""
        until: Query = {"range": {"@timestamp": {"lt": span.until.isoformat()}}}
        first = {"first": {"min": {"field": "@timestamp"}}}
        account = terms("account", RECIPIENT)
        made: dict[tuple[str, str], int] = {}
        for sources in ([account], [account, terms("country", "geolocation.country")]):
            for bucket in self._index.buckets(until, sources, first):
                key = bucket["key"]
                name = (str(key["account"]), str(key.get("country", "")))
                made[name] = int(bucket["first"]["value"])
        return made

    def _unusual_country(
        self,
        country: str,
        accounts: Sequence[str],
        first: int,
        since: Mapping[tuple[str, str], int],
    ) -> str:
        """Why a country is suspicious, if it is: listed in the settings, or new to an account that
        is known. `first`: the address's first event, in milliseconds."""
        if country.casefold() in self._countries:
            return f"from {country}, which is listed"
        known = first - int(_KNOWN.total_seconds() * 1000)
        for account in accounts:
            began, seen = since.get((account, ""), first), since.get((account, country), first)
            if began < known and seen >= first:
                return f"from {country}, for the first time in account {account}"
        return ""


def _detail(family: str, findings: Sequence[Finding]) -> str:
    """What is said of several findings of one principal: of anomalies the largest, of others the
    first, and how many there are."""
    if family == "anomaly":
        chosen = max(findings, key=lambda each: (each.count, -each.first_seen.timestamp()))
        which = f", the most of {len(findings):,} such windows"
    else:
        chosen = min(findings, key=lambda each: each.first_seen)
        which = f", the first of {len(findings):,} times"
    return " ".join(chosen.detail.split()) + (which if len(findings) > 1 else "")
