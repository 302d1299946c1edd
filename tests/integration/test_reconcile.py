"""`trailhound reconcile`: a bucket against the ledger and the index, and its repair."""

from __future__ import annotations

import json
import os
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opensearchpy import OpenSearch

from tests.helpers.clock import lasting_today
from tests.helpers.commands import command
from tests.helpers.denying_proxy import denying
from tests.helpers.schemas import require_listing
from tests.helpers.trails import (
    backfill,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    trail_bytes,
    write_trail,
)
from trailhound.cluster.templates import Names
from trailhound.errors import ListingDeniedError, UsageError
from trailhound.settings import Settings
from trailhound.state.objects import short_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

TODAY = datetime.now(UTC).date()
NOISE = [{"eventName": "Decrypt"}]


def at(days_ago: int, **changes: Any) -> dict[str, Any]:
    day = TODAY - timedelta(days=days_ago)
    return record(eventTime=f"{day}T12:00:00Z", **changes)


def key(trail: str, days_ago: int, name: str) -> str:
    day = TODAY - timedelta(days=days_ago)
    return (
        f"{trail}/AWSLogs/111122223333/CloudTrail/us-east-1/{day:%Y/%m/%d}/"
        f"111122223333_CloudTrail_us-east-1_{day:%Y%m%d}T1210Z_{name}.json.gz"
    )


class Bucket:
    """A bucket to which two trails deliver the same events, read with a filter and a retention."""

    def __init__(self, s3: S3Client, name: str, settings: Settings, env: dict[str, str]) -> None:
        self.s3, self.name, self.settings, self.env = s3, name, settings, env
        self.client = prepared(settings)
        self.uri = f"s3://{name}/"
        self.records = [[at(days), at(days), at(days, eventName="Decrypt")] for days in (1, 9)]
        for trail in ("one", "two"):
            for days, records in zip((1, 9), self.records, strict=True):
                self.put(key(trail, days, "a"), records)
        self.put("one/AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2025/03/01/d.json.gz", [])
        self.put("notes.csv", [])
        s3.put_object(Bucket=name, Key="notes.csv", Body=b"a,b\n1,2\n")

    def put(self, name: str, records: list[Any]) -> None:
        self.s3.put_object(Bucket=self.name, Key=name, Body=trail_bytes(records))

    def run(self, *arguments: str) -> Any:
        return command(self.settings, *arguments, env=self.env)

    def reconciled(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self.run("reconcile", self.uri, "--json", *arguments)
        assert done.exit_code == code, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        require_listing(found, "reconcile")
        return found

    def kinds(self, found: dict[str, Any]) -> dict[str, str]:
        return {each["object"].removeprefix(self.uri): each["kind"] for each in found["findings"]}


@pytest.fixture
def trails(engine: str, namespace: str, tmp_path: Path, s3: S3Client, bucket: str) -> Bucket:
    given = {"aws": {"endpoint_url": s3.meta.endpoint_url}, "retention": {"days": 5}}
    settings = own_settings(engine, namespace, tmp_path / "home", filter=NOISE, **given)
    env = {
        "TRAILHOUND_AWS__ENDPOINT_URL": s3.meta.endpoint_url,
        "TRAILHOUND_RETENTION__DAYS": "5",
        "TRAILHOUND_FILTER": json.dumps(NOISE),
    }
    return Bucket(s3, bucket, settings, env)


def remove(client: OpenSearch, settings: Settings, days_ago: int, identifier: str) -> None:
    client.delete(index=Names(settings.prefix).day(_dotted(days_ago)), id=identifier, refresh=True)


def test_a_bucket_of_two_trails_with_a_filter_and_a_retention_is_whole(trails: Bucket) -> None:
    backfill(trails.settings, trails.uri)
    found = trails.reconciled()
    assert (found["objects"], found["whole"], found["findings"]) == (5, 2, [])
    assert found["past_retention"] == 2
    assert found["ignored_kinds"] == {"digest": 1, "CSV": 1}
    assert found["compared"] == 1  # the second trail's, whose events are under the first one's
    widened = command(
        trails.settings,
        "reconcile",
        trails.uri,
        "--json",
        env=trails.env | {"TRAILHOUND_FILTER": "[]"},
    )
    assert widened.exit_code == 1  # what only the filter left out is missed once there is none
    assert {each["kind"] for each in json.loads(widened.stdout)["findings"]} == {"partial"}


def test_what_is_wrong_is_named_and_after_the_repair_nothing_is(trails: Bucket) -> None:
    trails.put(key("one", 1, "gone"), [at(1)])
    trails.put(key("one", 1, "changed"), [at(1)])
    trails.put("loose.json", [at(1)])
    backfill(trails.settings, trails.uri)
    there = documents(trails.client, trails.settings)

    trails.s3.delete_object(Bucket=trails.name, Key=key("one", 1, "gone"))
    trails.put(key("one", 1, "changed"), [at(1), at(1)])
    trails.put(key("two", 0, "new"), [at(1)])
    trails.put("new.json", [at(1)])
    trails.s3.put_object(Bucket=trails.name, Key="text.json", Body=b'"text"')
    lost = trails.records[0][1]["eventID"]
    remove(trails.client, trails.settings, 1, lost)

    found = trails.reconciled(code=1)
    assert trails.kinds(found) == {
        key("one", 1, "a"): "partial",
        key("two", 1, "a"): "partial",
        key("one", 1, "gone"): "extra",
        key("one", 1, "changed"): "changed",
        key("two", 0, "new"): "missing",
        "new.json": "missing",
    }
    assert sum(found["ignored_kinds"].values()) == 3
    assert found["events"] == 2  # the same one, of two objects
    assert found["repaired"] is None
    commands = {each["kind"]: each["repair"] for each in found["findings"]}
    assert commands["missing"][0].startswith(f"trailhound backfill {trails.uri}")
    assert commands["partial"][0].startswith(f"trailhound backfill --force {trails.uri}")
    assert commands["extra"][0].startswith(f"trailhound ledger gone {trails.uri}")

    narrow = trails.reconciled("--since", str(TODAY), code=1)
    assert trails.kinds(narrow) == {key("two", 0, "new"): "missing", "new.json": "missing"}

    repaired = trails.reconciled("--repair")
    assert repaired["repaired"]["complete"]
    assert repaired["repaired"]["backfill"]["read"] == 3 + 3 + 2 + 1 + 1
    assert trails.reconciled()["findings"] == []
    assert trails.reconciled()["gone"] == 1
    after = documents(trails.client, trails.settings)
    assert there.keys() <= after.keys()
    assert len(after) == len(there) + 4

    trails.put(key("one", 1, "gone"), [at(1)])
    assert trails.kinds(trails.reconciled(code=1)) == {key("one", 1, "gone"): "changed"}
    assert trails.reconciled("--repair")["repaired"]["complete"]
    assert trails.reconciled()["gone"] == 0


def test_each_printed_command_repairs_its_finding(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    folder = tmp_path / "it's a trail"
    lost = record()
    write_trail(folder, [record(), lost], "partial")
    write_trail(folder, [record()], "extra")
    backfill(settings, folder)
    write_trail(folder, [record()], "new")
    (folder / "extra.json.gz").unlink()
    client.delete(index=Names(settings.prefix).day("2025.03.01"), id=lost["eventID"])
    found = command(settings, "reconcile", str(folder))
    assert found.exit_code == 1
    head, *rows = found.stdout.splitlines()
    assert head.split("\t") == ["kind", "object", "detail", "events", "dead_letters", "repair"]
    assert "to repair the others: trailhound reconcile" in found.stderr
    for row in rows:
        for line in row.split("\t")[-1].split(" && "):
            repaired = command(settings, *shlex.split(line)[1:])
            assert repaired.exit_code == 0, repaired.output
    again = command(settings, "reconcile", str(folder))
    assert (again.exit_code, again.stdout) == (0, f"{head}\n")


def test_dead_letters_are_retried_and_what_remains_is_said(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    folder = tmp_path / "trail"
    held, never = record(), record(eventTime="never")
    write_trail(folder, [record(), held, never, b"5"])
    backfill(settings, folder)
    day = Names(settings.prefix).day("2025.03.01")
    client.indices.put_settings(index=day, body={"index.blocks.write": True})
    write_trail(folder, [record(), record()], "late")
    backfill(settings, folder)

    def reconciled(*arguments: str, code: int) -> dict[str, Any]:
        done = command(settings, "reconcile", str(folder), "--json", *arguments)
        assert done.exit_code == code, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    (found,) = reconciled(code=1)["findings"]
    assert (found["kind"], found["events"], found["dead_letters"]) == ("partial", 2, 2)
    assert found["repair"] == ["trailhound retry-deadletters --reopen"]
    assert command(settings, "deadletters", "dismiss", "--all", "--yes").exit_code == 0
    dropped = reconciled("--repair", code=0)
    assert (dropped["findings"], dropped["dismissed"], dropped["unusable"]) == ([], 2, 2)
    assert command(settings, "deadletters", "dismiss", "--all", "--undo", "--yes").exit_code == 0
    done = reconciled("--repair", code=0)["repaired"]
    assert (done["retried"]["indexed"], done["still_absent"]) == (2, 0)
    assert done["retried"]["dead_lettered"] == 2  # of these two no event can be made
    assert done["retried"]["reopened"]
    after = reconciled(code=0)
    assert (after["findings"], after["unusable"]) == ([], 2)
    client.indices.close(index=day)
    closed = reconciled(code=1)["findings"]
    assert {each["kind"] for each in closed} == {"unreadable"}
    assert all("index_closed" in each["detail"] for each in closed)


def test_a_folder_and_entries_that_no_run_finished(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    folder = tmp_path / "trail"
    write_trail(folder, [record()], "done")
    (folder / "torn.json").write_text('{"Records": [')
    (folder / "empty.json.gz").touch()
    backfill(settings, folder)
    said = command(settings, "reconcile", str(folder))
    assert "no command repairs 2 unreadable objects: replace them or make" in said.stderr
    assert "--repair" not in said.stderr
    (folder / "empty.json.gz").write_bytes(trail_bytes([record()]))
    write_trail(folder, [record()], "new")
    said = command(settings, "reconcile", str(folder), "--output", "ndjson")
    assert said.exit_code == 1
    rows = {Path(row["object"]).name: row for row in map(json.loads, said.stdout.splitlines())}
    assert {name: row["kind"] for name, row in rows.items()} == {
        "torn.json": "unreadable",
        "empty.json.gz": "missing",
        "new.json.gz": "missing",
    }
    assert rows["torn.json"]["repair"] == []
    assert "no command repairs 1 unreadable object: replace" in said.stderr
    assert "to repair the others: trailhound reconcile" in said.stderr
    done = command(settings, "reconcile", str(folder), "--repair")
    assert done.exit_code == 1
    assert "1 finding without a repair" in done.stderr
    assert len(ledger(prepared(settings), settings)) == 4
    for given in (str(folder / "done.json.gz"), f"{folder}/*.gz"):
        assert isinstance(command(settings, "reconcile", given).exception, UsageError)


def test_an_object_that_is_gone_with_its_events_is_lost_and_not_noted(trails: Bucket) -> None:
    trails.put(key("three", 1, "lost"), [at(1), at(1), at(1)])
    trails.put(key("three", 1, "kept"), [at(1), at(1)])
    trails.put(key("three", 1, "half"), [record(eventTime="never")])
    trails.put(key("three", 3, "closed"), [at(3)])
    backfill(trails.settings, trails.uri)
    events = documents(trails.client, trails.settings)
    name = trails.uri + key("three", 1, "lost")
    named = [i for i, each in events.items() if each["trail"]["object"] == short_id(name)]
    remove(trails.client, trails.settings, 1, named[0])
    trails.client.indices.close(index=Names(trails.settings.prefix).day(_dotted(3)))
    for days, one in ((1, "lost"), (1, "kept"), (1, "half"), (3, "closed"), (1, "a"), (9, "a")):
        for trail in ("three",) if one != "a" else ("one", "two"):
            trails.s3.delete_object(Bucket=trails.name, Key=key(trail, days, one))

    found = trails.reconciled(code=1)
    rows = {each["object"].removeprefix(trails.uri): each for each in found["findings"]}
    assert {one: row["kind"] for one, row in rows.items()} == {
        key("three", 1, "lost"): "lost",
        key("three", 1, "kept"): "extra",
        key("three", 1, "half"): "extra",
        key("three", 3, "closed"): "unreadable",
        key("one", 1, "a"): "extra",
        key("two", 1, "a"): "extra",
        key("one", 9, "a"): "extra",  # past the retention: nothing of it is expected
        key("two", 9, "a"): "extra",
    }
    lost = rows[key("three", 1, "lost")]
    assert (lost["events"], lost["repair"]) == (1, [])
    assert "2 of the 3 events that it indexed are in the index" in lost["detail"]
    details = [rows[key(trail, 1, "a")]["detail"] for trail in ("one", "two")]
    assert sum("2 more were duplicates" in each for each in details) == 1  # whichever was second
    assert found["events"] == 1

    trails.client.indices.open(index=Names(trails.settings.prefix).day(_dotted(3)))
    for _ in range(2):
        said = trails.run("reconcile", trails.uri, "--repair")
        assert said.exit_code == 1, said.output
        assert "1 finding without a repair" in said.stderr
    assert trails.kinds(trails.reconciled(code=1)) == {key("three", 1, "lost"): "lost"}

    assert trails.run("ledger", "gone", name).exit_code == 0
    noted = trails.reconciled()
    assert (noted["gone"], noted["gone_lost"], noted["gone_events"]) == (8, 1, 1)
    assert "1 event of 1 of them in no index" in trails.run("reconcile", trails.uri).stderr


def test_a_forced_reading_does_not_hide_what_is_lost_of_an_object(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    path = write_trail(tmp_path / "trail", [record(), record()])
    backfill(settings, path.parent)
    backfill(settings, path.parent, force=True)
    path.unlink()
    client.indices.delete(index=Names(settings.prefix).day("2025.03.01"))
    done = command(settings, "reconcile", str(path.parent), "--repair", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["lost"], found["events"]) == (1, 1, 2)
    assert found["repaired"]["late_events"] is None  # nothing was read
    assert found["repaired"]["noted_gone"] == 0


def test_a_repair_tries_the_dead_letters_that_it_made_itself_and_names_what_is_left(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    folder = tmp_path / "trail"
    write_trail(folder, [record()])
    backfill(settings, folder)
    day = Names(settings.prefix).day("2025.03.01")
    client.indices.put_settings(index=day, body={"index.blocks.write": True})
    held = [record(), record()]
    write_trail(folder, [*held, record(eventTime="never")], "20250301-back")
    far = write_trail(folder, [record(eventTime="2024-03-01T12:00:00Z")], "20250301-far")
    env = {"TRAILHOUND_INGEST__NEW_DAYS_PER_OBJECT": "0"}
    done = command(settings, "reconcile", str(folder), "--repair", env=env)
    assert done.exit_code == 1
    assert "4 records = 0 indexed + 0 duplicates + 4 dead-lettered" in done.stderr
    assert "4 dead letters tried again: 2 indexed" in done.stderr
    assert f"opened and restored: {day}" in done.stderr
    assert "1 record of these objects in the dead letters, of which no event" in done.stderr
    assert "1 object not repaired, 1 event still in no index:" in done.stderr
    assert f"{far}: its only event is in no index" in done.stderr
    assert "repair: trailhound retry-deadletters --new-days" in done.stderr
    assert {each["eventID"] for each in held} <= documents(client, settings).keys()

    again = command(settings, "reconcile", str(folder), "--repair", "--json", env=env)
    assert again.exit_code == 0, again.output
    found = json.loads(again.stdout)
    require_listing(found, "reconcile")
    assert found["repaired"]["left"] == []
    assert len(documents(client, settings)) == 4


def test_a_file_of_another_time_and_the_same_content_has_not_changed(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    client = prepared(settings)
    folder, lost = tmp_path / "trail", record()
    touched = write_trail(folder, [record()], "touched")
    partly = write_trail(folder, [record(), lost], "partly")
    changed = write_trail(folder, [record()], "changed")
    plain = folder / "plain.json"
    plain.write_bytes(trail_bytes([record()], compressed=False))
    backfill(settings, folder)
    for path in (touched, partly, plain):
        os.utime(path, (1, 1))
    changed.write_bytes(trail_bytes([record()]))
    client.delete(index=Names(settings.prefix).day("2025.03.01"), id=lost["eventID"])
    done = command(settings, "reconcile", str(folder), "--json")
    found = json.loads(done.stdout)
    rows = {Path(each["object"]).name: each for each in found["findings"]}
    assert {name: each["kind"] for name, each in rows.items()} == {
        "changed.json.gz": "changed",
        "partly.json.gz": "partial",
        "plain.json": "changed",
    }
    assert "its content has changed since" in rows["changed.json.gz"]["detail"]
    assert "the ledger has no hash" in rows["plain.json"]["detail"]  # it is no gzip stream
    assert (found["same_content"], found["whole"]) == (2, 1)
    assert command(settings, "reconcile", str(folder), "--repair").exit_code == 0
    assert json.loads(command(settings, "reconcile", str(folder), "--json").stdout)["whole"] == 4


def test_what_the_retention_drops_is_said_and_not_compared(trails: Bucket) -> None:
    for trail in ("one", "two"):
        trails.s3.delete_object(Bucket=trails.name, Key=key(trail, 1, "a"))
    unread = trails.reconciled()  # nothing of the two objects would be indexed
    assert (unread["past_retention"], unread["whole"], unread["findings"]) == (2, 0, [])
    oldest = lasting_today() - timedelta(days=5)
    done = trails.run("backfill", trails.uri)
    assert done.exit_code == 0, done.output
    assert f"6 filtered records past retention: before {oldest}, the first day" in done.stdout
    assert (
        json.loads(trails.run("backfill", trails.uri, "--force", "--json").stdout)["past_retention"]
        == 6
    )
    found = trails.reconciled()
    assert (found["past_retention"], found["whole"], found["compared"]) == (2, 0, 0)


def test_an_account_or_region_that_the_source_lacks_is_named(trails: Bucket) -> None:
    assert trails.run("backfill", trails.uri).exit_code == 0
    assert trails.reconciled("--account", "111122223333", "--region", "us-east-1")["problems"] == []
    found = trails.reconciled("--account", "999999999999", "--region", "us-east-1", code=1)
    (problem,) = found["problems"]
    assert problem.startswith("no folder is named for account 999999999999, and the index has no")
    trails.s3.delete_object(Bucket=trails.name, Key="notes.csv")
    found = trails.reconciled("--region", "mars-1", "--region", "us-east-1", code=1)
    assert found["problems"] == [
        "no region mars-1 in what was given: regions found: us-east-1",
    ]


def _dotted(days_ago: int) -> str:
    return f"{TODAY - timedelta(days=days_ago):%Y.%m.%d}"


def test_a_folder_that_may_not_be_listed_keeps_no_other_from_being_read(trails: Bucket) -> None:
    trails.put(key("one", 1, "read before"), [at(1)])
    with denying(trails.env["TRAILHOUND_AWS__ENDPOINT_URL"]) as proxy:
        trails.env["TRAILHOUND_AWS__ENDPOINT_URL"] = proxy.url
        before = trails.run("backfill", f"{trails.uri}one/")
        assert before.exit_code == 0, before.output
        denied, since = "two/", f"--since={TODAY - timedelta(days=2)}"
        trails.put(key("one", 1, "new"), [at(1)])

        def backfilled(*arguments: str) -> dict[str, Any]:
            done = trails.run("backfill", trails.uri, since, "--json", *arguments)
            assert done.exit_code == 1, done.output
            assert f"s3://{trails.name}/{proxy.denied}: listing is denied" in done.output
            found: dict[str, Any] = json.loads(done.stdout)
            return found

        proxy.denied = denied
        planned = backfilled("--dry-run")
        assert (planned["objects"], planned["failed_objects"]) == (2, 1)
        read = backfilled("--workers", "2")
        assert (read["objects"], read["failed_objects"]) == (1, 1)  # the other is text
        assert {each["uri"] for each in ledger(trails.client, trails.settings)} >= {
            trails.uri + key("one", 1, "new")
        }
        found = trails.reconciled(since, code=1)
        assert trails.kinds(found) == {denied: "unreadable"}

        proxy.denied = "one/"  # what was read from it is not gone
        found = trails.reconciled(since, code=1)
        assert trails.kinds(found) == {
            proxy.denied: "unreadable",
            key("two", 1, "a"): "missing",
        }
        proxy.denied = "two/"
        refused = trails.run("backfill", f"{trails.uri}two/", since)
        assert isinstance(refused.exception, ListingDeniedError)
