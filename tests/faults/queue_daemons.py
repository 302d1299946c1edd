"""Daemons on one queue as processes, objects for them, and whether all of it is in, once."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from ingest.feeds import notifications
from ingest.objects import TrailObject
from tests.helpers.processes import LONGEST, start
from tests.helpers.queues import Queue
from tests.helpers.trails import dead_letters, documents, ledger, record, trail_bytes
from trailhound.cluster.client import connect
from trailhound.settings import Settings

OBJECTS, EACH = 100, 40
FOLDER = "AWSLogs/111122223333/CloudTrail/us-east-1/2025/03/01"


def environment(endpoint: str) -> dict[str, str]:
    """Small batches and a short visibility, so that much is under way at any moment."""
    return {
        "TRAILHOUND_AWS__ENDPOINT_URL": endpoint,
        "TRAILHOUND_INGEST__BATCH_BYTES": "65536",
        "TRAILHOUND_INGEST__BATCH_SECONDS": "0.3",
        "TRAILHOUND_RUN__VISIBILITY_SECONDS": "10",
        "TRAILHOUND_RUN__OBJECTS_IN_FLIGHT": "12",
        "TRAILHOUND_RUN__LISTEN": "127.0.0.1:0",
    }


@contextmanager
def daemon(settings: Settings, queue: Queue, endpoint: str) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon on a queue, which gets SIGTERM at the end, and stops cleanly."""
    process = start(settings, "run", "--queue", queue.name, env=environment(endpoint))
    try:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=LONGEST)
        assert process.returncode in (0, -signal.SIGKILL), said.decode()[-2000:]
        assert b"Traceback" not in said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def filled(bucket: str, queue: Queue, dice: random.Random) -> set[str]:
    """Objects in the bucket and their messages: out of order, some twice, some later.

    The eventIDs are returned.
    """
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    ids: set[str] = set()
    messages: list[str] = []
    before: list[dict[str, Any]] = []
    for number in range(OBJECTS):
        records = [record() for _ in range(EACH)]
        if before:
            records[:2] = before[:2]  # delivered twice, in different files
        before = records[2:]
        ids |= {each["eventID"] for each in records}
        key = f"{FOLDER}/111122223333_CloudTrail_us-east-1_20250301T1200Z_{number:04}.json.gz"
        body = trail_bytes(records)
        etag = store.put_object(bucket, key, body).etag.strip('"')
        item = TrailObject(f"s3://{bucket}/{key}", etag, len(body))
        message = next(notifications.messages(iter([item]), 1))
        messages += [message] * (2 if number % 7 == 0 else 1)
    dice.shuffle(messages)
    queue.send_all([(each, 0 if number % 11 else 3) for number, each in enumerate(messages)])
    return ids


def everything_is_in(settings: Settings, ids: set[str]) -> None:
    """Each event once, and nothing else; each object done, its own counts adding up."""
    client = connect(settings)
    assert documents(client, settings).keys() == ids
    assert dead_letters(client, settings) == []
    entries = [entry for entry in ledger(client, settings) if "uri" in entry]
    done = [entry for entry in entries if entry["state"] == "done"]
    assert Counter(entry["state"] for entry in entries) == {"done": OBJECTS}
    for entry in done:
        assert entry["read"] == entry["indexed"] + entry["duplicates"] == EACH


def unchanged(queue: Queue) -> bool:
    """Whether the queue holds as many messages as many rounds of the daemon's deletions ago."""
    before = queue.left()
    time.sleep(4)
    return queue.left() == before
