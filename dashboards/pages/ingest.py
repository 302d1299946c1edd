"""Ingest health: did everything come in, in time, and whole?"""

from __future__ import annotations

from dashboards.aggregation import (
    by_time,
    cases,
    count,
    highest,
    percentiles,
    terms,
    total,
)
from dashboards.dashboard import Dashboard, row
from dashboards.data_view import DEADLETTERS, LEDGER
from dashboards.palette import BLUE, GREY, INTEGRITY, OBJECT_STATES, ORANGE, RED
from dashboards.panel import Chart
from dashboards.saved_search import Search
from dashboards.text_panel import Text

OBJECTS = "NOT state:worker"

HELP = Text(
    id="ingest-help",
    title="How to read this page",
    question="What should these numbers be?",
    markdown=(
        "**read = indexed + duplicates + dead-lettered + filtered**, always. "
        "Objects and dead letters are shown by when Trailhound took them in, events by when "
        "they happened: a backfill of old files shows both only in a wide time range. "
        "Failed objects are read again by the next run; dead letters by "
        "`trailhound retry-deadletters`."
    ),
)

RECORDS = Chart(
    id="ingest-records",
    title="Records of these objects",
    question="Is every record that was read accounted for?",
    kind="numbers",
    view=LEDGER,
    query=OBJECTS,
    measure=(
        total("read", "Read"),
        total("indexed", "Indexed"),
        total("duplicates", "Duplicates"),
        total("dead_lettered", "Dead-lettered"),
        total("filtered", "Filtered"),
    ),
)

STATES = Chart(
    id="ingest-states",
    title="Objects",
    question="Did files fail, or hang?",
    kind="numbers",
    view=LEDGER,
    query=OBJECTS,
    measure=(count("Objects"),),
    by=(cases(Done="state:done", Under_way="state:claimed", Failed="state:failed"),),
)

DEAD = Chart(
    id="ingest-dead",
    title="Dead letters",
    question="Are there records that could not be indexed?",
    kind="numbers",
    view=DEADLETTERS,
    measure=(count("Dead letters"),),
)

OBJECTS_OVER_TIME = Chart(
    id="ingest-objects-time",
    title="Objects taken in over time",
    question="Do files come in steadily, and when did some fail?",
    kind="bars",
    view=LEDGER,
    query=OBJECTS,
    measure=(count("Objects"),),
    by=(by_time("claimed_at"),),
    split=(terms("state", 3, "State"),),
    colours=OBJECT_STATES,
)

RECORDS_OVER_TIME = Chart(
    id="ingest-records-time",
    title="What became of the records",
    question="Are there suddenly more duplicates or dead letters than usual?",
    kind="bars",
    view=LEDGER,
    query=OBJECTS,
    measure=(
        total("indexed", "Indexed"),
        total("duplicates", "Duplicates"),
        total("filtered", "Filtered"),
        total("dead_lettered", "Dead-lettered"),
    ),
    by=(by_time("claimed_at"),),
    colours={"Indexed": BLUE, "Duplicates": GREY, "Filtered": ORANGE, "Dead-lettered": RED},
)

LAG = Chart(
    id="ingest-lag",
    title="From the call to the index",
    question="How long until an event can be found? CloudTrail itself needs about five minutes.",
    kind="line",
    measure=(percentiles("ingest_lag", "Minutes"),),
    by=(by_time(),),
)

FRESH = Chart(
    id="ingest-fresh",
    title="How fresh each account is",
    question="Does an account or a region lag behind the others?",
    kind="table",
    measure=(count(), highest("@timestamp", "Latest event"), highest("event.ingested", "Sent")),
    by=(terms("recipientAccountId", 20, "Account"), terms("awsRegion", 10, "Region")),
)

GENUINE = Chart(
    id="ingest-integrity",
    title="Integrity of the files",
    question="How many events come from files whose digest proved them genuine?",
    kind="ring",
    by=(terms("trail.integrity", 3, "Integrity"),),
    colours=INTEGRITY,
)

ODD = Chart(
    id="ingest-odd",
    title="Events that needed care",
    question="How many were repaired to be indexed, hold a conflict, or lost a resource?",
    kind="numbers",
    by=(
        cases(
            Repaired="_exists_:trail.repaired",
            Conflicts="_exists_:trail.conflict",
            Tampered="trail.integrity:tampered",
            Too_many_resources="_exists_:resource_incomplete",
        ),
    ),
)

OBJECTS_LIST = Search(
    id="ingest-objects",
    title="Objects, the latest first",
    question="Which files came in, and what became of them?",
    view=LEDGER,
    query=OBJECTS,
    columns=(
        "state",
        "uri",
        "read",
        "indexed",
        "duplicates",
        "dead_lettered",
        "filtered",
        "bytes",
        "reason",
    ),
)

PAGE = Dashboard(
    id="ingest",
    title="Ingest health",
    question="Did everything come in, in time, and whole?",
    rows=(
        row(5, HELP),
        row(7, (RECORDS, 23), (STATES, 17), (DEAD, 8)),
        row(12, OBJECTS_OVER_TIME, RECORDS_OVER_TIME),
        row(12, (LAG, 28), (GENUINE, 20)),
        row(12, (FRESH, 28), (ODD, 20)),
        row(18, OBJECTS_LIST),
    ),
)
