"""What happened, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trailhound.report.collect.alerts import top_findings
from trailhound.report.collect.query import Index, Query
from trailhound.report.render.words import count, listed, share, when, without_alerts
from trailhound.report.value import Finding, Findings, Integrity, Ranking, Scope, Totals

_TRAIL_CHANGES = ("DeleteTrail", "StopLogging", "UpdateTrail", "PutEventSelectors")


@dataclass(frozen=True, slots=True)
class Facts:
    """Events that a reader would ask about by name. Root's are those that root itself called."""

    root: int = 0
    root_logins: int = 0
    no_mfa: int = 0
    failed_logins: int = 0
    trail_changes: int = 0


def facts(index: Index) -> Facts:
    """How many there are of each."""
    login: Query = {"term": {"eventName": "ConsoleLogin"}}
    root: Query = {"term": {"userIdentity.type": "Root"}}
    asked: dict[str, list[Query]] = {
        "root": [root],
        "root_logins": [root, login],
        "no_mfa": [
            login,
            {"term": {"event.outcome": "success"}},
            {"term": {"additionalEventData.MFAUsed": "No"}},
        ],
        "failed_logins": [login, {"term": {"event.outcome": "failure"}}],
        "trail_changes": [
            {"term": {"eventSource": "cloudtrail.amazonaws.com"}},
            {"terms": {"eventName": list(_TRAIL_CHANGES)}},
        ],
    }
    reply = index.ask(
        {name: {"filter": {"bool": {"filter": clauses}}} for name, clauses in asked.items()}
    )
    found = reply["aggregations"]
    return Facts(**{name: found[name]["doc_count"] for name in asked})


def story(
    scope: Scope,
    totals: Totals,
    findings: Findings,
    known: Facts,
    *,
    calls: Ranking,
    errors: Ranking,
    countries: Ranking,
    integrity: Integrity,
) -> tuple[str, ...]:
    """The sentences, in the order in which a person asks."""
    if not totals.events:
        return (f"There are no events in the index{_time(scope)}.", *_alerts(findings))
    return (
        _whole(scope, totals),
        *_alerts(findings),
        *_gravest(findings),
        *_asked_about(known),
        *_failures(totals, errors),
        *_risk(totals, calls),
        *_places(countries),
        integrity.sentence,
    )


def _time(scope: Scope) -> str:
    if scope.since is None or scope.until is None:
        return ""
    return f" from {when(scope.since)} to {when(scope.until)}"


def _whole(scope: Scope, totals: Totals) -> str:
    return (
        f"{count(totals.events, 'event')}{_time(scope)}, of {count(totals.accounts, 'account')} in "
        f"{count(totals.regions, 'region')}, made by {count(totals.principals, 'principal')} from "
        f"{count(totals.addresses, 'address', 'addresses')} in "
        f"{count(totals.countries, 'country', 'countries')}."
    )


def _alerts(findings: Findings) -> Iterator[str]:
    if not findings.total:
        yield f"{without_alerts(findings)} The riskiest events stand where findings would."
        return
    bands = [f"{band.total:,} {band.band}" for band in findings.bands]
    yield (
        f"The detections raised {count(findings.total, 'alert')}: {listed(bands)}; "
        f"{'all' if findings.open == findings.total else f'{findings.open:,}'} still to be closed."
    )


def _gravest(findings: Findings) -> Iterator[str]:
    top = top_findings(findings)
    if top:
        yield f"The gravest: {_about(top[0])}"


def _about(finding: Finding) -> str:
    by = f" by {listed(finding.principals, 2)}" if finding.principals else ""
    at = f" from {listed(finding.addresses, 2)}" if finding.addresses else ""
    least = "" if finding.exact else "at least "
    told = f" {finding.detail.rstrip('.')}." if finding.detail else ""
    return (
        f"“{finding.title}”, {finding.severity} of 10: {least}{count(finding.count, 'event')}"
        f"{by}{at}, the first on {when(finding.first)}.{told}"
    )


def _asked_about(known: Facts) -> Iterator[str]:
    if known.root:
        yield (
            f"Root made {count(known.root, 'call')}, {known.root_logins:,} of them sign-ins to "
            "the console."
        )
    else:
        yield "Root was not used."
    if known.no_mfa:
        yield f"{count(known.no_mfa, 'sign-in')} to the console succeeded without MFA."
    if known.failed_logins:
        yield f"{count(known.failed_logins, 'sign-in')} to the console failed."
    if known.trail_changes:
        yield f"The trail itself was to be changed or stopped {count(known.trail_changes, 'time')}."


def _failures(totals: Totals, errors: Ranking) -> Iterator[str]:
    if not totals.failed:
        yield "No call failed."
        return
    most = ""
    if errors.rows:
        first = errors.rows[0]
        most = f"; the commonest error is {first.value} ({count(first.events, 'time')})"
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
        + (f", most of them {listed(most)}." if most else ".")
    )


def _places(countries: Ranking) -> Iterator[str]:
    if countries.rows:
        most = [f"{row.value} ({row.events:,})" for row in countries.rows[:3]]
        yield f"Of the events whose place is known, the most came from {listed(most)}."
