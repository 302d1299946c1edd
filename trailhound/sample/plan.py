"""How many events each day, account and region gets, and in files of what size."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from trailhound.sample.estate import Estate
from trailhound.sample.spec import SampleSpec

WEEKEND_WEIGHT = 0.9
"""Events of a weekend day relative to a working day; most are of services."""

_SIZES = (1, 2, 4, 7, 12, 20, 35, 50, 70, 90, 120, 160, 220, 300, 400, 700)
"""Records in a file when sizes vary, all with the same probability: many small files, most records
in large ones."""


class Bucket(NamedTuple):
    """A day, account (its number in the estate) and region: what shares a folder in S3."""

    day: date
    account: int
    region: str


def region_weights(spec: SampleSpec) -> dict[str, float]:
    """Shares of events by region: the home region has most, then in the order given."""
    others = [region for region in spec.regions if region != spec.home_region]
    weights = {spec.home_region: 1.0}
    weights |= {region: 1.0 / (place + 2) for place, region in enumerate(others)}
    total = sum(weights.values())
    return {region: weight / total for region, weight in weights.items()}


def quotas(spec: SampleSpec, estate: Estate) -> dict[Bucket, int]:
    """Events of each bucket: `spec.events` in all, in whole files where their size is given."""
    regions = region_weights(spec)
    weights = {}
    for number in range(spec.days):
        day = spec.start + timedelta(days=number)
        busy = WEEKEND_WEIGHT if day.weekday() >= 5 else 1.0
        for account, owner in enumerate(estate.accounts):
            for region in spec.regions:
                weights[Bucket(day, account, region)] = busy * owner.weight * regions[region]
    size = spec.events_per_file or 1
    files = -(-spec.events // size)
    counts = {bucket: number * size for bucket, number in apportion(files, weights).items()}
    # All files are whole but one: the last of the bucket that has most.
    counts[max(counts, key=lambda bucket: counts[bucket])] -= files * size - spec.events
    return counts


def apportion(total: int, weights: dict[Bucket, float]) -> dict[Bucket, int]:
    """`total` split by weights into whole numbers, by largest remainders (ties: first come)."""
    sum_of_weights = sum(weights.values())
    exact = {bucket: total * weight / sum_of_weights for bucket, weight in weights.items()}
    counts = {bucket: int(share) for bucket, share in exact.items()}
    left = total - sum(counts.values())
    by_remainder = sorted(exact, key=lambda bucket: counts[bucket] - exact[bucket])
    for bucket in by_remainder[:left]:
        counts[bucket] += 1
    return counts


def file_sizes(spec: SampleSpec, rng: Random, count: int) -> list[int]:
    """Sizes of the files that `count` records go into."""
    sizes = []
    while count > 0:
        size = spec.events_per_file or _SIZES[int(rng.random() * len(_SIZES))]
        size = min(size, count)
        sizes.append(size)
        count -= size
    return sizes
