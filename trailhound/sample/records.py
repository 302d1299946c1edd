"""The records of one day, account and region: ordinary activity, one line of JSON per event."""

from __future__ import annotations

from datetime import date
from random import Random

from trailhound.sample.activity import CLOCK_BITS, TABLE_BITS, clocks, draw_table
from trailhound.sample.estate import Account, Estate
from trailhound.sample.identifiers import base64, uuids
from trailhound.sample.plan import Bucket
from trailhound.sample.services import SERVICES
from trailhound.sample.sessions import OPEN, Actor, Moment, Session
from trailhound.sample.shapes import Compiled, Template, bind, compile_shape
from trailhound.sample.slots import Scene
from trailhound.sample.spec import SampleSpec
from trailhound.sample.staff import PEOPLE
from trailhound.sample.tail import LONG_TAIL
from trailhound.sample.workloads import PIPELINES, WORKLOADS

ACTIVITIES = SERVICES + WORKLOADS + PIPELINES + PEOPLE + LONG_TAIL

_MINUTES = [f"T{hour:02d}:{minute:02d}:" for hour in range(24) for minute in range(60)]
_SECONDS = [f"{second:02d}Z" for second in range(60)]
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PLACES = 2048
"""More than there are activities: a second and an activity are sorted as one number."""

EVENTS_PER_SESSION = {Actor.VISITOR: 2.0, Actor.SAML: 1.0, Actor.SIGN_IN: 1.0}
"""How many events a session has at least, once there are enough of them; the rest have 25."""

Record = tuple[int, bytes]
"""Second of the UTC day, and the record's JSON in UTF-8."""


def render(template: Template, scene: Scene, time: str, event_id: str, request_id: str) -> bytes:
    """Fill a template for the scene's session.

    Encoded one by one: joined first, a single `é` would slow the encoding of a whole file.
    """
    session = scene.session
    values = [
        session.identity,
        time,
        session.address,
        session.agent,
        event_id,
        request_id,
        session.endpoint,
        session.tail,
    ]
    values += [make(scene) for make in template.makers]
    return (template.text % template.order(values)).encode()


def time_of(day: str, second: int) -> str:
    """`eventTime`: a second of a day in ISO 8601."""
    return f"{day}{_MINUTES[second // 60]}{_SECONDS[second % 60]}"


def scene_of(rng: Random, estate: Estate, account: Account, bucket: Bucket, opaque: str) -> Scene:
    """A scene for a bucket, before any event."""
    return Scene(
        rng=rng,
        estate=estate,
        account=account,
        place=account.places[bucket.region],
        region=bucket.region,
        day=bucket.day.isoformat(),
        day_text=day_text(bucket.day),
        opaque=opaque,
        random=rng.random,
        bits=rng.getrandbits,
        session=Session("", "", ""),
        role=account.roles[0],
    )


def day_text(day: date) -> str:
    """`Mar 3, 2025`, as dates in `responseElements` begin."""
    return f"{_MONTHS[day.month - 1]} {day.day}, {day.year}"


class RecordWriter:
    """Writes buckets' records; `arns` and `addresses` collect those of the sessions that occur."""

    def __init__(self, spec: SampleSpec, estate: Estate, home_share: float) -> None:
        self.spec = spec
        self.estate = estate
        self.opaque = base64(Random(f"opaque {spec.seed}"), 1 << 17)
        self.arns: set[str] = set()
        self.addresses: set[str] = set()
        self._tables = {
            (home, weekend): draw_table(ACTIVITIES, home_share, home=home, weekend=weekend)
            for home in (False, True)
            for weekend in (False, True)
        }
        by_rhythm = clocks()
        self._clocks = [by_rhythm[activity.rhythm] for activity in ACTIVITIES]
        # A cast is the sessions of one kind of caller for one service.
        self._casting: list[tuple[Actor, str]] = list(
            dict.fromkeys((activity.actor, activity.by) for activity in ACTIVITIES)
        )
        numbers = {key: number for number, key in enumerate(self._casting)}
        self._cast_of = [numbers[activity.actor, activity.by] for activity in ACTIVITIES]
        self._seats = [0.0] * len(self._casting)
        for activity, number in zip(ACTIVITIES, self._cast_of, strict=True):
            each = EVENTS_PER_SESSION.get(activity.actor, 25.0)
            self._seats[number] += activity.weight / 100_000 / 24 / each
        self._services: dict[str, Session] = {}
        self._compiled: dict[int, Compiled] = {}
        self._bound: dict[tuple[str, str], list[Compiled | None]] = {}

    def write(self, bucket: Bucket, count: int) -> list[Record]:
        """`count` records of ordinary activity in the bucket, in order of time."""
        account = self.estate.accounts[bucket.account]
        rng = Random(f"records {self.spec.seed} {account.id} {bucket.region} {bucket.day}")
        scene = scene_of(rng, self.estate, account, bucket, self.opaque)
        random, cast_of = rng.random, self._cast_of
        records: list[Record] = []
        hour, casts = -1, self._casts(count)
        ids = iter(uuids(rng, 2 * count))
        bound = self._bound.setdefault((account.id, bucket.region), [None] * len(ACTIVITIES))
        for code in self._draw(rng, bucket, count):
            second, index = divmod(code, _PLACES)
            if second // 3600 != hour:
                hour = second // 3600
                casts = self._casts(count)
            cast = casts[cast_of[index]]
            seat = int(random() * len(cast))
            session = cast[seat]
            if session is None:
                session = cast[seat] = self._open(rng, bucket, account, second, index)
            scene.session = session
            scene.second = second
            compiled = bound[index] or self._bind(account.id, bucket.region, index)
            template = compiled.plain
            if compiled.faults:
                chance = random()
                if chance < compiled.fault_share:
                    template = next(t for limit, t in compiled.faults if chance < limit)
            record = render(template, scene, time_of(scene.day, second), next(ids), next(ids))
            records.append((second, record))
        return records

    def _draw(self, rng: Random, bucket: Bucket, count: int) -> list[int]:
        """When which activity happens: seconds and indices as one number, in order of time."""
        home = bucket.region == self.spec.home_region
        table = self._tables[home, bucket.day.weekday() >= 5]
        clock, bits, random = self._clocks, rng.getrandbits, rng.random
        codes = []
        for _ in range(count):
            index = table[bits(TABLE_BITS)]
            second = clock[index][bits(CLOCK_BITS)] * 60 + int(random() * 60)
            codes.append(second * _PLACES + index)
        codes.sort()
        return codes

    def _casts(self, count: int) -> list[list[Session | None]]:
        """Places for an hour's sessions, more in hours with more events."""
        return [[None] * (1 + int(count * seats)) for seats in self._seats]

    def _open(
        self, rng: Random, bucket: Bucket, account: Account, second: int, index: int
    ) -> Session:
        actor, by = self._casting[self._cast_of[index]]
        if actor is Actor.SERVICE and by in self._services:
            return self._services[by]
        opened = max(second - int(rng.random() * 1800), second // 3600 * 3600)
        moment = Moment(
            rng=rng,
            estate=self.estate,
            account=account,
            region=bucket.region,
            hour=second // 3600,
            opened=time_of(bucket.day.isoformat(), opened),
            ordinal=bucket.day.toordinal(),
        )
        session = OPEN[actor](moment, by)
        if actor is Actor.SERVICE:
            self._services[by] = session
        if actor.remote:
            self.addresses.add(session.address)
        if session.arn:
            self.arns.add(session.arn)
        return session

    def _bind(self, account: str, region: str, index: int) -> Compiled:
        compiled = self._compiled.get(index)
        if compiled is None:
            activity = ACTIVITIES[index]
            compiled = self._compiled[index] = compile_shape(activity.shape, activity.actor)
        bound = self._bound[account, region][index] = bind(compiled, account, region)
        return bound
