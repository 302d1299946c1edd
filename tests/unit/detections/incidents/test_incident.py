"""An incident as people read it, from the documents of its alerts."""

from __future__ import annotations

from typing import Any

from detections.incidents.entries import timeline
from detections.incidents.folding import folded
from detections.incidents.significance import NAMED
from detections.incidents.store import made
from detections.packs.loading import SHIPPED, load_paths
from trailhound.cli.incidents import closed_ways
from trailhound.settings import DetectionSettings


def alert(name: str, first: str, last: str, severity: int = 5, **more: Any) -> tuple[str, Any]:
    return name, {
        "incident": "a",
        "rule": {"name": f"rule of {name}", "kind": "sigma"},
        "level": {3: "low", 5: "medium", 8: "high"}[severity],
        "severity": severity,
        "state": "open",
        "first_seen": f"2025-03-01T{first}:00.000Z",
        "last_seen": f"2025-03-01T{last}:00.000Z",
        "count": 1,
        "entity": {"principal": ["ada"], "address": ["203.0.113.7"], "account": ["1"]},
        "attack": {"tactic": ["discovery"]},
        "calls": [{"name": "ListUsers", "count": 1, "failed": 0}],
        **more,
    }


def test_it_is_what_its_most_severe_alert_says_and_open_while_any_alert_is() -> None:
    alerts = [
        alert("a", "10:00", "10:05", state="closed"),
        alert("b", "11:00", "11:05", 8, state="acknowledged"),
    ]
    incident = made(alerts)
    assert (incident["id"], incident["title"], incident["level"]) == ("a", "rule of b", "high")
    assert (incident["state"], incident["alerts"], incident["open"]) == ("acknowledged", 2, 1)
    assert incident["rules"] == {"rule of b": 1, "rule of a": 1}
    assert made([alerts[0]])["state"] == "closed"
    assert made([*alerts, alert("c", "12:00", "12:00")])["state"] == "open"


def test_its_keys_are_not_those_of_the_owners_ordinary_days() -> None:
    """An alert over a day has the key of the owner's work too, of which no event is in the rest."""
    day: dict[str, Any] = {
        "rule": {"name": "unusual", "kind": "anomaly"},
        "links": {"own": ["key:AKIAOFWORK", "key:ASIASEEN", "user:1:ada"]},
    }
    seen = alert("a", "10:00", "10:05", links={"own": ["key:ASIASEEN", "user:1:ada"]})
    assert made([seen, alert("b", "00:00", "23:59", **day)])["access_keys"] == ["ASIASEEN"]
    assert made([alert("b", "00:00", "23:59", **day)])["access_keys"] == ["AKIAOFWORK", "ASIASEEN"]


def test_it_says_as_what_by_whom_and_why_its_alerts_were_closed() -> None:
    def closed(name: str, by: str, note: str = "", **more: Any) -> tuple[str, Any]:
        entry = {"state": "closed", "by": by} | ({"note": note} if note else {})
        history = [{"state": "acknowledged", "by": "eve", "note": "looking"}, entry]
        more |= {"state": "closed", "state_by": by}
        return alert(name, "10:00", "10:05", **more, history=history)

    made_of = [
        closed("a", "bob"),
        closed("b", "ada", "key revoked", disposition="true-positive"),
        closed("c", "ada", "key revoked", disposition="true-positive"),
        alert("d", "10:00", "10:05"),
    ]
    way = {"disposition": "true-positive", "by": "ada", "note": "key revoked", "alerts": 2}
    unsaid = {"disposition": "", "by": "bob", "note": "", "alerts": 1}
    assert made(made_of)["closed_as"] == [way, unsaid]
    assert made(made_of[3:])["closed_as"] == []
    assert list(closed_ways(made(made_of))) == [
        "2 alerts as true-positive, by ada: key revoked",
        "1 alert without a disposition, by bob",
    ]
    assert list(closed_ways(made(made_of[1:3]))) == ["as true-positive, by ada: key revoked"]


def test_the_most_telling_rule_of_the_most_severe_names_it() -> None:
    folders = [SHIPPED / "alarms", SHIPPED / "patterns"]
    rules = load_paths(folders, DetectionSettings()).rules
    assert {rule.id for rule in rules if rule.alerts} == NAMED
    alarm = {"name": "UnauthorizedAPICalls", "id": min(NAMED), "kind": "correlation"}
    days = {"name": "anomalous_activity", "id": "x", "kind": "anomaly"}
    several = [
        alert("a", "10:00", "10:05", 8, rule=alarm),
        alert("b", "10:00", "10:05", 8, rule=days),
        alert("c", "10:02", "10:05", 8, attempt=True),
        alert("d", "10:03", "10:05", 8),
        alert("e", "10:06", "10:07", 5),
    ]
    incident = made(several)
    assert (incident["title"], incident["alert"]) == ("rule of d", "d")
    assert list(incident["rules"])[:2] == ["rule of d", "UnauthorizedAPICalls"]
    assert made([several[0], several[4]])["title"] == "UnauthorizedAPICalls"


def test_an_alarm_is_named_by_what_explains_it_one_level_lower() -> None:
    def about(name: str, *calls: str, severity: int = 5, **more: Any) -> tuple[str, Any]:
        counted = [{"name": call, "count": 1, "failed": 0} for call in calls]
        return alert(name, "10:00", "10:05", severity, calls=counted, **more)

    alarm = {"name": "S3BucketPolicyChanges", "id": max(NAMED), "kind": "correlation"}
    changed = about("a", "PutBucketLifecycle", severity=8, rule=alarm)
    expiring = about("b", "PutBucketLifecycle")
    incident = made([about("c", "ListBuckets", "PutBucketLifecycle"), changed, expiring])
    assert (incident["title"], incident["alert"]) == ("rule of b (S3BucketPolicyChanges)", "b")
    others = [
        about("d", "PutBucketVersioning"),
        about("e", "PutBucketLifecycle", attempt=True),
        about("f", "PutBucketLifecycle", severity=3),
        about("g", "PutBucketLifecycle", entity={"principal": ["eve"]}),
        about("h", "PutBucketLifecycle", rule={"name": "day", "id": "x", "kind": "anomaly"}),
    ]
    assert made([changed, *others])["title"] == "S3BucketPolicyChanges"


def test_what_says_the_same_is_one_row_and_counted() -> None:
    def noise(number: int, state: str = "open") -> dict[str, Any]:
        name = f"n{number}"
        rule = {"name": "anomalous_activity", "kind": "anomaly"}
        who = {"principal": [name], "address": [], "account": ["1"]}
        one = alert(name, f"1{number}:00", "19:00", rule=rule, entity=who, state=state)
        return made([one]) | {"id": name}

    attack = made([alert("a", "10:00", "10:05", 8), alert("b", "10:00", "10:05")])
    rows = folded([noise(1), attack, noise(2), noise(3), noise(4, "acknowledged")])
    assert [each["incidents"] for each in rows] == [3, 1, 1]
    assert (rows[0]["id"], rows[0]["title"]) == ("", "anomalous_activity (3 incidents)")
    assert (rows[0]["alerts"], rows[0]["principals"]) == (3, ["n1", "n2", "n3"])
    assert rows[0]["first_seen"] == "2025-03-01T11:00:00.000Z"
    assert rows[1] == attack | {"incidents": 1}
    few = [noise(1), noise(2)]
    assert [each["id"] for each in folded(few)] == ["n1", "n2"]


def test_who_opened_a_session_is_one_of_its_principals() -> None:
    own = ["key:AKIAEXAMPLE", "key:ASIAEXAMPLE", "user:1:eve"]
    several = [
        alert("a", "10:00", "10:05", links={"principal": ["Ops/alice"], "own": own}),
        alert("b", "10:01", "10:05", links={"principal": ["eve"], "own": own[2:]}),
    ]
    assert made(several[:1])["principals"] == ["Ops/alice", "eve"]
    assert made(several)["principals"] == ["Ops/alice", "eve"]


def test_what_covers_a_day_or_counts_others_does_not_stretch_it() -> None:
    day = alert("a", "00:00", "23:59", rule={"name": "anomalous_activity", "kind": "anomaly"})
    shared = alert(
        "b",
        "09:00",
        "15:00",
        links={
            "first": "2025-03-01T10:00:00.000Z",
            "last": "2025-03-01T11:00:00.000Z",
            "principal": ["eve"],
            "address": ["192.0.2.1"],
            "account": ["2"],
        },
    )
    incident = made([day, shared])
    assert incident["first_seen"] == "2025-03-01T10:00:00.000Z"
    assert incident["last_seen"] == "2025-03-01T11:00:00.000Z"
    assert incident["principals"] == ["eve"]
    assert (incident["addresses"], incident["accounts"]) == (["192.0.2.1"], ["2"])
    assert made([day])["first_seen"] == "2025-03-01T00:00:00.000Z"


def test_alerts_of_two_variants_of_a_rule_are_one_entry() -> None:
    both = [
        alert(name, "10:00", "10:05", 8, rule={"name": f"recon by {by}"}, twin_key="both")
        for name, by in (("a", "address"), ("b", "user"))
    ]
    assert made(both)["title"] == "recon by address and by user"
    (entry,) = timeline(both)
    assert (entry["alert"], entry["twins"]) == ("a", ["b"])
    assert entry["rule"] == "recon by address and by user"


def test_the_timeline_has_every_alert_and_a_sentence_for_those_that_have_none() -> None:
    late = alert("a", "12:00", "12:00", summary="ada: ListUsers")
    old = alert("b", "11:00", "11:00")
    old[1].pop("calls")
    entries = timeline([late, old])
    assert [each["alert"] for each in entries] == ["b", "a"]
    assert entries[0]["summary"] == "ada: 1 event, 2025-03-01 11:00:00 UTC"
    assert entries[1]["summary"] == "ada: ListUsers"


def test_within_a_second_a_thing_is_made_before_it_is_used() -> None:
    names = ("AttachUserPolicy", "CreateUser", "CreateAccessKey")
    several = [
        alert(name, "10:00", "10:00", calls=[{"name": name, "count": 1, "failed": 0}])
        for name in sorted(names)
    ]
    assert [each["alert"] for each in timeline(several)] == [
        "CreateUser",
        "AttachUserPolicy",
        "CreateAccessKey",
    ]


def test_it_names_whom_its_alerts_let_in() -> None:
    several = [alert("a", "10:00", "10:05"), alert("b", "10:06", "10:07")]
    several[1][1]["entity"]["outsider"] = ["444455556666"]
    assert made(several)["outsiders"] == ["444455556666"]
