"""CloudTrail Security Overview: the page to start with."""

from __future__ import annotations

from dashboards.aggregation import by_time, cases, count, highest, levels, steps, terms, unique
from dashboards.controls import of_events
from dashboards.dashboard import Dashboard, row
from dashboards.data_view import ALERTS
from dashboards.pages.alerts import OPEN
from dashboards.palette import LEVELS, ORANGE, OUTCOMES, RED
from dashboards.panel import Chart
from dashboards.saved_search import Search
from dashboards.world_map import WorldMap

CONTROLS = of_events("overview-controls")

IN_SHORT = Chart(
    id="overview-numbers",
    title="Summary",
    question="How many events, by how many principals, from how many addresses?",
    kind="numbers",
    measure=(
        count(),
        unique("user.name", "Principals"),
        unique("source.ip", "Addresses"),
        unique("recipientAccountId", "Accounts"),
    ),
)

NOTEWORTHY = Chart(
    id="overview-noteworthy",
    title="Needs review",
    question="How many events are risky (7 or more), failed, made by root, or on a threat list?",
    kind="numbers",
    by=(
        cases(
            Risky="risk_score:>=7",
            Failed="event.outcome:failure",
            Root="user_type:root_user",
            Listed="_exists_:threat.indicator.ip OR _exists_:threat.indicator.name",
        ),
    ),
)

BY_OUTCOME = Chart(
    id="overview-outcome",
    title="Events over time by outcome",
    question="Is there unusual activity or failure at some hour?",
    kind="bars",
    by=(by_time(),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

RISK = Chart(
    id="overview-risk",
    title="Events by Risk Score",
    question="How many events have a risk score of 7 or more, and how high are the scores?",
    kind="bars",
    query="risk_score:>=7",
    by=(steps("risk_score", 1, "Risk score", low=7, high=10),),
    colours={"Events": ORANGE},
)

TOP_ADDRESSES = Chart(
    id="overview-addresses",
    title="Top Source IPs",
    question="Which addresses make the most calls, how many identities use them, at what risk?",
    kind="table",
    measure=(count(), unique("user.name", "Principals"), highest("risk_score", "Highest risk")),
    by=(terms("source.ip", 50, "Address"),),
)

LOGINS = Chart(
    id="overview-authentication",
    title="Authentication Events Timeline",
    question="When do people and roles sign in, and when does it fail?",
    kind="line",
    query="event_category:authentication",
    by=(by_time(),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

ALERTS_BY_LEVEL = Chart(
    id="overview-alerts",
    title="Alerts by level",
    question="What did the detections raise, and how severe is it?",
    kind="bars",
    view=ALERTS,
    measure=(count("Alerts"),),
    by=(by_time("last_seen"),),
    split=(levels(),),
    colours=LEVELS,
)

MAP = WorldMap(
    id="overview-map",
    title="Where calls come from",
    question="From which countries are the accounts used? Click one to filter by it.",
)

PRINCIPALS = Chart(
    id="overview-principals",
    title="Top principals",
    question="Who makes the most calls, and at what risk? Click a name to investigate it.",
    kind="table",
    measure=(count(), highest("risk_score", "Highest risk"), unique("eventName", "Calls")),
    by=(terms("user.name", 50, "Principal"),),
)

ERRORS = Chart(
    id="overview-errors",
    title="Failed calls by error code",
    question="Which errors occur, and is somebody probing permissions?",
    kind="rows",
    query="_exists_:errorCode AND event.outcome:failure",
    by=(terms("errorCode", 10, "Error code"),),
    colours={"Events": RED},
)

CATEGORY = Chart(
    id="overview-categories",
    title="Events by category",
    question="Which kinds of services are used?",
    kind="rows",
    by=(terms("event_category", 20, "Category"),),
)

HIGH_RISK = Search(
    id="overview-high-risk",
    title="High-risk events",
    question="What exactly scored 7 or more? Open a row for the whole event.",
    query="risk_score:>=7",
    columns=(
        "risk_score",
        "user.name",
        "eventName",
        "source.ip",
        "event.outcome",
        "risk_reasons",
    ),
)

PAGE = Dashboard(
    id="overview",
    title="CloudTrail Security Overview",
    question="What happened in the accounts, is any of it suspicious, and what needs review first?",
    rows=(
        row(5, (CONTROLS, 48)),
        row(7, IN_SHORT, NOTEWORTHY),
        row(12, (BY_OUTCOME, 24), (ALERTS_BY_LEVEL, 24)),
        row(20, (OPEN, 48)),
        row(13, (RISK, 12), (LOGINS, 20), (CATEGORY, 16)),
        row(18, (MAP, 28), (TOP_ADDRESSES, 20)),
        row(18, (PRINCIPALS, 28), (ERRORS, 20)),
        row(20, (HIGH_RISK, 48)),
    ),
)
