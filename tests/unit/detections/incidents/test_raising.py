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
CODE, TEMPLATE, ROUTING, PASSED = (
    alert(title, call, rule={"id": rule, "name": title, "kind": "sigma"})
    for title, call, rule in (
        ("Code", "UpdateFunctionCode20150331v2", "fdf8e0aa-fcfa-49dd-a424-35d6f011ce7f"),
        ("Template", "CreateLaunchTemplateVersion", "178eb389-7d47-4cce-884c-71a3a94e40e9"),
        ("Routing", "CreateRule", "99072239-b9a6-48c9-bb51-6c3a81879cfc"),
        ("Role passed", "CreateFunction20150331", "65f9367e-e69f-4b06-a492-02eb7eec936a"),
    )
)
ROLE, OTHER_ROLE, USER_KEY = (
    {"entity": {"arn": [f"arn:aws:{rest}"]}}
    for rest in ("sts::1:assumed-role/ci/a", "sts::1:assumed-role/Ops/b", "iam::1:user/ada")
)
CI = {**ROLE, "links": {"new": ["ci"]}}
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
        ([{**IMPORTED, "links": {"new": ["oskar"]}}], "by oskar, with no successful call before"),
        # What is deployed counts as one fact beside others, of each role, and of keys as it is.
        ([CODE | ROLE, TEMPLATE | ROLE, IMPORTED], "2 rules of 1 tactic, all succeeded"),
        ([CODE | ROLE, TEMPLATE | OTHER_ROLE], "2 rules of 1 tactic, all succeeded"),
        ([PASSED | ROLE, CODE | ROLE], "2 rules of 1 tactic, all succeeded"),
        ([CODE | USER_KEY, TEMPLATE | USER_KEY], "2 rules of 1 tactic, all succeeded"),
        (
            [{**CODE, **USER_KEY, "links": {"new": ["ada"]}}],
            "by ada, with no successful call before",
        ),
        (
            [SHARED, {**IMPORTED, "links": {"new": ["oskar"]}}],
            (
                "2 rules of 1 tactic, all succeeded; access or data was given to another account; "
                "by oskar, with no successful call before"
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
        [CODE | ROLE, TEMPLATE | ROLE, ROUTING | ROLE],
        # The first deploy of a new role.
        [PASSED | CI, CODE | CI],
        [{**SHARED, "links": {"inside": True}}],
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
