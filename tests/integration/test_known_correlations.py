"""Known automation of rules that count: only days on which the count itself would have been an
alert teach it, on a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from detections.automation.learner import LearnedToday, Learner
from detections.packs.loading import SHIPPED, load
from tests.helpers.namespaces import own_namespace
from tests.helpers.trails import backfill, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import DetectionSettings, Settings
from trailhound.settings.detections import KnownAutomationSettings
from trailhound.state.known_automation import KnownAutomation, KnownAutomations

FIRST = datetime(2026, 3, 1, 10, tzinfo=UTC)
DAYS = 3
AFTER = FIRST + timedelta(days=DAYS)
SNAPSHOTS = SHIPPED / "impact" / "backups_deleted.yml"
REGIONS = SHIPPED / "defense-evasion" / "ec2_launch_in_new_region.yml"
PART = "80256ecb-0445-43b7-b616-4ea79942242c"
"""The rule that the count of deleted snapshots is of: five within 15 minutes."""
HOME, ELSEWHERE = "203.0.113.7", "198.51.100.9"


def call(role: str, when: datetime, address: str = HOME, name: str = "DeleteSnapshot") -> Any:
    arn = f"arn:aws:iam::111122223333:role/{role}"
    issuer = {"type": "Role", "arn": arn, "principalId": f"AROA{role.upper()}", "userName": role}
    return record(
        eventTime=f"{when:%Y-%m-%dT%H:%M:%SZ}",
        eventSource="ec2.amazonaws.com",
        eventName=name,
        sourceIPAddress=address,
        requestParameters={"snapshotId": "snap-0a1b2c3d"},
        userIdentity={
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::111122223333:assumed-role/{role}/nightly",
            "accountId": "111122223333",
            "principalId": f"AROA{role.upper()}:nightly",
            "sessionContext": {"sessionIssuer": issuer},
        },
    )


def history() -> Iterator[Any]:
    for day in range(DAYS):
        start = FIRST + timedelta(days=day)
        minutes = [start + timedelta(minutes=number) for number in range(5)]
        yield call("low", start)
        yield from (call("slow", start + timedelta(hours=number)) for number in range(5))
        yield from (call("busy", minute) for minute in minutes)
        yield call("busy", minutes[2], ELSEWHERE)
        yield call("launcher", start, name="RunInstances")
        # Two networks that reach the count together alone.
        yield from (call("both", minute) for minute in minutes[:3])
        yield from (call("both", minute, ELSEWHERE) for minute in minutes[3:])


@pytest.fixture(scope="module")
def where(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with own_namespace(engine, tmp_path_factory.mktemp("home")) as settings:
        client = prepared(settings)
        trail = tmp_path_factory.mktemp("trail")
        write_trail(trail, list(history()))
        backfill(settings, trail)
        client.indices.refresh(index=Names(settings.prefix).days)
        chosen = DetectionSettings(
            shipped=False,
            rules=[str(SNAPSHOTS), str(REGIONS)],
            known_automation=KnownAutomationSettings(days=3, within_days=6, expires_days=2),
        )
        yield settings.model_copy(update={"detections": chosen})


def learned(settings: Settings) -> LearnedToday:
    learner = Learner(connect(settings), settings, load(settings.detections))
    first = learner.run(AFTER, record=False)
    assert learner.run(AFTER, record=False) == first  # from what it remembers
    return first


def entry(role: str, network: str, since: date) -> KnownAutomation:
    return KnownAutomation(
        role=f"arn:aws:iam::111122223333:role/{role}",
        role_id=f"AROA{role.upper()}",
        account="111122223333",
        source="ec2.amazonaws.com",
        call="DeleteSnapshot",
        network=network,
        rule_id=PART,
        since=datetime(since.year, since.month, since.day, tzinfo=UTC),
        until=AFTER + timedelta(days=1),
    )


def test_a_call_below_the_count_is_never_learned(where: Settings) -> None:
    """Neither one a day, nor five a day over hours, nor launches in a region that is not new."""
    found = {(each.role.rpartition("/")[2], each.network) for each in learned(where).changes.new}
    expected = {
        (role, f"{net}.0/24") for role in ("busy", "both") for net in ("203.0.113", "198.51.100")
    }
    assert found == expected


def test_what_is_known_already_goes_on_and_lifts_nobody_over_the_count(where: Settings) -> None:
    """`busy` works from home as it is known to: it stays. Its one call from elsewhere would be
    found only together with what is left out, and an entry of below the count ends."""
    store = KnownAutomations(connect(where), where)
    home = entry("busy", "203.0.113.0/24", FIRST.date())
    below = entry("low", "203.0.113.0/24", AFTER.date())
    store.write([home, below])
    try:
        changes = learned(where).changes
    finally:
        store.remove_before(AFTER + timedelta(days=4000))
    assert [each.key for each in changes.kept] == [home.key]
    assert [each.key for each in changes.ended] == [below.key]
    assert {each.role.rpartition("/")[2] for each in changes.new} == {"both"}
