"""A whole sample: plan, attacks, records, duplicates, files, labels."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

from trailhound.errors import UsageError
from trailhound.sample.attacks import ATTACKS
from trailhound.sample.estate import Estate, build
from trailhound.sample.incident import Incident, NoRoom
from trailhound.sample.layout import SampleFolder
from trailhound.sample.plan import Bucket, apportion, file_sizes, quotas, region_weights
from trailhound.sample.records import Record, RecordWriter
from trailhound.sample.spec import AttackLabel, SampleSpec, SampleSummary

LABELS = "labels.json"
_BESIDE = ".sample"
"""The folder of what is written beside the trail and is no part of it. Hidden, so that reading the
sample's folder lists the trail alone."""
ROOM = 0.5
"""The largest share of a day's events, in an account and region, that an attack may have."""
BULK = 150
"""The most objects that an attack reads."""
_EVENTS_PER_BULK = 160
_MANY = 10**9
"""Events, so many that their shares are exact."""
_MARGIN = 1.1
"""Attacks have a few steps more in some places than in others."""


def write_sample(
    directory: Path, spec: SampleSpec, progress: Callable[[int], None] | None = None
) -> SampleSummary:
    """Write the sample of a spec into a folder, and its labels beside `AWSLogs` as
    `.sample/labels.json`.

    `progress` is called after each file with the number of records in it. A folder that contains
    the same sample is overwritten with the same bytes; raises `UsageError` where it contains
    anything else, or cannot be written.

    >>> from tempfile import mkdtemp
    >>> summary = write_sample(Path(mkdtemp()) / "trail", SampleSpec(events=10))
    >>> summary.events, summary.records
    (10, 10)
    """
    estate = build(spec)
    planned = quotas(spec, estate)
    hidden, labels, dropped = _hide_attacks(spec, estate, planned)
    _claim(directory, spec, labels, dropped)
    summary = write_records(directory, spec, estate, planned, hidden, labels, dropped, progress)
    return replace(summary, events_for_attacks=_enough(spec, estate)) if dropped else summary


def _enough(spec: SampleSpec, estate: Estate) -> int:
    """How many events have room for all attacks, on as many days and in as many accounts.

    >>> spec = SampleSpec(events=10, days=400, accounts=2)
    >>> enough = _enough(spec, build(spec))
    >>> larger = SampleSpec(events=enough, days=400, accounts=2)
    >>> _hide_attacks(larger, build(larger), quotas(larger, build(larger)))[2]
    ()
    """
    planned = quotas(replace(spec, events=_MANY, events_per_file=None), estate)
    homes = sorted(attack_buckets(spec, planned), key=lambda home: -planned[home])
    apart = len(homes) >= len(ATTACKS)  # each in a day or account of its own
    share = planned[homes[len(ATTACKS) - 1 if apart else 0]] / _MANY
    events = spec.events
    while True:
        steps = [
            len(_incident(spec, estate, homes[0], name, _bulk(events), _MANY).steps)
            for name in ATTACKS
        ]
        enough = math.ceil((max(steps) if apart else sum(steps)) * _MARGIN / ROOM / share)
        if events >= enough:
            return events
        events = -(-enough // 1_000) * 1_000


def write_records(
    directory: Path,
    spec: SampleSpec,
    estate: Estate,
    planned: dict[Bucket, int],
    hidden: dict[Bucket, list[Record]],
    labels: tuple[AttackLabel, ...],
    dropped: tuple[str, ...],
    progress: Callable[[int], None] | None = None,
) -> SampleSummary:
    """The files of a trail, with the records of attacks among them."""
    recorder = RecordWriter(spec, estate, region_weights(spec)[spec.home_region])
    shelf = SampleFolder(directory, spec, estate)
    duplicates = _duplicates(spec, planned)
    records = 0
    for bucket, count in planned.items():
        if count == 0:
            continue
        attack = hidden.get(bucket, [])
        lines = recorder.write(bucket, count - len(attack))
        if attack:
            lines = sorted(lines + attack, key=itemgetter(0))
        rng = Random(f"files {spec.seed} {bucket}")
        owner = estate.accounts[bucket.account].id
        twice = sorted(_sample(rng, lines, duplicates[bucket]), key=itemgetter(0))
        for batch in (lines, twice):
            at = 0
            for size in file_sizes(spec, rng, len(batch)):
                part = batch[at : at + size]
                at += size
                delivered = _delivered(bucket, part[-1][0], rng)
                shelf.put(owner, bucket.region, delivered, rng, [line for _, line in part])
                records += size
                if progress:
                    progress(size)
    for label in labels:
        recorder.addresses.update(label.addresses)
        recorder.arns.update(label.principals)
    return SampleSummary(
        directory=directory,
        events=spec.events,
        records=records,
        files=shelf.files,
        bytes=shelf.bytes,
        uncompressed_bytes=shelf.uncompressed_bytes,
        distinct_addresses=len(recorder.addresses),
        distinct_arns=len(recorder.arns),
        attacks=labels,
        dropped_attacks=dropped,
    )


def attack_buckets(spec: SampleSpec, planned: dict[Bucket, int]) -> list[Bucket]:
    """Where an attack can be: each day and account, in the home region."""
    homes = [bucket for bucket in planned if bucket.region == spec.home_region]
    return sorted(homes, key=lambda bucket: (bucket.account, bucket.day))


def _bulk(events: int) -> int:
    return min(BULK, events // _EVENTS_PER_BULK)


def _incident(
    spec: SampleSpec, estate: Estate, bucket: Bucket, name: str, bulk: int, room: int
) -> Incident:
    """The attack of this name. Raises `NoRoom`."""
    rng = Random(f"attack {spec.seed} {name} {bucket}")
    incident = Incident(
        rng=rng,
        estate=estate,
        account=estate.accounts[bucket.account],
        bucket=bucket,
        second=int(rng.random() * 18 * 3600),
        bulk=bulk,
        room=room,
    )
    ATTACKS[name](incident)
    return incident


def _hide_attacks(
    spec: SampleSpec, estate: Estate, planned: dict[Bucket, int]
) -> tuple[dict[Bucket, list[Record]], tuple[AttackLabel, ...], tuple[str, ...]]:
    """Records of attacks by bucket, their labels, and the names of those without room.

    Each goes to the first day and account, counted from its own place in their order, whose quota
    has room for it.
    """
    hidden: dict[Bucket, list[Record]] = {}
    labels: list[AttackLabel] = []
    dropped: list[str] = []
    room = {bucket: int(count * ROOM) for bucket, count in planned.items()}
    homes = attack_buckets(spec, planned)
    for number, name in enumerate(ATTACKS if spec.attacks else ()):
        turn = (number * 2) % spec.days
        for bucket in homes[turn:] + homes[:turn]:
            try:
                incident = _incident(spec, estate, bucket, name, _bulk(spec.events), room[bucket])
            except NoRoom:
                continue
            room[bucket] -= len(incident.steps)
            hidden.setdefault(bucket, []).extend(incident.records)
            labels.append(incident.label(name))
            break
        else:
            dropped.append(name)
    return hidden, tuple(labels), tuple(dropped)


def _duplicates(spec: SampleSpec, planned: dict[Bucket, int]) -> dict[Bucket, int]:
    """How many records of each bucket are delivered twice."""
    weights: dict[Bucket, float] = {bucket: float(count) for bucket, count in planned.items()}
    return apportion(round(spec.events * spec.duplicates), weights)


def _sample(rng: Random, lines: list[Record], count: int) -> list[Record]:
    """A number of the lines, none of them twice."""
    lines = list(lines)
    count = min(count, len(lines))
    for place in range(count):
        other = place + int(rng.random() * (len(lines) - place))
        lines[place], lines[other] = lines[other], lines[place]
    return lines[:count]


def _delivered(bucket: Bucket, second: int, rng: Random) -> datetime:
    """When a file is delivered: three to eight minutes after its last event."""
    midnight = datetime.combine(bucket.day, time(), UTC)
    return midnight + timedelta(seconds=second + 180 + int(rng.random() * 300))


def companion_path(directory: Path, name: str) -> Path:
    """Where a file about the sample of a folder is: its labels, a solution. In samples of earlier
    releases it is beside `AWSLogs` itself.

    >>> companion_path(Path("trail"), LABELS).as_posix()
    'trail/.sample/labels.json'
    """
    earlier = directory / name
    return earlier if earlier.is_file() else directory / _BESIDE / name


def _claim(
    directory: Path, spec: SampleSpec, labels: tuple[AttackLabel, ...], dropped: tuple[str, ...]
) -> None:
    """Claim the folder for this sample: the labels are written before the first file."""
    document: dict[str, Any] = {
        "spec": spec.as_json(),
        "attacks": [label.as_json() for label in labels],
        "dropped_attacks": list(dropped),
    }
    text = json.dumps(document, indent=2) + "\n"
    path = companion_path(directory, LABELS)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()) and not (path.is_file() and path.read_text("utf-8") == text):
            raise UsageError(
                f"{directory} is not empty and holds something other than this sample",
                hint="give an empty folder, or one that is not there yet",
            )
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot write a sample to {directory}: {error}", hint="give a folder of your own"
        ) from None
