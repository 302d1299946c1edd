"""Gaps in what the trail records: events, requests and places that the index does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from trailhound.report.collect.query import Index, moment
from trailhound.report.collect.stats import OUTSIDE
from trailhound.report.compliance.clauses import DATA, term
from trailhound.report.render.words import count, listed, share, when
from trailhound.report.value import Gap, Scope

SILENT = timedelta(days=1)
"""How long there may be no event before that is a gap."""
_FEW_PLACES = 0.05
"""The share of external events without a location from which on it is a gap."""
_GLOBAL_REGIONS = ("us-east-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1")
"""The region of each partition that records the calls of its global services."""
_READS_OF_SECRETS = (
    "GetSecretValue",
    "BatchGetSecretValue",
    "GetParameter",
    "GetParameters",
    "GetParametersByPath",
    "GetPasswordData",
    "GetAuthorizationToken",
    "GetFunction",
)
"""Management calls that return content, which are recorded also without data events."""
_GLOBAL_SERVICES = ("iam.amazonaws.com", "organizations.amazonaws.com")


def recorded_gaps(index: Index, scope: Scope, now: datetime) -> Iterator[Gap]:
    """What the events that there are show not to be recorded; `now`: the time of the report."""
    reply = index.ask(
        {
            "data": {"filter": DATA},
            "reads": {
                "filter": {"terms": {"eventName": list(_READS_OF_SECRETS)}},
                "aggs": {"calls": {"terms": {"field": "eventName", "size": 20}}},
            },
            "global": {
                "filter": {
                    "bool": {
                        "should": [
                            {"terms": {"awsRegion": list(_GLOBAL_REGIONS)}},
                            {"terms": {"eventSource": list(_GLOBAL_SERVICES)}},
                        ]
                    }
                }
            },
            "outside": {
                "filter": OUTSIDE,
                "aggs": {"placed": {"filter": {"exists": {"field": "geolocation.country"}}}},
            },
            "left_out": {"filter": term("requestParameters.omitted", "true")},
            "newest": {"max": {"field": "@timestamp"}},
        }
    )
    found = reply["aggregations"]
    if number := found["left_out"]["doc_count"]:
        yield Gap(
            "Requests that the trail left out",
            f"{count(number, 'event')} had a request of more than 100 KB, of which CloudTrail "
            "keeps only the size: rules about what was requested could not decide.",
            "`trailhound events --query requestParameters.omitted:true` lists them",
            important=True,
        )
    if not found["data"]["doc_count"]:
        buckets = found["reads"]["calls"]["buckets"]
        yield Gap(
            "No data events of objects, items or functions",
            f"Calls on single S3 objects, table items or functions are not recorded in this time"
            f"{_recorded_reads({each['key']: each['doc_count'] for each in buckets})}.",
            "record data events (event selectors) for the buckets and tables that matter",
            important=True,
        )
    if not found["global"]["doc_count"]:
        yield Gap(
            "No global services",
            "There is no event of IAM or Organizations in this time, or of us-east-1, where they "
            "are recorded.",
            "make the trail a multi-region one, and backfill that region",
            important=True,
        )
    number = found["outside"]["doc_count"]
    unplaced = number - found["outside"]["placed"]["doc_count"]
    if number and unplaced / number > _FEW_PLACES:
        yield Gap(
            "Addresses without a location",
            f"{count(unplaced, 'event')} from outside ({share(unplaced, number)}) "
            f"{'has' if unplaced == 1 else 'have'} no known location: no city database was used, "
            "it does not have the address, or the value is not an address.",
            "set `enrich.city_database` to a current one",
        )
    newest = moment(found["newest"]["value"])
    open_end = scope.until is None or scope.until >= now
    if newest is not None and open_end and now - newest > SILENT:
        yield Gap(
            "No recent events",
            f"The newest event is of {when(newest)}.",
            "backfill, or check the daemon with `trailhound status`",
        )


def _recorded_reads(calls: Mapping[str, int]) -> str:
    """The calls that return content and are recorded: without a note they would seem to be missing.

    >>> _recorded_reads({})
    ''
    >>> _recorded_reads({"GetSecretValue": 2, "GetParameter": 1})
    '; reads of secrets, parameters and code are, and there are 3: GetSecretValue (2) and \
GetParameter (1)'
    """
    if not calls:
        return ""
    total = sum(calls.values())
    each = listed([f"{name} ({number:,})" for name, number in calls.items()], 8)
    there = "there is 1" if total == 1 else f"there are {total:,}"
    return f"; reads of secrets, parameters and code are, and {there}: {each}"
