"""What the last release left in the ledger is brought to today's form, whatever interrupts it."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.faults.proxy import DROP, LOSE_REPLY, Fault, Proxy, Request
from tests.helpers import last_release as old
from tests.helpers.processes import run
from tests.helpers.queues import until
from tests.helpers.trails import own_settings
from trailhound.cluster.client import connect
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.templates import Names
from trailhound.errors import TrailhoundError
from trailhound.settings import Settings
from trailhound.state import migration, store
from trailhound.state.alert_groups import AlertGroups
from trailhound.state.catch_up import SCHEDULED_RULES, CatchUps
from trailhound.state.channels import Channels
from trailhound.state.daemons import Daemons
from trailhound.state.feed_checkpoints import FeedCheckpoints
from trailhound.state.jobs import Jobs
from trailhound.state.kinds import KINDS
from trailhound.state.leases import Lease
from trailhound.state.rule_checkpoints import RuleCheckpoints
from trailhound.state.setup import init_namespace

NOW = datetime.now(UTC).replace(microsecond=123456)
SINCE = {
    *("removal", "known_automation", "late_events", "before_rules", "backfill", "removed_days"),
    *("joining_checkpoint", "denied_folder", "outage"),
}
"""Kinds that the last release did not have, and nothing makes here."""
pytestmark = pytest.mark.fresh_namespace
"""It begins with what the last release left."""


@pytest.fixture
def client(settings: Settings) -> Iterator[OpenSearch]:
    made = connect(settings)
    yield made
    made.close()


@pytest.fixture
def ledger(client: OpenSearch, settings: Settings) -> str:
    index = old.make_ledger(client, settings)
    old.store(client, index, old.of_every_kind(NOW).items())
    return index


def everything(client: OpenSearch, settings: Settings) -> dict[str, dict[str, Any]]:
    """All documents of the ledger by `_id`."""
    index = Names(settings.prefix).ledger
    return {hit.identifier: hit.source for hit in store.pages(client, index, [{"match_all": {}}])}


def check_readers(client: OpenSearch, settings: Settings) -> None:
    """Each part reads what the last release wrote of its kind, and nothing of another."""
    checkpoints = RuleCheckpoints(client, settings).read()
    assert set(checkpoints) == {"r1", "r2"}
    assert checkpoints["r1"].seen_until == NOW - timedelta(minutes=9)
    assert (checkpoints["r2"].inactive, checkpoints["r2"].failures) == (True, 2)
    marks = FeedCheckpoints(client, settings).get("s3://trail/")
    assert marks == {old.FOLDER: (NOW - timedelta(minutes=7)).replace(microsecond=0)}
    (daemon,) = Daemons(client, settings).active()
    assert (daemon.id, daemon.host, daemon.report["objects"]) == ("d1", "h", {"done": 2})
    (job,) = Jobs(client, settings).all()
    assert (job.name, job.failures) == ("detections", 17)
    assert Channels(client, settings).all()["hook"].waiting == 2
    group = AlertGroups(client, settings).read(["g1"])["g1"].group
    assert [each.into for each in group.alerts] == ["a2", ""]
    assert group.forgotten == NOW - timedelta(hours=2, days=9)


@pytest.mark.usefixtures("ledger")
def test_every_kind_is_read_before_and_after_and_nothing_is_changed_twice(
    client: OpenSearch, settings: Settings
) -> None:
    check_readers(client, settings)
    before = everything(client, settings)
    init_namespace(client, settings)
    check_readers(client, settings)
    after = everything(client, settings)
    kinds = {kind.kind for kind in KINDS}
    assert {each["kind"] for each in after.values()} == kinds - SINCE
    assert len(after) == len(before) + 1, "the catch-up"
    states = {identifier: each.get("state") for identifier, each in before.items()}
    assert {
        identifier: each.get("state") for identifier, each in after.items() if identifier in states
    } == {name: state for name, state in states.items() if not name.startswith("mark-")}
    again = init_namespace(client, settings)
    assert {change.action for change in again} == {"unchanged"}
    assert everything(client, settings) == after


@pytest.mark.usefixtures("ledger")
def test_the_command_says_what_it_did_and_status_and_report_work_throughout(
    settings: Settings, tmp_path: Path
) -> None:
    for _ in range(2):
        assert run(settings, "status", "--json").returncode == 0
        made = run(settings, "init")
        assert made.returncode == 0, made.stderr.decode()
        report = run(settings, "report", "--since", "2025-01-01", "-o", tmp_path / "r.json")
        assert b"KeyError" not in report.stderr
    assert b"switched off the scheduled rules" not in made.stdout


@pytest.mark.usefixtures("ledger")
def test_it_is_finished_by_the_next_run_wherever_it_was_cut_off(
    client: OpenSearch,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = Names(settings.prefix).ledger
    old.store(client, index, [old.object_entry(number) for number in range(10, 60)])
    monkeypatch.setattr(migration, "BULK_DOCUMENTS", 7)
    monkeypatch.setattr(store, "PAGE", 11)
    chance = random.Random(44)
    cut = 0

    def script(request: Request) -> Fault | None:
        if "_bulk" in request.path and chance.random() < 0.3:
            return chance.choice([DROP, LOSE_REPLY])
        return None

    with Proxy(settings.hosts[0], script) as proxy:
        far = own_settings(proxy.url, settings.namespace, tmp_path / "home")
        for _ in range(200):
            try:
                with cluster_errors(far):
                    init_namespace(connect(far), far)
                break
            except TrailhoundError:
                cut += 1
                check_readers(client, settings)
    assert cut > 2
    check_readers(client, settings)
    assert all("kind" in each for each in everything(client, settings).values())
    assert sum(each["kind"] == "object" for each in everything(client, settings).values()) == 55


@pytest.mark.usefixtures("ledger")
def test_a_daemon_of_the_last_release_that_goes_on_does_no_harm(
    client: OpenSearch, settings: Settings
) -> None:
    index = Names(settings.prefix).ledger
    init_namespace(client, settings)
    assert old.old_rule_marks(client, settings) == {}
    later = NOW + timedelta(hours=1)
    old.store(
        client,
        index,
        [
            old.feed_mark(old.FOLDER, later),
            old.feed_mark(f"{old.FOLDER}other/", NOW - timedelta(days=1)),
            old.rule_mark("r1", later),
            old.daemon("d1", datetime.now(UTC)),
            old.object_entry(3),
        ],
    )
    marks = FeedCheckpoints(client, settings).get("s3://trail/")
    assert marks[old.FOLDER] == later.replace(microsecond=0), "what it settled is settled"
    seen = RuleCheckpoints(client, settings).read()["r1"].seen_until
    assert seen == NOW - timedelta(minutes=9), "it may have begun anew, and left a gap"
    assert [each.id for each in Daemons(client, settings).active()] == ["d1"]
    catch_up = CatchUps(client, settings).get(SCHEDULED_RULES)
    init_namespace(client, settings)
    assert CatchUps(client, settings).get(SCHEDULED_RULES) == catch_up
    assert all("kind" in each for each in everything(client, settings).values())
    assert FeedCheckpoints(client, settings).get("s3://trail/") == marks
    assert RuleCheckpoints(client, settings).read()["r1"].seen_until == seen


@pytest.mark.usefixtures("ledger")
def test_a_daemon_of_the_last_release_and_one_of_today_contend_for_one_lease(
    client: OpenSearch, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trailhound.lease")
    index = Names(settings.prefix).ledger
    init_namespace(client, settings)
    entry = client.get(index=index, id="lease-scheduler")["_source"]
    assert (entry["state"], entry["owner"], entry["term"]) == ("lease", "d1", 7)
    lease = Lease(client, index, "scheduler", owner="d2", seconds=3.0)
    lease.start()
    try:
        until(lambda: lease.term > 0, "the silent daemon's lease")
    finally:
        lease.stop()
    # A machine that halts for longer than the lease lasts takes it once more afterwards.
    taken, *_ = [each for each in caplog.records if each.msg == "holding the lease %s"]
    assert taken.__dict__["fields"] == {"term": 8}


def test_documents_that_can_not_be_read_are_named_and_left(
    client: OpenSearch, settings: Settings
) -> None:
    index = old.make_ledger(client, settings)
    old.store(client, index, [("mark-x", {"state": "mark", "rule_id": "x"}), old.object_entry(1)])
    changes = init_namespace(client, settings)
    (kept,) = [change for change in changes if change.action == "kept"]
    assert "mark-x is not a valid rule_checkpoint" in kept.detail
    assert client.get(index=index, id="mark-x")["_source"]["rule_id"] == "x"


def test_what_was_killed_goes_by_age_however_much_there_is(
    client: OpenSearch, settings: Settings
) -> None:
    index = old.make_ledger(client, settings)
    dead = NOW - timedelta(days=2)
    old.store(client, index, [old.daemon(f"d{number}", dead) for number in range(1_200)])
    old.store(client, index, [old.worker(f"w{number}", dead) for number in range(30)])
    old.store(client, index, [old.daemon("young", NOW - timedelta(hours=3))])
    old.store(client, index, [old.daemon("live", datetime.now(UTC)), old.worker("live", NOW)])
    assert [each.id for each in Daemons(client, settings).active()] == ["live"]
    init_namespace(client, settings)
    assert set(everything(client, settings)) == {"daemon-live", "daemon-young", "worker-live"}


def test_a_broken_installation_is_found_once_and_its_span_is_named(
    client: OpenSearch, settings: Settings
) -> None:
    index = old.make_ledger(client, settings)
    old.store(client, index, [old.feed_mark(old.FOLDER, NOW)])
    changes = init_namespace(client, settings)
    (found,) = [change for change in changes if "switched off the scheduled rules" in change.detail]
    assert "since the first event" in found.detail
    catch_up = CatchUps(client, settings).get(SCHEDULED_RULES)
    assert catch_up is not None
    assert catch_up.since is None
    assert not catch_up.done


def test_a_sound_installation_is_not_repaired(client: OpenSearch, settings: Settings) -> None:
    index = old.make_ledger(client, settings)
    old.store(client, index, [old.rule_mark("r1", NOW), old.object_entry(1)])
    init_namespace(client, settings)
    assert CatchUps(client, settings).get(SCHEDULED_RULES) is None
