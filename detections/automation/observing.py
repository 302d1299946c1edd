"""Reads on which days roles made the calls that rules ask about, and on which these raised alerts.

Both come from the days before, from the indices of events and of alerts. The events of a rule are
found by its query, which may find a few more than the rule; these are still the same call of the
same role.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from opensearchpy import OpenSearch

from detections.alerts.burst import ENTITIES
from detections.alerts.facts import CALLS
from detections.alerts.paging import every
from detections.automation.learning import Pattern, days_between
from detections.automation.relation import CONSOLE, ENDPOINT, ROLE_ID, Trusted, network_of, query_of
from detections.automation.searched import Searched
from detections.compiled import Compiled, Query
from detections.events.identity import ADDRESS, ISSUER, OF_IDENTITY_CENTER, RECIPIENT
from detections.events.index import EventIndex, histogram, terms
from detections.running.pace import pace_of
from detections.span import Span, moment
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.settings.detections import KnownAutomationSettings

DAY: Final = 86_400_000
EVIDENCE: Final = 10
"""The most events that the alert about a new entry names, the first ones of the last day."""
BENIGN: Final = ("benign", "false-positive")
"""Dispositions of closed alerts whose days count nevertheless."""

A_ROLES_SESSION: Final[Query] = {
    "bool": {
        "filter": [
            {"term": {"userIdentity.type": "AssumedRole"}},
            {"exists": {"field": ISSUER}},
            {"exists": {"field": ADDRESS}},
        ],
        "must_not": [
            # Roles of people, not programs: only Identity Center creates roles under this path.
            OF_IDENTITY_CENTER,
            CONSOLE,
            {"exists": {"field": "userIdentity.invokedBy"}},
        ],
    }
}


@dataclass(slots=True)
class Observed:
    """The days on which each pattern occurred, and those of them on which the scheduled rule has
    looked at an event: it came in time, and the rule ran since, in its present form."""

    days: dict[Pattern, set[date]] = field(default_factory=lambda: defaultdict(set))
    in_time: dict[Pattern, set[date]] = field(default_factory=lambda: defaultdict(set))

    def late(self, pattern: Pattern) -> set[date]:
        """The days of which all events came too late: from a backfill, or with times made up."""
        return self.days[pattern] - self.in_time[pattern]


def observed(
    client: OpenSearch,
    settings: Settings,
    rules: Mapping[str, Compiled],
    span: Span,
    searched: Callable[[str], Searched],
) -> Observed:
    """The days in a span on which each pattern occurred. `searched`: what the scheduled rules that
    build on a rule have looked at, by its id. Raises `ClusterError`."""
    index = EventIndex(client, Names(settings.prefix).days)
    dialect = dialect_of(client)
    asked = [
        (name, {"bool": {"filter": [rule.on(dialect).query, span.query(), A_ROLES_SESSION]}})
        for name, rule in rules.items()
    ]
    none = index.none_match([query for _, query in asked])
    found = Observed()
    for (name, query), nothing in zip(asked, none, strict=True):
        if not nothing:
            _observe(index, name, query, settings, searched(name), found)
    return found


def _observe(
    index: EventIndex,
    rule_id: str,
    query: Query,
    settings: Settings,
    searched: Searched,
    found: Observed,
) -> None:
    late = pace_of(settings).late
    for each in daily_patterns(index, rule_id, query, settings.detections.known_automation):
        found.days[each.pattern].add(each.day.date())
        in_time = each.day + timedelta(days=1) + late
        if each.came is not None and searched.has(each.came, in_time):
            found.in_time[each.pattern].add(each.day.date())


class DailyPattern(NamedTuple):
    """A pattern on a day (its start in UTC), and when the first of its events was ingested."""

    pattern: Pattern
    day: datetime
    came: datetime | None


def daily_patterns(
    index: EventIndex, rule_id: str, query: Query, settings: KnownAutomationSettings
) -> Iterator[DailyPattern]:
    """The patterns of a query's events by day; one for each address. Raises `ClusterError`."""
    sources = [
        *(
            terms(str(place), name)
            for place, name in enumerate(("eventSource", "eventName", ISSUER))
        ),
        *(_or_missing(name) for name in (ROLE_ID, RECIPIENT, ENDPOINT)),
        terms(ADDRESS, ADDRESS),
        histogram("day", DAY),
    ]
    came = {"came": {"min": {"field": "event.ingested"}}}
    for bucket in index.buckets(query, sources, came):
        key: Mapping[str, Any] = bucket["key"]
        network = network_of(str(key[ADDRESS]), settings.ipv4_prefix, settings.ipv6_prefix)
        pattern = Pattern(
            rule_id=rule_id,
            account=key[RECIPIENT] or "",
            role=key["2"],
            role_id=key[ROLE_ID] or "",
            source=key["0"],
            call=key["1"],
            network=network,
            endpoint=key[ENDPOINT] or "",
        )
        if network:
            first = bucket["came"]["value"]
            yield DailyPattern(
                pattern,
                moment(int(key["day"])),
                None if first is None else moment(int(first)),
            )


def _or_missing(field: str) -> dict[str, Any]:
    return {field: {"terms": {"field": field, "missing_bucket": True}}}


class AlertedRole(NamedTuple):
    """A role, as it is known from the ARNs of its sessions in alerts."""

    account: str
    name: str


class AlertDays:
    """The days on which calls of roles raised alerts.

    An alert with many principals or calls names only the most frequent. `against`: the alerts keep
    calls from being learned, so such an alert counts for all principals or calls; otherwise they
    help calls to be learned, and each counts only for those that it names.
    """

    def __init__(self, *, against: bool) -> None:
        self._against = against
        self._days: dict[tuple[AlertedRole | None, str | None], set[date]] = defaultdict(set)

    def add(self, alert: Mapping[str, Any]) -> None:
        """Add the days of an alert."""
        first = datetime.fromisoformat(alert["first_seen"])
        last = datetime.fromisoformat(alert["last_seen"])
        arns = (alert.get("entity") or {}).get("arn") or ()
        calls: set[str | None] = {each["name"] for each in alert.get("calls") or ()}
        roles: set[AlertedRole | None] = set(filter(None, map(role_of_session, arns)))
        if self._against and len(arns) >= ENTITIES:
            roles = {None}
        if self._against and (not calls or len(calls) >= CALLS):
            calls = {None}
        days = set(days_between(first, last))
        for role in roles:
            for call in calls:
                self._days[role, call] |= days

    def of(self, pattern: Pattern) -> set[date]:
        """The days of alerts about a pattern."""
        role = role_of_arn(pattern.role)
        keys = [(role, pattern.call), (role, None), (None, pattern.call), (None, None)]
        return set().union(*(self._days.get(key, set()) for key in keys))


def role_of_session(arn: str) -> AlertedRole | None:
    """The role of a session's ARN.

    >>> role_of_session("arn:aws:sts::111122223333:assumed-role/deploy/ci")
    AlertedRole(account='111122223333', name='deploy')
    """
    parts = arn.split(":", 5)
    if len(parts) < 6 or not parts[5].startswith("assumed-role/"):
        return None
    return AlertedRole(parts[4], parts[5].split("/")[1])


def role_of_arn(arn: str) -> AlertedRole:
    """The role of a role's own ARN, without its path, which sessions do not have.

    >>> role_of_arn("arn:aws:iam::111122223333:role/ci/deploy")
    AlertedRole(account='111122223333', name='deploy')
    """
    parts = arn.split(":", 5)
    return AlertedRole(parts[4] if len(parts) > 4 else "", arn.rpartition("/")[2])


def alert_days(client: OpenSearch, settings: Settings, span: Span, but_rule: str) -> AlertDays:
    """The alert days of a span. Alerts of `but_rule` and of informational rules do not count.
    Raises `ClusterError`."""
    but = [{"term": {"rule.id": but_rule}}, *_NO_WARNING]
    return _days_of(client, settings, span, AlertDays(against=True), but=but)


def harmless_days(client: OpenSearch, settings: Settings, span: Span, but_rule: str) -> AlertDays:
    """The days of a span with alerts that are none of `alert_days`: a rule has looked at them.
    Raises `ClusterError`."""
    asked: list[Query] = [{"bool": {"should": _NO_WARNING, "minimum_should_match": 1}}]
    found = AlertDays(against=False)
    return _days_of(client, settings, span, found, asked, [{"term": {"rule.id": but_rule}}])


_NO_WARNING: Final[list[Query]] = [
    # Informational rules record what happens, including known automation; they are no warning.
    {"term": {"rule.level": "informational"}},
    {"bool": {"filter": [{"term": {"state": "closed"}}, {"terms": {"disposition": BENIGN}}]}},
]


def _days_of(
    client: OpenSearch,
    settings: Settings,
    span: Span,
    found: AlertDays,
    asked: Sequence[Query] = (),
    but: Sequence[Query] = (),
) -> AlertDays:
    within: list[Query] = [
        {"range": {"last_seen": {"gte": span.since.isoformat()}}},
        {"range": {"first_seen": {"lt": span.until.isoformat()}}},
        *asked,
    ]
    merged: Query = {"exists": {"field": "merged_into"}}
    fields = ("first_seen", "last_seen", "entity.arn", "calls")
    alerts = every(client, Names(settings.prefix).alerts, within, but=[merged, *but], fields=fields)
    for _, alert in alerts:
        found.add(alert)
    return found


def examples(
    client: OpenSearch, settings: Settings, pattern: Pattern, span: Span
) -> list[tuple[str, datetime]]:
    """Some events of a pattern, (`_id`, time), the earliest first."""
    known = pattern._replace(rule_id="")
    entry = Trusted(
        role=known.role,
        call=known.call,
        network=known.network,
        account=known.account,
        role_id=known.role_id,
        source=known.source,
        endpoint=known.endpoint,
    )
    query = {"bool": {"filter": [query_of(entry, [known.call]), span.query()]}}
    index = EventIndex(client, Names(settings.prefix).days)
    return [
        (hit["_id"], moment(int(hit["sort"][0])))
        for hit in index.documents(query, {"_source": False}, limit=EVIDENCE)
    ]


def span_before(today: date, settings: KnownAutomationSettings) -> Span:
    """The days before `today` that learning looks at."""
    until = datetime(today.year, today.month, today.day, tzinfo=UTC)
    return Span(until - timedelta(days=settings.within_days), until)
