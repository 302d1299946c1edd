"""Events of backfills that did not end: the next one and `status` name them until rules ran."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.deadletters.store import DeadLetter
from ingest.ledger.worker import Worker
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from tests.faults.proxy import Fault, Hold, Proxy, Request
from tests.helpers import last_release as old
from tests.helpers.commands import command
from tests.helpers.detection_rules import write_rules
from tests.helpers.installation import stamp
from tests.helpers.processes import LONGEST, Started, start
from tests.helpers.queues import PATIENCE, until
from tests.helpers.schemas import require_listing
from tests.helpers.trails import documents, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings
from trailhound.state.backfills import RETRY, BackfillState
from trailhound.state.daemons import Daemons, DaemonState
from trailhound.state.jobs import Jobs, JobState
from trailhound.state.store import StateStore

EVENTS = 1_200
SMALL = {"batch_bytes": 64 * 1024, "in_flight": 1}
"""As in `stopped_at`: some twenty requests for the events of `long_trail`."""
DAYS = ["--since", "2025-03-01", "--until", "2025-03-02"]
NAMED = f"`trailhound detect {' '.join(DAYS)}`"
WHY = "which the schedule does not cover: run"
NO_RULES = {"TRAILHOUND_DETECTIONS__SHIPPED": "false"}


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home", detections={"shipped": False})
    prepared(made)
    return made


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """A file with an event of each of two days."""
    made = tmp_path / "trail"
    write_trail(made, [record(eventTime=f"2025-03-0{day}T10:00:00Z") for day in (1, 2)])
    return made


@pytest.fixture
def long_trail(tmp_path: Path) -> Path:
    """Sixty files with twenty events each, of nine days."""
    made = tmp_path / "long"
    for number in range(60):
        times = [f"2025-03-{1 + number % 9:02}T12:00:{each:02}Z" for each in range(20)]
        write_trail(made, [record(eventTime=each) for each in times], f"{number:02}")
    return made


def ended(process: Started) -> tuple[int, str]:
    """The exit code of a process that got a signal, and what it wrote to stderr."""
    try:
        _, err = process.communicate(timeout=LONGEST)
    finally:
        process.kill()
    return process.returncode, " ".join(err.decode().split())


def stopped_at(
    when: Callable[[Request], bool],
    settings: Settings,
    trail: Path,
    how: signal.Signals = signal.SIGKILL,
    arguments: Sequence[str] = ("backfill",),
) -> tuple[int, str]:
    """A backfill, or another command, that gets a signal at a request, whose answer never comes."""
    waits, go = threading.Event(), threading.Event()

    def hold(request: Request) -> Fault | None:
        if not when(request):
            return None
        waits.set()
        return Hold(go)

    with Proxy(settings.hosts[0], hold) as proxy:
        own = own_settings(proxy.url, settings.namespace, settings.home)
        env = {f"TRAILHOUND_INGEST__{name.upper()}": str(value) for name, value in SMALL.items()}
        env["TRAILHOUND_CLUSTER__TIMEOUT"] = "300"
        process = start(own, *arguments, *([] if arguments == (RETRY,) else [trail]), env=env)
        try:
            until(lambda: waits.is_set() or process.poll() is not None, "the request")
            process.send_signal(how)
            return ended(process)
        finally:
            go.set()


def in_the_middle(request: Request) -> bool:
    """Some of the events of `long_trail` are indexed."""
    return request.number >= 4


def at_its_end(request: Request) -> bool:
    """All events are indexed, and it asks which of them no rule has looked at."""
    return "_search" in request.path and b"event.ingested" in request.body


def backfilled(settings: Settings, trail: Path, *flags: str, **env: str) -> Any:
    done = command(settings, "backfill", str(trail), "--json", *flags, env=env)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def resumed(settings: Settings, trail: Path) -> Any:
    """A backfill that indexes the rest of `long_trail`, of which some was indexed before."""
    found = backfilled(settings, trail)
    assert 0 < found["indexed"] < EVENTS
    assert len(documents(connect(settings), settings)) == EVENTS
    return found


def status(settings: Settings) -> Any:
    found = json.loads(command(settings, "status", "--json").stdout)
    require_listing(found, "status")
    return found


def notes(settings: Settings) -> StateStore[BackfillState]:
    return StateStore(connect(settings), settings, BackfillState)


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_what_a_backfill_cannot_say_at_its_end_the_next_one_says(
    how: signal.Signals, code: int, settings: Settings, trail: Path
) -> None:
    ended_with, err = stopped_at(at_its_end, settings, trail, how)
    assert ended_with == code, err
    if how != signal.SIGKILL:
        assert f"rules have not looked at the events that were indexed until now: run {NAMED}" in (
            err
        )
    left = status(settings)["unfinished_backfills"]
    (backfill,) = left.pop("backfills")
    assert (backfill["host"], left) == (
        Worker.this().host,
        {"events": 2, "since": "2025-03-01", "until": "2025-03-02"},
    )
    shown = " ".join(command(settings, "status").stdout.split())
    assert "backfill 1 did not end: interrupted, killed, or stopped by an error (began " in shown
    assert (
        "rules have not looked at 2 events: to resume, run the same backfill again; for the "
        f"events, run {NAMED}"
    ) in shown
    checks = json.loads(command(settings, "doctor", "--json").stdout)["findings"]
    assert [each["verdict"] for each in checks if each["what"] == "unfinished backfills"] == [
        "warning"
    ]
    said = [" ".join(command(settings, "backfill", str(trail)).stdout.split()) for _ in range(2)]
    assert (
        "rules have not looked at 2 events of those indexed during 1 run that did not end (it "
        "began "
    ) in said[0]
    assert f"UTC): run {NAMED}" in said[0]
    assert "rules have not looked" not in said[1], "a run that ended has said it"
    after = status(settings)
    assert (after["unfinished_backfills"], after["late_events"]["events"]) == (None, 2)
    shown = " ".join(command(settings, "status").stdout.split())
    assert (
        f"late no rule has looked at 2 events of 2025-03-01 to 2025-03-02, {WHY} {NAMED}" in shown
    )
    assert command(settings, *shlex.split(NAMED.strip("`"))[1:], env=NO_RULES).exit_code == 0
    assert status(settings)["late_events"] is None


def test_a_run_that_resumes_killed_ones_names_the_events_of_all(
    settings: Settings, long_trail: Path
) -> None:
    stopped_at(in_the_middle, settings, long_trail)
    stopped_at(lambda request: request.of_events, settings, long_trail)  # with none of its own in
    found = resumed(settings, long_trail)
    assert found["undetected"] == {"events": EVENTS, "since": "2025-03-01", "until": "2025-03-09"}
    # One that resumes nothing names only its own.
    write_trail(long_trail, [record()], "later")
    assert backfilled(settings, long_trail)["undetected"]["events"] == 1


def test_what_rules_have_looked_at_meanwhile_is_not_named(
    settings: Settings, long_trail: Path
) -> None:
    """Although the next run takes over objects of the one that was killed."""
    stopped_at(in_the_middle, settings, long_trail)
    for first, left in (("2025-03-09", 1), ("2025-03-01", 0)):
        assert command(settings, "detect", "--since", first, env=NO_RULES).exit_code == 0
        named = status(settings)["unfinished_backfills"]
        assert (0 if named is None else len(named["backfills"])) == left
    found = resumed(settings, long_trail)
    assert found["undetected"]["events"] == found["indexed"]


def test_what_a_killed_daemon_ingested_is_not_named(
    settings: Settings, long_trail: Path, tmp_path: Path
) -> None:
    """Scheduled rules look at it, although a backfill takes over the daemon's objects."""
    waits, go = threading.Event(), threading.Event()

    def hold(request: Request) -> Fault | None:
        if not in_the_middle(request):
            return None
        waits.set()
        return Hold(go)

    file = tmp_path / "trailhound.yaml"
    source = {"sources": [{"watch": str(long_trail), "every": 0.3}], "listen": None}
    file.write_text(yaml.safe_dump({"run": source, "ingest": SMALL}))
    with Proxy(settings.hosts[0], hold) as proxy:
        own = own_settings(proxy.url, settings.namespace, settings.home)
        env = {"TRAILHOUND_CLUSTER__TIMEOUT": "300"}
        daemon = start(own, "run", "--config", file, env=env)
        try:
            until(lambda: waits.is_set() or daemon.poll() is not None, "some events")
            daemon.kill()
            ended(daemon)
        finally:
            go.set()
    assert status(settings)["unfinished_backfills"] is None
    found = resumed(settings, long_trail)
    assert found["undetected"]["events"] == found["indexed"]


def test_a_backfill_that_detects_searches_what_one_before_left(
    settings: Settings, tmp_path: Path
) -> None:
    calls = [record(errorCode="AccessDenied", eventTime="2025-03-01T10:00:00Z") for _ in range(6)]
    write_trail(tmp_path / "denied", calls)
    stopped_at(at_its_end, settings, tmp_path / "denied")
    rules = {"TRAILHOUND_DETECTIONS__RULES": json.dumps([str(write_rules(tmp_path / "rules"))])}
    found = backfilled(settings, tmp_path / "denied", "--detect", **NO_RULES, **rules)
    assert (found["indexed"], found["undetected"]) == (0, None)
    assert found["alerts"] == 1
    assert list(notes(settings).all()) == []


@pytest.mark.parametrize("arguments", [(RETRY,), ("reconcile", "--repair")])
def test_a_retry_or_a_repair_that_is_killed_is_named_and_its_events_are_late(
    arguments: tuple[str, ...], settings: Settings, trail: Path
) -> None:
    client, of_trail = connect(settings), [] if arguments == (RETRY,) else [str(trail)]
    if arguments == (RETRY,):
        for day in (1, 2):
            owner = ObjectProgress(TrailObject("gone", "etag", 1), lambda _: None)
            raw = json.dumps(record(eventTime=f"2025-03-0{day}T10:00:00Z")).encode()
            letter = DeadLetter(owner, day, raw, "refused", "it was refused")
            document = letter.document(datetime.now(UTC))
            client.index(index=Names(settings.prefix).deadletter, id=letter.id, body=document)
    stopped_at(_counts_late, settings, trail, arguments=arguments)
    left = status(settings)["unfinished_backfills"]
    assert [each["command"] for each in left.pop("backfills")] == [" ".join(arguments)]
    assert left == {"events": 2, "since": "2025-03-01", "until": "2025-03-02"}
    shown = " ".join(command(settings, "status").stdout.split())
    assert "commands 1 did not end: interrupted, killed, or stopped by an error (began " in shown
    assert f" by {' '.join(arguments)}); rules have not looked at 2 events: to resume" in shown

    def again() -> Any:
        done = command(settings, *arguments, *of_trail, "--json")
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        return (found if arguments == (RETRY,) else found["repaired"] or {}).get("late_events")

    assert again() == left
    assert (again(), list(notes(settings).all())) == (None, [])
    found = status(settings)
    assert (found["unfinished_backfills"], found["late_events"]) == (None, left)


def _counts_late(request: Request) -> bool:
    """All events are indexed, and it records those that are too late for the rules."""
    return "late-events-" in request.path or b"late-events-" in request.body


def left_by(settings: Settings, *notes_of: BackfillState) -> None:
    notes(settings).write(notes_of)


def test_a_backfill_that_runs_is_not_named_by_another(settings: Settings, trail: Path) -> None:
    """It runs while it renews its note: the number of a process that ended may be another's now,
    and those of another machine mean nothing here."""
    now, here = datetime.now(UTC), Worker.this()
    later = now + timedelta(minutes=30)  # however long the commands take
    long_ago = now - timedelta(seconds=settings.ingest.claim_seconds)
    this: dict[str, Any] = {"host": here.host, "boot": here.boot}
    left_by(
        settings,
        BackfillState(id="runs", began=now, heartbeat=later, pid=here.pid, **this),
        BackfillState(id="runs elsewhere", began=now, heartbeat=later, host="another", pid=1),
        BackfillState(id="ended", began=now, heartbeat=now, pid=4_000_000, **this),
        BackfillState(id="silent", began=now, heartbeat=long_ago, pid=here.pid, **this),
        BackfillState(id="silent elsewhere", began=now, heartbeat=long_ago, host="another", pid=1),
        BackfillState(id="of an earlier form", began=long_ago, host="another", pid=1),
    )
    named = status(settings)["unfinished_backfills"]
    pids = [each["pid"] for each in named["backfills"]]
    assert sorted(pids) == sorted([1, 1, 4_000_000, here.pid])
    assert (named["events"], named["since"], named["until"]) == (0, None, None)
    shown = " ".join(command(settings, "status").stdout.split())
    assert ", and 1 more); no event is left that rules have not looked at: to resume" in shown
    done = command(settings, "backfill", str(trail))
    assert "and of those indexed during 4 runs that did not end (the first" in (
        " ".join(done.stdout.split())
    )
    assert {each.id for each in notes(settings).all()} == {"runs", "runs elsewhere"}


def test_a_note_is_renewed_until_the_backfill_ends(settings: Settings, trail: Path) -> None:
    """So a long one is not taken for one that was killed, whatever else it waits for."""
    waits, go = threading.Event(), threading.Event()

    def hold(request: Request) -> Fault | None:
        if not request.of_events:
            return None
        waits.set()
        return Hold(go)

    def renewed() -> bool:
        (note,) = notes(settings).all()
        return note.heartbeat is not None and note.heartbeat > note.began + timedelta(seconds=2)

    with Proxy(settings.hosts[0], hold) as proxy:
        own = own_settings(proxy.url, settings.namespace, settings.home)
        process = start(own, "backfill", trail, env={"TRAILHOUND_INGEST__CLAIM_SECONDS": "1"})
        try:
            assert waits.wait(PATIENCE), ended(process)
            until(renewed, "a renewal")
        finally:
            go.set()
        code, err = ended(process)
    assert code == 0, err
    assert list(notes(settings).all()) == []


def test_what_is_late_is_so_at_the_time_when_it_was_ingested(
    settings: Settings, tmp_path: Path
) -> None:
    """Also at the end of a backfill of hours: rules cover 24 hours before an event is ingested."""
    client, now = connect(settings), datetime.now(UTC)
    later = now + timedelta(minutes=30)  # however long the backfills take
    Daemons(client, settings).write(DaemonState(id="d", heartbeat=later))
    Jobs(client, settings).write(JobState(name="detections", last_success=now.isoformat()))
    late, covered = (stamp(now - timedelta(hours=each)) for each in (25, 23))
    write_trail(tmp_path / "trail", [record(eventTime=each) for each in (late, covered)])
    backfilled(settings, tmp_path / "trail")
    last = datetime.now(UTC) - timedelta(seconds=settings.ingest.claim_seconds)
    left_by(settings, BackfillState(id="a", began=now - timedelta(hours=9), heartbeat=last))
    assert backfilled(settings, tmp_path / "trail")["undetected"]["events"] == 1


def test_a_backfill_of_the_last_release_is_named_after_the_upgrade(
    settings: Settings, trail: Path, tmp_path: Path
) -> None:
    """One that was killed: it left claims, and no note. Those of a daemon are not meant."""
    client, before = connect(settings), datetime.now(UTC) - timedelta(hours=1)
    silent = timedelta(seconds=settings.ingest.claim_seconds)
    command(settings, "backfill", str(trail))
    index = Names(settings.prefix).ledger
    client.indices.delete(index=index)
    old.make_ledger(client, settings)
    claimed = {"state": "claimed", "finished_at": None}
    times = [(before + timedelta(minutes=each)).isoformat() for each in (3, 0, 1)]
    old.store(
        client,
        index,
        [
            old.object_entry(1, **claimed, worker="w1", claimed_at=times[0]),
            old.object_entry(2, **claimed, worker="w1", claimed_at=times[1]),
            old.object_entry(3, **claimed, worker="of a daemon", claimed_at=times[2]),
            old.worker("w1", datetime.now(UTC) - silent, host="m"),
            old.worker("of a daemon", before),
            old.daemon("d", before),
        ],
    )
    said = " ".join(command(settings, "init").stdout.split())
    assert "1 backfill of the last release did not end: the next one names" in said
    assert "did not end" not in command(settings, "init").stdout
    (note,) = notes(settings).all()
    assert (note.id, note.began.isoformat(), note.host) == ("w1", times[1], "m")
    write_trail(tmp_path / "next", [record(eventTime="2025-03-02T10:00:00Z")])
    assert backfilled(settings, tmp_path / "next")["undetected"] == {
        "events": 3,
        "since": "2025-03-01",
        "until": "2025-03-02",
    }
    assert backfilled(settings, tmp_path / "next")["undetected"] is None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_never_began_to_read_leaves_no_note(
    settings: Settings, trail: Path, s3_endpoint: str, workers: str
) -> None:
    """Of a bucket that does not exist, one that no login reaches, a folder below a file, and a
    mistyped bucket beside a folder; a run that has read something leaves its note (of several
    workers, the first that fails may end the others before they read)."""
    endpoint = {"TRAILHOUND_AWS__ENDPOINT_URL": s3_endpoint}
    no_login = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for source, env in (
        ("s3://trailhound-nobucket/", endpoint),
        ("s3://trailhound-nobucket/", endpoint | no_login),
        (str(trail / "a.json.gz" / "x"), {}),
    ):
        failed = command(settings, "backfill", source, "--workers", workers, env=env)
        assert failed.exit_code != 0, failed.output
        assert list(notes(settings).all()) == [], failed.output
    if workers != "1":
        return
    both = (str(trail), "s3://trailhound-nobucket/")
    half = command(settings, "backfill", *both, "--workers", workers, env=endpoint)
    assert half.exit_code != 0, half.output
    assert len(list(notes(settings).all())) == 1
