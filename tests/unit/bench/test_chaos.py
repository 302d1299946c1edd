"""The account of a chaos run is that of what it delivers, and a seed repeats the run."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.chaos.plan import plan
from bench.chaos.trail import Account, Delivery, deliveries
from trailhound.sample import SampleSpec, write_sample

KEEP_DAYS = 4
SECONDS = 600.0


def _made(folder: Path, now: datetime) -> tuple[list[Delivery], Account]:
    return deliveries(folder, random.Random(3), SECONDS, now, KEEP_DAYS)


def test_the_account_is_that_of_the_bucket_in_the_end(tmp_path: Path) -> None:
    start = datetime(2025, 3, 1, tzinfo=UTC)
    write_sample(tmp_path, SampleSpec(events=1_500, days=6, start=start.date(), events_per_file=8))
    now = start + timedelta(days=5, hours=12)
    put, account = _made(tmp_path, now)
    assert _made(tmp_path, now) == (put, account)
    assert [each.at for each in put] == sorted(each.at for each in put)
    assert all(0 <= each.at <= SECONDS for each in put)

    bucket: dict[str, bytes] = {}
    for each in put:
        bucket[each.key] = each.body or b""
    found: set[tuple[str, str, str]] = set()
    unusable = Counter[str]()
    for key, body in bucket.items():
        if key in account.broken or key in account.ghosts:
            continue
        for record in json.loads(gzip.decompress(body))["Records"]:
            if not isinstance(record, dict) or "eventID" not in record:
                unusable[key] += 1
            elif (day := record["eventTime"][:10]) >= "2025-03-02":
                found.add((record["eventID"], day, json.dumps(record)))
    assert Counter((name, day) for name, day, _ in found) == account.documents
    assert unusable == account.unusable
    assert account.documents.total() > len(account.documents), "ids that were taken"
    assert max(day for _, day in account.documents) <= now.date().isoformat()


def test_a_seed_decides_what_is_done_and_the_end_is_calm() -> None:
    steps = plan(random.Random(5), SECONDS)
    assert steps == plan(random.Random(5), SECONDS) != plan(random.Random(6), SECONDS)
    assert {"engine", "aws", "hook", "daemon a", "daemon b"} <= {each.what for each in steps}
    assert all(0 < each.at < SECONDS * 0.9 for each in steps)
