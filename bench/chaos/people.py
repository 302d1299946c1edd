"""What people and their scripts do meanwhile: backfills, detect, repairs, triage, looks."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bench.chaos.installation import KEEP_DAYS, Installation, Process, Timeline
from bench.following import BUCKET

SOURCE: Final = f"s3://{BUCKET}/"
_TRAIL: Final = f"{SOURCE}AWSLogs/"
_CODES: Final = (0, 1, 3)
"""Exit codes that a command may have: the engine or AWS may be away, files are broken."""
_ENDINGS: Final = ("KILL", "KILL", "TERM", "INT", "INT INT", "TERM TERM")
_HUNG_SECONDS: Final = 1_200.0


@dataclass
class People:
    """Each works until `over`, by dice of its own. `places`: (account, region) of the trail;
    `triaged`: ids of the alerts that the analyst changed; `faults`: what must not happen."""

    installation: Installation
    tell: Timeline
    seed: int
    queue: str
    places: list[tuple[str, str]]
    over: threading.Event = field(default_factory=threading.Event)
    triaged: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def all(self) -> list[Callable[[], None]]:
        """The work of each; there are two who backfill."""
        return [
            lambda: self.backfill("backfill-1"),
            lambda: self.backfill("backfill-2"),
            self.detect,
            self.repair,
            self.triage,
            self.watch,
        ]

    def backfill(self, name: str) -> None:
        """One after the other, over prefixes and days that overlap."""
        dice = self._dice(name)
        while not self.over.is_set():
            arguments = [*self._selection(dice), *self._options(dice)]
            self._run(name, "backfill", *arguments, "--json", dice=dice, risk=0.4, within=40)
            self.over.wait(dice.uniform(0.5, 6))

    def _selection(self, dice: random.Random) -> list[str]:
        account, region = dice.choice(self.places)
        today = datetime.now(UTC).date()
        days = [(today - timedelta(days=back)).isoformat() for back in range(KEEP_DAYS + 2)]
        since, until = sorted(dice.sample(days, 2))
        return dice.choice(
            [
                [SOURCE],
                [f"{_TRAIL}{account}/"],
                [f"{_TRAIL}{account}/CloudTrail/{region}/"],
                [SOURCE, "--since", since, "--until", until],
                [SOURCE, "--account", account],
                [_TRAIL, f"{_TRAIL}{account}/"],
            ]
        )

    def _options(self, dice: random.Random) -> list[str]:
        if dice.random() < 0.05:
            return ["--enqueue", self.queue]
        options = ["--force"] if dice.random() < 0.2 else []
        options += ["--limit", str(dice.randint(3, 60))] if dice.random() < 0.3 else []
        options += ["--workers", "2"] if dice.random() < 0.25 else []
        return options + (["--detect"] if dice.random() < 0.1 else [])

    def detect(self) -> None:
        """Over all of history, or its last days."""
        dice = self._dice("detect")
        while not self.over.wait(dice.uniform(5, 40)):
            since = ["--since", f"{dice.randint(1, KEEP_DAYS)}d"] if dice.random() < 0.6 else []
            self._run("detect", "detect", *since, "--json", dice=dice, risk=0.35, within=60)

    def repair(self) -> None:
        """`retry-deadletters` and `reconcile`, with and without what they may change."""
        dice = self._dice("repair")
        while not self.over.wait(dice.uniform(20, 70)):
            retry = ["retry-deadletters"], "--reopen", 8.0
            reconcile = ["reconcile", SOURCE], "--repair", 40.0
            arguments, option, within = dice.choices((retry, reconcile), (60, 40))[0]
            options = [option] if dice.random() < 0.6 else []
            command = [*arguments, *options, "--json"]
            self._run(arguments[0], *command, dice=dice, risk=0.3, within=within)

    def triage(self) -> None:
        """An analyst who closes, reopens, takes and assigns alerts and incidents."""
        dice = self._dice("triage")
        while not self.over.wait(dice.uniform(10, 30)):
            listed = self._run("list", "alerts", "list", "--state", "all", "--all", "--json")
            found: list[dict[str, Any]] = _json(listed).get("alerts", [])
            for alert in dice.sample(found, min(len(found), 2)):
                self._decide(dice, alert)

    def _decide(self, dice: random.Random, alert: dict[str, Any]) -> None:
        what, name = dice.choice(("alerts", "alerts", "incidents")), alert["id"]
        arguments = [what, "reopen", name, "--note", "it went on"]
        if alert["state"] != "closed":
            disposition = dice.choice(("benign", "true-positive", "false-positive"))
            close = [what, "close", name, "--as", disposition]
            others = [[what, "ack", name], [what, "assign", name, "--to", "ada"]]
            arguments = dice.choice([close, close, *others])
        self.triaged.add(name)
        self._run("-".join(arguments[:2]), *arguments, "--json", dice=dice, risk=0.1, within=3)

    def watch(self) -> None:
        """`status`, `doctor` and `incidents list`, which always print an object."""
        dice = self._dice("watch")
        while not self.over.wait(dice.uniform(15, 40)):
            name = dice.choice(("status", "doctor", "incidents"))
            arguments = ["list", "--state", "all"] if name == "incidents" else []
            found = _json(self._run(name, name, *arguments, "--json"))
            if not found:
                self.faults.append(f"{name} printed no object")
            elif name == "status":
                self.tell(f"status: ready {found.get('ready')}, {found.get('reasons')}")

    def _dice(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}-{name}")

    def _run(
        self,
        name: str,
        *arguments: str,
        dice: random.Random | None = None,
        risk: float = 0.0,
        within: float = 0.0,
    ) -> Process:
        """A command; with `risk` it is ended `within` so many seconds."""
        started, how = self.installation.start(name, *arguments), ""
        if dice is not None and dice.random() < risk:
            how, moment = dice.choice(_ENDINGS), dice.uniform(0.3, within)
            try:
                started.process.wait(moment)
                how = ""
            except subprocess.TimeoutExpired:
                started.hit(how)
        try:
            code = started.process.wait(_HUNG_SECONDS)
        except subprocess.TimeoutExpired:
            started.hit("KILL")
            code = started.process.wait()
            self.faults.append(f"{started.name} hung")
        self.tell(f"{started.name} {' '.join(arguments)}: {code} {how}".rstrip())
        if not how and code not in _CODES:
            self.faults.append(f"{started.name} ended with {code}: {' '.join(arguments)}")
        return started


def _json(process: Process) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(process.out)
    except ValueError:
        return {}
    return found
