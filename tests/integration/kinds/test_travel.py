"""Impossible travel, against brute force and at its edges."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from detections.kinds import travel
from tests.helpers.event_store import EventStore
from tests.integration.kinds.calls import (
    ARN,
    DAY,
    HOUR,
    RANDOM,
    SEEDS,
    Event,
    asked,
    compiled,
    event,
    index_of,
    inside,
    span,
)

PLACES = {
    "Paris": (48.8566, 2.3522),
    "Lyon": (45.764, 4.8357),
    "New York": (40.7128, -74.006),
    "Sydney": (-33.8688, 151.2093),
}


def flown(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Kilometres by the spherical law of cosines."""
    a, b = map(math.radians, (one[0], other[0]))
    across = math.radians(other[1] - one[1])
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(across)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))


def login(number: int, time: int, arn: str | None, city: str, ingested: int | None = None) -> Event:
    latitude, longitude = PLACES[city]
    return event(
        number,
        time,
        arn,
        ingested=time if ingested is None else ingested,
        geolocation={
            "latitude": latitude,
            "longitude": longitude,
            "city": city,
            "location": {"lat": latitude, "lon": longitude},
        },
    )


@RANDOM
@given(seed=SEEDS, decided=st.booleans())
def test_journeys_are_those_of_brute_force(store: EventStore, seed: int, decided: bool) -> None:
    chance = Random(seed)
    events = [
        login(
            number,
            chance.randrange(0, 3 * DAY, HOUR),
            chance.choice([None, "ada", "ada", "bob"]),
            chance.choice(["Paris", "Paris", "Lyon", "New York", "Sydney"]),
            chance.randrange(0, 4 * DAY, HOUR),
        )
        for number in range(chance.randint(4, 25))
    ]
    clock, since, until = asked(chance, DAY)
    expected = set()
    for user in ("ada", "bob"):
        own = sorted(
            (each for each in events if each["fields"].get(ARN) == user),
            key=lambda each: (each["time"], each["id"]),
        )
        journeys = [
            (one, other)
            for one, other in pairwise(own)
            for km in [flown(*(PLACES[e["fields"]["geolocation"]["city"]] for e in (one, other)))]
            if km >= 500 and km > 900 * (other["time"] - one["time"]) / HOUR
        ]
        expected |= {
            (user, one["id"], other["id"])
            for one, other in journeys
            if inside(one, clock, since, until) or inside(other, clock, since, until)
        }
    mark = store.mark()
    store.add(mark, events)
    rule = travel.parse({"group_by": [ARN]})
    found = list(
        travel.findings(
            index_of(store),
            "rule",
            rule,
            compiled(mark, decided=decided),
            span(clock, since, until),
        )
    )
    pairs = {
        (each.group[0][1], *(name.removeprefix(f"{mark}-") for name in pair))
        for each in found
        for pair in pairwise(each.events)
    }
    # A run of journeys is one finding: it may begin before the span and end after it.
    assert expected <= pairs
    everything = span("@timestamp", -DAY, 10 * DAY)
    runs = travel.findings(index_of(store), "rule", rule, compiled(mark), everything)
    touched = {each["id"] for each in events if inside(each, clock, since, until)}
    for run in runs:
        ids = [name.removeprefix(f"{mark}-") for name in run.events]
        told_of = {pair for pair in pairs if set(pair[1:]) <= set(ids)}
        assert bool(told_of) == bool(touched & set(ids))


def test_a_late_login_makes_the_journey(store: EventStore) -> None:
    mark = store.mark()
    store.add(
        mark,
        [
            login(0, 0, "ada", "Paris"),
            login(1, 2 * HOUR, "ada", "Paris"),
            login(2, HOUR, "ada", "New York", 5 * HOUR),
        ],
    )
    rule = travel.parse({"group_by": [ARN]})
    late = span("event.ingested", 4 * HOUR, 6 * HOUR)
    (found,) = travel.findings(index_of(store), "rule", rule, compiled(mark), late)
    assert [name.removeprefix(f"{mark}-") for name in found.events] == [
        "e00000",
        "e00002",
        "e00001",
    ]
    assert found.detail == "Paris to New York: 5,837 km, 5,837 km/h"
