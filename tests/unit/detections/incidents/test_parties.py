"""Who of an incident is contained, and who is only named, from alerts written by hand."""

from __future__ import annotations

from typing import Any

from detections.incidents.parties import parties

SESSION = "session:arn:aws:sts::111122223333:assumed-role/Ops/x:2025-03-01T11:00:00Z"


def alert(level: str, name: str, *own: str, **links: list[str]) -> dict[str, Any]:
    tokens = [f"user:111122223333:{name}", f"key:AKIA{name.upper()}"]
    return {"level": level, "links": {"own": [*tokens, *own], "principal": [name], **links}}


def test_who_a_resource_or_an_address_alone_joined_is_named_and_not_contained() -> None:
    pipeline = alert("medium", "deploy", created=["instance:i-1", "role:111122223333:web"])
    intruder = alert("critical", "hex", used=["instance:i-1"], address=["203.0.113.7"])
    colleague = alert("informational", "paulo", address=["203.0.113.7"])
    found = parties([colleague, pipeline, intruder])
    assert found.contained(["paulo", "deploy", "hex"]) == ["hex"]
    assert found.contained(["AKIAPAULO", "AKIADEPLOY", "AKIAHEX"]) == ["AKIAHEX"]
    by_resource, by_address = found.sentences
    assert "deploy" in by_resource
    assert "a resource or an address alone" in by_resource
    assert "paulo" in by_address
    assert "203.0.113.7" in by_address
    assert "AKIA" not in by_address


def test_whoever_acts_with_what_the_intruder_made_is_contained_after_the_intruder() -> None:
    made = ["user:111122223333:ghost", "role:111122223333:Ops", "acts:instance:i-1"]
    ghost = alert("low", "ghost")
    session = {"level": "low", "links": {"own": [SESSION, "key:ASIA1"], "principal": ["Ops/x"]}}
    instance = alert("medium", "web", used=["acts:instance:i-1"])
    found = parties([ghost, session, instance, alert("high", "hex", created=made)])
    assert found.contained(["ghost", "Ops/x", "web", "hex"]) == ["hex", "web", "ghost", "Ops/x"]
    assert not found.sentences


def test_a_role_that_nobody_of_the_incident_made_makes_no_party() -> None:
    other = SESSION.replace("/x:", "/y:")
    one = alert("critical", "hex", SESSION, address=["203.0.113.7"])
    assert parties([one, alert("low", "ada", other, address=["203.0.113.7"])]).aside == {
        "ada",
        "AKIAADA",
    }


def test_all_parties_of_the_most_severe_alerts_are_contained() -> None:
    """Two stolen keys from one address; and an incident that is low altogether."""
    for level in ("low", "high"):
        found = parties([alert(level, "ada"), alert(level, "bob"), alert(level, "ada")])
        assert found.contained(["ada", "bob"]) == ["ada", "bob"]
        assert not found.aside


def test_a_name_that_the_intruder_has_too_is_contained() -> None:
    same = alert("low", "hex")
    same["links"]["own"] = ["key:AKIAOTHER"]
    found = parties([alert("high", "hex"), same])
    assert found.contained(["hex"]) == ["hex"]
    assert found.aside == {"AKIAOTHER"}
