"""A whole installation under test: its settings file, its sources, its daemons and its commands."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from opensearchpy import OpenSearch

from tests.helpers.processes import LONGEST, printed, run, start
from tests.helpers.queues import until
from tests.helpers.receiver import Received
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

ACCOUNT = "111122223333"
TERMS = ("read", "indexed", "duplicates", "dead_lettered", "filtered")


def stamp(moment: datetime) -> str:
    """A time as CloudTrail writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def key_of(moment: datetime, name: str) -> str:
    """The key under which CloudTrail would deliver a file at this time."""
    folder = f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{moment:%Y/%m/%d}"
    return f"{folder}/{ACCOUNT}_CloudTrail_us-east-1_{moment:%Y%m%dT%H%M}Z_{name}.json.gz"


def announcement(bucket: str, key: str, size: int) -> str:
    """What S3 writes into a queue."""
    thing = {"bucket": {"name": bucket}, "object": {"key": key, "size": size}}
    event = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": thing}
    return json.dumps({"Records": [event]})


def searchable(client: OpenSearch, settings: Settings) -> int:
    """How many events there are; -1 while a day's index is being made or removed."""
    days = Names(settings.prefix).days
    client.indices.refresh(index=days)
    reply = client.count(index=days)
    return -1 if reply["_shards"]["failed"] else int(reply["count"])


class Hook:
    """What a webhook's receiver answers: 503 while it refuses. `accepted` are the alerts' ids."""

    def __init__(self) -> None:
        self.refuses = False
        self.accepted: list[str] = []
        self.kinds: Counter[str] = Counter()

    def __call__(self, request: Received) -> int:
        if self.refuses:
            return 503
        message = request.json
        self.kinds[message["kind"]] += 1
        if message["kind"] == "alert":
            self.accepted.append(message["id"])
        return 200


class Installation:
    """Everything under `folder`; `content` is the settings file's, written by `write`."""

    def __init__(self, settings: Settings, folder: Path, content: dict[str, Any]) -> None:
        self.settings, self.folder, self.content = settings, folder, content
        self.file = folder / "trailhound.yaml"
        self.logs: list[Path] = []
        self.write()

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.content))

    def trailhound(self, *arguments: str | Path, code: int = 0) -> bytes:
        """A command, run to its end; what it printed."""
        ended = run(self.settings, *arguments, "--config", self.file)
        assert ended.returncode == code, (arguments, ended.stdout, ended.stderr.decode())
        return ended.stdout

    def json(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        """The object that a command prints with `--json`."""
        return printed(self.trailhound(*arguments, "--json", code=code))

    @contextmanager
    def daemon(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """`trailhound run`; killed at the end, if it still runs. It logs into a file."""
        log = self.folder / f"daemon-{len(self.logs)}.log"
        self.logs.append(log)
        process = start(self.settings, "run", *arguments, "--config", self.file, log=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """End a daemon as a service manager would."""
        process.terminate()
        assert process.wait(LONGEST) == 0, self.logs[-1].read_text()

    def reload(self, process: subprocess.Popen[bytes], log: int = -1) -> None:
        """Write the settings and have a daemon take them; waits until it has looked at them."""
        words = "settings reloaded", "settings not reloaded"
        before = self._logged(log, *words)
        self.write()
        process.send_signal(signal.SIGHUP)
        until(lambda: self._logged(log, *words) != before, "the settings looked at")

    def _logged(self, log: int, *words: str) -> int:
        text = self.logs[log].read_text()
        return sum(text.count(each) for each in words)

    def reasons_of_status(self) -> set[tuple[str, str]]:
        """Why it is not ready, as `status` says."""
        return {(each["code"], each["subject"]) for each in self.json("status")["reasons"]}

    def failed_checks(self) -> set[str]:
        """What `doctor` says has failed."""
        ended = run(self.settings, "doctor", "--json", "--config", self.file)
        assert ended.returncode in (0, 1), ended.stderr.decode()
        findings = printed(ended.stdout)["findings"]
        failed = {each["what"] for each in findings if each["verdict"] == "failed"}
        assert bool(failed) == bool(ended.returncode)
        return failed
