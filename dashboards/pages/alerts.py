"""Alerts & ATT&CK: what the detections raised, and how far an attack has progressed."""

from __future__ import annotations

from dashboards.aggregation import (
    by_severity,
    by_time,
    count,
    highest,
    latest,
    levels,
    lowest,
    terms,
    total,
)
from dashboards.controls import Controls
from dashboards.dashboard import Dashboard, row
from dashboards.data_view import ALERTS
from dashboards.palette import LEVELS, STATES
from dashboards.panel import Chart
from dashboards.saved_search import Search
from dashboards.tactic_map import TacticMap

ALERT = count("Alerts")

CONTROLS = Controls(
    id="alerts-controls",
    title="Filters",
    question="Which state, level, principal and account should be shown? Click a tactic below.",
    fields=(
        ("state", "State"),
        ("level", "Level"),
        ("entity.principal", "Principal"),
        ("entity.account", "Account"),
    ),
    view=ALERTS,
)

NUMBERS = Chart(
    id="alerts-numbers",
    title="Open alerts by level",
    question="How many alerts are open, and how severe are they?",
    kind="numbers",
    view=ALERTS,
    measure=(ALERT,),
    query="state:open",
    by=(levels(),),
)

BY_STATE = Chart(
    id="alerts-state",
    title="State of all alerts",
    question="How many alerts are open, acknowledged and closed?",
    kind="ring",
    view=ALERTS,
    measure=(ALERT,),
    by=(terms("state", 5, "State"),),
    colours=STATES,
)

HEATMAP = TacticMap(
    id="alerts-heatmap",
    title="Tactics over time",
    question="When are which ATT&CK tactics seen, and does an attack progress along them?",
)

OVER_TIME = Chart(
    id="alerts-time",
    title="Alerts over time by level",
    question="Do alerts come in bursts or steadily?",
    kind="bars",
    view=ALERTS,
    measure=(ALERT,),
    by=(by_time("last_seen"),),
    split=(levels(),),
    colours=LEVELS,
)

TECHNIQUES = Chart(
    id="alerts-techniques",
    title="Techniques",
    question="Which ATT&CK techniques are seen most?",
    kind="rows",
    view=ALERTS,
    measure=(ALERT,),
    by=(terms("attack.technique", 12, "Technique"),),
    split=(levels(),),
    colours=LEVELS,
)

RULES = Chart(
    id="alerts-rules",
    title="Rules",
    question="Which rules raise the most alerts, and is one of them noise?",
    kind="table",
    view=ALERTS,
    measure=(ALERT, total("count", "Events"), highest("last_seen", "Last")),
    by=(terms("rule.name", 50, "Rule"), terms("level", 1, "Level")),
)

WHO = Chart(
    id="alerts-who",
    title="Principals with alerts",
    question="Which principals have the most alerts? Click a name to investigate it.",
    kind="table",
    view=ALERTS,
    measure=(
        ALERT,
        highest("severity", "Highest severity"),
        lowest("first_seen", "First"),
        highest("last_seen", "Last"),
    ),
    by=(terms("entity.principal", 50, "Principal"),),
)

OPEN_DOCUMENTS = Search(
    id="alerts-open",
    title="Open alerts",
    question="Which alerts need review now? The last column opens an alert's events.",
    query="state:open",
    view=ALERTS,
    highest="severity",
    columns=(
        "level",
        "rule.name",
        "call_summary",
        "entity.principal",
        "evidence.url",
    ),
)

OPEN = Chart(
    id="alerts-open-table",
    title="Open alerts, the most severe first",
    question="Which alerts need review now? The second column opens an alert, the last one its "
    "events. At most 200 of each severity are listed, the latest.",
    kind="table",
    search=OPEN_DOCUMENTS,
    view=ALERTS,
    measure=(
        highest("last_seen", ALERTS.labels["last_seen"]),
        *(latest(name, ALERTS.labels[name]) for name in OPEN_DOCUMENTS.columns),
    ),
    by=(by_severity(), terms("_id", 200, "Alert")),
)

PAGE = Dashboard(
    id="alerts",
    title="Alerts & ATT&CK",
    question="What did the detections raise, how far has an attack progressed, what is still open?",
    rows=(
        row(5, CONTROLS),
        row(8, (NUMBERS, 34), (BY_STATE, 14)),
        row(14, (HEATMAP, 28), (OVER_TIME, 20)),
        row(24, OPEN),
        row(15, (RULES, 32), (TECHNIQUES, 16)),
        row(12, WHO),
    ),
)
