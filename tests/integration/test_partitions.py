"""A trail that is read in parts ends as the index of one whole run, whatever the parts."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, product
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.objects import Selection
from tests.helpers.engines import remove_namespace
from tests.helpers.killed_runs import Part, run_together
from tests.helpers.trails import (
    backfill,
    documents,
    ledger,
    own_settings,
    prepared,
    record,
    write_trail,
)

EXAMPLES = int(os.environ.get("TRAILHOUND_PARTITION_EXAMPLES", "6"))
FIRST = date(2025, 3, 1)
DAYS = 3
ACCOUNTS = ("111122223333", "222233334444", "333344445555")
REGIONS = ("eu-west-1", "us-east-1")
NAMES = ("Decrypt", "CreateUser", "GetObject")
MANY_REQUESTS = 22
"""About as many as a small run makes: it is killed at any of them, or ends just before."""


@dataclass(frozen=True)
class Case:
    """A trail by folder, and groups of parts: those of a group run at the same time."""

    trail: dict[str, list[dict[str, Any]]]
    groups: list[list[Part]]


def cases() -> st.SearchStrategy[Case]:
    """Drawn from a seed, since what is drawn piece by piece is mostly empty or tiny."""
    return st.integers(0, 2**32).map(lambda seed: case(Random(seed)))


def case(chance: Random) -> Case:
    return Case(trail_of(chance), groups_of(chance))


def trail_of(chance: Random) -> dict[str, list[dict[str, Any]]]:
    """Records delivered up to 30 days late, to folders of other accounts and regions, to folders
    that say nothing; some twice, some without account or region."""
    trail: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    late = chance.choice([1, 2, 30])
    for _ in range(chance.randrange(5, 40)):
        day = FIRST + timedelta(days=chance.randrange(DAYS))
        account, region = chance.choice(ACCOUNTS), chance.choice(REGIONS)
        made = record(
            eventID=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            eventTime=f"{day}T{chance.randrange(24):02}:10:00Z",
            eventName=chance.choice(NAMES),
            recipientAccountId=account,
            awsRegion=region,
        )
        if chance.random() < 0.3:
            account = chance.choice(ACCOUNTS)
        if chance.random() < 0.3:
            region = chance.choice(REGIONS)
        if chance.random() < 0.1:
            del made["recipientAccountId"]
        if chance.random() < 0.1:
            del made["awsRegion"]
        delivered = day + timedelta(days=chance.choice([0, 0, 1, chance.randrange(late + 1)]))
        trail[folder_of(chance, account, region, delivered)].append(made)
        if chance.random() < 0.1:
            trail[folder_of(chance, account, region, delivered)].append(made)
    return dict(trail)


def folder_of(chance: Random, account: str, region: str, day: date) -> str:
    if chance.random() < 0.2:
        return chance.choice(["exports", f"AWSLogs/{account}/CloudTrail"])
    if chance.random() < 0.2:
        period = chance.choice(["%Y", "%Y/%m"])
        return f"AWSLogs/{account}/CloudTrail/{region}/{day:{period}}"
    return f"AWSLogs/{account}/CloudTrail/{region}/{day:%Y/%m/%d}"


def groups_of(chance: Random) -> list[list[Part]]:
    """A division by time, account and region in any order, some parts killed and run again, other
    selections and filters in between, and up to three at the same time."""
    parts = [
        Part(replace(span, accounts=accounts, regions=regions))
        for span, accounts, regions in product(
            spans(chance), divided(chance, ACCOUNTS), divided(chance, REGIONS)
        )
    ]
    today = datetime.now(UTC).date()
    for _ in range(chance.randrange(3)):
        accounts = chance.choice(divided(chance, ACCOUNTS))
        other = Part(
            replace(chance.choice(spans(chance)), accounts=accounts),
            noise=tuple(chance.sample(NAMES, chance.randrange(3))),
            retention=chance.choice([None, (today - FIRST).days - 1]),
        )
        parts.append(other)
    for part in list(parts):
        if chance.random() < 0.4:
            at = chance.randrange(1, MANY_REQUESTS)
            parts.append(replace(part, kill_at=at, answered=chance.random() < 0.5))
    chance.shuffle(parts)
    groups: list[list[Part]] = []
    while parts:
        number = chance.choice([1, 1, 2, 3])
        groups.append(parts[:number])
        parts = parts[number:]
    return groups


def spans(chance: Random) -> list[Selection]:
    """Adjoining spans of days that hold all of time."""
    most = FIRST + timedelta(days=DAYS + 1)
    cuts = sorted(
        {most - timedelta(days=chance.randrange(DAYS + 3)) for _ in range(chance.randrange(3))}
    )
    ends = [None, *cuts, None]
    return [
        Selection(since=since and since + timedelta(days=1), until=until)
        for since, until in pairwise(ends)
    ]


def divided(chance: Random, names: tuple[str, ...]) -> list[frozenset[str]]:
    """Some sets that hold every name once; or one without any, which is all."""
    if chance.random() < 0.5:
        return [frozenset()]
    shuffled = chance.sample(names, len(names))
    cut = chance.randrange(len(names) + 1)
    return [frozenset(each) for each in (shuffled[:cut], shuffled[cut:]) if each]


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(case=cases())
def test_a_trail_in_parts_ends_as_one_whole_run(engine: str, case: Case) -> None:
    namespace = f"part{uuid.uuid4().hex[:10]}"
    home = Path(tempfile.mkdtemp(prefix="parts-"))
    made = own_settings(engine, namespace, home / "home")
    try:
        client = prepared(made)
        root = home / "trail"
        for number, (folder, records) in enumerate(case.trail.items()):
            write_trail(root / folder, records, f"f{number}")
        for group in case.groups:
            codes = run_together(made, str(root), group)
            for part, code in zip(group, codes, strict=True):
                assert code == 0 or (code == -9 and part.kill_at > 0)
        sent = {each["eventID"]: each for records in case.trail.values() for each in records}
        found = documents(client, made)
        assert found.keys() == sent.keys()
        whole = backfill(made, root, force=True)
        assert (whole.objects, whole.skipped_objects) == (len(case.trail), 0)
        assert (whole.counts.indexed, whole.counts.filtered) == (0, 0)
        assert documents(client, made) == found
        assert {entry["state"] for entry in ledger(client, made)} == {"done"}
        again = backfill(made, root)
        assert (again.objects, again.skipped_objects) == (0, len(case.trail))
    finally:
        remove_namespace(engine, namespace)
        shutil.rmtree(home)
