"""Ingest health: were all records ingested, on time and intact?"""

from __future__ import annotations

from dashboards.aggregation import (
    by_time,
    cases,
    count,
    highest,
    latest,
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
        "Objects and dead letters are shown by the time of ingestion, events by the time "
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
    question="Did files fail, or stay unfinished?",
    kind="numbers",
    view=LEDGER,
    query=OBJECTS,
    measure=(count("Objects"),),
    by=(cases(Done="state:done", Under_way="state:claimed", Failed="state:failed"),),
)

DEAD = Chart(
    id="ingest-dead",
    title="Dead letters",
    question="Do records wait that could not be indexed? Dismissed ones are not counted.",
    kind="numbers",
    view=DEADLETTERS,
    query="NOT _exists_:dismissed.at",
    measure=(count("Dead letters"),),
)

OBJECTS_OVER_TIME = Chart(
    id="ingest-objects-time",
    title="Objects ingested over time",
    question="Are files ingested steadily, and when did some fail?",
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
    title="Records by outcome",
    question="Are there more duplicates or dead letters than usual?",
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
    title="Delay from call to index, within a day",
    question="How long until an event is searchable? CloudTrail itself needs about five minutes. "
    "Events that came in more than a day later, as in a backfill, are counted in the table below.",
    kind="line",
    measure=(percentiles("ingest_lag", "min"),),
    by=(by_time(),),
)

FRESH = Chart(
    id="ingest-fresh",
    title="Latest event by account",
    question="Does an account or a region lag behind the others?",
    kind="table",
    measure=(
        count(),
        total("ingested_later", "A day late or more"),
        highest("@timestamp", "Latest event"),
        highest("event.ingested", "Ingested"),
    ),
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

VERDICTS = Chart(
    id="ingest-verdicts",
    title="Verdicts on the files",
    question="What did verifications by CloudTrail's digests find of these files?",
    kind="ring",
    view=LEDGER,
    query="integrity.verdict:*",
    by=(terms("integrity.verdict", 6, "Verdict"),),
    colours=INTEGRITY,
)

ODD = Chart(
    id="ingest-odd",
    title="Repaired or incomplete events",
    question="How many were repaired, have a reused id, or have incomplete resources?",
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

OBJECT_DOCUMENTS = Search(
    id="ingest-objects",
    title="Objects, latest first",
    question="Which files were ingested, and with what result?",
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

OBJECTS_LIST = Chart(
    id="ingest-objects-table",
    title="Objects, latest first",
    question="Which files were ingested last, and with what result? At most 200 are listed.",
    kind="table",
    search=OBJECT_DOCUMENTS,
    view=LEDGER,
    measure=(
        latest("state", "State", by="claimed_at"),
        total("read", "Read"),
        total("indexed", "Indexed"),
        total("duplicates", "Duplicates"),
        total("dead_lettered", "Dead-lettered"),
        total("filtered", "Filtered"),
        highest("claimed_at", "Time"),
        latest("reason", "Reason", by="claimed_at"),
    ),
    by=(terms("uri", 200, "File", by=6),),
)

PAGE = Dashboard(
    id="ingest",
    title="Ingest health",
    question="Were all records ingested, on time and intact?",
    rows=(
        row(5, HELP),
        row(7, RECORDS),
        row(7, (STATES, 32), (DEAD, 16)),
        row(12, OBJECTS_OVER_TIME, RECORDS_OVER_TIME),
        row(12, (LAG, 20), (GENUINE, 14), (VERDICTS, 14)),
        row(7, ODD),
        row(12, FRESH),
        row(18, OBJECTS_LIST),
    ),
)
