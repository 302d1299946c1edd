"""What rules cost: a hundred over the last minutes, a pack of 800 over all of history."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from bench.capacity import processor_seconds
from bench.environment import BenchEnvironment, finished, fresh_namespace, names_of
from bench.indexing import replay
from bench.recordings import DATA
from detections.compiled import Compiled
from detections.events.search import WORTH_A_LOOK, Found, RuleOutcome, Search
from detections.packs.loading import load
from detections.rule import Rule
from detections.span import Span
from ingest.bulk.batch import Batch, tail
from trailhound.cluster.dialect import dialect_of
from trailhound.errors import ClusterError
from trailhound.settings import Settings

DISTINCT = 1_000_000
"""Events that the sample holds; more are the same ones again, under other ids."""
FEW, MANY = 100, 800
LAST = timedelta(minutes=5)
LATE = timedelta(hours=24)
_TIME = re.compile(rb'"eventTime":"([^"]+)"')
_ID = re.compile(rb'"_id":"')


@dataclass(frozen=True, slots=True)
class Cost:
    """One run: seconds on the clock, of the engine's processor and of ours; requests sent."""

    seconds: float
    engine_cpu: float
    our_cpu: float
    requests: int
    rules: int
    hits: int
    failed: int
    slowest: str

    def __str__(self) -> str:
        return (
            f"{self.rules} rules in {self.seconds:.2f} s (processor: engine {self.engine_cpu:.2f} "
            f"s, ours {self.our_cpu:.2f} s), {self.requests} requests, {self.hits:,} hits, "
            f"{self.failed} failed; slowest {self.slowest}"
        )


def costs(benchmark: BenchEnvironment, events: int, rounds: int, say: Any) -> dict[str, Any]:
    """Every run `rounds` times, the median by seconds kept; prints as it goes.

    The engine's caches of queries and of answers are off: the pack of 800 is a smaller one
    repeated, and no copy is to answer for another.
    """
    trail, _ = benchmark.sample(min(events, DISTINCT), 5_000)
    with fresh_namespace(benchmark, "rules") as (client, settings):
        fill(client, settings, trail, -(-events // DISTINCT))
        return measure(benchmark, client, settings, rounds, say)


def measure(
    benchmark: BenchEnvironment, client: OpenSearch, settings: Settings, rounds: int, say: Any
) -> dict[str, Any]:
    """The runs, on a namespace that has been filled.

    Those `_without` spare the look at the span's values. Findings over history are asked of the
    rules with at most one hit in 1,000 events: the time of the others is that of reading their
    hits, and no answer about the search.
    """
    first, last, events = extent(client, settings)
    soon = last + timedelta(milliseconds=1)
    history = Span(first, soon)
    recent = Span(soon - LAST, soon, "event.ingested", oldest=soon - LAST - LATE)
    rules, compiled = repeated(settings, MANY)
    spread = rules[:: MANY // FEW][:FEW]
    counted = Search(client, settings).count(rules, compiled, history)
    quiet = [each.rule for each in counted if each.hits * 1000 <= events]
    runs = {
        "recent_find": (spread, recent, "find"),
        "history_count": (rules, history, "count"),
        "recent_find_without": (spread, recent, "find"),
        "history_count_without": (rules, history, "count"),
        "history_find_quiet": (quiet, history, "find"),
    }
    results: dict[str, Any] = {"events": events}
    for name, (asked, span, how) in runs.items():
        look = MANY + 1 if name.endswith("_without") else WORTH_A_LOOK
        search = Search(client, settings, worth_a_look=look)
        each = [cost(benchmark, client, search, asked, compiled, span, how) for _ in range(rounds)]
        middle = sorted(each, key=lambda made: made.seconds)[len(each) // 2]
        say(f"{name}: {middle}")
        results[name] = {key: getattr(middle, key) for key in Cost.__slots__}
    return results


def fill(client: OpenSearch, settings: Settings, trail: Path, copies: int) -> None:
    """Index the trail, `copies` times over, each event as if it had come when it happened."""

    def parts(copy: int) -> Iterator[list[tuple[bytes, int]]]:
        waiting: list[tuple[bytes, int]] = []
        for batch in finished(settings, trail, dialect_of(client)):
            waiting.append((_body(batch, copy), len(batch)))
            if len(waiting) == 40:
                yield waiting
                waiting = []
        yield waiting

    for copy in range(copies):
        for part in parts(copy):
            replay(client, part, settings.ingest.in_flight)
    pattern = f"{settings.prefix}cloudtrail-*"
    client.indices.refresh(index=pattern)
    # By name: Elasticsearch closes and deletes nothing by pattern.
    days = ",".join(names_of(client, pattern))
    client.indices.close(index=days)
    off = {"index.queries.cache.enabled": False, "index.requests.cache.enable": False}
    client.indices.put_settings(index=pattern, body=off)
    client.indices.open(index=days)
    client.cluster.health(params={"wait_for_status": "yellow"})


def _body(batch: Batch, copy: int) -> bytes:
    """A bulk body whose events were ingested when they happened."""
    made = []
    for head in batch.heads:
        found = _TIME.search(head)
        stamp = found[1].decode() if found else "2025-01-01T00:00:00Z"
        if copy:
            head = _ID.sub(b'"_id":"%d-' % copy, head, count=1)
        made.append(head + tail(stamp))
    return b"".join(made)


def repeated(settings: Settings, count: int) -> tuple[list[Rule], dict[str, Compiled]]:
    """The shipped plain rules, and SigmaHQ's where they are there, as often as it takes."""
    more = [DATA / "sigmahq"] if (DATA / "sigmahq").is_dir() else []
    pack = load(settings.detections, more)
    plain = [rule for rule in pack.rules if rule.kind == "sigma"]
    rules: list[Rule] = []
    compiled: dict[str, Compiled] = {}
    for number in range(count):
        rule = plain[number % len(plain)]
        again = replace(rule, id=f"{rule.id}-{number // len(plain)}")
        rules.append(again)
        compiled[again.id] = pack.compiled[rule.id]
    return rules, compiled


def cost(
    benchmark: BenchEnvironment,
    client: OpenSearch,
    search: Search,
    rules: Sequence[Rule],
    compiled: dict[str, Compiled],
    span: Span,
    how: str,
) -> Cost:
    """One run of the rules, by `Search.count` or `Search.find`, as `how` says."""
    requests = _Counted(client)
    began, busy, ours = time.monotonic(), _processor(benchmark.pid), time.process_time()
    with requests:
        outcomes = list(
            search.count(rules, compiled, span)
            if how == "count"
            else _taken(search.find(rules, compiled, span))
        )
    slowest = max(outcomes, key=lambda each: each.seconds)
    return Cost(
        time.monotonic() - began,
        _processor(benchmark.pid) - busy,
        time.process_time() - ours,
        requests.sent,
        len(outcomes),
        sum(each.hits for each in outcomes),
        sum(each.error is not None for each in outcomes),
        f"{slowest.rule.title} {slowest.seconds:.2f} s",
    )


def _taken(found: Iterable[Found]) -> Iterator[RuleOutcome]:
    """Each rule's findings taken and counted, before the next one's."""
    for each in found:
        began, hits, error = time.monotonic(), 0, None
        try:
            for _ in each.findings:
                hits += 1
        except ClusterError as fault:
            error = fault
        yield RuleOutcome(each.rule, hits, each.seconds + time.monotonic() - began, error)


class _Counted:
    """Counts the requests that a client sends."""

    def __init__(self, client: OpenSearch) -> None:
        self._transport = client.transport
        self._own = client.transport.perform_request
        self.sent = 0

    def __enter__(self) -> None:
        def send(*given: Any, **named: Any) -> Any:
            self.sent += 1
            return self._own(*given, **named)

        self._transport.perform_request = send  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        self._transport.perform_request = self._own  # type: ignore[method-assign]


def _processor(pid: int | None) -> float:
    """Seconds that a process has used; 0 for an engine that is not ours."""
    return 0.0 if pid is None else processor_seconds(pid)


def extent(client: OpenSearch, settings: Settings) -> tuple[datetime, datetime, int]:
    """The first and the last event time, and how many events there are."""
    field = {"field": "@timestamp"}
    reply = client.search(
        index=f"{settings.prefix}cloudtrail-*",
        body={
            "size": 0,
            "track_total_hits": True,
            "aggs": {"first": {"min": field}, "last": {"max": field}},
        },
    )
    first, last = (
        datetime.fromisoformat(reply["aggregations"][name]["value_as_string"])
        for name in ("first", "last")
    )
    return first, last, int(reply["hits"]["total"]["value"])
