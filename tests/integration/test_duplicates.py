"""Copies of records, in one file, over many files and over runs: each event once, none lost."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from ingest import canonical
from ingest.repair.restore import restore
from tests.faults.proxy import Proxy, Request
from tests.helpers.trails import (
    backfill,
    dead_letters,
    own_settings,
    prepared,
    record,
    sources,
    write_trail,
)
from trailhound.settings import Settings

SMALL = {"batch_bytes": 64 * 1024}
"""Many requests, so that copies are in one, in flight together, and long after each other."""


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home", ingest=SMALL)
    prepared(made)
    return made


def texts(pool: random.Random, events: int) -> list[bytes]:
    """Records of so many eventIDs: of a fourth of these two different ones, of some the same one
    in another order of its members; and copies of all."""
    made: list[bytes] = []
    for number in range(events):
        event: dict[str, Any] = record(requestParameters={"n": number, "x": "y" * 300})
        forms = [event]
        if number % 4 == 0:
            forms.append(event | {"eventName": "DeleteUser"})
        if number % 5 == 0:
            forms.append(dict(reversed(event.items())))
        for form in forms:
            made += [json.dumps(form).encode()] * pool.choice((1, 1, 2, 3))
    pool.shuffle(made)
    return made


def written(pool: random.Random, folder: Path, records: list[bytes]) -> None:
    left, number = list(records), 0
    while left:
        size = pool.choice((1, 3, 8, 40))
        write_trail(folder, left[:size], f"{number:04}")
        left, number = left[size:], number + 1


@pytest.mark.parametrize("seed", range(3))
def test_every_record_is_stored_once_and_every_copy_counted(
    settings: Settings, tmp_path: Path, seed: int
) -> None:
    pool = random.Random(seed)
    records = texts(pool, 400)
    distinct = {canonical.canonical(each) for each in records}
    written(pool, tmp_path / "trail", records)
    first = backfill(settings, tmp_path / "trail")
    assert first.counts.as_dict() == {
        "read": len(records),
        "indexed": len(distinct),
        "duplicates": len(records) - len(distinct),
        "dead_lettered": 0,
        "filtered": 0,
    }
    assert first.conflicts >= 100
    client = prepared(settings)
    assert {restore(source) for source in sources(client, settings).values()} == distinct
    # A run that has sent nothing yet knows nothing, and compares with what is stored.
    again = backfill(settings, tmp_path / "trail", force=True)
    assert again.counts.duplicates == again.counts.read == len(records)
    assert len(sources(client, settings)) == len(distinct)


def test_copies_are_compared_with_the_index_only_where_the_run_has_not_seen_them(
    settings: Settings, namespace: str, tmp_path: Path
) -> None:
    one, two = record(), record()
    for number in range(10):
        write_trail(tmp_path / "trail", [one, record(), one], f"a{number}")
    sent: list[int] = []

    def note(request: Request) -> None:
        if request.of_events:
            sent.append(request.body.count(b'{"create":'))

    with Proxy(settings.hosts[0], note) as proxy:
        ingest = {"batch_seconds": 60}  # one request with all of it
        far = own_settings(proxy.url, namespace, tmp_path / "home", ingest=ingest)
        report = backfill(far, tmp_path / "trail")
        assert (report.counts.indexed, report.counts.duplicates) == (11, 19)
        assert not any(request.path == "/_mget" for request, _ in proxy.seen)
        assert sum(sent) == 11  # without the copies of what is sent in the same request
        write_trail(tmp_path / "trail", [one, two, one | {"eventName": "DeleteUser"}], "b")
        report = backfill(far, tmp_path / "trail")
        assert sum(request.path == "/_mget" for request, _ in proxy.seen) == 1
    assert (report.counts.indexed, report.counts.duplicates, report.conflicts) == (2, 1, 1)


def test_copies_of_what_is_not_stored_are_dead_letters_themselves(
    settings: Settings, namespace: str, tmp_path: Path
) -> None:
    one, two = record(), record()
    write_trail(tmp_path / "trail", [one], "a")
    backfill(settings, tmp_path / "trail")
    client = prepared(settings)
    # By name: Elasticsearch refuses to close by pattern.
    client.indices.close(index=",".join(client.indices.get(index=f"{namespace}-cloudtrail-*")))
    write_trail(tmp_path / "trail", [two, one, two], "b")
    write_trail(tmp_path / "trail", [one, two], "c")
    report = backfill(settings, tmp_path / "trail")
    assert (report.counts.read, report.counts.dead_lettered) == (5, 5)
    assert len(dead_letters(client, settings)) == 5
