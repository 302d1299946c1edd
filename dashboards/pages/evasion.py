"""Defence evasion & trail health: is anybody disabling logging or detection?"""

from __future__ import annotations

from dashboards.aggregation import by_time, cases, count, highest, terms, unique
from dashboards.controls import of_events
from dashboards.dashboard import Dashboard, row
from dashboards.palette import INTEGRITY, ORANGE, OUTCOMES, PURPLE, RED
from dashboards.panel import Chart
from dashboards.query import both, calls, either, services
from dashboards.saved_search import Search

TRAIL = calls(
    "StopLogging",
    "DeleteTrail",
    "UpdateTrail",
    "PutEventSelectors",
    "PutInsightSelectors",
    "CreateTrail",
    "StartLogging",
    "DeleteEventDataStore",
    "StopEventDataStoreIngestion",
)
WATCHERS = calls(
    "DeleteDetector",
    "UpdateDetector",
    "DisassociateFromMasterAccount",
    "DisassociateFromAdministratorAccount",
    "CreateFilter",
    "CreateIPSet",
    "DisableSecurityHub",
    "BatchDisableStandards",
    "DeleteConfigRule",
    "DeleteConfigurationRecorder",
    "StopConfigurationRecorder",
    "DeleteDeliveryChannel",
    "DeleteFlowLogs",
    "DeleteAlarms",
    "DisableAlarmActions",
    "DeleteRule",
    "DisableRule",
    "DeleteLogGroup",
    "DeleteLogStream",
    "PutRetentionPolicy",
    "DeleteWebACL",
    "DisableMacie",
)
SNAGS = calls("LeaveOrganization", "CloseAccount", "DetachPolicy", "DeletePolicy", "UpdatePolicy")
GUARD_RAILS = both(services("organizations", "account", "controltower"), SNAGS)
ALL = either(TRAIL, WATCHERS, GUARD_RAILS)

CONTROLS = of_events("evasion-controls")

NUMBERS = Chart(
    id="evasion-numbers",
    title="Summary",
    question="Was logging stopped, a trail, detector or guardrail changed, a file tampered with?",
    kind="numbers",
    by=(
        cases(
            Stopped=calls("StopLogging", "DeleteTrail"),
            Trails=TRAIL,
            Detectors=WATCHERS,
            Guardrails=GUARD_RAILS,
            Tampered="trail.integrity:tampered",
            Conflicts="_exists_:trail.conflict",
        ),
    ),
)

OVER_TIME = Chart(
    id="evasion-time",
    title="Changes to logging and detection services",
    question="When were trails, detectors and guardrails changed?",
    kind="bars",
    query=ALL,
    by=(by_time(),),
    split=(cases(Trails=TRAIL, Detectors=WATCHERS, Guardrails=GUARD_RAILS),),
    colours={"Trails": RED, "Detectors": ORANGE, "Guardrails": PURPLE},
)

WHO = Chart(
    id="evasion-who",
    title="Who changed what",
    question="Who changes trails and detectors, and do the calls succeed?",
    kind="table",
    query=ALL,
    measure=(count(), highest("risk_score", "Highest risk")),
    by=(
        terms("user.name", 20, "Principal"),
        terms("eventName", 8, "Call"),
        terms("event.outcome", 2, "Outcome"),
    ),
)

TRAILS = Chart(
    id="evasion-trails",
    title="Trails changed",
    question="Which trail was it?",
    kind="table",
    query=TRAIL,
    by=(terms("resource.trail", 20, "Trail"), terms("eventName", 6, "Call")),
)

COVERAGE = Chart(
    id="evasion-coverage",
    title="Events by account",
    question="Does every account report all the time, or does one stop?",
    kind="line",
    by=(by_time(),),
    split=(terms("recipientAccountId", 6, "Account"),),
)

REGIONS = Chart(
    id="evasion-regions",
    title="Accounts and regions that report",
    question="Is an account or a region missing, and when was its last event?",
    kind="table",
    measure=(count(), highest("@timestamp", "Last event"), unique("eventSource", "Services")),
    by=(terms("recipientAccountId", 20, "Account"), terms("awsRegion", 20, "Region")),
)

GENUINE = Chart(
    id="evasion-integrity",
    title="Proved genuine",
    question="How many events come from files whose digest proved them genuine?",
    kind="ring",
    by=(terms("trail.integrity", 3, "Integrity"),),
    colours=INTEGRITY,
)

REFUSED = Chart(
    id="evasion-refused",
    title="Outcome of these calls",
    question="Did these calls succeed or fail?",
    kind="rows",
    query=ALL,
    by=(terms("eventName", 10, "Call"),),
    split=(terms("event.outcome", 2, "Outcome"),),
    colours=OUTCOMES,
)

EVENTS = Search(
    id="evasion-events",
    title="Every such call",
    question="What exactly was disabled?",
    query=either(ALL, "trail.integrity:tampered", "_exists_:trail.conflict"),
    columns=(
        "user.name",
        "eventName",
        "resource.trail",
        "recipientAccountId",
        "source.ip",
        "event.outcome",
        "risk_score",
    ),
)

PAGE = Dashboard(
    id="evasion",
    title="Defence evasion & trail health",
    question="Is anybody disabling logging or detection, and can the trail be trusted?",
    rows=(
        row(5, CONTROLS),
        row(7, NUMBERS),
        row(12, (OVER_TIME, 28), (REFUSED, 20)),
        row(13, WHO),
        row(13, (COVERAGE, 34), (GENUINE, 14)),
        row(13, (REGIONS, 27), (TRAILS, 21)),
        row(18, EVENTS),
    ),
)
