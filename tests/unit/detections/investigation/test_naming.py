"""Alerts that name a subject's events: twins name each other, and are one to people."""

from __future__ import annotations

from detections.alerts.twins import folded
from detections.investigation.naming import Alert, with_twins


def alert(name: str, rule: str, **more: str) -> Alert:
    return {"id": name, "rule": {"id": rule, "name": rule, "kind": "x"}, "state": "open", **more}


def test_twins_are_one_to_people_and_each_names_the_other() -> None:
    given = [
        alert("a", "evasion by user", twin_key="same"),
        alert("b", "evasion by address", twin_key="same"),
        alert("c", "evasion by user", twin_key="other"),
        alert("d", "plain"),
    ]
    found = with_twins(given)
    assert [[each["id"] for each in it.get("twins", ())] for it in found] == [["b"], ["a"], [], []]
    assert found[0]["twins"][0]["rule"] == {
        "id": "evasion by address",
        "name": "evasion by address",
    }
    assert not any("twin_key" in each for each in found)
    assert [(each["id"], each["rule"]["name"]) for each in folded(found)] == [
        ("a", "evasion by address and by user"),
        ("c", "evasion by user"),
        ("d", "plain"),
    ]
