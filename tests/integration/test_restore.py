"""`trailhound backfill --restore`: archived objects, asked for and read as they come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto.moto_api import state_manager

from tests.helpers.commands import command
from tests.helpers.trails import (
    backfill,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    trail_bytes,
)
from trailhound.cli import restore
from trailhound.errors import UsageError
from trailhound.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/01/{}.json.gz"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path, s3: S3Client) -> Settings:
    aws = {"endpoint_url": s3.meta.endpoint_url}
    made = own_settings(engine, namespace, tmp_path / "home", aws=aws)
    prepared(made)
    return made


@pytest.fixture
def slow_restores() -> Iterator[None]:
    """Restores that are under way for two looks."""
    before = state_manager.get_transition("s3::keyrestore")
    state_manager.set_transition("s3::keyrestore", {"progression": "manual", "times": 2})
    yield
    state_manager.set_transition("s3::keyrestore", before)


def test_archived_objects_are_kept_as_such_and_read_once_they_are_back(
    settings: Settings,
    s3: S3Client,
    bucket: str,
    slow_restores: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(restore, "_LOOK_EVERY", 0.05)
    for name, stored in (("now", "STANDARD"), ("cold", "GLACIER"), ("deep", "DEEP_ARCHIVE")):
        body = trail_bytes([record()])
        s3.put_object(Bucket=bucket, Key=KEY.format(name), Body=body, StorageClass=stored)  # type: ignore[arg-type]
    source = f"s3://{bucket}/"
    env = {"TRAILHOUND_AWS__ENDPOINT_URL": s3.meta.endpoint_url}

    first = backfill(settings, source)
    assert (first.objects, first.archived_objects, first.failed_objects) == (3, 2, 0)
    assert not first.complete
    states = [entry["state"] for entry in ledger(prepared(settings), settings)]
    assert sorted(states) == ["archived", "archived", "done"]
    listed = command(settings, "ledger", "list", "--state", "archived", "--output", "ndjson")
    assert len(listed.stdout.splitlines()) == 2
    again = command(settings, "backfill", source, env=env)
    assert again.exit_code == 1
    assert "2 objects in an archive tier of S3" in again.stderr

    unasked = command(settings, "backfill", source, "--restore", env=env)
    assert isinstance(unasked.exception, UsageError)
    assert "1 DEEP_ARCHIVE, 1 GLACIER" in unasked.stderr
    assert "costs less than $0.01 at the list price" in unasked.stderr
    assert "Restore" not in s3.head_object(Bucket=bucket, Key=KEY.format("cold"))

    done = command(settings, "backfill", source, "--restore", "--yes", "--json", env=env)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["restore"]["asked"], found["restore"]["archived"]) == (2, 0)
    assert (found["indexed"], found["archived_objects"], found["failures"]) == (2, 0, [])
    assert len(documents(prepared(settings), settings)) == 3
    assert {entry["state"] for entry in ledger(prepared(settings), settings)} == {"done"}


def test_only_a_bucket_is_restored(settings: Settings, tmp_path: Path) -> None:
    for given in ([str(tmp_path)], ["s3://b/", "--dry-run"], ["lookup://"]):
        done = command(settings, "backfill", *given, "--restore")
        assert isinstance(done.exception, UsageError)
