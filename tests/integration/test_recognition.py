"""Objects with an unknown name: read where their first bytes show CloudTrail records, counted
by what they are where these show something else, and asked about once."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.processes import identity_holds, printed, run
from tests.helpers.trails import documents, ledger, own_settings, prepared, record, trail_bytes
from trailhound.cluster.client import connect
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FLOW = b"version account-id interface-id srcaddr\n2 111122223333 eni-1 10.0.0.1\n"
TRAILS = {"fh/s-1-2025-03-01-10-00-00-5": [record(), record()], "export/part-00000": [record()]}


def table() -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([["day", "service", "cost"], ["2025-03-01", "ec2", "1.5"]])
    return text.getvalue().encode()


OTHERS: dict[str, tuple[bytes, str]] = {
    "lake/part-0": (b"PAR1" + bytes(200) + b"PAR1", "Parquet"),
    "costs/march": (table(), "CSV"),
    "flows/eni-1": (gzip.compress(FLOW), "VPC flow log"),
    "digests/one": (gzip.compress(b'{"awsAccountId":"1","digestStartTime":"2025"}'), "digest"),
    "config/history": (b'{"fileVersion":"1.0","configurationItems":[]}', "AWS Config history"),
    "lake/ocsf": (b'{"class_uid":6003,"api":{"operation":"CreateUser"}}', "OCSF"),
}

Fill = Callable[[dict[str, bytes]], None]


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home")
    prepared(made)
    return made


@pytest.fixture
def aws(s3_endpoint: str) -> dict[str, str]:
    return {"TRAILHOUND_AWS__ENDPOINT_URL": s3_endpoint}


@pytest.fixture(params=["folder", "glob", "bucket"])
def place(request: pytest.FixtureRequest, s3: S3Client, bucket: str, tmp_path: Path) -> Any:
    """(what a user writes, what puts objects there)."""
    if request.param == "bucket":
        return f"s3://{bucket}/", lambda bodies: put(s3, bucket, bodies)
    root = tmp_path / "place"
    root.mkdir()

    def write(bodies: dict[str, bytes]) -> None:
        for name, body in bodies.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)

    return (str(root) if request.param == "folder" else f"{root}/*/*"), write


def put(s3: S3Client, bucket: str, bodies: dict[str, bytes]) -> None:
    for key, body in bodies.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def trails() -> dict[str, bytes]:
    return {name: trail_bytes(records) for name, records in TRAILS.items()}


def others() -> dict[str, bytes]:
    return {name: body for name, (body, _) in OTHERS.items()}


def kinds(report: dict[str, Any]) -> dict[str, int]:
    """Numbers by the beginning of the kind: the rest of it is advice."""
    return {name.partition(" (")[0]: number for name, number in report["ignored_kinds"].items()}


EXPECTED_KINDS = {kind: 1 for _, kind in OTHERS.values()}


def test_trails_are_ingested_and_the_rest_is_counted_by_kind(
    settings: Settings, place: tuple[str, Fill], aws: dict[str, str]
) -> None:
    where, fill = place
    fill(trails() | others())
    ended = run(settings, "backfill", where, "--json", env=aws)
    assert ended.returncode == 0, ended.stderr.decode()
    report = printed(ended.stdout)
    assert (report["objects"], report["failed_objects"], report["indexed"]) == (2, 0, 3)
    assert kinds(report) == EXPECTED_KINDS
    assert identity_holds(report)
    client = connect(settings)
    assert len(documents(client, settings)) == 3
    states = [entry["state"] for entry in ledger(client, settings)]
    assert sorted(states) == ["done"] * 2 + ["skipped"] * 6
    again = printed(run(settings, "backfill", where, "--json", env=aws).stdout)
    assert (again["objects"], again["skipped_objects"], again["read"]) == (0, 2, 0)
    assert kinds(again) == EXPECTED_KINDS


def fetched(caplog: pytest.LogCaptureFixture, bucket: str) -> list[str]:
    """The keys of objects that the S3 server was asked for, once a request."""
    found = (
        re.search(rf"GET /{bucket}/([^ ?]+)[^ ]* HTTP", each.getMessage())
        for each in caplog.records
    )
    return [match[1] for match in found if match]


def test_what_an_object_is_is_asked_once(
    settings: Settings,
    aws: dict[str, str],
    s3: S3Client,
    bucket: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(s3, bucket, trails() | others())
    caplog.set_level(logging.INFO, logger="werkzeug")
    where = f"s3://{bucket}/"
    planned = run(settings, "backfill", where, "--dry-run", "--json", env=aws)
    assert planned.returncode == 0, planned.stderr.decode()
    assert printed(planned.stdout)["unnamed_objects"] == len(TRAILS) + len(OTHERS)
    said = run(settings, "backfill", where, "--dry-run", env=aws).stdout.decode()
    assert "8 objects of those to read have a name that does not show what they hold" in said
    assert fetched(caplog, bucket) == []
    one = f"{where}{min(TRAILS)}"
    said = run(settings, "backfill", one, "--dry-run", env=aws).stdout.decode()
    assert "1 object of those to read has a name that does not show what it holds" in said
    assert run(settings, "backfill", where, env=aws).returncode == 0
    first = fetched(caplog, bucket)
    assert sorted(first) == sorted([*TRAILS, *OTHERS])  # small ones: the first bytes are all
    assert run(settings, "backfill", where, env=aws).returncode == 0
    assert fetched(caplog, bucket) == first
    after = printed(run(settings, "backfill", where, "--dry-run", "--json", env=aws).stdout)
    assert (after["objects"], after["unnamed_objects"]) == (0, 0)
    assert kinds(after) == EXPECTED_KINDS
    # New content under an old name is looked at again.
    put(s3, bucket, {"costs/march": trail_bytes([record()])})
    changed = printed(run(settings, "backfill", where, "--json", env=aws).stdout)
    assert (changed["objects"], changed["indexed"]) == (1, 1)
    assert fetched(caplog, bucket) == [*first, "costs/march"]


def test_a_place_without_any_trail_is_exit_code_1(
    settings: Settings, place: tuple[str, Fill], aws: dict[str, str]
) -> None:
    where, fill = place
    fill(others())
    for _ in range(2):  # by what was read, and by what the ledger says
        ended = run(settings, "backfill", where, "--json", env=aws)
        assert ended.returncode == 1, ended.stderr.decode()
        assert kinds(json.loads(ended.stdout)) == EXPECTED_KINDS


def test_an_empty_place_is_exit_code_0(
    settings: Settings, tmp_path: Path, aws: dict[str, str], bucket: str
) -> None:
    (tmp_path / "empty").mkdir()
    for where in (tmp_path / "empty", f"s3://{bucket}/"):
        ended = run(settings, "backfill", where, "--json", env=aws)
        assert ended.returncode == 0, ended.stderr.decode()
        assert printed(ended.stdout)["objects"] == 0
