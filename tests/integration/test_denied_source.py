"""A bucket that is listed and whose objects are all denied is no source that works."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.helpers.installation import key_of
from tests.helpers.ports import free_address
from tests.helpers.processes import start
from tests.helpers.queues import until
from tests.helpers.readyz import readiness
from tests.helpers.trails import own_settings, prepared, record, trail_bytes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_a_source_whose_objects_are_denied_makes_a_daemon_unready(
    engine: str, namespace: str, s3: S3Client, s3_endpoint: str, bucket: str, tmp_path: Path
) -> None:
    settings, address = own_settings(engine, namespace, tmp_path / "home"), free_address()
    prepared(settings)
    file = tmp_path / "trailhound.yaml"
    sources = [{"poll": f"s3://{bucket}/", "every": 0.3}]
    content = {
        "run": {"sources": sources, "listen": address},
        "aws": {"endpoint_url": s3_endpoint},
        "ingest": {"batch_seconds": 0.2},
        "detections": {"scheduled": False},
    }
    file.write_text(yaml.safe_dump(content))
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }

    def put(name: str) -> None:
        key = key_of(datetime.now(UTC), name)
        s3.put_object(Bucket=bucket, Key=key, Body=trail_bytes([record()]))

    for name in "abc":
        put(name)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": [denied]}))
    process = start(settings, "run", "--config", file)
    try:
        until(
            lambda: ("feed", f"s3://{bucket}/") in readiness(address)[1],
            "a source whose objects cannot be read",
        )
        s3.delete_bucket_policy(Bucket=bucket)
        put("d")
        until(lambda: readiness(address)[0] == 200, "a source that works")
    finally:
        process.kill()
        process.communicate()
