"""What every supported engine must do alike, each in a few seconds.

Beside it run on each engine: repair (`test_repair.py`), 409 (`test_backfill.py`), every modifier of
rules against the matcher (`test_backend_laws.py`), correlations (`test_correlations.py`), dead
letters and retention (`test_products.py`).
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from detections.alerts.recorder import Recorder
from detections.alerts.store import AlertQuery, AlertStore
from detections.events.index import EventIndex
from tests.helpers.commands import command
from tests.helpers.daemons import running
from tests.helpers.event_store import event_store
from tests.helpers.findings import ADA, put_events, rule, single
from tests.helpers.hand_feed import HandFeed
from tests.helpers.queues import until
from tests.helpers.trails import backfill, documents, own_settings, prepared, record, write_trail
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.report.collect.compose import compose
from trailhound.report.collect.query import ReportWindow
from trailhound.sample import SampleSpec, write_sample
from trailhound.settings import Settings
from trailhound.state.leases import Lease

EVENTS = 1_500
FOUND: dict[str, Any] = {}
"""What the first engine of the session found in the sample; all others must find the same."""


@pytest.fixture
def settings(each_engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(each_engine, namespace, tmp_path / "home", ingest={"batch_seconds": 0.2})


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "trail"
    write_sample(folder, SampleSpec(events=EVENTS, days=2))
    return folder


def test_the_same_trail_gives_the_same_alerts_and_report(settings: Settings, sample: Path) -> None:
    """Every shipped rule, correlation and baseline; ids, counts and levels of their alerts."""
    client = prepared(settings)
    assert backfill(settings, sample).counts.indexed >= EVENTS
    detected = command(settings, "detect")
    assert detected.exit_code == 0, detected.output
    alerts = AlertStore(client, settings).find(AlertQuery())
    kinds = {each["rule"]["kind"] for each in alerts}
    assert {"sigma", "correlation"} < kinds, "baselines too"
    report = compose(client, settings, ReportWindow())
    found = {
        "alerts": {each["id"]: (each["count"], each["level"], each["entity"]) for each in alerts},
        "totals": asdict(report.totals),
    }
    assert len(found["alerts"]) == len(alerts)
    assert FOUND.setdefault("sample", found) == found


def test_pages_are_of_one_point_in_time(each_engine: str, tmp_path: Path) -> None:
    with event_store(each_engine, tmp_path) as store:
        mark = store.mark()
        made = [{"id": f"e{n}", "time": n * 40_000, "fields": {}} for n in range(9)]
        store.add(mark, made[:7])
        index = EventIndex(store.client, store.index, hits_page=2)
        query = {"term": {"recipientAccountId": mark}}
        with index.snapshot() as snapshot:
            pages = snapshot.hits(query, {"_source": False})
            first = next(pages)
            store.add(mark, made[7:])
            ids = [first["_id"], *(each["_id"] for each in pages)]
        assert ids == [f"{mark}-e{n}" for n in range(7)]
        assert len(list(index.documents(query, refresh=True))) == 9


def test_one_holds_the_lease_and_another_follows(settings: Settings) -> None:
    prepared(settings)
    ledger = templates.Names(settings.prefix).ledger
    leases = [
        Lease(connect(settings), ledger, "x", owner=f"owner-{n}", seconds=9) for n in range(2)
    ]
    for each in leases:
        each.start()
    try:
        until(lambda: any(each.held for each in leases), "a holder")
        (holder,) = [each for each in leases if each.held]
        (other,) = [each for each in leases if each is not holder]
        before = holder.term
        holder.stop()
        until(lambda: other.held, "the other to hold it")
        assert other.term > before
        assert not holder.held
    finally:
        for each in leases:
            each.stop()


def test_findings_are_alerts_once_and_change_state(settings: Settings) -> None:
    client = prepared(settings)
    plain, grouped = (
        rule(),
        rule("grouped", group_by=("userIdentity.arn",), suppress=timedelta(seconds=60)),
    )
    put_events(client, settings, range(5))
    recorder = Recorder(client, settings, {each.id: each for each in (plain, grouped)})
    findings = [single(plain.id, 1), *(single(grouped.id, second, ADA) for second in range(5))]
    made, again = recorder.record(findings), recorder.record(findings)
    assert (len(made.created), again.created, again.updated) == (2, set(), set())
    store = AlertStore(client, settings)
    assert sorted(each["count"] for each in store.find(AlertQuery())) == [1, 5]
    (first,) = store.find(AlertQuery(rule=grouped.id))
    assert first["entity"]["principal"] == ["ada"]


def test_a_daemon_indexes_what_it_is_told_of_once(settings: Settings, tmp_path: Path) -> None:
    client = prepared(settings)
    feed = HandFeed()
    files = [write_trail(tmp_path, [record(), record()], f"{n:03}") for n in range(5)]
    with running(settings, feed) as daemon:
        for path in files:
            assert feed.bring(path)
        assert feed.await_outcomes(5) == {"DONE": 5}
        assert feed.bring(files[3])
        assert feed.await_outcomes(6) == {"DONE": 5, "SKIPPED": 1}
        assert daemon.status().counts.indexed == 10
    assert len(documents(client, settings)) == 10
