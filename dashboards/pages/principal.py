"""Investigate a principal: one identity, where, when, what, and what is new about it."""

from __future__ import annotations

from dashboards.aggregation import (
    by_severity,
    by_time,
    count,
    highest,
    lowest,
    terms,
    total,
    unique,
)
from dashboards.controls import Controls
from dashboards.dashboard import Dashboard, row
from dashboards.data_view import ALERTS
from dashboards.palette import CATEGORIES, OUTCOMES
from dashboards.panel import Chart
from dashboards.query import CHANGES
from dashboards.saved_search import Search
from dashboards.world_map import WorldMap

CONTROLS = Controls(
    id="principal-controls",
    title="Choose an identity",
    question="Which name, ARN, access key or address should be investigated?",
    fields=(
        ("user.name", "Principal"),
        ("userIdentity.arn", "ARN"),
        ("userIdentity.accessKeyId", "Access key"),
        ("source.ip", "Address"),
    ),
)

NUMBERS = Chart(
    id="principal-numbers",
    title="Summary",
    question="How many events, first and last, from how many addresses, at what risk?",
    kind="numbers",
    measure=(
        count(),
        unique("eventName", "Calls"),
        unique("source.ip", "Addresses"),
        unique("awsRegion", "Regions"),
        highest("risk_score", "Highest risk"),
    ),
)

FIRST_AND_LAST = Chart(
    id="principal-first-last",
    title="First and last seen",
    question="Since when is it active, with which kind of identity and keys?",
    kind="table",
    measure=(count(), lowest("@timestamp", "First seen"), highest("@timestamp", "Last seen")),
    by=(
        terms("user.name", 20, "Principal"),
        terms("user_type", 2, "Kind"),
        terms("userIdentity.accessKeyId", 5, "Access key"),
    ),
)

WHEN = Chart(
    id="principal-when",
    title="When",
    question="Is it active at its usual hours, and with what?",
    kind="bars",
    by=(by_time(),),
    split=(terms("event_category", 8, "Category"),),
    colours=CATEGORIES,
)

OUTCOME = Chart(
    id="principal-outcome",
    title="Succeeded or failed",
    question="Does it make calls without permission?",
    kind="line",
    by=(by_time(),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

WHERE = WorldMap(
    id="principal-where",
    title="Where",
    question="From which countries does it call?",
)

PLACES = Chart(
    id="principal-places",
    title="Addresses, newest first",
    question="Which addresses are new, and where are they?",
    kind="table",
    measure=(lowest("@timestamp", "First seen"), count()),
    by=(terms("source.ip", 50, "Address"), terms("geolocation.country", 1, "Country")),
)

NEW_CALLS = Chart(
    id="principal-new-calls",
    title="Calls, newest first",
    question="Which calls are new for it?",
    kind="table",
    measure=(lowest("@timestamp", "First seen"), count()),
    by=(terms("eventName", 50, "Call"), terms("eventSource", 1, "Service")),
)

TOUCHED = Chart(
    id="principal-resources",
    title="Resources changed",
    question="What has it changed?",
    kind="table",
    query=CHANGES,
    by=(terms("resource.arn", 50, "Resource"), terms("eventName", 5, "Call")),
)

PROGRAMS = Chart(
    id="principal-programs",
    title="Programs",
    question="Which clients does it use, and is one of them an attack tool?",
    kind="rows",
    by=(terms("user_agent.name", 10, "Program"),),
)

ROLES = Chart(
    id="principal-roles",
    title="Roles assumed",
    question="Which roles does it assume?",
    kind="table",
    query="eventName:AssumeRole*",
    by=(terms("resource.role", 20, "Role"), terms("event.outcome", 2, "Outcome")),
)

RAISED = Chart(
    id="principal-alerts",
    title="Alerts about it, the most severe first",
    question="Which rules raised alerts about it, open or closed?",
    kind="table",
    view=ALERTS,
    measure=(
        count("Alerts"),
        total("count", "Events"),
        lowest("first_seen", "First seen"),
        highest("last_seen", "Last seen"),
    ),
    by=(by_severity(), terms("level", 1, "Level"), terms("rule.name", 50, "Rule", by=3)),
)

EVENTS = Search(
    id="principal-events",
    title="All events",
    question="What exactly did it do?",
    columns=(
        "user.name",
        "eventName",
        "eventSource",
        "source.ip",
        "awsRegion",
        "event.outcome",
        "risk_score",
    ),
)

PAGE = Dashboard(
    id="principal",
    title="Investigate a principal",
    question="One identity: where, when and what, and what about it is new?",
    rows=(
        row(5, CONTROLS),
        row(7, NUMBERS),
        row(12, (WHEN, 28), (OUTCOME, 20)),
        row(12, FIRST_AND_LAST),
        row(15, (NEW_CALLS, 27), (PLACES, 21)),
        row(16, (WHERE, 28), (PROGRAMS, 20)),
        row(13, (TOUCHED, 31), (ROLES, 17)),
        row(12, RAISED),
        row(20, EVENTS),
    ),
    since="now-30d",
)
