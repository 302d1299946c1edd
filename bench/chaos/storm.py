"""Everything at once in one namespace: two daemons, people, deliveries, and a plan of faults."""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from opensearchpy import OpenSearch

from bench.chaos.faults import WORKS, Hook, Road
from bench.chaos.installation import Installation, Process, Timeline, readiness
from bench.chaos.people import People
from bench.chaos.plan import DAEMONS, Step, plan
from bench.chaos.trail import Delivery
from bench.following import BUCKET, Cloud, free_port
from bench.soak import Look, look
from ingest.feeds import notifications
from ingest.objects import TrailObject
from trailhound.cluster.templates import Names
from trailhound.engine.local_engine import LocalEngine
from trailhound.state.jobs import JobState

_CODES: Final = {
    "KILL": {-9},
    "TERM": {0, 130},
    "INT": {0, 130},
    "TERM TERM": {0, 130},
}
_END_SECONDS: Final = 60.0
"""A daemon ends within `run.stop_seconds` (25), on a busy machine a little later."""
_LOOK_SECONDS: Final = 2.0


@dataclass
class Storm:
    """`faults`: what must not happen. `looks`: of each daemon's process, by pid."""

    installation: Installation
    people: People
    cloud: Cloud
    road: Road
    hook: Hook
    engine: LocalEngine
    tell: Timeline
    seed: int
    seconds: float
    faults: list[str] = field(default_factory=list)
    looks: dict[int, list[Look]] = field(default_factory=dict)
    daemons: dict[str, Process] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    def rage(self, deliveries: list[Delivery]) -> None:
        """The whole run. Afterwards both daemons run, and nothing is in their way."""
        for name in DAEMONS:
            self._start(name)
        working = [self._begin(each) for each in self.people.all()]
        working.append(self._begin(lambda: self._deliver(deliveries)))
        self._begin(self._look)
        lanes: dict[str, list[Step]] = {}
        for step in plan(random.Random(f"{self.seed}-plan"), self.seconds):
            lanes.setdefault(step.what, []).append(step)
        for lane in [self._begin(lambda steps=steps: self._do(steps)) for steps in lanes.values()]:  # type: ignore[misc]
            lane.join()
        self.tell.wait_until(self.seconds)
        self.people.over.set()
        for thread in working:
            thread.join()
        self.tell("the storm is over")

    def stop(self) -> None:
        """End the daemons as a service manager does."""
        self._ended.set()
        for each in self.daemons.values():
            each.hit("TERM")
        for name, each in self.daemons.items():
            self._await(name, each, "TERM")

    def redrive(self) -> int:
        """Send what the queue gave up to it again, as SQS does when asked to. Returns how many
        messages there were."""
        sqs, moved = self.cloud.sqs, 0
        failed = sqs.get_queue_url(QueueName="bench-failed")["QueueUrl"]
        while found := sqs.receive_message(QueueUrl=failed, MaxNumberOfMessages=10).get("Messages"):
            for each in found:
                sqs.send_message(QueueUrl=self.cloud.queue, MessageBody=each["Body"])
                sqs.delete_message(QueueUrl=failed, ReceiptHandle=each["ReceiptHandle"])
                moved += 1
        return moved

    def _begin(self, work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a fault of the run itself, reported at its end
                self.faults.append(f"the run itself: {type(error).__name__}: {error}")

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def _deliver(self, deliveries: list[Delivery]) -> None:
        for each in deliveries:
            self.tell.wait_until(each.at)
            if each.body is None:
                self.cloud.s3.delete_object(Bucket=BUCKET, Key=each.key)
                continue
            put = self.cloud.s3.put_object(Bucket=BUCKET, Key=each.key, Body=each.body)
            item = TrailObject(f"s3://{BUCKET}/{each.key}", put["ETag"].strip('"'), len(each.body))
            (message,) = notifications.messages(iter([item]), 1)
            for _ in range(each.notices):
                self.cloud.sqs.send_message(QueueUrl=self.cloud.queue, MessageBody=message)
        self.tell("everything is delivered")

    def _do(self, steps: list[Step]) -> None:
        for step in steps:
            self.tell.wait_until(step.at)
            self.tell(f"{step.what}: {step.how} for {step.seconds:.0f} s")
            match step.what.split():
                case ["daemon", name]:
                    self._hit_daemon(name, step)
                case ["engine"]:
                    self._hit_engine(step)
                case ["aws"]:
                    self._block(self.road, step)
                case ["hook"]:
                    self._block(self.hook, step)
                case ["retention"]:
                    self._make_retention_due()
                case _:
                    self.tell(f"redriven: {self.redrive()} messages")

    def _block(self, what: Road | Hook, step: Step) -> None:
        what.mode = step.how
        time.sleep(step.seconds)
        what.mode = WORKS
        self.tell(f"{step.what} is back")

    def _hit_engine(self, step: Step) -> None:
        pid = self.engine.status().pid
        if step.how == "KILL" and pid is not None:
            os.kill(pid, 9)
            while self.engine.is_running:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
                time.sleep(0.1)
        else:
            self.engine.stop()
        time.sleep(step.seconds)
        self.engine.start()
        self.tell("the engine is back")

    def _make_retention_due(self) -> None:
        """It is every hour, and no run takes that long."""
        names = Names(f"{self.installation.namespace}-")
        job = JobState(name="retention").identifier
        with suppress(Exception):  # the engine may be away: the next step does it
            OpenSearch(hosts=[self.engine.url]).delete(index=names.ledger, id=job)

    def _start(self, name: str) -> None:
        port = self.ports.setdefault(name, free_port())
        listen = f"127.0.0.1:{port}"
        self.daemons[name] = self.installation.start(f"daemon-{name}", "run", "--listen", listen)
        self.tell(f"daemon {name} started: {self.daemons[name].process.pid}")

    def _hit_daemon(self, name: str, step: Step) -> None:
        daemon = self.daemons[name]
        if daemon.code is not None:
            self.faults.append(f"daemon {name} ended by itself with {daemon.code}")
        daemon.hit(step.how)
        if step.how == "HUP":
            return
        if step.how == "STOP":
            time.sleep(step.seconds)
            daemon.hit("CONT")
            return
        self._await(name, daemon, step.how)
        time.sleep(step.seconds)
        self._start(name)

    def _await(self, name: str, daemon: Process, how: str) -> None:
        began = time.monotonic()
        try:
            code = daemon.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.faults.append(f"daemon {name} did not end within {_END_SECONDS:g} s of {how}")
            daemon.hit("KILL")
            code = daemon.process.wait()
        else:
            if code not in _CODES[how]:
                self.faults.append(f"daemon {name} ended with {code} after {how}")
        self.tell(f"daemon {name} ended with {code} after {time.monotonic() - began:.1f} s")

    def _look(self) -> None:
        """Readiness, when it changes, and memory."""
        before: dict[str, Any] = {}
        while not self._ended.wait(_LOOK_SECONDS):
            for name, daemon in list(self.daemons.items()):
                if daemon.code is not None:
                    continue
                if (found := readiness(self.ports[name])) != before.get(name):
                    before[name] = found
                    self.tell(f"readyz {name}: {found[0]} {found[1]}")
                pid = daemon.process.pid
                with suppress(OSError, KeyError):  # it has just ended
                    self.looks.setdefault(pid, []).append(look(pid, self.tell.now))
