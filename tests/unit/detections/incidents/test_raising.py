"""Which incidents are more than their worst alert, and why."""

from __future__ import annotations

from typing import Any

import pytest

from detections.incidents.raising import standing
from detections.incidents.significance import NAMED
from detections.incidents.store import made


def alert(title: str, call: str, level: str = "medium", **more: Any) -> dict[str, Any]:
    return {
        "rule": {"id": title, "name": title, "kind": "sigma"},
        "level": level,
        "severity": {"low": 3, "medium": 5, "high": 8}[level],
        "attack": {"tactic": ["impact"], "technique": ["T1486"]},
        "calls": [{"name": call, "count": 1, "failed": 0}],
        "outcome": "success",
        "state": "open",
        "first_seen": "2025-03-01T10:00:00.000Z",
        "last_seen": "2025-03-01T10:00:00.000Z",
        "count": 1,
        "entity": {"principal": ["ada"]},
        **more,
    }


IMPORTED = alert("Key imported", "ImportKeyMaterial")
DISABLED = alert("Key disabled", "DisableKey", attack={"tactic": ["defense_evasion"]})
SHARED = alert("Shared", "ModifySnapshotAttribute", attack={"tactic": [], "technique": ["t1537"]})
USER, MODEL = alert("User", "CreateUser", "low"), alert("Model", "InvokeModel", "low")
ALARM = alert("alarm", "PutBucketPolicy", attack={"tactic": [], "technique": ["T1537"]})
ALARM["rule"] = {"id": max(NAMED), "name": "S3BucketPolicyChanges", "kind": "correlation"}
HARMLESS = {"state": "closed", "disposition": "benign"}


@pytest.mark.parametrize(
    ("alerts", "because"),
    [
        ([IMPORTED, DISABLED], "2 rules of 2 tactics, all succeeded"),
        ([IMPORTED, USER, MODEL], "3 rules of 1 tactic, all succeeded"),
        (
            [IMPORTED, DISABLED, alert("Denied", "StopLogging", attempt=True)],
            "2 rules of 2 tactics, with success, beside attempts",
        ),
        ([SHARED], "access or data was given to another account"),
        (
            [{**SHARED, "entity": {"outsider": ["444455556666"]}}],
            "access or data was given to 444455556666",
        ),
        ([{**IMPORTED, "links": {"new": ["oskar"]}}], "by oskar, never seen before"),
        (
            [SHARED, {**IMPORTED, "links": {"new": ["oskar"]}}],
            (
                "2 rules of 1 tactic, all succeeded; access or data was given to another account; "
                "by oskar, never seen before"
            ),
        ),
    ],
)
def test_facts_that_add_up_raise_a_medium_incident(alerts: list[Any], because: str) -> None:
    found = standing(alerts)
    assert (found.level, found.raised_from, found.because) == ("high", "medium", because)
    assert found.severity == 8
    # At most by one level, and none above it.
    worse = standing([*alerts, alert("Worse", "DeleteTrail", "high")])
    assert (worse.level, worse.raised_from) == ("high", None)


@pytest.mark.parametrize(
    "alerts",
    [
        [IMPORTED],
        [IMPORTED, USER],
        [USER, MODEL, alert("Third", "ListUsers", "low")],
        [IMPORTED, {**DISABLED, "attempt": True}],
        [IMPORTED, {**DISABLED, **HARMLESS}],
        [{**SHARED, **HARMLESS}],
        # Two rules about one call, one rule twice, and two variants about the same events.
        [IMPORTED, alert("The same", "ImportKeyMaterial")],
        [IMPORTED, alert("Key imported", "DisableKey")],
        [{**IMPORTED, "twin_key": "k"}, {**DISABLED, "twin_key": "k"}],
        # A pipeline's alarms, also by a role that is new.
        [{**ALARM, **more} for more in ({}, {"links": {"new": ["ci"]}})],
        [alert("Sign-in", "ConsoleLogin", attempt=True, links={"new": ["oskar"]})],
        [IMPORTED, alert("day", "ListUsers", rule={"id": "d", "name": "d", "kind": "anomaly"})],
    ],
)
def test_what_failed_repeats_or_is_ordinary_raises_nothing(alerts: list[Any]) -> None:
    found = standing(alerts)
    assert (found.raised_from, found.grounds) == (None, frozenset())


def test_an_incident_says_from_what_it_was_raised_and_why() -> None:
    found = made([("a", IMPORTED), ("b", DISABLED)])
    assert (found["level"], found["severity"], found["raised_from"]) == ("high", 8, "medium")
    assert found["raised_because"] == "2 rules of 2 tactics, all succeeded"
    assert found["succeeded"] == {"rules": 2, "tactics": ["impact", "defense-evasion"]}
    alone = made([("a", IMPORTED)])
    assert (alone["level"], alone["raised_from"], alone["raised_because"]) == ("medium", "", "")
