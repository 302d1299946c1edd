"""What the report can't see: silence, records left out, calls that the trail does not record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from opensearchpy import OpenSearch

from trailhound.report.collect.attack import BEFORE_THE_TRAIL
from trailhound.report.collect.query import Index, Tally, moment
from trailhound.report.render.words import count, listed, share, when, without_alerts
from trailhound.report.value import Coverage, Findings, Gap, Integrity, Totals

_SILENT = timedelta(days=1)
_FEW_PLACES = 0.05
"""Events from outside that may lack a place before it is worth telling."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What gaps are told by, beside the index itself. `failing` are titles of rules whose last run
    on schedule failed; `now` is when the report was made."""

    totals: Totals
    since: datetime
    until: datetime
    accounts: Tally
    regions: Tally
    findings: Findings
    failing: tuple[str, ...]
    coverage: Coverage
    integrity: Integrity
    now: datetime


def gaps(index: Index, client: OpenSearch, seen: Seen) -> tuple[Gap, ...]:
    """All gaps, the grave ones first."""
    found = [
        *_detections(seen),
        *_integrity(seen),
        *_silence(index, seen),
        *_ingest(index),
        *_closed_days(index, client),
        *_recorded(index, seen),
    ]
    return tuple(sorted(found, key=lambda gap: not gap.grave))


def _detections(seen: Seen) -> Iterator[Gap]:
    if not seen.findings.total:
        yield Gap(
            "No alerts",
            without_alerts(seen.findings),
            "run `trailhound detect` over this time, or let `trailhound run` do so on schedule",
            grave=seen.findings.watched is None,
        )
    if seen.failing:
        yield Gap(
            "Rules that fail",
            f"{count(len(seen.failing), 'rule')} failed when last run on schedule: "
            f"{listed(seen.failing)}.",
            "see `trailhound status` for the reason",
            grave=True,
        )
    if not seen.coverage.rules:
        yield Gap(
            "No rules",
            "No detection rules were loaded for this report, so it can't say what was watched for.",
            "name the rules by which the detections run",
        )
        return
    blind = [
        tactic.name
        for tactic in seen.coverage.tactics
        if not tactic.rules and tactic.id not in BEFORE_THE_TRAIL
    ]
    if blind:
        yield Gap(
            "Tactics without a rule",
            f"No loaded rule watches for {listed(blind, 12)}.",
            "add rules for them where a trail can show them",
        )


def _integrity(seen: Seen) -> Iterator[Gap]:
    proof = seen.integrity
    if proof.tampered:
        yield Gap("Changed files", proof.sentence, "find out who changed them", grave=True)
    elif not proof.verified and seen.totals.events:
        yield Gap("Nothing verified", proof.sentence, "verify the trail's files by their digests")
    if proof.conflicts:
        yield Gap(
            "Reused event ids",
            f"{count(proof.conflicts, 'event')} bear the id of a different event.",
            "compare them (`trail.conflict`): one of each pair may be forged",
            grave=True,
        )


def _silence(index: Index, seen: Seen) -> Iterator[Gap]:
    days = _empty_days(index, seen)
    if days:
        yield Gap(
            "Days without events",
            f"{count(len(days), 'day')} within this time hold no event at all: {listed(days, 10)}.",
            "check that the trail was recording, and backfill those days",
            grave=True,
        )
    end = min(seen.until, seen.now)
    quiet = [
        f"{each.value} (since {when(each.last)})"
        for each in seen.accounts.first
        if each.last is not None and end - each.last > _SILENT
    ]
    if quiet:
        yield Gap(
            "Accounts that fell silent",
            f"No event for over a day before the end of this time: {listed(quiet, 10)}.",
            "check their trails: an account in use is never silent for a day",
        )


def _empty_days(index: Index, seen: Seen) -> list[str]:
    """Days between the first and the last that has events, as `YYYY-MM-DD`."""
    reply = index.ask(
        {
            "days": {
                "date_histogram": {
                    "field": "@timestamp",
                    "calendar_interval": "day",
                    "min_doc_count": 1,
                }
            }
        }
    )
    buckets = reply["aggregations"]["days"]["buckets"]
    having = {datetime.fromtimestamp(each["key"] / 1000, UTC).date() for each in buckets}
    day, last = seen.since.date(), (min(seen.until, seen.now) - timedelta(microseconds=1)).date()
    empty = []
    while day <= last:
        if day not in having:
            empty.append(day.isoformat())
        day += timedelta(days=1)
    return empty


def _ingest(index: Index) -> Iterator[Gap]:
    """What the ledger and the dead letters know; they are of all times, not of the window."""
    letters = index.search(index.names.deadletter, {})["hits"]["total"]["value"]
    if letters:
        yield Gap(
            "Dead letters",
            f"{count(letters, 'record')} of all times could not be indexed.",
            "see `trailhound-deadletter`, and run `trailhound retry-deadletters`",
            grave=True,
        )
    entries = index.search(
        index.names.ledger,
        {},
        {
            "failed": {"filter": {"term": {"state": "failed"}}},
            "filtered": {"sum": {"field": "filtered"}},
        },
    )
    found = entries.get("aggregations")
    if not found:
        return
    if number := found["failed"]["doc_count"]:
        yield Gap(
            "Files not read",
            f"{count(number, 'file')} of all times could not be read to the end.",
            "see their reason in `trailhound-ledger`, and run the backfill again",
            grave=True,
        )
    if number := int(found["filtered"]["value"]):
        yield Gap(
            "Left out on purpose",
            f"{count(number, 'record')} of all times were dropped by `filter`, a selection of "
            "days or accounts, or the retention.",
            "nothing, if that is what was meant",
        )


def _closed_days(index: Index, client: OpenSearch) -> Iterator[Gap]:
    rows = client.cat.indices(
        index=index.names.days,
        format="json",
        params={"h": "index,status", "expand_wildcards": "all"},
    )
    closed = [row["index"] for row in rows if row["status"] != "open"]
    if closed:
        yield Gap(
            "Closed days",
            f"{count(len(closed), 'index', 'indices')} of days are closed and not searched: "
            f"{listed(sorted(closed), 4)}.",
            "open them for a report of that time",
        )


def _recorded(index: Index, seen: Seen) -> Iterator[Gap]:
    outside = {"term": {"risk_reasons": "external_address"}}
    reply = index.ask(
        {
            "data": {
                "filter": {
                    "bool": {
                        "should": [
                            {"term": {"eventCategory": "Data"}},
                            {"term": {"managementEvent": "false"}},
                        ]
                    }
                }
            },
            "outside": {
                "filter": outside,
                "aggs": {"placed": {"filter": {"exists": {"field": "geolocation.country"}}}},
            },
            "newest": {"max": {"field": "@timestamp"}},
        }
    )
    found = reply["aggregations"]
    if not seen.totals.events:
        return
    if not found["data"]["doc_count"]:
        yield Gap(
            "No data events",
            "Not one call on objects, secrets' values or items is recorded: reading or taking "
            "data leaves no mark in this trail.",
            "record data events (event selectors) for the buckets and tables that matter",
            grave=True,
        )
    if "us-east-1" not in {each.value for each in seen.regions.first}:
        yield Gap(
            "No global services",
            "No event is of us-east-1, where IAM, Organizations and most sign-ins are recorded.",
            "make the trail a multi-region one, and backfill that region",
            grave=True,
        )
    number = found["outside"]["doc_count"]
    unplaced = number - found["outside"]["placed"]["doc_count"]
    if number and unplaced / number > _FEW_PLACES:
        yield Gap(
            "Addresses without a place",
            f"{count(unplaced, 'event')} from outside ({share(unplaced, number)}) have an address "
            "that the city database does not know, or that is none.",
            "give `enrich.city_database` a current one",
        )
    newest = moment(found["newest"]["value"])
    if newest is not None and seen.until >= seen.now and seen.now - newest > _SILENT:
        yield Gap(
            "Nothing new",
            f"The newest event is of {when(newest)}.",
            "backfill, or see how the daemon does with `trailhound status`",
        )
