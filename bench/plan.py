"""What a number of events a day costs: arithmetic on measured figures and stated prices, no more.

`python -m bench plan` prints the tables of docs/scaling.md from the figures in that file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_A_DAY = 86_400
DAYS_A_MONTH = 30.4
GB = 1e9


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of `python -m bench core replay`, of one machine."""

    events_a_core: float
    """Events a second that one core reads, enriches and makes into bulk bodies."""
    events_a_node: float
    """Events a second that one data node of two cores indexes."""
    bytes_a_document: float
    """On disk, merged, one copy."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is not measured here: how full to run things, and unit prices in US dollars."""

    peak: float = 3.0
    """The busiest hour ÷ the average."""
    load: float = 0.5
    """Of what it could do, at that peak: the rest is for searches, merges and catching up."""
    events_an_object: float = 200.0
    copies: int = 2
    days_kept: int = 90
    shard_gb: float = 40.0
    disk_full: float = 0.75
    node_disk_gb: float = 6_000.0
    core_hour: float = 0.05
    node_hour: float = 0.17
    """Of a data node of two cores and 16 GB of memory, without its disk."""
    gb_month: float = 0.09
    sqs_a_million: float = 0.40
    s3_get_a_million: float = 0.40


@dataclass(frozen=True, slots=True)
class Plan:
    """For one rate. `dollars` by part, a month."""

    events_a_day: float
    peak_rate: float
    cores: int
    nodes: int
    nodes_for_disk: int
    gb_a_day: float
    shards_a_day: int
    gb_kept: float
    objects_a_day: float
    dollars: dict[str, float]


def plan(events_a_day: float, measured: Measured, assumed: Assumed) -> Plan:
    """The arithmetic.

    >>> day = 86_400 * 1_000
    >>> made = plan(day, Measured(10_000, 10_000, 400), Assumed(peak=2, load=0.5))
    >>> made.peak_rate, made.cores, made.nodes, round(made.gb_a_day, 2), made.shards_a_day
    (2000.0, 1, 2, 34.56, 1)
    """
    rate = events_a_day / SECONDS_A_DAY * assumed.peak
    cores = max(1, math.ceil(rate / (measured.events_a_core * assumed.load)))
    gb = events_a_day * measured.bytes_a_document / GB
    kept = gb * assumed.days_kept * assumed.copies
    # Every copy is indexed by a node of its own.
    indexing = math.ceil(rate * assumed.copies / (measured.events_a_node * assumed.load))
    for_disk = math.ceil(kept / (assumed.node_disk_gb * assumed.disk_full))
    nodes = max(assumed.copies, indexing, for_disk)
    objects = events_a_day / assumed.events_an_object
    # A message is sent by S3 (free), received, extended at most once, and deleted: in tens.
    sqs = objects * 3 / 10 * DAYS_A_MONTH / 1e6 * assumed.sqs_a_million
    hours = 24 * DAYS_A_MONTH
    dollars = {
        "daemons": cores * hours * assumed.core_hour,
        "data nodes": nodes * hours * assumed.node_hour,
        "disks": kept / assumed.disk_full * assumed.gb_month,
        "SQS": sqs,
        "S3 requests": objects * DAYS_A_MONTH / 1e6 * assumed.s3_get_a_million,
    }
    return Plan(
        events_a_day,
        rate,
        cores,
        nodes,
        for_disk,
        gb,
        max(1, math.ceil(gb / assumed.shard_gb)),
        kept,
        objects,
        dollars,
    )


RATES = (1e6, 1e9, 1e11)


def tables(measured: Measured, assumed: Assumed) -> str:
    """The two tables, in Markdown: what is needed, and what it costs a month."""
    plans = [plan(rate, measured, assumed) for rate in RATES]
    heads = [f"{rate:,.0f}" for rate in RATES]
    lines = ["| events a day | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    rows: dict[str, list[str]] = {
        "events/s at the peak": [f"{each.peak_rate:,.0f}" for each in plans],
        "objects a day": [f"{each.objects_a_day:,.0f}" for each in plans],
        "cores of daemons": [f"{each.cores:,}" for each in plans],
        "GB a day, one copy": [f"{each.gb_a_day:,.1f}" for each in plans],
        "primary shards a day (`index.shards`)": [f"{each.shards_a_day:,}" for each in plans],
        "GB kept, all copies": [f"{each.gb_kept:,.0f}" for each in plans],
        "data nodes": [f"{each.nodes:,}" for each in plans],
        "of these needed for their disks": [f"{each.nodes_for_disk:,}" for each in plans],
    }
    lines += [f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items()]
    lines += ["", "| $ a month | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for part in plans[0].dollars:
        lines.append(f"| {part} | " + " | ".join(f"{p.dollars[part]:,.2f}" for p in plans) + " |")
    totals = [f"{sum(each.dollars.values()):,.0f}" for each in plans]
    lines.append("| **together** | " + " | ".join(totals) + " |")
    each_million = [
        f"{sum(p.dollars.values()) / (p.events_a_day * DAYS_A_MONTH / 1e6):,.3f}" for p in plans
    ]
    lines.append("| $ a million events | " + " | ".join(each_million) + " |")
    return "\n".join(lines)
