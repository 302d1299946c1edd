"""The order of a hunt's leads, and which of them are one line."""

from __future__ import annotations

from detections.investigation.lead import Lead, ranked, together


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
