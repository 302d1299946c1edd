"""`trailhound verify --record`: verdicts in the ledger, marked events, alerts; and a second run."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opensearchpy import OpenSearch
from typer.testing import CliRunner

from tests.helpers.digests import DigestedTrail, Made, cloudtrail_api, listed_keys, public_der
from tests.helpers.trails import documents, ledger
from trailhound.cli.main import app
from trailhound.cluster.templates import Names
from trailhound.report.collect.compose import compose
from trailhound.report.collect.query import ReportWindow
from trailhound.settings import Settings
from trailhound.state.objects import short_id

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

UNTIL = ("--until", "2025-03-05")
Run = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with cloudtrail_api(listed_keys(public_der())) as address:
        yield address


@pytest.fixture
def run(
    settings: Settings,
    client: OpenSearch,
    s3_endpoint: str,
    api: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """Run a command: exit code, and its JSON."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDTRAIL", api)
    monkeypatch.setenv("TRAILHOUND_HOME", str(settings.home))
    monkeypatch.setenv("TRAILHOUND_NAMESPACE", settings.namespace)
    monkeypatch.setenv("TRAILHOUND_CLUSTER__HOSTS", json.dumps(settings.hosts))

    def ran(*arguments: str) -> tuple[int, Any]:
        found = CliRunner().invoke(app, [*arguments, "--json"])
        assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
        return found.exit_code, json.loads(found.stdout)

    return ran


@pytest.fixture
def made(bucket: str) -> DigestedTrail:
    trail = DigestedTrail(bucket, prefix="logs/")
    for files in (2, 2, 2):
        trail.hour(files)
    trail.file(trail.at + timedelta(minutes=10), 7)
    return trail


def put(s3: S3Client, made: DigestedTrail, key: str, body: bytes) -> None:
    s3.put_object(Bucket=made.bucket, Key=key, Body=body)


def verdicts(client: OpenSearch, settings: Settings) -> dict[str, str]:
    """By the file's number in its hour."""
    return {
        each["uri"].partition("logs/")[2]: (each["integrity"] or {}).get("verdict", "")
        for each in ledger(client, settings)
    }


def test_what_is_found_is_kept_and_said_once(
    run: Run, made: DigestedTrail, s3: S3Client, client: OpenSearch, settings: Settings
) -> None:
    source = made.stored(s3)
    assert run("backfill", source)[0] == 0
    (good, changed), (gone, appended), (damaged, late) = made.files
    assert len(documents(client, settings)) == 7
    assert run("status")[1]["verified_objects"] == 0

    code, found = run("verify", source, "--record", *UNTIL)
    assert (code, found["findings"]) == (0, [])
    assert found["recorded"]["verdicts"] == {"verified": 6}
    assert found["recorded"]["alerts"] == []
    assert not run("alerts", "list")[1]["alerts"]
    assert run("status")[1]["verified_objects"] == 6

    # Changed after their events were read from the genuine files: those stay as they are.
    content = gzip.decompress(made.objects[changed].body)
    put(s3, made, changed, gzip.compress(content.replace(b"GetCallerIdentity", b"DeleteTrail")))
    s3.delete_object(Bucket=made.bucket, Key=gone)
    put(s3, made, appended, made.objects[appended].body + gzip.compress(b'{"Records":[]}'))
    body = made.objects[damaged].body
    put(s3, made, damaged, body[:-6] + b"\0\0" + body[-4:])
    code, found = run("verify", source, "--record", *UNTIL)
    assert code == 1
    root = f"s3://{made.bucket}/"
    assert {each["object"] for each in found["findings"]} == {
        root + each for each in (changed, gone, appended, damaged)
    }
    assert found["recorded"]["marked"] == 0
    kept = verdicts(client, settings)
    assert {
        each: kept[each.removeprefix("logs/")] for each in (changed, gone, appended, damaged)
    } == {
        changed: "tampered",
        gone: "missing",
        appended: "tampered",
        damaged: "corrupt",
    }
    assert kept[good.removeprefix("logs/")] == kept[late.removeprefix("logs/")] == "verified"
    raised = run("alerts", "list")[1]["alerts"]
    assert sorted(each["id"] for each in raised) == found["recorded"]["alerts"]
    assert {each["level"] for each in raised} == {"critical"}
    assert {each["file"]["object"] for each in raised} == {
        root + each for each in (changed, gone, appended, damaged)
    }
    [missing] = [each for each in raised if each["file"]["object"] == root + gone]
    assert missing["file"]["found"] == "nothing"
    assert "its events were read before" in missing["reason"]

    # What is asked for later has the verdicts, though the events say what was known before.
    [of_gone] = [
        name
        for name, each in documents(client, settings).items()
        if each["trail"]["object"] == short_id(root + gone)
    ]
    event = run("event", of_gone)[1]
    assert event["integrity"]["verdict"] == "missing"
    assert event["added"]["trail"]["integrity"] == "unverified"
    trail = compose(client, settings, ReportWindow()).integrity
    # The seventh is pending; what was read of the others was genuine.
    assert (trail.verified, trail.unverified, trail.missing) == (6, 1, 1)
    listed = run("ledger", "list", "--verdict", "tampered")[1]["objects"]
    assert {each["uri"] for each in listed} == {root + changed, root + appended}

    # Read again, the events of the changed file are not genuine: they are marked.
    code, _ = run("backfill", source)
    code, again = run("verify", source, "--record", *UNTIL)
    assert code == 1
    assert again["recorded"]["alerts"] == []
    assert len(run("alerts", "list")[1]["alerts"]) == 4


def test_events_of_a_file_that_is_not_genuine_are_marked_where_their_day_takes_it(
    run: Run, made: DigestedTrail, s3: S3Client, client: OpenSearch, settings: Settings
) -> None:
    forged, other = made.files[0][0], made.files[2][0]
    for key in (forged, other):
        made.objects[key] = Made(gzip.compress(b" " + gzip.decompress(made.objects[key].body)))
    source = made.stored(s3)
    assert run("backfill", source)[0] == 0
    before = documents(client, settings)
    day = Names(settings.prefix).day("2025.03.02")
    client.indices.put_settings(index=day, body={"index.blocks.write": True})
    try:
        code, found = run("verify", source, "--record", *UNTIL)
        assert (code, found["recorded"]["marked"]) == (1, 1)
        assert found["recorded"]["unmarked"] == {
            f"s3://{made.bucket}/{other}": [f"{day}: read-only (1 event)"]
        }
        code, again = run("verify", source, "--record", *UNTIL)
        assert (again["recorded"]["marked"], again["recorded"]["alerts"]) == (0, [])
        assert again["recorded"]["unmarked"] == found["recorded"]["unmarked"]
    finally:
        client.indices.put_settings(index=day, body={"index.blocks.write": None})
    code, found = run("verify", source, "--record", *UNTIL)
    assert (found["recorded"]["marked"], found["recorded"]["unmarked"]) == (1, {})
    trail = compose(client, settings, ReportWindow()).integrity
    assert (trail.tampered, trail.verified, trail.unverified) == (2, 4, 1)
    after = documents(client, settings)
    marked = [name for name, each in after.items() if each["trail"]["integrity"] == "tampered"]
    assert len(marked) == 2
    for name, each in after.items():
        each["trail"]["integrity"] = before[name]["trail"]["integrity"]
    assert after == before, "nothing else is changed"


def test_a_verdict_holds_for_the_content_that_it_was_made_of(
    run: Run, made: DigestedTrail, s3: S3Client, client: OpenSearch, settings: Settings
) -> None:
    """What is forged in the place of a verified file is proved by nothing."""
    source = made.stored(s3)
    assert run("backfill", source)[0] == 0
    assert run("verify", source, "--record", *UNTIL)[0] == 0
    (same, forged), (restored, _), _ = made.files
    genuine = made.objects[restored].body

    def overwritten(key: str, body: bytes) -> str:
        """Read anew; the ledger's verdict after it."""
        put(s3, made, key, body)
        assert run("backfill", source, "--force")[0] == 0
        return verdicts(client, settings)[key.removeprefix("logs/")]

    content = gzip.decompress(made.objects[forged].body)
    other = content.replace(b"GetCallerIdentity", b"DeleteTrail").replace(b'ID":"', b'ID":"f')
    assert overwritten(forged, gzip.compress(other)) == ""
    assert verdicts(client, settings)[same.removeprefix("logs/")] == "verified", "read again too"
    added = [
        name
        for name, each in documents(client, settings).items()
        if each["eventName"] == "DeleteTrail"
    ]
    assert [run("event", each)[1]["integrity"] for each in added] == [None]
    trail = compose(client, settings, ReportWindow()).integrity
    assert (trail.verified, trail.unverified) == (5, 3)

    # A wrong verdict ends likewise once the genuine file is back.
    put(s3, made, restored, gzip.compress(b" " + gzip.decompress(genuine)))
    assert run("verify", source, "--record", *UNTIL)[0] == 1
    assert verdicts(client, settings)[restored.removeprefix("logs/")] == "tampered"
    assert overwritten(restored, genuine) == ""
    assert run("verify", source, "--record", *UNTIL)[0] == 1
    found = verdicts(client, settings)
    assert found[restored.removeprefix("logs/")] == "verified"
    assert found[forged.removeprefix("logs/")] == "tampered"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_backfill_verifies_first(
    run: Run,
    made: DigestedTrail,
    s3: S3Client,
    client: OpenSearch,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    workers: str,
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(listed_keys(public_der())))
    monkeypatch.setenv("TRAILHOUND_INTEGRITY__PUBLIC_KEYS", str(keys))
    (_, changed), (gone, appended), (damaged, _) = made.files
    source = made.stored(s3)
    content = gzip.decompress(made.objects[changed].body)
    put(s3, made, changed, gzip.compress(content.replace(b"GetCallerIdentity", b"DeleteTrail")))
    s3.delete_object(Bucket=made.bucket, Key=gone)
    put(s3, made, appended, made.objects[appended].body + gzip.compress(b'{"Records":[]}'))
    body = made.objects[damaged].body
    put(s3, made, damaged, body[:-6] + b"\0\0" + body[-4:])

    code, found = run("backfill", source, "--verify", "--until", "2025-03-05", "--workers", workers)
    assert code == 1
    said = found["verification"]
    assert (said["digests"]["valid"], said["listed"]) == (3, 6)
    assert [each["kind"] for each in said["findings"]] == ["missing"]
    root = f"s3://{made.bucket}/"
    by_object: dict[str, str] = {}
    for each in documents(client, settings).values():
        by_object[each["trail"]["object"]] = each["trail"]["integrity"]
    names = {key: by_object.get(short_id(root + key)) for hour in made.files for key in hour}
    bad = {changed: "tampered", gone: None, appended: "tampered", damaged: "corrupt"}
    assert names == {key: bad.get(key, "verified") for key in names}
    assert sorted(by_object.values()).count("unverified") == 1, "no digest lists it yet"
    kept = verdicts(client, settings)
    assert kept[gone.removeprefix("logs/")] == "missing"
    assert kept[changed.removeprefix("logs/")] == "tampered"
    raised = run("alerts", "list")[1]["alerts"]
    assert {each["file"]["object"] for each in raised} == {root + each for each in bad}

    # A verification of it all finds the same, and raises no alert again.
    code, again = run("verify", source, "--record", *UNTIL)
    assert (code, again["recorded"]["alerts"], again["recorded"]["marked"]) == (1, [], 0)


def test_a_duplicate_is_known_by_both_of_its_files(
    run: Run, made: DigestedTrail, s3: S3Client, client: OpenSearch, settings: Settings
) -> None:
    """Two trails deliver the same events: those of a file that is gone came by another one too."""
    source = made.stored(s3)
    first = made.files[0][0]
    copy = first.replace("0000.json.gz", "0009.json.gz")
    assert run("backfill", source)[0] == 0
    put(s3, made, copy, made.objects[first].body)
    code, said = run("backfill", source)
    assert (code, said["duplicates"]) == (0, 1)
    root = f"s3://{made.bucket}/"
    [entry] = [each for each in ledger(client, settings) if each["uri"] == root + copy]
    assert entry["shared"] == [{"object": short_id(root + first), "events": 1}]
    # The same file again is no second one.
    code, said = run("backfill", source, "--force")
    kept = {each["uri"]: each["shared"] for each in ledger(client, settings)}
    assert kept.pop(root + copy) == entry["shared"]
    assert not any(kept.values())
    [name] = [
        name
        for name, each in documents(client, settings).items()
        if each["trail"]["object"] == short_id(root + first)
    ]
    event = run("event", name)[1]
    assert event["also_by"] == [{"object": root + copy, "events": 1, "verdict": ""}]
