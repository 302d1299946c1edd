"""What `trailhound verify` says to people."""

from __future__ import annotations

import gzip
from pathlib import Path

from typer.testing import CliRunner

from trailhound.cli.main import app


def test_a_region_without_any_digest_has_no_wrong_one(tmp_path: Path) -> None:
    name = "111122223333_CloudTrail_eu-west-1_20250301T0005Z_aaaaaaaaaaaaaaaa.json.gz"
    file = tmp_path / "AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/01" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(b'{"Records": []}'))
    done = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert done.exit_code == 1
    assert "0 digests valid, 0 not" in done.stderr
    assert "no digest at all of 1 region of an account" in done.stderr
