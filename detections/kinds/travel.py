"""Impossible travel: two consecutive logins of one identity, too far apart for the time between.

Distances are great circles between the locations of the addresses (`geolocation.location`). A
location is accurate to a city at best, and a VPN changes it at once: distances below `min_km` are
ignored, and rules of this kind select logins rather than all calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from math import asin, cos, inf, radians, sin, sqrt
from typing import Any

from detections.compiled import Compiled
from detections.correlations.parts import Touch, during
from detections.events.anchors import Anchor, anchors
from detections.events.index import EventIndex
from detections.events.matching import Matching
from detections.events.principal import views
from detections.finding import EVIDENCE, Finding, GroupKey
from detections.kinds.kind import OwnKind
from detections.kinds.options import Options
from detections.span import Span, moment
from trailhound.cluster.snapshot import Snapshot
from trailhound.errors import RuleError

EARTH_KM = 6371.0088
"""The mean radius (IUGG)."""
FARTHEST_KM = 20_038
"""Half of the equator: no two places are farther apart."""
HOUR = 3_600_000
LATITUDE, LONGITUDE = "geolocation.latitude", "geolocation.longitude"
COUNTRY, CITY = "geolocation.country", "geolocation.city"


@dataclass(frozen=True, slots=True)
class ImpossibleTravel:
    """An identity is a combination of the values of `group_by`."""

    group_by: tuple[str, ...]
    max_kmh: float = 900.0
    min_km: float = 500.0

    @property
    def max_gap(self) -> int:
        """Milliseconds in which any place can be reached: no longer gap is impossible."""
        return int(FARTHEST_KM / self.max_kmh * HOUR) + 1


def parse(content: Mapping[str, Any]) -> ImpossibleTravel:
    """Parses the options under `impossible_travel:`. Raises `RuleError`.

    >>> parse({"group_by": "userIdentity.arn"})
    ImpossibleTravel(group_by=('userIdentity.arn',), max_kmh=900, min_km=500)
    """
    options = Options("impossible_travel", content)
    group_by = options.fields("group_by")
    if not group_by:
        raise RuleError(
            "impossible_travel: group_by names no field",
            hint="name the fields that identify a principal",
        )
    max_kmh = options.number("max_kmh", 900, 50, 100_000)
    min_km = options.number("min_km", 500, 0, FARTHEST_KM)
    options.done()
    return ImpossibleTravel(group_by, max_kmh, min_km)


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The distance between two (latitude, longitude) in degrees, by the haversine formula.

    >>> round(kilometres((48.8566, 2.3522), (40.7128, -74.0060)))
    5837
    """
    (south, west), (north, east) = one, other
    up, across = radians(north - south) / 2, radians(east - west) / 2
    half = sin(up) ** 2 + cos(radians(south)) * cos(radians(north)) * sin(across) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, half)))


@dataclass(frozen=True, slots=True)
class Login:
    """A login: its time in milliseconds, and its location."""

    time: int
    id: str
    place: tuple[float, float]
    name: str
    touched: bool


def too_fast(travel: ImpossibleTravel, one: Login, other: Login) -> bool:
    """Whether the distance exceeds what `max_kmh` allows in the time between."""
    distance = kilometres(one.place, other.place)
    return distance >= travel.min_km and distance * HOUR > travel.max_kmh * (other.time - one.time)


@dataclass(slots=True)
class _Track:
    """The state of one identity: its latest login, and the run of impossible journeys so far."""

    last: Login
    journeys: list[Login] = field(default_factory=list)
    """Logins, each too far from the one before."""
    touched: bool = False


def findings(
    index: EventIndex, rule_id: str, travel: ImpossibleTravel, compiled: Compiled, span: Span
) -> Iterator[Finding]:
    """Runs of logins, each impossible after the one before, with a journey that begins or ends in
    the span. Late logins are ordered by their time. Raises `ClusterError`."""
    touched = {"bool": {"filter": [compiled.query, span.query()]}}
    if not index.count(touched):
        return
    reach = 2 * travel.max_gap
    with index.snapshot(span.around(reach, reach)) as snapshot:
        for anchor in anchors(snapshot, span, touched, travel.max_gap):
            for view in views(travel.group_by):
                by = replace(travel, group_by=view.fields)
                seen = view.of(compiled)
                yield from _journeys(snapshot, rule_id, by, seen, Touch(span), anchor)


def _journeys(
    snapshot: Snapshot,
    rule_id: str,
    travel: ImpossibleTravel,
    compiled: Compiled,
    touch: Touch,
    anchor: Anchor,
) -> Iterator[Finding]:
    tracks: dict[GroupKey, _Track] = {}
    swept = 0
    for key, login in _logins(snapshot, travel, compiled, touch, anchor):
        track = tracks.get(key)
        if track is None:
            tracks[key] = _Track(login)
        elif too_fast(travel, track.last, login):
            track.journeys = track.journeys or [track.last]
            track.journeys.append(login)
            track.touched |= login.touched or track.last.touched
            track.last = login
        else:
            yield from _finding(rule_id, travel, key, track)
            tracks[key] = _Track(login)
        if login.time - swept > travel.max_gap:
            swept = login.time
            for old in [each for each in tracks if tracks[each].last.time < swept - travel.max_gap]:
                yield from _finding(rule_id, travel, old, tracks.pop(old))
    for key, track in tracks.items():
        yield from _finding(rule_id, travel, key, track)


def _logins(
    snapshot: Snapshot,
    travel: ImpossibleTravel,
    compiled: Compiled,
    touch: Touch,
    anchor: Anchor,
) -> Iterator[tuple[GroupKey, Login]]:
    """The logins around an anchor that have a location, by time."""
    matching = Matching(snapshot, compiled, [*travel.group_by, LATITUDE, LONGITUDE, COUNTRY, CITY])
    around = during((anchor.since - travel.max_gap, anchor.until))
    placed = [{"exists": {"field": name}} for name in (LATITUDE, LONGITUDE)]
    query = {"bool": {"filter": [around, *placed], **touch.clause()}}
    values = matching.reader.values
    for hit in matching.hits(query):
        time = int(hit["sort"][0])
        place = float(values(hit, LATITUDE)[0]), float(values(hit, LONGITUDE)[0])
        name = ", ".join(part for path in (CITY, COUNTRY) for part in values(hit, path)[:1])
        login = Login(time, hit["_id"], place, name or f"{place}", touch.of(hit, time))
        for key in product(*(values(hit, path) for path in travel.group_by)):
            yield key, login


def _finding(
    rule_id: str, travel: ImpossibleTravel, key: GroupKey, track: _Track
) -> Iterator[Finding]:
    if not track.touched:
        return
    first, second = track.journeys[:2]
    distance = kilometres(first.place, second.place)
    took = (second.time - first.time) / HOUR
    speed = distance / took if took else inf
    at_speed = f"{speed:,.0f} km/h" if took else "at one instant"
    yield Finding(
        rule_id=rule_id,
        events=tuple(login.id for login in track.journeys[:EVIDENCE]),
        count=len(track.journeys),
        first_seen=moment(first.time),
        last_seen=moment(track.journeys[-1].time),
        group=tuple(zip(travel.group_by, key, strict=True)),
        detail=f"{first.name} to {second.name}: {distance:,.0f} km, {at_speed}",
    )


KIND = OwnKind(
    "impossible_travel",
    parse,
    ("group_by", "max_kmh", "min_km"),
    findings,
)
