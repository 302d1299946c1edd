"""From an event's message in the queue to its notification at a webhook, at default settings.

An event waits until it is searchable (the index is refreshed every `index.refresh_interval`), then
until the rule is due (at its interval, 5 minutes), then until the rule has run and the message is
delivered. With `--minutes`, events arrive for so long and the whole delay of each is measured,
which takes an interval longer. Without, it takes two minutes: the parts that are ours are measured
on a daemon whose rules are due soon, and the wait for a rule is half an interval in the median
and a whole one at worst, as it is for events that arrive at any time.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from isal import igzip
from opensearchpy import OpenSearch

from bench.environment import BenchEnvironment, fresh_namespace
from bench.following import Cloud, cloud, daemon
from trailhound.app.detection.detection import rules_in_force
from trailhound.cluster.templates import Names
from trailhound.settings import Settings, load
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints

RULE_ID = "5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1b01"
RULE = f"""\
title: Trail deleted, for the benchmark
id: {RULE_ID}
level: high
logsource: {{product: aws, service: cloudtrail}}
detection:
  selection: {{eventSource: cloudtrail.amazonaws.com, eventName: DeleteTrail}}
  condition: selection
"""
"""It runs at the default interval, beside all shipped rules."""
ACCOUNT = "111122223333"
_ARRIVING, _EVERY = 50.0, 2.5
"""Seconds in which events arrive where the rules are due soon, and between two of them."""
_DUE_AFTER = 90.0
"""Seconds from the start until the rules are due: all events are searchable by then."""
_APART = 15.0
"""Seconds between two events with `--minutes`."""
_PATIENCE = 60.0
"""Seconds after the rules have run in which every message has to be there."""


class Notified:
    """When the alert about each principal first arrived, by ARN (monotonic seconds)."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    @contextmanager
    def listening(self) -> Iterator[str]:
        """The webhook's address."""
        at = self.at

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                now = time.monotonic()
                length = int(self.headers.get("content-length") or 0)
                alert = json.loads(self.rfile.read(length))["alert"]
                if alert is not None and alert["rule"]["id"] == RULE_ID:
                    for arn in alert["entity"].get("arn", ()):
                        at.setdefault(arn, now)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def notify_delays(benchmark: BenchEnvironment, minutes: float | None) -> dict[str, Any]:
    """Median and worst delay, in seconds, and of what it is made up (see the module)."""
    notified = Notified()
    folder = benchmark.folder / "notify-delay"
    folder.mkdir(exist_ok=True)
    with (
        fresh_namespace(benchmark, f"notify-{os.getpid()}") as (client, settings),
        cloud() as where,
        notified.listening() as address,
    ):
        config = _configured(folder, address)
        ours = load(config, settings.model_dump(include={"cluster", "namespace", "home"}))
        rules = rules_in_force(ours).rules
        interval = max(rule.interval for rule in rules).total_seconds()
        if minutes is None:
            due = time.monotonic() + _DUE_AFTER
            ran = datetime.now(UTC) + timedelta(seconds=_DUE_AFTER - interval)
            RuleCheckpoints(client, ours).write(
                RuleCheckpoint(rule.id, rule.title, ran - timedelta(minutes=5), ran)
                for rule in rules
            )
        arriving = _ARRIVING if minutes is None else minutes * 60
        apart = _EVERY if minutes is None else _APART
        with daemon(settings, where, folder / "daemon.log", config):
            sent = _arrive(folder, where, max(2, round(arriving / apart)), apart)
            searchable: dict[str, float] = {}
            if minutes is None:
                _until(lambda: _look(client, ours, searchable), sent, _DUE_AFTER)
            _until(lambda: notified.at, sent, interval + _PATIENCE)
    if minutes is not None:
        return {"events": len(sent), **_spread(sent, notified.at)}
    found = _spread(sent, searchable)
    after = {arn: at - due for arn, at in notified.at.items()}
    return {
        "events": len(sent),
        "median": found["median"] + interval / 2 + median(after.values()),
        "worst": found["worst"] + interval + max(after.values()),
        "searchable": found,
        "interval": interval,
        "due_to_notified": {"median": median(after.values()), "worst": max(after.values())},
    }


def _configured(folder: Path, address: str) -> Path:
    (folder / "rule.yml").write_text(RULE)
    channel = {"name": "hook", "kind": "webhook", "url": address, "secret": "of-the-benchmark"}
    config = folder / "trailhound.yaml"
    content = {
        "detections": {"rules": [str(folder / "rule.yml")]},
        "notify": {"channels": [channel]},
    }
    config.write_text(json.dumps(content))
    return config


def _arrive(folder: Path, where: Cloud, events: int, apart: float) -> dict[str, float]:
    """Events, one after the other; when each was sent, by its principal's ARN."""
    sent: dict[str, float] = {}
    for number in range(events):
        arn = f"arn:aws:iam::{ACCOUNT}:user/bench-{number}"
        file = _write(folder, number, arn)
        sent[arn] = time.monotonic()
        where.deliver(file, folder)
        time.sleep(apart)
    return sent


def _look(client: OpenSearch, settings: Settings, seen: dict[str, float]) -> dict[str, float]:
    """Note what is searchable by now. Nothing is refreshed for it."""
    reply = client.search(
        index=Names(settings.prefix).days,
        body={"size": 1000, "_source": ["userIdentity.arn"]},
        params={"ignore_unavailable": "true"},
    )
    now = time.monotonic()
    for hit in reply["hits"]["hits"]:
        seen.setdefault(hit["_source"]["userIdentity"]["arn"], now)
    return seen


def _until(
    look: Callable[[], Mapping[str, float]], sent: Mapping[str, float], seconds: float
) -> None:
    end = time.monotonic() + seconds
    while missing := sent.keys() - look().keys():
        if time.monotonic() > end:
            raise RuntimeError(f"{len(missing)} of {len(sent)} events never came so far")
        time.sleep(0.25)


def _spread(sent: Mapping[str, float], at: Mapping[str, float]) -> dict[str, float]:
    found = [at[arn] - moment for arn, moment in sent.items()]
    return {"median": median(found), "worst": max(found)}


def _write(folder: Path, number: int, arn: str) -> Path:
    """A trail file with one event that the rule is about, by a principal of its own."""
    now = datetime.now(UTC)
    event = {
        "eventVersion": "1.08",
        "userIdentity": {"type": "IAMUser", "arn": arn, "accountId": ACCOUNT},
        "eventTime": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "eventSource": "cloudtrail.amazonaws.com",
        "eventName": "DeleteTrail",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "eventID": f"{number:08x}-0000-4000-8000-{os.getpid():012x}",
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    }
    place = folder / f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{now:%Y/%m/%d}"
    place.mkdir(parents=True, exist_ok=True)
    name = f"{ACCOUNT}_CloudTrail_us-east-1_{now:%Y%m%dT%H%M}Z_{number:016}.json.gz"
    (place / name).write_bytes(igzip.compress(json.dumps({"Records": [event]}).encode()))
    return place / name
