"""What is suggested for a noisy rule, and what it leaves alone."""

from __future__ import annotations

from typing import Any

from detections.alerts.remedies import about_principal

ROLE = "arn:aws:iam::111122223333:role/ci/deploy"
BENIGN = {"state": "closed", "disposition": "benign"}


def alert(name: str, day: int, address: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return name, {
        "state": "open",
        "first_seen": f"2025-03-{day:02d}T10:00:00.000Z",
        "calls": [{"name": "UpdateFunctionCode20150331v2"}],
        "entity": {"address": [address]},
        **more,
    }


ATTACK = alert("attack", 9, "45.130.83.99")
USUAL = [alert("a", 1, "20.109.1.7"), alert("b", 4, "20.109.1.250"), alert("c", 5, "40.77.2.1")]


def test_what_is_usual_is_trusted_and_what_differs_has_to_stay() -> None:
    found = about_principal("deploy/ci", 4, [ATTACK, *USUAL], role=ROLE)
    assert found.command == (
        f"trailhound automation trust --role {ROLE} --call UpdateFunctionCode20150331v2 "
        "--network 20.109.1.0/24"
    )
    assert found.hides == {"20.109.1.0/24": 2}
    assert found.keeps == {"attack": "45.130.83.0/24", "c": "40.77.2.0/24"}
    assert "nobody has closed one of them as harmless: look at them first" in found.reason
    assert "would hide 2, from 20.109.1.0/24; 2 others from 45.130.83.0/24" in found.reason


def test_what_was_judged_decides_where_anything_was() -> None:
    judged = [alert("d", 6, "40.77.2.9", **BENIGN)]
    found = about_principal("deploy/ci", 5, [ATTACK, *USUAL, *judged], role=ROLE)
    assert found.looked_at
    assert found.hides == {"40.77.2.0/24": 2}
    assert {"attack", "a", "b"} == found.keeps.keys()
    # A network of an alert that was right is no usual one.
    right = alert("e", 7, "40.77.2.3", state="closed", disposition="true-positive")
    none = about_principal("deploy/ci", 6, [ATTACK, *USUAL, *judged, right], role=ROLE)
    assert (none.hides, none.command.split()[1:3]) == ({}, ["alerts", "list"])


def test_an_exception_is_bound_to_addresses_and_made_from_a_judged_alert() -> None:
    several = [ATTACK, *USUAL, alert("d", 6, "20.109.1.9", **BENIGN)]
    found = about_principal("ada", 5, several)
    assert found.command == "trailhound rules except d --by principal --by address --dry-run"
    assert "attack" in found.keeps


def test_without_a_usual_network_nothing_is_hidden() -> None:
    hosted = [alert(f"h{n}", n + 1, f"20.109.{n}.1") for n in range(6)]
    found = about_principal("deploy/ci", 8, hosted, role=ROLE, rule="r", elsewhere=2)
    assert found.command == "trailhound alerts list --flat --rule r --principal deploy/ci"
    assert (found.hides, len(found.keeps)) == ({}, 6)
    assert found.reason.startswith("8 of 8 are about deploy/ci (2 of them not about this account's")
    assert "nothing tells them from whoever has the credentials" in found.reason
