"""A whole report, from the index, the alerts and the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from opensearchpy import OpenSearch

from detections.rule import Rule
from trailhound import __version__
from trailhound.errors import NoEventsIndexError, ReportError
from trailhound.posture import Posture
from trailhound.report.collect import alerts, stats
from trailhound.report.collect.advice import advised
from trailhound.report.collect.coverage import coverage
from trailhound.report.collect.events import FIELDS, event_line
from trailhound.report.collect.gaps import GapFacts, gaps, unchecked
from trailhound.report.collect.graph import attack_graph
from trailhound.report.collect.incidents import told
from trailhound.report.collect.integrity import integrity
from trailhound.report.collect.query import Index, ReportWindow, Tally
from trailhound.report.collect.rule_state import rule_state
from trailhound.report.collect.stats import HIGH_RISK
from trailhound.report.collect.story import stories
from trailhound.report.collect.summary import summary_facts, summary_sentences
from trailhound.report.compliance import compliance
from trailhound.report.event import Event
from trailhound.report.findings import Findings
from trailhound.report.value import Graph, Ranking, Report, Scope, Timeline, Totals
from trailhound.settings import Settings
from trailhound.state.rule_checkpoints import RuleCheckpoints

_ROWS = 15
"""The number of rows in a ranking."""
_RISKIEST = 15
_GRAPH_EVENTS = 30_000
"""The number of events of high alerts that are read for the attack graph."""


Progress = Callable[[str, int, int], None]
"""Called with the stage that begins, and the numbers of finished and of all stages."""


def _silent(what: str, done: int, total: int) -> None:
    """Shows no progress."""


_STAGES = (
    "counting events",
    "ranking principals, addresses and countries",
    "reading alerts",
    "reading the evidence of alerts",
    "drawing time and places",
    "drawing the attack graph",
    "looking for gaps",
)


def compose(
    client: OpenSearch,
    settings: Settings,
    window: ReportWindow,
    *,
    rules: Sequence[Rule] = (),
    frameworks: Sequence[str] = (),
    posture: Posture | None = None,
    now: datetime | None = None,
    progress: Progress = _silent,
) -> Report:
    """The complete report of a window.

    `rules` are the active rules. `posture` is the result of an account check; only accounts of the
    window are used. `progress` is called at the beginning of each stage. Raises
    `NoEventsIndexError` if there is no index, `ReportError` if all are closed,
    `RequestFailedError` for an incomplete reply, and opensearch-py's exceptions.
    """
    now = now or datetime.now(UTC)
    index = Index(client, settings, window)
    begin = _stages(progress, frameworks)
    begin()
    _require_open_days(client, index)
    counts = _count(index, begin)
    totals, scope = counts.totals, _scope(settings, window, counts.totals)
    begin()
    counted = alerts.counted(index)
    checkpoints = list(RuleCheckpoints(client, settings).read().values())
    begin()
    watched = max((each.ran_at for each in checkpoints), default=None)
    found = alerts.findings(index, counted, rules, watched)
    what_to_do = advised(client, settings, found, window.accounts, now)
    covered = coverage(rules, counted)
    proof = integrity(index)
    begin()
    timeline = _timeline(index, scope, totals, counted)
    facts = GapFacts(
        totals=totals,
        scope=scope,
        accounts=counts.accounts,
        findings=found,
        advised=what_to_do,
        rules=rule_state(client, settings, window, scope, checkpoints, now),
        coverage=covered,
        integrity=proof,
        elsewhere=_accounts(client, settings) if window.accounts else frozenset(),
        ends=None if totals.events else _ends(client, settings),
        now=now,
    )
    errors, calls = _failures(index), _high_risk_calls(index)
    riskiest = _riskiest(index)
    points = stats.country_points(index)
    risk, places = stats.risk(index), stats.places(index, points)
    begin()
    graph = _graph(index, counted, found, riskiest)
    begin()
    missing = gaps(index, client, facts)
    if posture is not None:
        posture = posture.of_accounts(window.accounts)
        missing = (*missing, *unchecked(posture, [each.value for each in counts.accounts.first]))
    summary = summary_sentences(
        scope,
        totals,
        found,
        summary_facts(index),
        calls=calls,
        errors=errors,
        countries=counts.countries,
        integrity=proof,
        stories=stories(index, told(found)),
    )
    controls = []
    for name in frameworks:
        begin()
        controls.append(compliance(index, name, counted, proof))
    return Report(
        generated=now,
        version=__version__,
        scope=scope,
        story=summary,
        totals=totals,
        timeline=timeline,
        risk=risk,
        spots=points,
        principals=counts.principals,
        addresses=counts.addresses,
        countries=counts.countries,
        errors=errors,
        calls=calls,
        findings=found,
        riskiest=riskiest,
        coverage=covered,
        graph=graph,
        integrity=proof,
        gaps=missing,
        compliance=tuple(controls),
        places=places,
        advice=what_to_do.advice,
        posture=posture,
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    """The events of the window, counted, and by whom and from where they are."""

    totals: Totals
    accounts: Tally
    principals: Ranking
    addresses: Ranking
    countries: Ranking


def _count(index: Index, begin: Callable[[], None]) -> _Counts:
    """Counts first, then begins the stage of the rankings."""
    totals = stats.totals(index)
    accounts = index.tally("recipientAccountId", {}, None)
    regions = index.tally("awsRegion", {}, 0)
    begin()
    principals = stats.ranked(index, "user.name", _ROWS, note="user_type")
    addresses = stats.ranked(index, "source.ip", _ROWS, note="geolocation.country")
    countries = stats.ranked(index, "geolocation.country", _ROWS)
    totals = replace(
        totals,
        accounts=accounts.distinct,
        regions=regions.distinct,
        principals=principals.distinct,
        addresses=addresses.distinct,
        countries=countries.distinct,
    )
    return _Counts(totals, accounts, principals, addresses, countries)


def _failures(index: Index) -> Ranking:
    """The error codes of failed calls."""
    only = [stats.FAILED, stats.NAMED_ERROR]
    return stats.ranking(index.tally("errorCode", stats.OF, _ROWS, only=only))


def _high_risk_calls(index: Index) -> Ranking:
    """Each with who made most of them."""
    tally = index.tally("eventName", stats.OF, _ROWS, note="user.name", only=[HIGH_RISK])
    return stats.ranking(tally)


def _stages(progress: Progress, frameworks: Sequence[str]) -> Callable[[], None]:
    """What reports the next stage each time it is called."""
    names = [*_STAGES, *(f"collecting evidence for {each}" for each in frameworks)]
    stages = iter(enumerate(names))

    def begin() -> None:
        done, what = next(stages)
        progress(what, done, len(names))

    return begin


def _scope(settings: Settings, window: ReportWindow, totals: Totals) -> Scope:
    """What the report covers: a limit that the window lacks is that of the events."""
    until = window.until or (totals.last + timedelta(milliseconds=1) if totals.last else None)
    return Scope(window.since or totals.first, until, window.accounts, settings.namespace)


def _timeline(index: Index, scope: Scope, totals: Totals, counted: alerts.Counted) -> Timeline:
    """Events and alerts over the time that has some; empty without events."""
    since, until = scope.since, scope.until
    if since is None or until is None or not totals.events:
        return Timeline(86_400)
    start, end = stats.drawn_span(since, until, totals.first or since, totals.last or until)
    raised = alerts.alert_times(counted.ranked, start, end, stats.step(start, end))
    return stats.timeline(index, start, end, raised)


def _graph(
    index: Index, count: alerts.Counted, found: Findings, riskiest: Sequence[Event]
) -> Graph:
    """The attack graph: of all high alerts, or else of the alerts shown in full, or else of the
    riskiest events."""
    ids, left_out = alerts.evidence_ids(index, count, _GRAPH_EVENTS)
    if ids:
        return attack_graph(alerts.events_of(index, ids), left_out)
    top = alerts.top_findings(found)
    return attack_graph([event for each in top for event in each.evidence] or riskiest)


def _accounts(client: OpenSearch, settings: Settings) -> frozenset[str]:
    """The accounts of all events, not only of those that the report covers."""
    every = Index(client, settings, ReportWindow())
    names = ("recipientAccountId", "trail.account")
    return frozenset(each.value for name in names for each in every.tally(name, {}, None).first)


def _ends(client: OpenSearch, settings: Settings) -> tuple[datetime, datetime] | None:
    """The times of the first and the last event of the index."""
    every = stats.totals(Index(client, settings, ReportWindow()))
    return (every.first, every.last) if every.first and every.last else None


def _require_open_days(client: OpenSearch, index: Index) -> None:
    """Makes what was indexed searchable. Raises `NoEventsIndexError` if there is no day, and
    `ReportError` if all days are closed."""
    index.refresh()
    if index.ask()["_shards"]["total"]:
        return
    params = {"h": "index", "expand_wildcards": "all"}
    if client.cat.indices(index=index.names.days, format="json", params=params):
        raise ReportError(
            f"every day of {index.names.alias} is closed", hint="open the days of the report"
        )
    raise NoEventsIndexError(
        f"there are no events: the index {index.names.alias} does not exist",
        hint="run `trailhound backfill` first, or check --namespace",
    )


def _riskiest(index: Index) -> tuple[Event, ...]:
    """The latest of the events with the highest scores, whether a rule found them or not."""
    sort: list[dict[str, Any]] = [
        {"risk_score": {"order": "desc", "missing": 0}},
        {"@timestamp": "desc"},
        {"eventID": "asc"},
    ]
    reply = index.ask(size=_RISKIEST, sort=sort, _source=list(FIELDS))
    return tuple(event_line(hit) for hit in reply["hits"]["hits"])
