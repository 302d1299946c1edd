"""A daemon killed while its rules run: after a restart the same alerts as without."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from detections.alerts.store import AlertQuery, AlertStore
from tests.helpers.detection_rules import BURST, DELETED, write_rules
from tests.helpers.processes import start
from tests.helpers.queues import until
from tests.helpers.trails import own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.settings import Settings

PEOPLE, FILES, DENIED = 12, 3, 2


def events(now: datetime) -> Iterator[list[dict[str, Any]]]:
    """Files whose every event alerts by itself, or belongs to a burst that spans the files."""
    for number in range(FILES):
        moment = f"{now - timedelta(minutes=5 - number / 2):%Y-%m-%dT%H:%M:%SZ}"
        yield [
            record(eventTime=moment, **changes, userIdentity=identity(person))
            for person in range(PEOPLE)
            for changes in (
                *[{"errorCode": "AccessDenied"}] * DENIED,
                {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail"},
            )
        ]


def identity(person: int) -> dict[str, str]:
    arn = f"arn:aws:iam::111122223333:user/p{person}"
    return {"type": "IAMUser", "arn": arn, "accountId": "111122223333", "userName": f"p{person}"}


def raised(settings: Settings) -> Mapping[tuple[str, str], int]:
    """Every alert: its rule, what it is about, how many events it counts."""
    found = AlertStore(connect(settings), settings).find(AlertQuery())
    return {
        (each["rule"]["id"], (each["group"] or each["evidence"]["event_id"])[0]): each["count"]
        for each in found
    }


def more_than(settings: Settings, number: int) -> bool:
    return len(raised(settings)) > number


@contextmanager
def daemon(settings: Settings, trail: Path, env: Mapping[str, str]) -> Iterator[None]:
    """A daemon that is killed at the end."""
    process = start(settings, "run", "--watch", trail, env=env)
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_killed_during_its_rules_it_raises_the_same_alerts(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    rng = random.Random(3)
    settings = own_settings(engine, namespace, tmp_path / "home", index={"refresh_interval": "1s"})
    prepared(settings)
    rules = write_rules(tmp_path / "rules")
    env = {
        "TRAILHOUND_DETECTIONS__SHIPPED": "false",
        "TRAILHOUND_DETECTIONS__RULES": json.dumps([str(rules)]),
        "TRAILHOUND_RUN__LISTEN": "127.0.0.1:0",
        "TRAILHOUND_RUN__LEASE_SECONDS": "4",
        "TRAILHOUND_INGEST__BATCH_SECONDS": "0.3",
    }
    trail = tmp_path / "trail"
    trail.mkdir()
    files = list(events(datetime.now(UTC)))
    expected = {
        (DELETED, each["eventID"]): 1 for several in files for each in several[DENIED :: DENIED + 1]
    }
    for number, records in enumerate(files):
        before = len(raised(settings))
        write_trail(trail, records, name=f"f{number}")
        with daemon(settings, trail, env):
            until(partial(more_than, settings, before), "the first of its alerts")
            time.sleep(rng.uniform(0, 0.3))
    whole = len(expected) + PEOPLE * FILES * DENIED
    with daemon(settings, trail, env):
        until(lambda: sum(raised(settings).values()) >= whole, "every alert, every event counted")
    found = raised(settings)
    bursts = {key: count for key, count in found.items() if key[0] == BURST}
    assert {key: count for key, count in found.items() if key[0] == DELETED} == expected
    assert list(bursts.values()) == [FILES * DENIED] * PEOPLE
