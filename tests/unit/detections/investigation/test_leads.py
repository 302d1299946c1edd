"""The order of a hunt's leads, and which of them are one line; which sessions are left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from detections.investigation.file_threats import FileThreats
from detections.investigation.lead import Lead, ranked, threats_of, together, twins_joined
from detections.investigation.opened import MOST_NAMES, Opened
from detections.investigation.scoring import ANOMALY
from detections.span import Span, milliseconds
from trailhound.settings import DetectionSettings, OverrideSettings, Settings


def lead(family: str, pattern: str, score: int, number: int) -> Lead:
    return Lead(family, pattern, score, f"u{number}", "user", "said", count=number)


def test_what_was_done_is_first_and_many_of_a_counted_kind_are_one_line() -> None:
    odd = [lead("anomaly", "odd", 6, number) for number in (1, 9, 3, 4)]
    addresses = [lead("address", "ip", score, score) for score in (10, 9, 9, 7)]
    moved = [lead("credential", "moved", 3, number) for number in (1, 2, 3, 4)]
    few = [lead("first", "new", 3, number) for number in (1, 2, 3)]
    done = [lead("sequence", "tried", 6, 1), lead("pattern", "recon", 5, 1)]
    found = ranked([*odd, *few, *addresses, *moved, *done])
    assert [each.pattern for each in found] == [
        *("tried", "recon", *["moved"] * 4),
        *(*["ip"] * 4, *["odd"] * 4, *["new"] * 3),
    ]
    lines = together(found)
    assert [each.pattern for each in lines] == [
        "tried",
        "recon",
        "moved",
        "ip",
        "odd",
        *["new"] * 3,
    ]
    one = {each.pattern: each for each in lines}
    assert (one["odd"].identifier, one["odd"].count) == ("4 of them", 17)
    assert one["odd"].description == "the highest: u9, said"
    assert (one["ip"].score, one["ip"].count) == (10, 35)
    assert together(found, ["odd", "ip", "moved"]) == found


def test_the_most_evidence_is_first_of_a_score_and_threats_go_by_score_alone() -> None:
    calls = replace(lead("pattern", "p", 8, 3), calls=("a", "b", "c", "d"))
    events = replace(lead("pattern", "p", 8, 90), calls=("a", "b", "c"))
    address = lead("address", "ip", 9, 500)
    assert ranked([address, events, calls]) == [calls, events, address]
    assert threats_of([calls, address, events]) == [address, calls, events]


def test_who_is_in_an_alert_and_a_first_call_of_risk_come_before_volume() -> None:
    busy = [lead("address", "ip", 10, 599), lead("address", "ip", 10, 349)]
    known = replace(lead("address", "ip", 10, 120), alerted=True)
    odd = [lead("anomaly", "odd", 6, number) for number in (90, 80)]
    first = lead("first", "new", 5, 1)
    seldom = lead("first", "new", 3, 1)
    done = lead("pattern", "p", 10, 3)
    found = [*busy, *odd, seldom, first, known, done]
    assert ranked(found) == [done, known, first, *busy, *odd, seldom]
    assert threats_of(found) == [done, known, *busy, *odd]


def test_a_rule_that_is_switched_off_is_not_looked_for_in_files() -> None:
    found = {}
    for enabled in (True, False):
        override = OverrideSettings(enabled=enabled)
        settings = Settings(detections=DetectionSettings(overrides={ANOMALY: override}))
        day = datetime(2025, 3, 1, tzinfo=UTC)
        with FileThreats(settings, Span(day, day + timedelta(days=1))) as threats:
            for number in range(30):
                name = f"user{min(number, 8)}"
                who = {"arn": f"arn:aws:iam::111122223333:user/{name}", "type": "IAMUser"}
                event = {"eventName": "GetX", "userIdentity": who, "user_type": "iam_user"}
                event |= {"recipientAccountId": "111122223333", "@timestamp": day.isoformat()}
                threats.add(str(number), milliseconds(day), event)
            found[enabled] = [each.pattern for each in threats.found()], threats.disabled
    assert found == {True: (["anomalous_activity"], ()), False: ([], ("anomalous_activity",))}


def test_sessions_without_a_key_are_told_by_name_and_those_beyond_are_counted() -> None:
    few = Opened(starts={("arn:a", f"2025-03-0{day}") for day in range(1, 9)} | {("arn:b", "x")})
    asked = few.query()
    assert asked is not None
    names, without = asked["bool"]["filter"]
    assert len(names["bool"]["should"]) == 2
    assert names["bool"]["should"][0]["bool"]["filter"][1]["terms"] == {
        "userIdentity.sessionContext.attributes.creationDate": [
            f"2025-03-0{day}" for day in range(1, 9)
        ]
    }
    assert list(without["bool"]) == ["must_not"]
    assert few.left_out() == []
    many = Opened(
        starts={(f"arn:{n:03}", day) for n in range(MOST_NAMES + 2) for day in "ab"}, more=True
    )
    keys, names_left = many.left_out()
    assert keys.startswith("more than 50,000 session keys")
    assert names_left == (
        f"4 sessions without a key beyond those of {MOST_NAMES} names were left out, the first of "
        f"them arn:{MOST_NAMES}"
    )
    assert Opened().query() is None


def test_a_pattern_of_other_events_is_no_twin() -> None:
    one = Lead("pattern", "p", 9, "ada", "user", "", count=3, events=("a",))
    other = Lead("pattern", "p", 9, "1.2.3.4", "ip", "", count=3, events=("b",))
    assert twins_joined([one, other]) == [one, other]
    assert one.as_threat()["identifier"] == "ada"
