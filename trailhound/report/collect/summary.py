"""The summary: what happened, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime  # noqa: F401 - the examples
from types import MappingProxyType

from detections.incidents.closings import CLOSED
from trailhound.report.collect.alerts import top_findings
from trailhound.report.collect.incidents import sentences
from trailhound.report.collect.query import Index, Query
from trailhound.report.collect.ranking import top_of_all
from trailhound.report.collect.story import Told
from trailhound.report.findings import Findings, RankedEntry
from trailhound.report.render.words import count, listed, share, when, without_alerts
from trailhound.report.value import Integrity, Ranking, Scope, Totals

_TRAIL_CHANGES = (
    "DeleteTrail",
    "StopLogging",
    "UpdateTrail",
    "PutEventSelectors",
    "PutInsightSelectors",
    "DeleteEventDataStore",
    "StopEventDataStoreIngestion",
    "UpdateEventDataStore",
)


@dataclass(frozen=True, slots=True)
class SummaryFacts:
    """Numbers of events in the summary. Those of root are calls by root itself; a number that ends
    in `_failed` is part of the one before it."""

    root: int = 0
    root_logins: int = 0
    root_logins_failed: int = 0
    no_mfa: int = 0
    failed_logins: int = 0
    trail_changes: int = 0
    trail_changes_failed: int = 0


def summary_facts(index: Index) -> SummaryFacts:
    """Count the events of each kind."""
    login: Query = {"term": {"eventName": "ConsoleLogin"}}
    root: Query = {"term": {"userIdentity.type": "Root"}}
    failed: Query = {"term": {"event.outcome": "failure"}}
    with_mfa: Query = {"term": {"additionalEventData.MFAUsed": "Yes"}}
    trail: list[Query] = [
        {"term": {"eventSource": "cloudtrail.amazonaws.com"}},
        {"terms": {"eventName": list(_TRAIL_CHANGES)}},
    ]
    asked: dict[str, list[Query]] = {
        "root": [root],
        "root_logins": [root, login],
        "root_logins_failed": [root, login, failed],
        "no_mfa": [
            login,
            {"term": {"event.outcome": "success"}},
            {"bool": {"must_not": with_mfa}},
        ],
        "failed_logins": [login, failed],
        "trail_changes": trail,
        "trail_changes_failed": [*trail, failed],
    }
    reply = index.ask(
        {name: {"filter": {"bool": {"filter": clauses}}} for name, clauses in asked.items()}
    )
    found = reply["aggregations"]
    return SummaryFacts(**{name: found[name]["doc_count"] for name in asked})


def summary_sentences(
    scope: Scope,
    totals: Totals,
    findings: Findings,
    known: SummaryFacts,
    *,
    calls: Ranking,
    errors: Ranking,
    countries: Ranking,
    integrity: Integrity,
    stories: Mapping[str, Told] = MappingProxyType({}),
) -> tuple[str, ...]:
    """The sentences, the most important first."""
    if not totals.events:
        return (
            f"There are no events in the index{_time(scope)}{_of_accounts(scope)}.",
            *_alerts(findings, scope),
            *_most_severe(findings),
        )
    return (
        _whole(scope, totals),
        *_alerts(findings, scope),
        *_most_severe(findings),
        *sentences(findings, stories),
        *_asked_about(known),
        *_failures(totals, errors),
        *_risk(totals, calls),
        *_places(countries),
        integrity.sentence,
    )


def _time(scope: Scope) -> str:
    """The time of the report: the requested limits, or else those of the events.

    >>> _time(Scope(None, None)), _time(Scope(None, datetime(2030, 1, 1, tzinfo=UTC)))
    ('', ' before 1 January 2030, 00:00 UTC')
    """
    if scope.since is None:
        return f" before {when(scope.until)}" if scope.until else ""
    if scope.until is None:
        return f" from {when(scope.since)} on"
    return f" from {when(scope.since)} to {when(scope.until)}"


def _of_accounts(scope: Scope) -> str:
    if not scope.accounts:
        return ""
    return f" of {'account' if len(scope.accounts) == 1 else 'accounts'} {listed(scope.accounts)}"


def _whole(scope: Scope, totals: Totals) -> str:
    return (
        f"{count(totals.events, 'event')}{_time(scope)}, of {count(totals.accounts, 'account')} in "
        f"{count(totals.regions, 'region')}, made by {count(totals.principals, 'principal')} from "
        f"{count(totals.addresses, 'address', 'addresses')} in "
        f"{count(totals.countries, 'country', 'countries')}."
    )


def _alerts(findings: Findings, scope: Scope) -> Iterator[str]:
    if not findings.total:
        yield without_alerts(findings, scope)
        return
    bands = [f"{band.total:,} {band.band}" for band in findings.bands if band.total]
    if findings.critical:
        bands[0] += f" ({findings.critical:,} of them critical)"
    if informational := sum(row.level == "informational" for row in findings.all):
        bands[-1] += f" ({informational:,} of them informational)"
    yield (
        f"The detections raised {count(findings.total, 'alert')}: {listed(bands)}; "
        f"{_still_open(findings.open, findings.total)}."
    )


def _still_open(number: int, total: int) -> str:
    """How many alerts are not closed, in words.

    >>> _still_open(1, 1), _still_open(0, 2), _still_open(1, 3)
    ('it is not closed', 'all of them are closed', '1 of them is not closed')
    """
    if total == 1:
        return "it is not closed" if number else "it is closed"
    if number == 0:
        return "all of them are closed"
    if number == total:
        return "none of them is closed"
    return f"{number:,} of them {'is' if number == 1 else 'are'} not closed"


def _most_severe(findings: Findings) -> Iterator[str]:
    """The first of the top entries: an open one, or, if all are closed, a closed one named as
    such."""
    still_open = [each for each in findings.entries if each.state != CLOSED]
    for entry in top_of_all(still_open or findings.entries, 1):
        which = "that is not closed" if still_open else "(closed)"
        yield f"The most severe {entry.kind} {which}: {_about(entry, findings)}"


def _about(entry: RankedEntry, findings: Findings) -> str:
    by = f" by {listed(entry.principals, 2)}" if entry.principals else ""
    at = f" from {listed(entry.addresses, 2)}" if entry.addresses else ""
    least = "" if entry.exact else "at least "
    details = {each.id: each.detail for each in top_findings(findings)}
    detail = details.get(entry.id, "") if entry.kind == "alert" else ""
    return (
        f"“{entry.title}”, {entry.severity} of 10: {least}{count(entry.events, 'event')}"
        f"{by}{at}, the first on {when(entry.first)}."
        + (f" {detail.rstrip('.')}." if detail else "")
    )


def _asked_about(known: SummaryFacts) -> Iterator[str]:
    if known.root:
        logins = _with_failed(known.root_logins, known.root_logins_failed)
        yield (
            f"Root made {count(known.root, 'recorded call')}, {logins} "
            f"{'a sign-in' if known.root_logins == 1 else 'sign-ins'} to the console."
        )
    else:
        yield "No recorded call was made by root."
    if known.no_mfa:
        yield (
            f"{count(known.no_mfa, 'sign-in')} to the console succeeded with no MFA recorded; MFA "
            "at an identity provider is not recorded by CloudTrail."
        )
    if known.failed_logins:
        yield f"{count(known.failed_logins, 'sign-in')} to the console failed."
    if known.trail_changes:
        yield (
            f"{count(known.trail_changes, 'call')} to stop, delete or reconfigure a trail"
            f"{_of_which_failed(known.trail_changes_failed, known.trail_changes)}."
        )


def _of_which_failed(failed: int, number: int) -> str:
    """
    >>> _of_which_failed(0, 2), _of_which_failed(1, 1), _of_which_failed(1, 2)
    ('', ', which failed', ', 1 of which failed')
    """
    if not failed:
        return ""
    if failed == number:
        return ", which failed" if number == 1 else ", all of which failed"
    return f", {failed:,} of which failed"


def _with_failed(number: int, failed: int) -> str:
    """
    >>> _with_failed(3, 1), _with_failed(3, 0)
    ('3 of them (1 failed)', '3 of them')
    """
    return f"{number:,} of them" + (f" ({failed:,} failed)" if failed else "")


def _failures(totals: Totals, errors: Ranking) -> Iterator[str]:
    if not totals.failed:
        yield "No recorded call failed."
        return
    most = ""
    if errors.rows:
        first = errors.rows[0]
        most = f"; the most frequent error is {first.value} ({count(first.events, 'time')})"
    yield (
        f"{count(totals.failed, 'call')} failed "
        f"({share(totals.failed, totals.events)} of all){most}."
    )


def _risk(totals: Totals, calls: Ranking) -> Iterator[str]:
    if not totals.high_risk:
        yield "No event has a risk score of 8 or more."
        return
    most = [f"{row.value} ({row.events:,})" for row in calls.rows[:3]]
    yield (
        f"{count(totals.high_risk, 'event')} "
        f"{'has' if totals.high_risk == 1 else 'have'} a risk score of 8 or more"
        + (f", most frequently {listed(most)}." if most else ".")
    )


def _places(countries: Ranking) -> Iterator[str]:
    if countries.rows:
        most = [f"{row.value} ({row.events:,})" for row in countries.rows[:3]]
        yield f"Of the events with a known location, most came from {listed(most)}."
