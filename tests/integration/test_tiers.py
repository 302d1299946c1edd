"""Days by their age: read-only and merged, moved by ISM and ILM, and how `status` shows them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from tests.faults.proxy import Proxy
from tests.helpers.clock import lasting_today
from tests.helpers.commands import command
from tests.helpers.lifecycle_plugins import IlmPlugin, IsmPlugin, Plugin
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.app.daemon.scheduled_jobs import note_removed
from trailhound.cluster.blocks import index_state
from trailhound.cluster.client import connect
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.retention import RetentionReport, enforce
from trailhound.cluster.templates import Names
from trailhound.cluster.tiers import Tiers, read_tiers
from trailhound.settings import Settings

TODAY = date(2025, 3, 31)
TIERS = {"warm_after": 7, "cold_after": 30, "days": 90}
HOT, WARM, COLD, PAST = "2025.03.30", "2025.03.20", "2025.02.01", "2024.12.01"


def settings_with(settings: Settings, **retention: Any) -> Settings:
    kept = settings.retention.model_validate(TIERS | retention)
    return settings.model_copy(update={"retention": kept})


def events(settings: Settings, folder: Path, *days: str, name: str) -> Any:
    records = [record(eventTime=f"{day.replace('.', '-')}T12:00:00Z") for day in days]
    write_trail(folder, records, name)
    return backfill(settings, folder)


def blocks(client: OpenSearch, settings: Settings) -> dict[str, bool]:
    """By day, whether its index takes writes."""
    names = Names(settings.prefix)
    days = (HOT, WARM, COLD)
    return {day: index_state(client, names.day(day)).takes_writes for day in days}


def segments(client: OpenSearch, index: str) -> int:
    reply = client.indices.stats(index=index, metric="segments")
    return int(reply["_all"]["primaries"]["segments"]["count"])


@pytest.fixture
def ism_settings(opensearch: str, namespace: str, tmp_path: Path) -> Settings:
    """On OpenSearch whatever the product is: Elasticsearch has no ISM."""
    return own_settings(opensearch, namespace, tmp_path / "home")


def test_the_daemon_makes_old_days_read_only_and_merges_them(
    settings: Settings, tmp_path: Path
) -> None:
    client, names = prepared(settings), Names(settings.prefix)
    trail, tiered = tmp_path / "trail", settings_with(settings)
    for name in "ab":  # two segments
        events(settings, trail, HOT, WARM, COLD, PAST, name=name)
        client.indices.refresh(index=names.days)
    report = enforce(client, tiered, TODAY)
    assert report.moved == {names.day(WARM): "warm", names.day(COLD): "warm"}
    assert report.deleted == [names.day(PAST)]
    assert blocks(client, settings) == {HOT: True, WARM: False, COLD: False}
    client.indices.forcemerge(index=names.days, params={"max_num_segments": "1"})  # waits for it
    client.indices.refresh(index=names.days)
    assert segments(client, names.day(WARM)) == 1
    again = enforce(client, tiered, TODAY)
    assert (again.moved, again.deleted, again.failed) == ({}, [], {})
    # What comes late waits, and is written by reopening; the day is read-only again afterwards.
    late = events(settings, trail, HOT, WARM, name="c")
    assert (late.counts.indexed, late.dead_letter_codes) == (1, {"day_read_only": 1})
    dead_letters(client, settings)
    held = enforce(client, settings_with(settings, warm_after=3), TODAY)
    assert held.moved == {}
    assert command(settings, "retry-deadletters", "--reopen").exit_code == 0
    assert dead_letters(client, settings) == []
    assert blocks(client, settings) == {HOT: True, WARM: False, COLD: False}
    assert len(documents(client, settings)) == 8
    assert list(enforce(client, tiered, TODAY).moved) == [names.day(WARM)]  # to be merged again
    found = read_tiers(client, tiered, TODAY)
    assert found is not None
    assert found.describe() == f"hot 1 day ({HOT}), warm 2 days ({COLD} to {WARM})"
    assert (found.late, found.failed) == ((), {})
    assert "nothing colder than warm is used: " in found.note


def test_a_day_that_letters_wait_for_stays_writable(settings: Settings, tmp_path: Path) -> None:
    client, names = prepared(settings), Names(settings.prefix)
    trail = tmp_path / "trail"
    events(settings, trail, WARM, name="a")
    client.indices.put_settings(index=names.day(WARM), body={"index.blocks.write": True})
    events(settings, trail, WARM, name="b")
    client.indices.put_settings(index=names.day(WARM), body={"index.blocks.write": None})
    dead_letters(client, settings)
    report = enforce(client, settings_with(settings), TODAY)
    assert (report.moved, report.waiting) == ({}, {names.day(WARM): 1})
    late = read_tiers(client, settings_with(settings), TODAY)
    assert late is not None
    assert late.late == (names.day(WARM),)
    assert command(settings, "deadletters", "dismiss", "--all", "--yes").exit_code == 0
    assert enforce(client, settings_with(settings), TODAY).waiting == {}


def test_status_and_doctor_show_the_tiers(settings: Settings, tmp_path: Path) -> None:
    client, names = prepared(settings), Names(settings.prefix)
    assert "tiers" not in command(settings, "status").output
    today = lasting_today()
    events(settings, tmp_path / "trail", WARM, f"{today:%Y.%m.%d}", name="a")
    env = {"TRAILHOUND_RETENTION__WARM_AFTER": "7"}
    tiered = own_settings(
        settings.hosts[0], settings.namespace, settings.home, retention={"warm_after": 7}
    )
    shown = " ".join(command(settings, "status", env=env).output.split())
    assert f"hot 2 days ({WARM} to {today:%Y.%m.%d})" in shown
    assert f"1 day is due for another tier and not there yet: {names.day(WARM)}" in shown
    assert json.loads(command(settings, "status", "--json", env=env).output)["tiers"]["late"] == [
        names.day(WARM)
    ]
    plain = command(settings, "status").output
    assert "read-only" not in plain
    client.indices.put_settings(index=names.day(WARM), body={"index.blocks.write": True})
    assert "days     1 read-only or closed" in command(settings, "status").output
    client.indices.put_settings(index=names.day(WARM), body={"index.blocks.write": False})
    checked = command(settings, "doctor", env=env).output
    assert "tiers: hot 2 days" in " ".join(checked.split())
    enforce(client, tiered, today)
    shown = " ".join(command(settings, "status", env=env).output.split())
    assert f"tiers hot 1 day ({today:%Y.%m.%d}), warm 1 day ({WARM})" in shown
    assert "not there yet" not in shown


class Managed:
    """A namespace with a day of each tier behind a stand-in of ISM or ILM."""

    def __init__(self, settings: Settings, plugin: Plugin) -> None:
        self.plugin, self._settings = plugin, settings
        self.names = Names(settings.prefix)
        client = prepared(settings)
        for day in (HOT, WARM, COLD, PAST):
            client.indices.create(index=self.names.day(day))

    def enforce(self, **retention: Any) -> RetentionReport:
        with Proxy(self._settings.hosts[0], self.plugin.script) as proxy:
            return enforce(connect(far := self.far(proxy, **retention)), far, TODAY)

    def tiers(self, **retention: Any) -> Tiers:
        with Proxy(self._settings.hosts[0], self.plugin.script) as proxy:
            found = read_tiers(connect(far := self.far(proxy, **retention)), far, TODAY)
            assert found is not None
            return found

    def far(self, proxy: Proxy, **retention: Any) -> Settings:
        cluster = self._settings.cluster.model_copy(update={"hosts": [proxy.url]})
        return settings_with(self._settings, **retention).model_copy(update={"cluster": cluster})

    def states(self, tier: str) -> Any:
        name = f"{self._settings.prefix}trailhound-retention{tier}"
        return self.plugin.policies[name]["states"]

    def actions(self, tier: str) -> list[str]:
        """What the policy of a tier does, in order."""
        known = {"timeout", "retry"}
        return [key for each in self.states(tier)[0]["actions"] for key in each if key not in known]


def test_ism_takes_a_day_from_tier_to_tier(ism_settings: Settings) -> None:
    it = Managed(ism_settings, IsmPlugin(repositories=["trails"]))
    warm, cold, past = (it.names.day(day) for day in (WARM, COLD, PAST))
    policy = f"{ism_settings.prefix}trailhound-retention"
    report = it.enforce()
    # A day that was hot until now is merged first, however old it is.
    assert report.moved == {warm: "warm", cold: "warm"}
    assert (report.handed, report.deleted) == ([past], [])
    assert it.plugin.policy_of == {
        warm: f"{policy}-warm",
        cold: f"{policy}-warm",
        past: policy,
    }
    assert it.actions("-warm") == ["read_only", "force_merge"]
    assert it.enforce().moved == {}  # not ended yet
    it.plugin.ended = {warm, cold}
    if dialect_of(connect(ism_settings)).version < "3.3":  # ISM mounts no snapshot there
        assert it.enforce().moved == {}
        assert "OpenSearch 3.3" in it.tiers().note
        return
    assert it.enforce().moved == {cold: "cold"}
    assert it.plugin.policy_of[cold] == f"{policy}-cold"
    assert it.actions("-cold") == ["snapshot", "convert_index_to_remote"]
    (mount,) = [each for each in it.states("-cold")[0]["actions"] if "snapshot" not in each]
    assert mount["convert_index_to_remote"]["repository"] == "trails"
    it.plugin.failing = {cold: "the repository is full"}
    report = it.enforce()
    assert report.failed == {cold: "ISM, force_merge: the repository is full"}
    assert it.tiers().failed == report.failed
    writes = it.plugin.writes
    assert it.enforce().moved == {}
    assert it.plugin.writes == writes


def test_a_managed_domain_has_ultrawarm_and_cold_storage(ism_settings: Settings) -> None:
    gone = Names(ism_settings.prefix).day("2025.01.20")
    it = Managed(ism_settings, IsmPlugin(ultrawarm=True, cold=[gone]))
    it.enforce()
    assert it.actions("-warm") == ["warm_migration"]
    it.plugin.ended = {it.names.day(COLD)}
    it.enforce()
    assert it.actions("-cold") == ["cold_migration"]
    # The cluster lists no index there: ISM deletes it.
    cold, end = it.states("-cold")
    assert cold["transitions"][0]["conditions"] == {"min_index_age": "91d"}
    assert end["actions"] == [{"cold_delete": {}}]
    found = it.tiers()
    assert found.note == ""
    assert [(each.tier, each.days) for each in found.states] == [("hot", 4), ("cold", 1)]


def test_a_late_event_makes_no_second_index_of_a_day_in_cold_storage(
    settings: Settings, tmp_path: Path
) -> None:
    client = prepared(settings)
    plugin = IsmPlugin(ultrawarm=True, cold=[Names(settings.prefix).day(COLD)])
    with Proxy(settings.hosts[0], plugin.script) as proxy:
        far = own_settings(proxy.url, settings.namespace, settings.home, retention=TIERS)
        kept = far.model_copy(update={"retention": far.retention.model_copy(update={"days": None})})
        report = events(kept, tmp_path / "trail", COLD, PAST, name="a")
    assert (report.counts.indexed, report.dead_letter_codes) == (1, {"day_read_only": 1})
    (letter,) = dead_letters(client, settings)
    assert "is in cold storage" in letter["reason"]
    assert not client.indices.exists(index=Names(settings.prefix).day(COLD))


def test_a_late_event_waits_for_a_day_that_was_replaced_by_its_snapshot(
    settings: Settings, tmp_path: Path
) -> None:
    """As ISM and ILM leave it: an index of another name, which takes no writes."""
    client, names = prepared(settings), Names(settings.prefix)
    copy = f"{names.day(COLD)}_remote"
    client.indices.create(index=copy)
    client.indices.put_settings(index=copy, body={"index.blocks.write": True})
    report = events(settings, tmp_path / "trail", HOT, COLD, name="a")
    assert (report.counts.indexed, report.dead_letter_codes) == (1, {"day_read_only": 1})
    assert not client.indices.exists(index=names.day(COLD))
    dead_letters(client, settings)
    report = enforce(client, settings_with(settings), TODAY)
    assert (report.moved, report.waiting) == ({}, {})
    found = read_tiers(client, settings_with(settings), TODAY)
    assert found is not None
    assert found.describe() == f"hot 1 day ({HOT}), cold 1 day ({COLD})"
    assert enforce(client, settings_with(settings, days=40), TODAY).deleted == [copy]


def test_ilm_counts_a_day_from_its_begin(
    elasticsearch_8: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(elasticsearch_8, namespace, tmp_path / "home")
    it = Managed(settings, IlmPlugin(repositories=["found-snapshots"]))
    policy = f"{settings.prefix}trailhound-retention"
    report = it.enforce()
    days = [it.names.day(day) for day in (COLD, PAST, WARM)]
    assert sorted([*report.moved, *report.handed]) == sorted(days)
    assert it.plugin.policy_of == dict.fromkeys(days, policy)
    begin = datetime(2025, 2, 1, tzinfo=UTC)
    assert it.plugin.since[it.names.day(COLD)] == int(begin.timestamp() * 1000)
    phases = it.plugin.policies[policy]["phases"]
    ages = {name: phase["min_age"] for name, phase in phases.items()}
    assert ages == {"warm": "8d", "cold": "31d", "delete": "91d"}
    assert list(phases["warm"]["actions"]) == ["readonly", "forcemerge"]
    assert phases["cold"]["actions"] == {
        "searchable_snapshot": {"snapshot_repository": "found-snapshots"}
    }
    again = it.enforce()
    assert (again.moved, again.handed, it.plugin.writes) == ({}, [], 1)
    it.plugin.failing = {it.names.day(WARM): "no disk"}
    assert it.enforce().failed == {it.names.day(WARM): "ILM, forcemerge: no disk"}
    # ILM cannot close: of days past retention the daemon does.
    closing = it.enforce(action="close")
    assert closing.closed == [it.names.day(PAST)]


def test_status_and_doctor_name_the_days_that_the_next_run_removes(
    settings: Settings, tmp_path: Path
) -> None:
    client, today = prepared(settings), lasting_today()
    recent = f"{today:%Y.%m.%d}"
    events(settings, tmp_path / "trail", PAST, COLD, recent, name="a")

    def found(**retention: Any) -> tuple[str, Any, list[Any]]:
        env = {f"TRAILHOUND_RETENTION__{name}": str(value) for name, value in retention.items()}
        said = " ".join(command(settings, "status", env=env).output.split())
        status = json.loads(command(settings, "status", "--json", env=env).output)
        checks = json.loads(command(settings, "doctor", "--json", env=env).output)["findings"]
        return (
            said,
            status["past_retention"],
            [each for each in checks if each["what"] == "retention"],
        )

    assert found()[1:] == (None, [])
    for action, does in (("delete", "deletes them with their events"), ("close", "closes them")):
        said, known, (check,) = found(DAYS=30, ACTION=action)
        fact = f"2 days ({PAST} to {COLD}) are past retention.days (30): a daemon's next run {does}"
        assert fact in said
        assert check["verdict"] == "warning"
        assert fact in check["fact"]
        assert ("retention.action: close" in check["advice"]) == (action == "delete")
        assert known == {
            "retention_days": 30,
            "action": action,
            "days": 2,
            "first": PAST,
            "last": COLD,
        }
    # What it names is what the run removes; the day that midnight made too old is no warning.
    kept = own_settings(
        settings.hosts[0], settings.namespace, settings.home, retention={"days": 30}
    )
    names = Names(settings.prefix)
    report = enforce(client, kept, today)
    assert report.deleted == [names.day(PAST), names.day(COLD)]
    # What was deleted, when and why stays known.
    for number in range(5):
        note_removed(client, kept, report, datetime.now(UTC) - timedelta(days=5 - number))
    note_removed(client, kept, RetentionReport(), datetime.now(UTC))
    said = found(DAYS=30)[0]
    assert f"removed 2 days ({PAST} to {COLD}) were deleted at " in said
    assert "for retention.days: 30 and by 2 runs before: `trailhound status --json" in said
    removed = json.loads(command(settings, "status", "--json").output)["removed_days"]
    assert [(each["action"], each["days"], each["kept"]) for each in removed] == [
        ("deleted", [PAST, COLD], 30)
    ] * 5
    assert removed[0]["at"] > removed[1]["at"], "the latest first"
    said, known, (check,) = found(DAYS=30)
    assert (known["days"], known["first"], check["verdict"]) == (0, None, "ok")
    assert "past retention.days" not in said
    yesterdays = (today - timedelta(days=31)).strftime("%Y.%m.%d")
    events(settings, tmp_path / "trail", yesterdays, name="b")
    _, known, (check,) = found(DAYS=30)
    assert (known["days"], known["first"], check["verdict"]) == (1, yesterdays, "ok")
