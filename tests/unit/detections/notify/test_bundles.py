"""Which alerts are one message, given what a channel was sent before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from detections.incidents.raising import Standing
from detections.notify.bundles import Due, Notified, bundled
from detections.rule import Level

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def due(name: str, level: Level, incident: str, *known_by: str) -> Due:
    names = frozenset(known_by)
    return Due(name, level, NOW, pending=False, about=incident, known_by=names)


def test_the_first_of_an_incident_is_sent_and_the_others_are_in_it() -> None:
    alerts = [due("a", "critical", "x"), due("b", "high", "y"), due("c", "high", "x")]
    made = bundled(alerts, {})
    assert [[each.name for each in bundle.alerts] for bundle in made.send] == [["a", "c"], ["b"]]


def test_only_what_is_more_severe_than_what_was_sent_needs_a_message() -> None:
    notified = {"x": Notified("a", "high"), "y": Notified("b", "medium"), "z": Notified(waits=True)}
    alerts = [due("c", "high", "x"), due("d", "high", "y"), due("e", "low", "y")]
    made = bundled([*alerts, due("f", "high", "z")], notified)
    assert [bundle.lead.name for bundle in made.send] == ["d"]
    assert [(each.name, said.by) for each, said in made.covered] == [("c", "a"), ("e", "b")]
    assert made.waiting == 1


def test_a_rule_that_no_message_named_needs_one_from_high_on() -> None:
    notified = {"x": Notified("a", "critical", named=frozenset({"Key made", "twins"}))}
    alerts = [
        due("b", "critical", "x", "Trail stopped"),
        due("c", "high", "x", "Key made"),
        due("d", "high", "x", "Key made by address", "twins"),
        due("e", "medium", "x", "Users listed"),
        due("f", "high", "x", "Denied"),
    ]
    made = bundled(alerts, notified)
    assert [[each.name for each in bundle.alerts] for bundle in made.send] == [["b", "f"]]
    assert made.send[0].before == notified["x"]
    assert [each.name for each, _ in made.covered] == ["c", "d", "e"]


def test_a_message_about_an_attempt_covers_no_success() -> None:
    """Also below the level from which a new rule needs a message."""
    notified = {"x": Notified("a", "critical", named=frozenset({"Trail stopped (attempt)"}))}
    alerts = [
        due("b", "high", "x", "Trail stopped"),
        due("c", "high", "x", "Trail stopped (attempt)"),
        due("d", "medium", "x", "Trail stopped"),
    ]
    made = bundled(alerts, notified)
    assert [[each.name for each in bundle.alerts] for bundle in made.send] == [["b", "d"]]
    both = {"x": replace(notified["x"], named=frozenset({"Trail stopped"}))}
    assert bundled(alerts, both).send == []


def test_messages_about_attempts_alone_cover_no_success_of_another_rule() -> None:
    attempts = Notified("a", "critical", named=frozenset({"Trail stopped (attempt)"}))
    alerts = [
        due("b", "medium", "x", "Policy changed"),
        due("c", "medium", "x", "Users listed (attempt)"),
    ]
    made = bundled(alerts, {"x": attempts})
    assert [[each.name for each in bundle.alerts] for bundle in made.send] == [["b"]]
    assert [each.name for each, _ in made.covered] == ["c"]
    done = replace(attempts, named=attempts.named | {"Policy changed"})
    assert bundled([due("d", "medium", "x", "Group changed")], {"x": done}).send == []


def test_a_message_is_about_the_most_significant_alert() -> None:
    alarm = replace(due("a", "high", "x"), significance=(-3, True))
    says = replace(due("b", "high", "x"), significance=(-3, False))
    (bundle,) = bundled([alarm, says], {}).send
    assert (bundle.lead.name, [each.name for each in bundle.others]) == ("b", ["a"])


def test_an_incident_that_rises_is_told_once_for_each_reason() -> None:
    def now(name: str, *grounds: str, level: Level = "medium") -> Due:
        found = Standing("high", 8, "medium", because="it adds up", grounds=frozenset(grounds))
        return replace(due(name, level, "x", f"rule of {name}"), standing=found)

    (first,) = bundled([now("b", "several")], {"x": Notified("a", "medium")}).send
    assert (first.lead.level, first.lead.told_at) == ("medium", "high")
    said = Notified("b", "high", named=frozenset({"x"}), grounds=frozenset({"several"}))
    assert bundled([now("c", "several")], {"x": said}).send == []
    # It goes further; and it does not where an alert of its own level was told.
    (further,) = bundled([now("d", "several", "outside")], {"x": said}).send
    assert further.lead.told_at == "high"
    assert bundled([now("e")], {"x": said}).send == []
