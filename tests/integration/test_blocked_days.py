"""Days that are read-only or closed: their late events wait, all others go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch
from typer.testing import Result

from ingest.bulk.days import Days
from ingest.run_report import RunReport
from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.commands import command
from tests.helpers.read_blocks import while_unreadable
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    own_settings,
    prepared,
    record,
    write_trail,
)
from trailhound.cluster import templates
from trailhound.cluster.client import connect
from trailhound.cluster.initialization import init
from trailhound.cluster.retention import enforce
from trailhound.cluster.retry_policy import RetryPolicy
from trailhound.cluster.waiting import waiting
from trailhound.errors import ForeignTemplateError, RecordError
from trailhound.settings import Settings

DAYS = ["2025-03-01", "2025-03-02", "2025-03-03", "2025-03-04", "2025-03-05"]
BLOCKS: list[tuple[str, str]] = [
    ("write", "day_read_only"),
    ("read_only", "day_read_only"),
    ("closed", "day_closed"),
    ("closed,read_only", "day_closed"),
]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Iterator[Settings]:
    made = own_settings(engine, namespace, tmp_path / "home")
    yield made
    client = connect(made)
    for name in ("read_only", "metadata"):  # else nothing of the namespace can be deleted
        client.indices.put_settings(
            index=f"{namespace}-*",
            body={f"index.blocks.{name}": None},
            params={"expand_wildcards": "all"},
        )


def index_of(settings: Settings, day: str) -> str:
    return templates.Names(settings.prefix).day(day.replace("-", "."))


def block(client: OpenSearch, index: str, what: str) -> None:
    for name in what.split(","):
        if name == "closed":
            client.indices.close(index=index)
        else:
            client.indices.put_settings(index=index, body={f"index.blocks.{name}": True})


def state(client: OpenSearch, index: str) -> tuple[str, Any]:
    """Whether an index is open, and its blocks."""
    reply = client.cluster.state(index=index, metric="metadata", params={"expand_wildcards": "all"})
    found = reply["metadata"]["indices"][index]
    return found["state"], found["settings"]["index"].get("blocks")


def at(day: str, **changes: Any) -> dict[str, Any]:
    return record(eventTime=f"{day}T12:00:00Z", **changes)


@pytest.mark.parametrize(("what", "code"), BLOCKS)
def test_a_late_event_waits_and_is_written_by_reopening(
    settings: Settings, tmp_path: Path, what: str, code: str
) -> None:
    client = prepared(settings)
    trail = tmp_path / "trail"
    there, open_day = at("2025-03-01"), at("2025-03-02")
    write_trail(trail, [there, open_day], "a")
    assert backfill(settings, trail).complete
    index = index_of(settings, "2025-03-01")
    block(client, index, what)
    before = state(client, index)
    late, other, again = at("2025-03-01"), at("2025-03-02"), dict(there)
    write_trail(trail, [late, other, again], "b")
    report = backfill(settings, trail)
    # A read-only day can still say that it has an event; a closed one cannot.
    duplicates = int(code == "day_read_only")
    assert report.counts.as_dict() == {
        "read": 3,
        "indexed": 1,
        "duplicates": duplicates,
        "dead_lettered": 2 - duplicates,
        "filtered": 0,
    }
    assert not report.complete
    assert report.dead_letter_codes == {code: 2 - duplicates}
    letters = dead_letters(client, settings)
    assert {(each["code"], each["day"]) for each in letters} == {(code, "2025.03.01")}
    assert all("--reopen" in each["reason"] and index in each["reason"] for each in letters)
    # A second reading adds no second letter, and a retry without opening changes nothing.
    forced = backfill(settings, trail, force=True)
    assert forced.counts.dead_lettered == 2 - duplicates + (code == "day_closed")
    waits = len(dead_letters(client, settings))
    tried = command(settings, "retry-deadletters")
    assert tried.exit_code == 1
    assert "--reopen" in tried.output
    assert len(dead_letters(client, settings)) == waits
    shown = command(settings, "status")
    said = "1 letter waits" if waits == 1 else f"{waits} letters wait"
    assert f"closed days: {said}" in shown.output
    assert "--reopen" in shown.output
    opened = command(settings, "retry-deadletters", "--reopen")
    assert opened.exit_code == 0, opened.output
    assert f"restored: {index}" in opened.output
    assert "could not be opened" not in opened.output
    assert dead_letters(client, settings) == []
    assert state(client, index) == before
    if before[0] == "close":
        client.indices.put_settings(index=index, body={"index.blocks.read_only": None})
        client.indices.open(index=index)
        client.cluster.health(index=index, params={"wait_for_status": "yellow"})
    else:
        client.indices.put_settings(index=index, body={f"index.blocks.{what}": None})
    wanted = {each["eventID"] for each in (there, open_day, late, other)}
    assert documents(client, settings).keys() == wanted


@pytest.mark.parametrize("what", ["index", "marked", "alias"])
def test_events_of_a_day_with_a_foreign_index_wait_and_all_others_go_on(
    settings: Settings, tmp_path: Path, what: str
) -> None:
    client = prepared(settings)
    index, other = index_of(settings, "2025-03-01"), f"{settings.prefix}other"
    if what == "alias":
        client.indices.create(index=other, body={"aliases": {index: {}}})
    else:
        # As another tool makes it: with a template above ours, or before `init`. `dynamic` alone
        # makes it one of those that are read with their marks.
        mapping = (
            {"dynamic": False} if what == "marked" else {"properties": {"a": {"type": "long"}}}
        )
        body = {"mappings": {"_meta": {"trailhound": "theirs"}, **mapping}}
        client.indices.create(index=index, body=body)
    trail = tmp_path / "trail"
    events = [at("2025-03-01"), at("2025-03-02")]
    write_trail(trail, [events[0], *events, at("2025-03-01")], "a")
    report = backfill(settings, trail)
    assert (report.counts.indexed, report.counts.dead_lettered) == (1, 3)
    assert not report.complete
    assert report.dead_letter_codes == {"day_foreign": 3}
    letters = dead_letters(client, settings)
    assert all(index in each["reason"] and "retry-dead" in each["reason"] for each in letters)
    assert client.count(index=index)["count"] == 0
    tried = command(settings, "retry-deadletters", "--json")
    assert json.loads(tried.stdout)["codes"] == {"day_foreign": 3}
    found = command(settings, "reconcile", str(trail), "--json")
    assert json.loads(found.stdout)["findings"][0]["repair"] == ["trailhound retry-deadletters"]
    client.indices.delete(index=other if what == "alias" else index)
    assert command(settings, "retry-deadletters").exit_code == 0
    assert dead_letters(client, settings) == []
    assert len(documents(client, settings)) == 3


def test_an_index_that_a_daily_template_of_somebody_else_made_is_not_left_there(
    settings: Settings, tmp_path: Path
) -> None:
    """As where the templates were deleted while a daemon runs: once they are back, so are days."""
    client = prepared(settings)
    days = Days(client, settings, RetryPolicy(1))
    name = templates.Names(settings.prefix).template("events")
    client.indices.delete_index_template(name=name)
    with pytest.raises(ForeignTemplateError, match="template that applies") as error:
        days.ensure("2025.03.01")
    assert "trailhound init" in error.value.hint
    init(client, settings)
    assert Days(client, settings, RetryPolicy(1)).ensure("2025.03.01")


def test_a_day_whose_index_was_foreign_is_looked_at_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = prepared(settings)
    index = index_of(settings, "2025-03-01")
    client.indices.create(index=index, body={"mappings": {"_meta": {"trailhound": "theirs"}}})
    days = Days(client, settings, RetryPolicy(1))
    for _ in range(2):
        with pytest.raises(RecordError, match=index):
            days.ensure("2025.03.01")
    client.indices.delete(index=index)
    monkeypatch.setattr("ingest.bulk.days._LOOKED_AT_AGAIN", 0)
    assert days.ensure("2025.03.01") == index
    assert not days.refused()


def test_another_event_under_a_taken_id_of_a_read_only_day_is_told_apart(
    settings: Settings, tmp_path: Path
) -> None:
    client = prepared(settings)
    trail = tmp_path / "trail"
    event = at("2025-03-01")
    forged, late = event | {"eventName": "StopLogging"}, event | {"eventName": "DeleteTrail"}
    write_trail(trail, [event, forged], "a")
    assert backfill(settings, trail).conflicts == 1
    index = index_of(settings, "2025-03-01")
    block(client, index, "write")
    write_trail(trail, [event, forged, late], "b")
    report = backfill(settings, trail)
    assert (report.counts.duplicates, report.counts.dead_lettered) == (2, 1)
    (letter,) = dead_letters(client, settings)
    assert "DeleteTrail" in letter["raw"]
    assert command(settings, "retry-deadletters", "--reopen").exit_code == 0
    names = [each["eventName"] for each in documents(client, settings).values()]
    assert sorted(names) == ["CreateUser", "DeleteTrail", "StopLogging"]


def test_an_event_whose_day_cannot_be_read_waits_too(settings: Settings, tmp_path: Path) -> None:
    client = prepared(settings)
    event = at("2025-03-01")
    write_trail(tmp_path / "trail", [event], "a")
    backfill(settings, tmp_path / "trail")
    index = index_of(settings, "2025-03-01")

    def attempt() -> tuple[RunReport, Result]:
        write_trail(tmp_path / "trail", [event, late := at("2025-03-01")], late["eventID"])
        return backfill(settings, tmp_path / "trail"), command(
            settings, "retry-deadletters", "--reopen"
        )

    report, ended = while_unreadable(client, index, attempt)
    assert (report.counts.indexed, report.counts.dead_lettered) == (1, 1)
    assert report.dead_letter_codes == {"day_unreadable": 1}
    assert ended.exit_code == 0, ended.output
    assert f"restored: {index}" in ended.output
    assert dead_letters(client, settings) == []


def test_a_day_that_was_deleted_is_created_for_the_event_that_waits(
    settings: Settings, tmp_path: Path
) -> None:
    client = prepared(settings)
    write_trail(tmp_path / "trail", [at("2025-03-01")], "a")
    backfill(settings, tmp_path / "trail")
    index = index_of(settings, "2025-03-01")
    block(client, index, "write")
    write_trail(tmp_path / "trail", [at("2025-03-01")], "b")
    backfill(settings, tmp_path / "trail")
    client.indices.delete(index=index)
    assert command(settings, "retry-deadletters", "--reopen").exit_code == 0
    assert len(documents(client, settings)) == 1


def test_init_upgrades_every_day_that_it_may(settings: Settings, tmp_path: Path) -> None:
    client = prepared(settings)
    write_trail(tmp_path / "trail", [at(day) for day in DAYS])
    backfill(settings, tmp_path / "trail")
    indices = [index_of(settings, day) for day in DAYS]
    older = {"_meta": {"trailhound": {"kind": "events", "fingerprint": "older"}}}
    for index, what in zip(indices, ("write", "read_only", "closed", "metadata", ""), strict=True):
        client.indices.put_mapping(index=index, body=older)
        if what:
            block(client, index, what)
    ended = command(settings, "init", "--json")
    assert ended.exit_code == 0, ended.output
    changes = {change.name: change.action for change in init(client, settings)}
    assert {changes[index] for index in (indices[1], indices[3])} == {"skipped"}
    marks = templates.index_marks(client, f"{settings.prefix}cloudtrail-*")
    current = {index for index, mark in marks.items() if mark["fingerprint"] != "older"}
    assert current == {indices[0], indices[2], indices[4]}
    assert "read-only" in ended.output


def test_retention_closes_no_day_that_letters_wait_for(settings: Settings, tmp_path: Path) -> None:
    client = prepared(settings)
    write_trail(tmp_path / "trail", [at("2025-03-01"), at("2025-03-02")], "a")
    backfill(settings, tmp_path / "trail")
    waits, free = (index_of(settings, day) for day in DAYS[:2])
    block(client, waits, "write")
    write_trail(tmp_path / "trail", [at("2025-03-01")], "b")
    backfill(settings, tmp_path / "trail")
    dead_letters(client, settings)  # refreshes
    closing = own_settings(
        settings.hosts[0],
        settings.namespace,
        settings.home,
        retention={"days": 10, "action": "close"},
    )
    report = enforce(client, closing, date(2025, 4, 1))
    assert (report.closed, report.waiting) == ([free], {waits: 1})
    assert command(settings, "retry-deadletters", "--reopen").exit_code == 0
    dead_letters(client, settings)
    report = enforce(client, closing, date(2025, 4, 1))
    assert (report.closed, report.waiting) == ([waits], {})


def test_what_waits_is_counted_by_code_with_its_age(settings: Settings, tmp_path: Path) -> None:
    client = prepared(settings)
    assert waiting(client, templates.Names(settings.prefix)) == []
    never = [record(eventTime="never"), record(eventTime="never")]
    write_trail(tmp_path / "trail", [at("2025-03-01"), *never])
    start = datetime.now(UTC)
    backfill(settings, tmp_path / "trail")
    dead_letters(client, settings)
    (found,) = waiting(connect(settings), templates.Names(settings.prefix))
    assert (found.code, found.number) == ("bad_event_time", 2)
    assert abs((found.oldest - start).total_seconds()) < 600


def test_a_day_that_may_not_be_opened_is_named_and_left_as_it_is(
    settings: Settings, tmp_path: Path
) -> None:
    client = prepared(settings)
    write_trail(tmp_path / "trail", [at("2025-03-01")], "a")
    backfill(settings, tmp_path / "trail")
    index = index_of(settings, "2025-03-01")
    block(client, index, "write")
    write_trail(tmp_path / "trail", [at("2025-03-01")], "b")
    backfill(settings, tmp_path / "trail")
    reason = "no permissions for [indices:admin/settings/update] and User [name=ada]"

    def refuse(request: Request) -> Fault | None:
        if request.method == "PUT" and "/_settings" in request.path:
            return Say(403, {"error": {"type": "security_exception", "reason": reason}})
        return None

    with Proxy(settings.hosts[0], refuse) as proxy:
        through = own_settings(proxy.url, settings.namespace, settings.home)
        ended = command(through, "retry-deadletters", "--reopen")
    assert ended.exit_code == 1
    said = " ".join(ended.output.split())
    assert f"{index} could not be opened for writing" in said
    assert "lacks the permission indices:admin/settings/update" in said
    assert "could not be restored" not in said
    assert state(client, index) == ("open", {"write": "true"})
    assert len(dead_letters(client, settings)) == 1
