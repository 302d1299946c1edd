"""Root and break-glass: the identities that should not be used."""

from __future__ import annotations

from dashboards.aggregation import by_time, cases, count, highest, terms
from dashboards.controls import Controls
from dashboards.dashboard import Dashboard, row
from dashboards.palette import OUTCOMES, RED
from dashboards.panel import Chart
from dashboards.query import both, calls, either
from dashboards.saved_search import Search

ROOT = "user_type:root_user"
BREAK_GLASS = "user.name:(*break-glass* OR *breakglass* OR *BreakGlass* OR *mergency*)"
EITHER = either(ROOT, BREAK_GLASS)
RESET = calls("PasswordRecoveryRequested", "PasswordRecoveryCompleted", "PasswordUpdated")

CONTROLS = Controls(
    id="root-controls",
    title="Filters",
    question="Which account should be shown?",
    fields=(("recipientAccountId", "Account"), ("source.ip", "Address")),
)

NUMBERS = Chart(
    id="root-numbers",
    title="Root summary",
    question="Was root or a break-glass identity used, or reset? All of these should be 0.",
    kind="numbers",
    by=(
        cases(
            Calls=ROOT,
            Logins=both(ROOT, calls("ConsoleLogin")),
            Failures=both(ROOT, "event.outcome:failure"),
            Access_keys=both(ROOT, "userIdentity.accessKeyId:AKIA*"),
            Resets=RESET,
            Break_glass=BREAK_GLASS,
        ),
    ),
)

OVER_TIME = Chart(
    id="root-time",
    title="Use over time",
    question="When was root or a break-glass identity used, and did the calls succeed?",
    kind="bars",
    query=EITHER,
    by=(by_time(),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

DONE = Chart(
    id="root-calls",
    title="What it was used for",
    question="Was it a task that only root can do?",
    kind="table",
    query=EITHER,
    measure=(count(), highest("@timestamp", "Last")),
    by=(terms("eventName", 30, "Call"), terms("eventSource", 3, "Service")),
)

WHERE = Chart(
    id="root-where",
    title="From where, with what",
    question="Is it a known network and client?",
    kind="table",
    query=EITHER,
    by=(
        terms("source.ip", 20, "Address"),
        terms("geolocation.country", 3, "Country"),
        terms("user_agent.name", 3, "Program"),
    ),
)

ACCOUNTS = Chart(
    id="root-accounts",
    title="By account",
    question="In which accounts?",
    kind="rows",
    query=EITHER,
    by=(terms("recipientAccountId", 10, "Account"),),
    colours={"Events": RED},
)

EVENTS = Search(
    id="root-events",
    title="Every call of root and break-glass identities",
    question="What exactly was done?",
    query=EITHER,
    columns=(
        "user.name",
        "eventName",
        "recipientAccountId",
        "source.ip",
        "additionalEventData.MFAUsed",
        "event.outcome",
    ),
)

PAGE = Dashboard(
    id="root",
    title="Root and break-glass",
    question="Was root or a break-glass identity used, and by its owner?",
    rows=(
        row(5, CONTROLS),
        row(7, NUMBERS),
        row(11, (OVER_TIME, 32), (ACCOUNTS, 16)),
        row(12, (DONE, 26), (WHERE, 22)),
        row(14, EVENTS),
    ),
    since="now-30d",
)
