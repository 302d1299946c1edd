"""From an event's message in the queue to its notification at a webhook, at default settings."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from isal import igzip

from bench.environment import BenchEnvironment, fresh_namespace
from bench.following import cloud, daemon

RULE = """\
title: Trail deleted, for the benchmark
id: 5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1b01
level: high
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: cloudtrail.amazonaws.com, eventName: DeleteTrail}
  condition: selection
"""
"""It runs at the default interval."""
ACCOUNT = "111122223333"
_PATIENCE = 900.0


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
                message = json.loads(self.rfile.read(length))
                for arn in message.get("entity", {}).get("arn", ()):
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


def notify_delays(benchmark: BenchEnvironment, minutes: float) -> dict[str, Any]:
    """Median and worst delay in seconds, of one event every 15 seconds for so many minutes."""
    notified, sent = Notified(), {}
    folder = benchmark.folder / "notify-delay"
    folder.mkdir(exist_ok=True)
    with (
        fresh_namespace(benchmark, f"notify-{os.getpid()}") as (_, settings),
        cloud() as where,
        notified.listening() as address,
    ):
        (folder / "rule.yml").write_text(RULE)
        channel = {"name": "hook", "kind": "webhook", "url": address, "secret": "of-the-benchmark"}
        config = folder / "trailhound.yaml"
        config.write_text(
            json.dumps(
                {
                    "detections": {"rules": [str(folder / "rule.yml")]},
                    "notify": {"channels": [channel]},
                }
            )
        )
        with daemon(settings, where, folder / "daemon.log", config):
            for number in range(max(2, round(minutes * 4))):
                arn = f"arn:aws:iam::{ACCOUNT}:user/bench-{number}"
                file = _write(folder, number, arn)
                sent[arn] = time.monotonic()
                where.deliver(file, folder)
                time.sleep(15.0)
            end = time.monotonic() + _PATIENCE
            while not sent.keys() <= notified.at.keys():
                if time.monotonic() > end:
                    raise RuntimeError(f"{len(sent.keys() - notified.at.keys())} never notified")
                time.sleep(0.5)
    found = [notified.at[arn] - at for arn, at in sent.items()]
    return {"events": len(found), "median": median(found), "worst": max(found)}


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
