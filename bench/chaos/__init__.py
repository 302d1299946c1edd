"""The long chaos run: everything at once in one namespace, while everything around it fails.

Two daemons (a queue, a polled bucket, scheduled rules, a webhook, retention), backfills, `detect`,
repairs and triage run for minutes, and are killed at random; so is the engine, and AWS and the
webhook fail. Afterwards nothing may be lost, doubled, left in progress or said wrongly.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opensearchpy import OpenSearch

from bench.chaos import verdict
from bench.chaos.faults import Hook, Road
from bench.chaos.installation import KEEP_DAYS, Installation, Timeline, readiness
from bench.chaos.people import SOURCE, People
from bench.chaos.storm import Storm
from bench.chaos.trail import deliveries
from bench.chaos.verdict import Stored
from bench.following import Cloud, cloud
from trailhound.engine import machine
from trailhound.engine.local_engine import LocalEngine

EVENTS = 9_000
MINUTES = 20.0
_EVENTS_PER_FILE = 10
_HEAP_MB = 1_024
_QUEUE_SECONDS = 420.0
_SETTLE_SECONDS = 900.0
_LOOKS = 100
"""A daemon that was looked at less often has not warmed up."""


def chaos(
    folder: Path, seed: int, minutes: float, events: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """A run in `folder`, where its timeline and every log stay. Returns `faults` (sentences; none
    where all is well) and the figures of the run."""
    trail = folder / "trail"
    sample = ["sample", str(trail), "--events", str(events), "--seed", str(seed)]
    sample += ["--days", str(KEEP_DAYS + 2), "--start", f"{KEEP_DAYS + 1}d"]
    sample += ["--events-per-file", str(_EVENTS_PER_FILE)]
    subprocess.run(
        [sys.executable, "-m", "trailhound", *sample], check=True, stdout=subprocess.DEVNULL
    )
    dice, now = random.Random(f"{seed}-trail"), datetime.now(UTC)
    put, account = deliveries(trail, dice, minutes * 60, now, KEEP_DAYS)
    layout = [each.key.split("/") for each in put if each.key.startswith("AWSLogs/")]
    engine = LocalEngine(folder / "engine", machine.free_port(), heap_mb=_HEAP_MB)
    engine.start()
    try:
        with cloud() as where:
            places = sorted({(parts[1], parts[3]) for parts in layout})
            storm = _storm(folder, engine, where, seed, minutes, places)
            tell(f"seed {seed}: {len(put):,} deliveries of {len(account.documents):,} events")
            try:
                _must(storm.installation, "init", "init")
                storm.rage(put)
                faults = _settle(storm)
            finally:
                storm.stop()
            return _judged(storm, account, faults)
    finally:
        engine.stop()


def _storm(
    folder: Path,
    engine: LocalEngine,
    where: Cloud,
    seed: int,
    minutes: float,
    places: list[tuple[str, str]],
) -> Storm:
    road, hook = Road(urlsplit(where.endpoint).port or 0), Hook()
    endpoint = f"http://127.0.0.1:{road.port}"
    wanted: list[Any] = ["QueueArn"]
    found = where.sqs.get_queue_attributes(QueueUrl=where.queue, AttributeNames=wanted)
    queue = found["Attributes"]["QueueArn"]
    ours = Installation("chaos", engine.url, endpoint, queue, folder, hook)
    timeline = Timeline(folder / "timeline.txt")
    people = People(ours, timeline, seed, queue, places)
    return Storm(ours, people, where, road, hook, engine, timeline, seed, minutes * 60)


def _must(installation: Installation, name: str, *arguments: str) -> None:
    if code := installation.run(name, *arguments).code:
        raise RuntimeError(f"{name} ended with {code}: see {installation.logs}")


def _settle(storm: Storm) -> list[str]:
    """Until nothing is left to do: what a user runs last, and then only the daemons. Returns what
    is not well then."""
    ours = storm.installation
    storm.redrive()
    end = time.monotonic() + _QUEUE_SECONDS
    while (left := _messages(storm.cloud)) and time.monotonic() < end:
        time.sleep(5)
    faults = [f"{left} messages are left on the queue"] if left else []
    ours.run("last-backfill", "backfill", SOURCE, "--json")
    ours.run("last-retry", "retry-deadletters", "--reopen", "--json")
    _must(ours, "last-detect", "detect", "--json")
    end, before, status = time.monotonic() + _SETTLE_SECONDS, None, ""
    while time.monotonic() < end:
        status = ours.run("status", "status", "--json").out
        ready = all(readiness(port)[0] == 200 for port in storm.ports.values())
        rest = sum(each["waiting"] for each in _object(status)["channels"])
        if ready and rest == before:
            break
        before = rest
        time.sleep(65)  # a message a minute more goes to a channel that is limited
    else:
        faults.append(f"not at rest after {_SETTLE_SECONDS:g} s: {_object(status)['reasons']}")
    if not _object(status)["ready"]:
        faults.append(f"status is not ready: {_object(status)['reasons']}")
    if late := _object(status)["late_events"]:
        faults.append(f"rules have not looked at late events: {late}")
    if ours.run("doctor", "doctor").code:
        faults.append(f"doctor fails: see {ours.logs}")
    return faults


def _judged(storm: Storm, account: Any, faults: list[str]) -> dict[str, Any]:
    """Everything that was found, after a quiet run over the same bucket."""
    ours, client = storm.installation, OpenSearch(hosts=[storm.engine.url], timeout=60)
    quiet = Installation("quiet", ours.engine, ours.aws, ours.queue, ours.folder)
    _must(quiet, "quiet-init", "init")
    quiet.run("quiet-backfill", "backfill", SOURCE, "--json")
    _must(quiet, "quiet-detect", "detect", "--json")
    stored, calm = Stored(client, ours.namespace), Stored(client, quiet.namespace)
    alerts = stored.alerts()
    differing, reasons = verdict.of_alerts(alerts, calm.alerts(), storm.people.triaged)
    unsent, deliveries_made = verdict.of_messages(alerts, storm.hook)
    faults += [
        *storm.faults,
        *storm.people.faults,
        *verdict.of_events(stored.events(), account),
        *verdict.of_events(calm.events(), account),
        *verdict.of_ledger(stored, account),
        *differing,
        *verdict.of_incidents(alerts),
        *unsent,
        *verdict.of_logs(ours.logs),
        *(f"a process is left: {each}" for each in ours.left()),
    ]
    repeated = sum(number - 1 for number in storm.hook.by_key.values())
    return {
        "faults": faults,
        "events": account.documents.total(),
        "alerts": len(alerts),
        "compared": dict(reasons),
        "messages": len(storm.hook.messages),
        "repeated": repeated,
        "deliveries": dict(deliveries_made),
        "memory": _memory(storm),
    }


def _memory(storm: Storm) -> dict[str, Any]:
    """MB of the daemon that lived longest: after a fifth of its time, and at its end."""
    looks = max(storm.looks.values(), key=len)
    if len(looks) < _LOOKS:
        return {}
    return {"early": looks[len(looks) // 5].memory, "late": looks[-1].memory}


def _messages(where: Cloud) -> int:
    wanted: list[Any] = ["All"]
    found = where.sqs.get_queue_attributes(QueueUrl=where.queue, AttributeNames=wanted)
    counted = (n for name, n in found["Attributes"].items() if "NumberOfMessages" in name)
    return sum(map(int, counted))


def _object(text: str) -> Any:
    return json.loads(text)
