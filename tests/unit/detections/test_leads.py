"""The order of a hunt's leads, and which of them are one line; which sessions are left out."""

from __future__ import annotations

from detections.investigation.lead import Lead, ranked, together, twins_joined
from detections.investigation.opened import MOST_NAMES, Opened


def lead(family: str, pattern: str, score: int, number: int) -> Lead:
    return Lead(family, pattern, score, f"u{number}", "user", "said", count=number)


def test_numerous_kinds_are_last_of_their_score_and_one_line() -> None:
    odd = [lead("anomaly", "odd", 6, number) for number in (1, 9, 3, 4)]
    few = [lead("first", "new", 6, number) for number in (1, 2, 3)]
    others = [lead("sequence", "tried", 6, 1), lead("pattern", "recon", 5, 1)]
    found = ranked([*odd, *few, *others])
    assert [each.pattern for each in found] == ["tried", *["new"] * 3, *["odd"] * 4, "recon"]
    lines = together(found)
    assert [each.pattern for each in lines] == ["tried", *["new"] * 3, "odd", "recon"]
    (one,) = [each for each in lines if each.pattern == "odd"]
    assert (one.identifier, one.count) == ("4 of them", 17)
    assert one.description == "the most events: u9, said"
    assert together(found, ["odd"]) == found


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
