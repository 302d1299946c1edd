"""Alerts in any order, in any batches, again and again: the incidents are those of brute force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detections.incidents.joining import Incident, LinkedAlert, Links, Sharing, incidents
from detections.incidents.reach import Stored, decided

START = datetime(2025, 3, 1, 20, tzinfo=UTC)
GAP = timedelta(hours=24)
ADDRESS = "203.0.113.7"
NOTHING_SHARED = Sharing()
DEPLOYS = "role:1:deploy"
SESSION = "session:arn:aws:sts::1:assumed-role/deploy/x:2025"


def alert(
    name: str,
    first: float,
    last: float | None = None,
    *,
    own: Iterable[str] = (),
    created: Iterable[str] = (),
    used: Iterable[str] = (),
    addresses: Iterable[str] = (),
) -> LinkedAlert:
    """Times in hours."""
    begin = START + timedelta(hours=first)
    end = begin if last is None else START + timedelta(hours=last)
    days = {begin.date(), end.date()}
    return LinkedAlert(
        name,
        begin,
        end,
        Links(
            frozenset(own),
            frozenset(created),
            frozenset(used),
            frozenset((each, day) for each in addresses for day in days),
        ),
    )


def joined(*alerts: LinkedAlert, sharing: Sharing = NOTHING_SHARED) -> list[str]:
    """`a+b` for each incident."""
    return ["+".join(each.alerts) for each in incidents(alerts, sharing, GAP)]


def test_the_same_person_within_a_day_is_one_incident_named_after_its_earliest_alert() -> None:
    late, early = alert("a", 20, own=["user:1:ada"]), alert("b", 0, own=["user:1:ada"])
    assert incidents([late, early], Sharing(), GAP) == (Incident("b", ("b", "a")),)
    assert joined(early, alert("c", 24, own=["user:1:ada"])) == ["b+c"]
    assert joined(early, alert("c", 24.1, own=["user:1:ada"])) == ["b", "c"]
    # From the end of one to the beginning of the other, however long each is.
    assert joined(alert("d", 0, 90, own=["k"]), alert("e", 100, own=["k"])) == ["d+e"]
    assert joined(alert("d", 0, 90, own=["k"]), alert("e", 50, own=["k"])) == ["d+e"]


def test_a_created_resource_joins_whoever_uses_it_and_is_used_by_many_otherwise() -> None:
    maker = alert("a", 0, own=["user:1:ada"], created=["user:1:ghost", "bucket:loot"])
    assert joined(maker, alert("b", 1, own=["user:1:ghost"])) == ["a+b"]
    assert joined(maker, alert("b", 1, used=["bucket:loot"])) == ["a+b"]
    assert joined(alert("a", 0, used=["bucket:data"]), alert("b", 1, used=["bucket:data"])) == [
        "a",
        "b",
    ]
    # To act on a person is not to be that person.
    assert joined(alert("a", 0, used=["user:1:eve"]), alert("b", 1, own=["user:1:eve"])) == [
        "a",
        "b",
    ]


def test_three_credentials_one_after_the_other_are_one_incident() -> None:
    stolen = alert("a", 0, own=["user:1:robot", "key:AKIA1"], created=["key:ASIA2"])
    role = alert("b", 1, own=["session:Ops/x@9", "key:ASIA2"], created=["user:1:ghost"])
    ghost = alert("c", 2, own=["user:1:ghost", "key:AKIA3"])
    assert joined(ghost, role, stolen) == ["a+b+c"]


@pytest.mark.parametrize(("principals", "expected"), [(2, ["a+b"]), (3, ["a", "b"])])
def test_an_address_joins_unless_more_than_two_used_it_that_day(
    principals: int, expected: list[str]
) -> None:
    one = alert("a", 0, own=["user:1:ada"], addresses=[ADDRESS])
    other = alert("b", 1, own=["user:1:bob"], addresses=[ADDRESS])
    sharing = Sharing({(ADDRESS, START.date()): principals})
    assert joined(one, other, sharing=sharing) == expected


def test_an_address_of_a_day_that_is_gone_joins_what_it_joined() -> None:
    gone = Sharing({(ADDRESS, START.date()): 0})
    alerts = [alert(name, 0, addresses=[ADDRESS]) for name in "abc"]
    before = [replace(it, links=replace(it.links, joined=frozenset({ADDRESS}))) for it in alerts]
    assert joined(*alerts, sharing=gone) == ["a", "b", "c"]
    assert joined(*before[:2], alerts[2], sharing=gone) == ["a+b", "c"]


@pytest.mark.parametrize(("people", "expected"), [(3, ["a+b"]), (4, ["a", "b"])])
def test_a_created_role_joins_unless_more_than_three_assumed_it(
    people: int, expected: list[str]
) -> None:
    maker, user = alert("a", 0, created=["role:1:Ops"]), alert("b", 1, used=["role:1:Ops"])
    assert joined(maker, user, sharing=Sharing(roles={"role:1:Ops": people})) == expected


@pytest.mark.parametrize(("given", "expected"), [(3, ["a+b"]), (4, ["a", "b"])])
def test_what_was_given_to_act_with_joins_unless_the_key_gave_it_to_more_than_three(
    given: int, expected: list[str]
) -> None:
    giver = alert("a", 0, own=["key:AKIA"], created=["acts:instance:i-1"])
    instance = alert("b", 1, used=["acts:instance:i-1"])
    sharing = Sharing(givers={("key:AKIA", START.date()): given})
    assert joined(giver, instance, sharing=sharing) == expected
    # What is given on that day is no habit.
    later = Sharing(givers={("key:AKIA", START.date() + timedelta(days=1)): given})
    assert joined(giver, instance, sharing=later) == ["a+b"]


@pytest.mark.parametrize(("made", "expected"), [(3, ["a+b+c"]), (4, ["a", "b", "c"])])
def test_what_who_deploys_made_joins_nobody_who_only_uses_it(
    made: int, expected: list[str]
) -> None:
    pipeline = alert("a", 0, own=[SESSION], created=["function:1:web", "instance:i-1"])
    intruder = alert("b", 1, own=["key:AKIA2"], used=["instance:i-1"])
    colleague = alert("c", 2, own=["user:1:nina"], created=["function:1:web"])
    sharing = Sharing(makers={(DEPLOYS, START.date()): made})
    assert joined(pipeline, intruder, colleague, sharing=sharing) == expected


@pytest.mark.parametrize(
    ("created", "own"),
    [
        ("key:AKIA2", "key:AKIA2"),
        ("user:1:ghost", "user:1:ghost"),
        ("role:1:back", "session:arn:aws:sts::1:assumed-role/back/x:2025"),
    ],
)
def test_a_credential_that_who_deploys_made_joins_whoever_acts_with_it(
    created: str, own: str
) -> None:
    pipeline = alert("a", 0, own=[SESSION], created=[created])
    sharing = Sharing(makers={(DEPLOYS, START.date()): 50})
    assert joined(pipeline, alert("b", 1, own=[own]), sharing=sharing) == ["a+b"]
    assert joined(pipeline, alert("b", 1, used=[created]), sharing=sharing) == ["a", "b"]


def test_two_who_gave_the_same_are_not_one() -> None:
    gift = ["acts:role:1:reader:2"]
    one, other = alert("a", 0, created=gift), alert("b", 1, created=gift)
    assert joined(one, other) == ["a", "b"]
    assert joined(one, other, alert("c", 2, used=gift)) == ["a+b+c"]


def test_a_pipeline_that_deploys_for_ever_joins_the_alerts_of_no_function() -> None:
    """50 functions, deployed each hour in another session, one of which has an alert each hour."""
    functions = [f"acts:function:1:f{number}" for number in range(50)]
    alerts = []
    for hour in range(0, 72, 2):
        key = f"session:arn:aws:sts::1:assumed-role/deploy/{hour}:2025"
        made = [f"{name}@{hour}" for name in functions]
        alerts.append(alert(f"m{hour}", hour, own=[key], created=made))
        alerts += [
            alert(f"f{hour}-{number}", hour + 1, own=[f"session:{hour}:{number}"], used=[name])
            for number, name in enumerate(made)
        ]
    days = {(START + timedelta(hours=hour)).date() for hour in range(72)}
    many = Sharing(givers={(DEPLOYS, day): 50 for day in days})
    assert len(joined(*alerts, sharing=many)) == len(alerts)
    # Even if it deploys a single one, no incident outlasts the deployment.
    single = [it for it in alerts if it.id.startswith("m") or it.id.endswith("-0")]
    assert {len(each.alerts) for each in incidents(single, Sharing(), GAP)} == {2}


OF_ROLE = "session:arn:aws:sts::1:assumed-role/r/x:2025"
TOKENS = ("user:1:a", "user:1:b", "key:K", "role:1:r", "bucket:b", "acts:role:1:r:2", OF_ROLE)
DAYS = [(START + timedelta(days=number)).date() for number in range(9)]
_tokens = st.frozensets(st.sampled_from(TOKENS), max_size=2)


@st.composite
def _alerts(draw: st.DrawFn) -> list[LinkedAlert]:
    made = []
    for number in range(draw(st.integers(1, 12))):
        first = draw(st.integers(0, 120))
        made.append(
            alert(
                f"{number:02d}",
                first,
                first + draw(st.sampled_from((0, 0, 1, 30))),
                own=draw(_tokens),
                created=draw(_tokens),
                used=draw(_tokens),
                addresses=draw(st.frozensets(st.sampled_from(("192.0.2.1", "192.0.2.2")))),
            )
        )
    return made


_sharing = st.builds(
    Sharing,
    st.dictionaries(
        st.tuples(st.sampled_from(("192.0.2.1", "192.0.2.2")), st.sampled_from(DAYS)),
        st.integers(1, 4),
    ),
    st.dictionaries(st.just("role:1:r"), st.integers(1, 5)),
    *(
        st.dictionaries(
            st.tuples(st.sampled_from(("key:K", "role:1:r")), st.sampled_from(DAYS)),
            st.integers(1, 5),
        )
        for _ in range(2)
    ),
)


def brute_force(alerts: Sequence[LinkedAlert], sharing: Sharing) -> dict[str, str]:
    """Every pair is compared, by the words of the definition; the incident's id by alert."""

    def blocked(each: LinkedAlert, address: str) -> bool:
        days = [day for at, day in each.links.addresses if at == address]
        return any(sharing.addresses.get((address, day), 0) > 2 for day in days)

    def join(one: LinkedAlert, other: LinkedAlert) -> bool:
        if max(one.first, other.first) - min(one.last, other.last) > GAP:
            return False
        a, b = one.links, other.links

        def habit(each: LinkedAlert, counts: Mapping[tuple[str, date], int]) -> bool:
            by = each.links.own & {"key:K"}
            by |= {"role:1:r"} if OF_ROLE in each.links.own else set()
            return any(counts.get((token, each.first.date()), 0) > 3 for token in by)

        def made(each: LinkedAlert) -> set[str]:
            gives, deploys = habit(each, sharing.givers), habit(each, sharing.makers)
            return {
                token
                for token in each.links.created
                if not (gives if token.startswith("acts:") else deploys)
            }

        def handed(each: LinkedAlert, to: LinkedAlert) -> set[str]:
            acting = to.links.own | ({"role:1:r"} if OF_ROLE in to.links.own else set())
            several = {it for it in each.links.created if it[:4] not in ("acts", "buck")}
            return several & acting if habit(each, sharing.makers) else set()

        created, of_other = made(one), made(other)
        tokens = (
            (a.own & b.own)
            | (created & (b.own | b.used))
            | {token for token in created & of_other if not token.startswith("acts:")}
            | (of_other & (a.own | a.used))
            | handed(one, other)
            | handed(other, one)
        )
        if any(sharing.roles.get(token, 0) <= 3 for token in tokens):
            return True
        both = {at for at, _ in a.addresses} & {at for at, _ in b.addresses}
        return any(not blocked(one, at) and not blocked(other, at) for at in both)

    of = {each.id: {each.id} for each in alerts}
    for one, other in combinations(alerts, 2):
        if join(one, other) and of[one.id] is not of[other.id]:
            whole = of[one.id] | of[other.id]
            of |= dict.fromkeys(whole, whole)
    by_id = {each.id: each for each in alerts}
    return {name: min(group, key=lambda it: (by_id[it].first, it)) for name, group in of.items()}


@given(_alerts(), _sharing, st.randoms(use_true_random=False))
def test_any_order_gives_the_incidents_of_brute_force(
    alerts: list[LinkedAlert], sharing: Sharing, random: Random
) -> None:
    expected = brute_force(alerts, sharing)
    several = [*alerts, *alerts[:3]]
    random.shuffle(several)
    found = incidents(several, sharing, GAP)
    assert {name: each.id for each in found for name in each.alerts} == expected


class Memory:
    """All alerts, as the index keeps them."""

    def __init__(self, sharing: Sharing) -> None:
        self.alerts: dict[str, Stored] = {}
        self._sharing = sharing
        self.read = 0

    def joining(self, _: Sequence[LinkedAlert]) -> Iterable[Stored]:
        return list(self.alerts.values())

    def members(self, incidents: Iterable[str]) -> Iterable[Stored]:
        wanted = set(incidents)
        found = [each for each in self.alerts.values() if each.incident in wanted]
        self.read += len(found)
        return found

    def named(self, names: Iterable[str]) -> Iterable[Stored]:
        return [self.alerts[name] for name in names if name in self.alerts]

    def sharing(self, _: Iterable[LinkedAlert]) -> Sharing:
        return self._sharing

    def join(self, batch: Sequence[LinkedAlert], *, merged: str = "") -> None:
        """`merged`: an alert that became part of another one meanwhile."""
        gone = self.alerts.pop(merged, None)
        due = {each.id: self._grown(each) for each in batch if each.id != merged}
        before = {
            name: self.alerts.get(name, Stored(LinkedAlert(name, START, START))) for name in due
        }
        for name, each in due.items():
            self.alerts[name] = Stored(each, before[name].incident)
        renewed = [gone.incident] if gone else []
        made = decided(due, before, self, GAP, renewed)
        for name, incident in made.incident.items():
            self.alerts[name] = replace(self.alerts[name], incident=incident)
        for name, each in due.items():
            usable = {address for address, _ in self._sharing.usable(each).addresses}
            joined_by = replace(each.links, joined=frozenset(usable))
            self.alerts[name] = replace(self.alerts[name], alert=replace(each, links=joined_by))
        assert not {each.incident for each in self.alerts.values()} & made.lost

    def _grown(self, alert: LinkedAlert) -> LinkedAlert:
        """As recorded: an alert never covers less than it did."""
        before = self.alerts.get(alert.id, Stored(alert)).alert
        first, last = min(alert.first, before.first), max(alert.last, before.last)
        return replace(alert, first=first, last=last)

    @property
    def incident(self) -> dict[str, str]:
        return {name: each.incident for name, each in self.alerts.items()}


@given(
    _alerts(),
    _alerts(),
    _sharing,
    st.randoms(use_true_random=False),
    st.integers(1, 4),
    st.booleans(),
)
def test_batch_by_batch_gives_what_all_at_once_gives(
    alerts: list[LinkedAlert],
    changed: list[LinkedAlert],
    sharing: Sharing,
    random: Random,
    size: int,
    merged: bool,
) -> None:
    """Alerts come late, twice, and with other links and more events than before."""
    memory = Memory(sharing)
    random.shuffle(alerts)
    late = [*alerts, *alerts[:2], *changed]
    for at in range(0, len(late), size):
        memory.join(late[at : at + size])
    if merged:
        memory.join([], merged=late[-1].id)
    expected = brute_force([each.alert for each in memory.alerts.values()], sharing)
    assert memory.incident == expected


def test_what_is_new_is_joined_without_reading_the_incident() -> None:
    memory = Memory(NOTHING_SHARED)
    for number in range(50):
        memory.join([alert(f"{number:02d}", number * 20, own=["user:1:robot"])])
    assert set(memory.incident.values()) == {"00"}
    assert memory.read == 0


def test_an_incident_that_another_run_named_by_half_is_joined_anew() -> None:
    memory = Memory(NOTHING_SHARED)
    memory.join([alert(name, 0, own=["user:1:ada"]) for name in "abc"])
    memory.alerts["a"] = Stored(memory.alerts["a"].alert, "z")
    memory.join([alert("d", 1, own=["user:1:ada"])])
    assert set(memory.incident.values()) == {"a"}
