"""Who makes which call how often, and when: the tables of services, workloads and people together.

Weights are events of 100,000 (before attacks). Calls of a global service are recorded in the home
region only, so their weight there is divided by that region's share of events.
"""

from __future__ import annotations

from enum import Enum
from math import ceil
from random import Random
from typing import NamedTuple

from trailhound.sample.sessions import Actor
from trailhound.sample.shapes import GLOBAL_SOURCES, Shape

TABLE_BITS = 16
"""Random bits for a draw from a table: shares are multiples of 1 in 65,536."""
CLOCK_BITS = 12


class Rhythm(Enum):
    """How the calls of a kind of caller are distributed over the day: weights of the 24 hours,
    UTC."""

    STEADY = (10,) * 24
    OFFICE = (1, 1, 1, 1, 2, 3, 6, 14, 22, 26, 26, 24, 20, 24, 28, 28, 24, 18, 12, 8, 5, 4, 2, 1)
    BUILDS = (8, 3, 6, 3, 3, 3, 5, 9, 14, 18, 18, 16, 13, 16, 20, 20, 18, 13, 9, 7, 6, 5, 4, 3)


OFFICE_ACTORS = frozenset({Actor.PERSON, Actor.PORTAL, Actor.SAML, Actor.USER, Actor.SIGN_IN,
                           Actor.ROOT})  # fmt: skip
BUILD_ACTORS = frozenset({Actor.PIPELINE, Actor.WEB_IDENTITY})
WEEKEND = {Rhythm.STEADY: 1.0, Rhythm.OFFICE: 0.12, Rhythm.BUILDS: 0.3}
"""Calls on a day of the weekend, relative to a working day."""


class Activity(NamedTuple):
    """A caller making a call: `weight` in events of 100,000, `by` the service concerned."""

    weight: float
    actor: Actor
    by: str
    shape: Shape

    @property
    def rhythm(self) -> Rhythm:
        """When it happens."""
        if self.actor in OFFICE_ACTORS:
            return Rhythm.OFFICE
        return Rhythm.BUILDS if self.actor in BUILD_ACTORS else Rhythm.STEADY

    @property
    def everywhere(self) -> bool:
        """Whether every region records it, not the home region alone."""
        return self.shape.source not in GLOBAL_SOURCES


def reads(
    weight: float, actor: Actor, by: str, source: str, *names: str, **shape: object
) -> list[Activity]:
    """Several similar reading calls of one source that divide one weight."""
    each = weight / len(names)
    return [
        Activity(each, actor, by, Shape(source, name, **shape))  # type: ignore[arg-type]
        for name in names
    ]


def draw_table(
    activities: tuple[Activity, ...], home_share: float, *, home: bool, weekend: bool
) -> list[int]:
    """Indices of `activities`, each as often as its probability requires, to be drawn by
    `TABLE_BITS` bits."""
    weights = []
    for activity in activities:
        weight = activity.weight * (WEEKEND[activity.rhythm] if weekend else 1.0)
        if not activity.everywhere:
            weight = weight / home_share if home else 0.0
        weights.append(weight)
    return _spread(weights, 1 << TABLE_BITS)


def clocks() -> dict[Rhythm, list[int]]:
    """Minutes of the day by rhythm, each as often as its probability requires, for `CLOCK_BITS`
    bits."""
    return {
        rhythm: _spread([hour for hour in rhythm.value for _ in range(60)], 1 << CLOCK_BITS)
        for rhythm in Rhythm
    }


def _spread(weights: list[float] | list[int], size: int) -> list[int]:
    """Each index as often in `size` places as its weight says.

    Rounding is at a fixed random offset, so that a weight too small for a place may still get one.
    """
    total = sum(weights)
    table: list[int] = []
    lot = Random("lot").random()
    running = 0.0
    for index, weight in enumerate(weights):
        running += weight / total * size
        table += [index] * (min(ceil(running - lot), size) - len(table))
    return table + table[-1:] * (size - len(table))
