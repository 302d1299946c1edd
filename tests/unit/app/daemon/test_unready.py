"""Which reasons last long enough to tell people of, and when it is well again."""

from __future__ import annotations

from trailhound.app.daemon.unready import Unready
from trailhound.app.health.readiness import Reason

CLUSTER = Reason("cluster", "cluster", "no answer")


def of_source(name: str) -> Reason:
    return Reason("feed", name, "denied")


def test_a_reason_is_told_once_it_lasts_and_none_that_has_gone() -> None:
    unready = Unready(0.0)
    unready.look([CLUSTER], 0.0, 30.0)
    unready.look([CLUSTER, of_source("a")], 50.0, 30.0)
    assert unready.lasting(60.0, 50.0) == []
    unready.look([of_source("a")], 79.0, 30.0)
    assert unready.lasting(60.0, 79.0) == ["cluster"], "away for less than half of the time"
    unready.look([of_source("a")], 110.0, 30.0)
    assert unready.lasting(60.0, 110.0) == ["feed a"]
    assert unready.reasons() == {"feed a": of_source("a")}
    assert unready.seconds(110.0) == 60.0


def test_what_fails_again_and_again_lasts() -> None:
    unready = Unready(0.0)
    for minute in range(11):
        unready.look([CLUSTER] if minute % 2 == 0 else [], minute * 60.0, 300.0)
    assert unready.lasting(600.0, 600.0) == ["cluster"]
    assert unready.well_for(600.0) == 0.0
    unready.look([], 660.0, 300.0)
    assert unready.well_for(660.0) == 60.0


def test_details_that_change_are_no_other_matter_but_each_source_is_one() -> None:
    unready = Unready(0.0)
    unready.look([Reason("rule", "A", "late"), of_source("a")], 0.0, 30.0)
    unready.look([Reason("rule", "A, B", "later"), of_source("b")], 10.0, 30.0)
    assert unready.lasting(0.0, 10.0) == ["rule", "feed a", "feed b"]
    assert unready.reasons()["rule"].message == "later"
