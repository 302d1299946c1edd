"""Where `backfill --verify` is refused: before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from trailhound.cli.backfill_verified import require_verifiable
from trailhound.errors import UsageError


@pytest.mark.parametrize(
    ("enqueue", "dry_run", "named"), [(True, False, "--enqueue"), (False, True, "--dry-run")]
)
def test_nothing_is_verified_where_nothing_is_read(
    enqueue: bool, dry_run: bool, named: str
) -> None:
    with pytest.raises(UsageError, match=f"{named} does not"):
        require_verifiable(["s3://a-trail/"], enqueue=enqueue, dry_run=dry_run)


@pytest.mark.parametrize("source", ["-", "*.json.gz", "file.json.gz"])
def test_a_source_without_digests_is_refused(source: str, tmp_path: Path) -> None:
    (tmp_path / "file.json.gz").touch()
    named = source if source == "-" else str(tmp_path / source)
    with pytest.raises(UsageError, match="needs a bucket or a folder"):
        require_verifiable([named], enqueue=False, dry_run=False)


def test_buckets_and_folders_are_taken(tmp_path: Path) -> None:
    require_verifiable(["s3://a-trail/", str(tmp_path)], enqueue=False, dry_run=False)
