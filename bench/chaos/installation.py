"""One namespace as a user has it: a settings file, an environment, commands and daemons."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bench.chaos.faults import SECRET, Hook
from bench.following import BUCKET

KEEP_DAYS: Final = 6
CHANNEL: Final = "desk"
MARK: Final = "chaos-SECRET"
"""What no log, error or document may hold."""
_POLL_SECONDS = 20
_COMMAND_SECONDS = 1_200.0
_AGE_HOURS = 240


class Timeline:
    """A file of what happened when, in seconds since the start."""

    def __init__(self, file: Path) -> None:
        self._began = time.monotonic()
        self._file = file.open("w", buffering=1, encoding="utf-8")
        self._lock = threading.Lock()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def __call__(self, text: str) -> None:
        with self._lock:
            self._file.write(f"{self.now:8.1f} {time.strftime('%H:%M:%S')} {text}\n")

    def wait_until(self, at: float) -> None:
        """Sleep until so many seconds after the start."""
        time.sleep(max(0.0, at - self.now))


@dataclass(frozen=True, slots=True)
class Process:
    """A command, with what it prints in two files beside each other."""

    process: subprocess.Popen[bytes]
    stem: Path

    @property
    def name(self) -> str:
        return self.stem.name

    @property
    def code(self) -> int | None:
        return self.process.poll()

    @property
    def out(self) -> str:
        return Path(f"{self.stem}.out").read_text("utf-8", "replace")

    def hit(self, how: str) -> None:
        """As a kernel (KILL), a service manager (TERM, HUP, STOP, CONT) or a terminal (INT) does,
        whose signal reaches the whole process group. Several names are several signals."""
        with suppress(ProcessLookupError):
            for number, each in enumerate(how.split()):
                time.sleep(0.7 if number else 0)
                if each == "INT":
                    os.killpg(self.process.pid, signal.SIGINT)
                else:
                    self.process.send_signal(signal.Signals[f"SIG{each}"])


@dataclass
class Installation:
    """One namespace. `hook`: where its alerts are sent, if anywhere."""

    namespace: str
    engine: str
    aws: str
    queue: str
    folder: Path
    hook: Hook | None = None
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self.file.write_text(yaml.safe_dump(self._content()), encoding="utf-8")
        self.file.chmod(0o600)

    @property
    def file(self) -> Path:
        return self.folder / f"{self.namespace}.yaml"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def _content(self) -> dict[str, Any]:
        """Short times where the defaults would outlast the run."""
        content: dict[str, Any] = {
            "namespace": self.namespace,
            "home": str(self.folder / "home"),
            "cluster": {"hosts": [self.engine], "timeout": 30},
            "aws": {"endpoint_url": self.aws},
            "retention": {"warm_after": KEEP_DAYS - 2, "days": KEEP_DAYS},
            "run": {
                "log": "json",
                "visibility_seconds": 60,
                "sources": [
                    {"queue": self.queue},
                    {"poll": f"s3://{BUCKET}/", "every": _POLL_SECONDS, "since": "2020-01-01"},
                ],
            },
        }
        if self.hook is not None:
            channel = {"name": CHANNEL, "kind": "webhook", "url": self.hook.url, "secret": SECRET}
            content["notify"] = {"max_age_hours": _AGE_HOURS, "channels": [channel]}
        return content

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "AWS_ACCESS_KEY_ID": "chaos",
            "AWS_SECRET_ACCESS_KEY": f"{MARK}-of-aws",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "BENCH_CHAOS": self.namespace,
        }

    def start(self, name: str, *arguments: str) -> Process:
        """A command in a process group of its own."""
        with self._lock:
            self._number += 1
            stem = self.logs / f"{self._number:04d}-{name}"
        command = [sys.executable, "-m", "trailhound", *arguments, "--config", str(self.file)]
        with Path(f"{stem}.out").open("wb") as out, Path(f"{stem}.err").open("wb") as errors:
            process = subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )
        return Process(process, stem)

    def run(self, name: str, *arguments: str) -> Process:
        """A command, to its end."""
        started = self.start(name, *arguments)
        started.process.wait(_COMMAND_SECONDS)
        return started

    def left(self) -> list[str]:
        """Processes of this namespace that run."""
        mark, found = f"BENCH_CHAOS={self.namespace}\0".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (folder / "environ").read_bytes() + b"\0":
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
        return found


def readiness(port: int) -> tuple[int, str]:
    """The status of a daemon's `/readyz`, 0 where nobody answers, and its reasons."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as reply:
            status, body = reply.status, reply.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    except OSError:
        return 0, ""
    return status, " | ".join(json.loads(body).get("reasons", ()))
