"""What a decision about many alerts would be about, before it is made."""

from __future__ import annotations

from trailhound.cli.alert_triage import counted_by_rule


def test_alerts_are_counted_by_rule_and_two_rules_of_one_title_by_id() -> None:
    own, shipped, other = (
        {"name": name, "id": id_} for name, id_ in (("Gone", "a1"), ("Gone", "b2"), ("Made", "c3"))
    )
    assert counted_by_rule([shipped, own, shipped, other, other, other]) == [
        "       3  Made",
        "       2  Gone (b2)",
        "       1  Gone (a1)",
    ]
    many = [{"name": f"Rule {number}", "id": str(number)} for number in range(30)]
    assert counted_by_rule(many)[-1].strip().endswith("other rules")
