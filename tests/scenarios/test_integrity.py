"""A daemon that ingests, runs rules and verifies, in one namespace: from a whole trail to a changed
and a deleted file, by the command line."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.helpers.digests import DigestedTrail, listed_keys, public_der
from tests.helpers.installation import Hook, Installation
from tests.helpers.ports import free_address
from tests.helpers.queues import until
from tests.helpers.readyz import readiness
from tests.helpers.receiver import Receiver
from trailhound.cluster.client import connect
from trailhound.settings import Settings
from trailhound.state.jobs import Jobs, JobState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def content(tmp_path: Path, bucket: str, endpoint: str, hook: int) -> dict[str, Any]:
    (tmp_path / "keys.json").write_text(json.dumps(listed_keys(public_der())))
    return {
        "aws": {"endpoint_url": endpoint},
        "ingest": {"batch_seconds": 0.2},
        "integrity": {"every": 60, "days": 2, "public_keys": str(tmp_path / "keys.json")},
        "notify": {
            "one_message_per": "alert",
            "channels": [
                {
                    "name": "hook",
                    "kind": "webhook",
                    "url": f"http://127.0.0.1:{hook}/hook",
                    "secret": "a-secret-of-this-test",
                }
            ],
        },
        "run": {
            "listen": free_address(),
            "log": "json",
            "sources": [{"poll": f"s3://{bucket}/", "every": 1}],
        },
    }


def test_a_daemon_that_verifies_what_it_ingests(
    settings: Settings, tmp_path: Path, s3: S3Client, s3_endpoint: str, bucket: str
) -> None:
    client, hook = connect(settings), Hook()
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    made = DigestedTrail(bucket, at=hour - timedelta(hours=3))
    for files in (2, 1, 2):
        made.hour(files)
    made.stored(s3)

    def verdicts() -> dict[str, str]:
        found = it.json("ledger", "list", "--state", "done", "--all")["objects"]
        return {
            each["uri"].rpartition("/")[2]: (each["integrity"] or {}).get("verdict", "")
            for each in found
        }

    def due_again() -> None:
        """As though the last verification were long ago."""
        long_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="milliseconds")
        Jobs(client, settings).write(
            JobState(name="integrity", last_run=long_ago, last_success=long_ago)
        )

    def verified() -> bool:
        done = Jobs(client, settings).get("integrity").last_success
        return bool(done) and datetime.fromisoformat(done) > datetime.now(UTC) - timedelta(hours=1)

    with Receiver(hook) as receiver:
        it = Installation(settings, tmp_path, content(tmp_path, bucket, s3_endpoint, receiver.port))
        address = it.content["run"]["listen"]
        it.trailhound("init")
        with it.daemon() as daemon:
            until(lambda: len(verdicts()) == 5, "the files in the ledger")
            until(verified, "the first verification")
            until(lambda: readiness(address) == (200, set()), "a daemon that is ready")
            it.stop(daemon)
        due_again()
        with it.daemon() as daemon:
            until(lambda: set(verdicts().values()) == {"verified"}, "five genuine files")
            assert it.json("alerts", "list")["alerts"] == []
            it.stop(daemon)

        changed, gone = made.files[0][1], made.files[2][0]
        body = gzip.compress(b" " + gzip.decompress(made.objects[changed].body))
        s3.put_object(Bucket=bucket, Key=changed, Body=body)
        s3.delete_object(Bucket=bucket, Key=gone)
        due_again()
        with it.daemon() as daemon:
            until(lambda: len(set(hook.accepted)) == 2, "two messages")
            until(lambda: readiness(address) == (200, set()), "a daemon that is ready")
            raised = it.json("alerts", "list", "--level", "critical")["alerts"]
            assert sorted(each["id"] for each in raised) == sorted(set(hook.accepted))
            root = f"s3://{bucket}/"
            assert {each["file"]["object"] for each in raised} == {root + changed, root + gone}
            assert all(each["file"]["expected"] != each["file"]["found"] for each in raised)
            judged = {each.rpartition("/")[2]: "verified" for hour in made.files for each in hour}
            judged[changed.rpartition("/")[2]] = "tampered"
            judged[gone.rpartition("/")[2]] = "missing"
            until(lambda: verdicts() == judged, "what is known of each file")
            # They are triaged, joined and reported as others are.
            it.trailhound("alerts", "ack", raised[0]["id"], "--note", "looking")
            until(lambda: bool(it.json("incidents", "list")["incidents"]), "an incident")
            page = tmp_path / "report.html"
            it.trailhound("report", "--output", page)
            assert "Trail file tampered with or missing" in page.read_text()
            it.stop(daemon)

        due_again()
        it.content["integrity"]["sources"] = [f"s3://{bucket}-none/"]
        it.write()
        with it.daemon() as daemon:
            failed = {("job", "integrity")}
            until(lambda: readiness(address) == (503, failed), "nothing that can be verified")
            until(lambda: failed <= it.reasons_of_status(), "the same in status")
            it.stop(daemon)
        assert len(it.json("alerts", "list", "--state", "all")["alerts"]) == 2
