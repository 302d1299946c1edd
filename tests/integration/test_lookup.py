"""`trailhound backfill lookup://`: the event history, and the same events coming by a trail."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import mean
from types import SimpleNamespace
from typing import Any

import pytest
from moto.sts.models import sts_backends

from ingest.lookup import lane
from ingest.lookup.windows import LENGTH, LookupWindow
from ingest.objects import Selection
from ingest.sources import lookup
from ingest.sources.lookup import LookupSource
from tests.helpers.commands import command
from tests.helpers.event_history import EventHistory
from tests.helpers.local_servers import answering
from tests.helpers.processes import LONGEST, start
from tests.helpers.trails import (
    backfill,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.backoff import Backoff
from trailhound.errors import (
    NotCloudTrailError,
    ObjectUnreadableError,
    SourceUnreachableError,
    UsageError,
)
from trailhound.settings import Settings

OWN = "123456789012"
NOW = datetime.now(UTC)


@pytest.fixture
def history(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventHistory]:
    """An event history without a quota, in two regions; STS and EC2 are moto's."""
    server = EventHistory()
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", server.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_EC2", s3_endpoint)
    monkeypatch.setattr(lane, "_SPACING", 0.0)
    monkeypatch.setattr(lane, "_BACKOFF", Backoff(0.01, 0.01))
    with answering(server):
        yield server


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


def event(hours_ago: float = 30, **changes: Any) -> dict[str, Any]:
    moment = NOW - timedelta(hours=hours_ago)
    made = record(eventTime=f"{moment:%Y-%m-%dT%H:%M:%SZ}", readOnly=False, recipientAccountId=OWN)
    return made | changes


def ran(
    settings: Settings, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None
) -> dict[str, Any]:
    done = command(settings, "backfill", *arguments, "--json", env=env or {})
    assert done.exit_code == code, f"{done.output} {done.exception}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def counts(found: dict[str, Any]) -> tuple[int, int, int]:
    return found["read"], found["indexed"], found["duplicates"]


SINCE = f"{NOW - timedelta(days=2):%Y-%m-%d}"


def test_writes_come_first_and_the_newest_of_them(
    settings: Settings, history: EventHistory
) -> None:
    writes = [event(hours) for hours in (1, 1, 30, 30)]
    reads = [event(hours, eventName="GetUser", readOnly=True) for hours in (2, 31)]
    unsaid = [{k: v for k, v in event(30).items() if k != "readOnly"}]
    many = [event(29, eventName="ListUsers", readOnly=True) for _ in range(120)]
    history.add(*writes, *reads, *unsaid, *many)
    history.add(event(1, awsRegion="eu-west-1"))
    found = ran(settings, "lookup://us-east-1,eu-west-1", "--since", SINCE)
    everything = len(writes) + len(reads) + len(unsaid) + len(many) + 1
    assert counts(found) == (everything + 5, everything, 5)  # writes come twice: once as writes
    assert len(documents(prepared(settings), settings)) == everything
    # Several requests are under way at once, so that one of all may be asked before one of writes.
    places: dict[bool, list[int]] = {True: [], False: []}
    for place, (_, _, request) in enumerate(history.asked[2:]):
        places["LookupAttributes" in request].append(place)
    assert mean(places[True]) < mean(places[False])
    of_writes = [each["EndTime"] for _, _, each in history.asked if each.get("LookupAttributes")]
    under_way = settings.ingest.prefetch_threads  # of which any may be asked first
    assert max(of_writes[:under_way]) > NOW.timestamp() - 60

    asked = len(history.asked)
    again = ran(settings, "lookup://us-east-1,eu-west-1", "--since", SINCE)
    assert again["skipped_objects"] > 0.5 * found["objects"]
    assert again["indexed"] == 0
    assert len(history.asked) - asked < asked / 2
    entries = {entry["uri"] for entry in ledger(prepared(settings), settings)}
    assert all(uri.startswith(f"lookup://{OWN}/CloudTrail/") for uri in entries)


def test_all_regions_ninety_days_and_what_it_takes(
    settings: Settings, history: EventHistory
) -> None:
    old = [event(24 * days) for days in (1, 40, 89, 95)]
    history.add(*old)
    everywhere = ran(settings, "lookup://", "--dry-run", "--since", "1d")["event_history"]
    assert everywhere["lanes"] > 10
    plan = ran(settings, "lookup://us-east-1", "--dry-run")
    assert plan["objects"] == plan["event_history"]["windows"] > 2 * 4 * 89
    assert plan["event_history"]["seconds"] == plan["estimate"]["seconds"] > 300
    said = command(settings, "backfill", "lookup://us-east-1", "--dry-run", "--since", "2020-01-01")
    assert "estimated time:" in said.stdout
    assert "the event history has 90 days" in said.stderr
    found = ran(settings, "lookup://us-east-1", "--until", "85d")
    assert counts(found) == (2, 1, 1)


def test_the_oldest_windows_are_read_as_far_as_the_history_has_them_when_their_turn_comes(
    settings: Settings, history: EventHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read last, which may be hours after the run began."""
    now = datetime.now(UTC)
    edge = now - timedelta(days=90)
    source = LookupSource("lookup://us-east-1", settings)
    list(source.objects(Selection()))
    there, gone = edge + timedelta(hours=0.5), edge - timedelta(hours=0.1)
    history.add(*(event(eventTime=f"{each:%Y-%m-%dT%H:%M:%SZ}") for each in (there, gone)))
    window = LookupWindow(OWN, "us-east-1", edge - timedelta(hours=1), "all")
    # The start that is asked for first is too old once the request arrives.
    moments = iter([now, now - timedelta(hours=1)])
    clock = SimpleNamespace(now=lambda _: next(moments, now))
    for module in (lookup, lane):
        monkeypatch.setattr(module, "datetime", clock)
    with source.open(window.item(now)) as found:
        assert len(json.load(found)["Events"]) == 1
    assert len(history.asked) == 3
    history.faults = ["InvalidTimeRangeException"]
    with pytest.raises(ObjectUnreadableError, match="InvalidTimeRange"):
        source.open(LookupWindow(OWN, "us-east-1", now - 2 * LENGTH, "all").item(now))
    past = LookupWindow(OWN, "us-east-1", edge - 2 * LENGTH, "all")
    with pytest.raises(NotCloudTrailError, match="past the 90 days"):
        source.open(past.item(now))


def test_throttling_and_expired_tokens_cost_time_and_no_event(
    settings: Settings, history: EventHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    same_second = [event(30) for _ in range(30)]
    history.add(*same_second, *(event(30 + n / 3600) for n in range(200)))
    history.token_uses = 1
    history.faults = ["ThrottlingException", "InternalFailure"] * 2
    found = ran(settings, "lookup://us-east-1", "--since", SINCE)
    assert found["indexed"] == 230
    assert found["failed_objects"] == 0
    refused = ran(settings, "lookup://us-east-1", "--since", SINCE, "--limit", "1", "--force")
    assert refused["objects"] == 1
    monkeypatch.setattr(lane, "_TRIES", 2)
    history.quota = 1e-9
    history.before(0)
    failed = ran(settings, "lookup://us-east-1", "--since", SINCE, code=1)
    assert "ThrottlingException" in json.dumps(failed["failures"])


def test_a_region_that_is_denied_is_named_once_and_the_others_are_read(
    settings: Settings, history: EventHistory
) -> None:
    history.add(event())
    history.refused = {"eu-west-1": "AccessDeniedException"}
    found = ran(settings, "lookup://eu-west-1,us-east-1", "--since", SINCE, code=1)
    (failure,) = found["failures"]
    assert "eu-west-1" in failure["reason"]
    assert "cloudtrail:LookupEvents" in failure["reason"]
    assert found["indexed"] == 1
    history.refused = {"us-east-1": "ExpiredTokenException"}
    done = command(settings, "backfill", "lookup://us-east-1")
    assert isinstance(done.exception, SourceUnreachableError)
    assert "renew the credentials" in done.exception.hint
    for wrong in (["lookup://nowhere"], ["lookup://", "--workers", "2"]):
        assert isinstance(command(settings, "backfill", *wrong).exception, UsageError)


def test_accounts_by_role(settings: Settings, history: EventHistory) -> None:
    def account_of(key: str) -> str:
        for account in ("111122223333", "444455556666"):
            if sts_backends[account]["aws"].get_assumed_role_from_access_key(key):
                return account
        return OWN

    history.account_of = account_of
    for account in ("111122223333", "444455556666"):
        history.add(event(recipientAccountId=account), account=account)
    role = {"TRAILHOUND_AWS__ROLE_ARN": "arn:aws:iam::{account}:role/Reader"}
    accounts = ("--account", "111122223333", "--account", "444455556666")
    found = ran(settings, "lookup://us-east-1", "--since", SINCE, *accounts, env=role)
    assert counts(found) == (4, 2, 2)
    stored = documents(prepared(settings), settings).values()
    assert {each["recipientAccountId"] for each in stored} == {"111122223333", "444455556666"}
    assert {each["trail"]["via"] for each in stored} == {"lookup"}
    done = command(settings, "backfill", "lookup://us-east-1", env=role)
    assert isinstance(done.exception, UsageError)


def test_the_same_events_by_the_trail_are_duplicates_and_its_object_is_known(
    settings: Settings, history: EventHistory, tmp_path: Path
) -> None:
    events = [event(30) for _ in range(4)]
    history.add(*events)
    ran(settings, "lookup://us-east-1", "--since", SINCE)
    forms = [
        events[0] | {"responseElements": {"added": None}, "eventVersion": "1.11"},
        events[1] | {"tlsDetails": {"tlsVersion": "TLSv1.3"}, "managementEvent": True},
        {key: value for key, value in events[2].items() if value is not None},
    ]
    for name, value in (("eventName", "StopLogging"), ("userIdentity", {"type": "Root"})):
        forms.append(events[3] | {name: value})
    trail = write_trail(tmp_path / "trail", forms)
    report = backfill(settings, tmp_path / "trail")
    assert (report.counts.duplicates, report.counts.indexed, report.conflicts) == (3, 2, 2)
    entries = {entry["uri"]: entry for entry in ledger(prepared(settings), settings)}
    (window,) = {
        entry["uri"]
        for entry in entries.values()
        if entry["object"] in entries[str(trail)]["events_under"]
    }
    assert window.startswith(f"lookup://{OWN}/CloudTrail/us-east-1/")
    shown = command(settings, "ledger", "show", window)
    assert str(trail) in shown.stdout
    whole = command(settings, "reconcile", str(tmp_path / "trail"), "--json")
    assert (whole.exit_code, json.loads(whole.stdout)["whole"]) == (0, 1)

    # The other way round: what the trail delivered first is not indexed again.
    other = event(30)
    write_trail(tmp_path / "first", [other | {"eventVersion": "1.11", "edgeDeviceDetails": {}}])
    backfill(settings, tmp_path / "first")
    history.add(other)
    found = ran(settings, "lookup://us-east-1", "--since", SINCE, "--force")
    assert (found["indexed"], found["conflicts"]) == (0, 0)
    # Between two objects of trails only the same content is the same event.
    write_trail(tmp_path / "forged", [other | {"sourceIPAddress": "203.0.113.9"}])
    assert backfill(settings, tmp_path / "forged").conflicts == 1


def test_one_run_over_the_history_and_a_trail_has_what_is_in_both_once(
    settings: Settings, history: EventHistory, tmp_path: Path
) -> None:
    """Their documents share a request, in which only the trail's have digests."""
    events = [event(30) for _ in range(3)]
    history.add(*events)
    delivered = [each | {"eventVersion": "1.11"} for each in events]
    write_trail(tmp_path / "trail", [event(30), *delivered, event(30), delivered[0]])
    sources = ["lookup://us-east-1", str(tmp_path / "trail")]
    read, indexed, duplicates = counts(ran(settings, *sources, "--since", SINCE))
    assert (indexed, read) == (5, 5 + duplicates)
    assert len(documents(prepared(settings), settings)) == 5


def test_ctrl_c_and_resume_read_each_window_once(settings: Settings, history: EventHistory) -> None:
    history.add(*(event(hours) for hours in range(3, 45)))
    given = ("backfill", "lookup://us-east-1", "--since", SINCE, "--detect", "--json")
    process = start(settings, *given)
    ended = threading.Event()

    def interrupt(number: int) -> None:
        """At the twelfth request; that one and later ones are answered once it is heard."""
        if number == 12:
            process.send_signal(signal.SIGINT)
        while number >= 12 and b"stopping" not in process.written(1) and not ended.wait(0.02):
            pass

    history.before = interrupt
    try:
        out, _ = process.communicate(timeout=LONGEST)
    finally:
        ended.set()
    assert process.returncode == 130
    done = [e for e in ledger(prepared(settings), settings) if e["state"] == "done"]
    assert done
    # With --detect neither, no rule has looked at what was indexed before the interruption.
    days = sorted(
        each["@timestamp"][:10] for each in documents(prepared(settings), settings).values()
    )
    named = {"events": len(days), "since": days[0], "until": days[-1]}
    assert json.loads(out)["undetected"] == named
    found = ran(settings, "lookup://us-east-1", "--since", SINCE)
    # Those that may still get events are read again: up to four, by the time of day.
    assert found["skipped_objects"] >= sum(entry["etag"] == "closed" for entry in done)
    assert len(documents(prepared(settings), settings)) == 42
    assert found["undetected"]["events"] == 42, "those of the interrupted run too"
    assert found["failed_objects"] == 0
