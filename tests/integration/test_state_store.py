"""Reading and writing documents of the ledger index, on a real engine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from operator import methodcaller
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.commands import command
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError
from trailhound.settings import Settings
from trailhound.state import store
from trailhound.state.catch_up import CatchUps
from trailhound.state.jobs import Jobs, JobState
from trailhound.state.objects import ObjectState
from trailhound.state.rule_checkpoints import RuleCheckpoint, RuleCheckpoints
from trailhound.state.store import StateStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def checkpoint(number: int) -> RuleCheckpoint:
    return RuleCheckpoint(rule_id=f"r{number}", title="R", seen_until=NOW, ran_at=NOW)


def test_every_document_is_read_however_many_there_are(
    client: OpenSearch, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = RuleCheckpoints(client, settings)
    for number, page in ((23, 1), (24, 8), (2_501, store.PAGE)):
        checkpoints.write(map(checkpoint, range(number)))
        monkeypatch.setattr(store, "PAGE", page)
        assert checkpoints.read().keys() == {f"r{each}" for each in range(number)}


def test_documents_of_an_unknown_kind_and_broken_ones_are_left_out(
    client: OpenSearch, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = RuleCheckpoints(client, settings)
    checkpoints.write([checkpoint(1)])
    index = Names(settings.prefix).ledger
    client.index(index=index, id="later-1", body={"kind": "later", "state": "mark", "rule_id": "x"})
    client.index(index=index, id="rule-checkpoint-r2", body={"kind": "rule_checkpoint"})
    assert set(checkpoints.read()) == {"r1"}
    assert "rule-checkpoint-r2 is not a valid rule_checkpoint" in caplog.text


@pytest.mark.usefixtures("client")
def test_a_document_that_is_refused_is_an_error(settings: Settings) -> None:
    client = connect(settings)
    client.indices.put_settings(
        index=Names(settings.prefix).ledger, body={"index.blocks.write": True}
    )
    with pytest.raises(RequestFailedError, match="rule-checkpoint-r1 could not be written"):
        RuleCheckpoints(client, settings).write([checkpoint(1)])


def test_a_shard_that_does_not_answer_is_an_error(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    RuleCheckpoints(client, settings).write([checkpoint(1)])
    shards = {"total": 1, "successful": 1, "failed": 0}
    partial = {"took": 1, "timed_out": True, "_shards": shards, "hits": {"hits": []}}

    def script(request: Request) -> Fault | None:
        return Say(200, partial) if "/_search" in request.path else None

    with Proxy(settings.hosts[0], script) as proxy:
        far = own_settings(proxy.url, settings.namespace, tmp_path / "home")
        with pytest.raises(RequestFailedError, match="cut off"):
            RuleCheckpoints(connect(far), far).read()


@pytest.mark.fresh_namespace
def test_nothing_is_there_before_init(engine: str, namespace: str, tmp_path: Path) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    assert RuleCheckpoints(connect(settings), settings).read() == {}
    assert Jobs(connect(settings), settings).all() == []
    assert CatchUps(connect(settings), settings).get("scheduled-rules") is None
    prepared(settings)
    shown = command(settings, "status", "--json")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["rules"] == []


def test_a_job_is_changed_and_read(client: OpenSearch, settings: Settings) -> None:
    jobs = Jobs(client, settings)
    assert jobs.get("mail") == JobState(name="mail")
    jobs.write(JobState(name="mail", last_success="2026-03-01T12:00:00.000+00:00", failures=2))
    assert jobs.get("mail").failures == 2
    assert [each.name for each in jobs.all()] == ["mail"]


def test_a_change_keeps_fields_of_a_later_release(client: OpenSearch, settings: Settings) -> None:
    objects = StateStore(client, settings, ObjectState)
    retried = methodcaller("retried", "", indexed=1, duplicates=2, left=0)
    assert objects.change("none", retried) is None
    entry = ObjectState(uri="s3://b/k", state="done", read=7, indexed=4, dead_lettered=3)
    client.index(
        index=objects.index, id=entry.identifier, body=entry.document() | {"later": {"a": 1}}
    )
    changed = objects.change(entry.key, retried)
    assert changed is not None
    assert (changed.read, changed.indexed) == (7, 5)
    assert (changed.duplicates, changed.dead_lettered) == (2, 0)
    stored = client.get(index=objects.index, id=entry.identifier)["_source"]
    assert stored["later"] == {"a": 1}
    assert ObjectState.parse(entry.identifier, stored) == changed
