"""The daemon's service, without a cluster: what becomes of the settings that it takes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from enrich.enricher import Enricher
from tests.helpers.queues import PATIENCE
from tests.helpers.trails import own_settings
from trailhound.app.daemon.scheduled_jobs import ScheduledJobs
from trailhound.app.daemon.service import Service
from trailhound.app.enrichment import LoadedEnricher
from trailhound.errors import SettingsError
from trailhound.settings import Settings


def test_two_signals_at_once_leave_what_the_second_one_read(tmp_path: Path) -> None:
    """The first reload is slow; the second one reads a file that is refused."""
    settings = own_settings(
        "http://127.0.0.1:1",
        "x",
        tmp_path,
        run={"sources": [{"watch": str(tmp_path)}], "listen": None},
    )
    loaded = LoadedEnricher(Enricher())
    reading, written, second = threading.Event(), threading.Event(), threading.Event()

    def load() -> tuple[Settings, LoadedEnricher]:
        if not reading.is_set():
            reading.set()
            assert written.wait(PATIENCE)
            return settings, loaded
        second.set()
        raise SettingsError("filter: not a list")

    service = Service(settings, loaded, load)
    service.reload()
    assert reading.wait(PATIENCE)
    service.reload()
    second.wait(0.5)  # it must not come: the file is read by one reload at a time
    written.set()
    for thread in threading.enumerate():
        if thread.name == "reload":
            thread.join(PATIENCE)
    assert second.is_set()
    assert ("settings", "reload") in {
        (each.code, each.subject) for each in service.health.readiness().reasons
    }


def test_a_reload_starts_changes_and_ends_the_jobs_that_its_settings_ask_for(
    tmp_path: Path,
) -> None:
    """No cluster answers, so that none of them runs."""
    url = "http://127.0.0.1:1"

    def having(**sections: Any) -> Settings:
        return own_settings(url, "x", tmp_path, **sections)

    mail = {"to": ["ada@example.com"], "host": "127.0.0.1"}
    always = {"housekeeping"}
    jobs = ScheduledJobs(OpenSearch(url), having(detections={"scheduled": False}), "me")
    jobs.start()
    try:
        assert jobs.runs().keys() == always
        jobs.take(having(integrity={"every": 60}, report={"mail": mail}))
        rules = {"detections", "known automation"}
        assert jobs.runs().keys() == always | rules | {"report-mail", "integrity"}
        assert jobs.detections is not None
        kept, verifier = jobs.detections, jobs._schedulers["integrity"]
        jobs.take(having(integrity={"every": 90}, retention={"days": 400}))
        assert jobs.detections == kept
        assert jobs._schedulers["integrity"] is verifier  # of the same lease
        assert jobs.runs().keys() == always | rules | {"integrity", "retention"}
        jobs.take(having(detections={"scheduled": False}))
        assert jobs.leads() == dict.fromkeys(always, False)
        assert [each.name for each in threading.enumerate() if each.name.startswith("lease-")] == [
            "lease-housekeeping"
        ]
    finally:
        jobs.stop()
    assert not [each.name for each in threading.enumerate() if each.name.startswith("lease-")]


def test_every_setting_is_reloaded_or_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = {"sources": [{"watch": str(tmp_path)}], "listen": None}
    before = own_settings("http://127.0.0.1:1", "x", tmp_path, run=run)
    after = own_settings(
        "http://127.0.0.1:2",
        "x",
        tmp_path,
        run=run | {"log_level": "warning", "stop_seconds": 9},
        integrity={"every": 90, "days": 3},
        aws={"region": "eu-west-1"},
    )
    loaded = LoadedEnricher(Enricher())
    service = Service(before, loaded, lambda: (after, loaded))
    service.reload()
    for thread in threading.enumerate():
        if thread.name == "reload":
            thread.join(PATIENCE)
    (said,) = [each.message for each in caplog.records if "needs a restart" in each.message]
    named = said.partition(": ")[2].split(", ")
    assert named == ["aws.region", "cluster.hosts", "run.stop_seconds"]
    assert service.running.needs_restart == tuple(named)
    assert service.running.settings.integrity == after.integrity
