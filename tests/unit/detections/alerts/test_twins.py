"""Twins: alerts of variants of a rule that are of the same events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from detections.alerts.twins import TWIN_KEY, folded, twin_key, with_twins
from detections.packs.loading import load
from tests.helpers.findings import rule
from trailhound.settings import Settings

USER, ADDRESS = (rule(name, variant_of="pattern") for name in ("user", "address"))


def document(*events: str, count: int = 0) -> dict[str, Any]:
    return {"evidence": {"event_id": list(events)}, "count": count or len(events)}


def test_the_key_is_of_the_variants_and_all_events() -> None:
    one = twin_key(USER, document("a", "b"))
    assert one == twin_key(ADDRESS, document("b", "a"))
    assert one != twin_key(USER, document("a", "b", "c"))
    assert one != twin_key(USER, document("a", "b", count=20_000))
    assert one != twin_key(rule(variant_of="other"), document("a", "b"))
    assert twin_key(rule(), document("a", "b")) == {}


def test_only_what_is_listed_is_folded() -> None:
    def alert(name: str, *twins: str, state: str = "open") -> dict[str, Any]:
        others = [{"id": each, "rule": {"name": f"x by {each}"}, "state": "open"} for each in twins]
        own = {"id": name, "rule": {"id": name, "name": f"x by {name}"}, "state": state}
        return own | {"twins": others}

    listed = [alert("user", "address"), alert("other", "elsewhere"), alert("address", "user")]
    listed.append(alert("closed", "user", state="closed"))
    shown = [(each["id"], each["rule"]["name"]) for each in folded(listed)]
    assert shown == [
        ("user", "x by address and by user"),
        ("other", "x by other"),
        ("closed", "x by closed"),
    ]


def test_rules_of_two_packs_with_one_name_are_no_variants(tmp_path: Path) -> None:
    """An alert of one team's rule must not keep that of another team's from being sent."""
    numbers = iter(range(1, 10))

    def pack(name: str, variant_of: str) -> Path:
        (tmp_path / name).mkdir()
        for each in ("by-user", "by-address"):
            written = {
                "title": f"{name} {each}",
                "id": f"00000000-0000-4000-8000-{next(numbers):012d}",
                "logsource": {"product": "aws", "service": "cloudtrail"},
                "detection": {"it": {"eventName": "StopLogging"}, "condition": "it"},
                "trailhound": {"variant_of": variant_of},
            }
            (tmp_path / name / f"{each}.yml").write_text(yaml.safe_dump(written), encoding="utf-8")
        return tmp_path / name

    paths = [pack("one", "logins"), pack("two", "logins"), pack("three", "persistence")]
    made = load(Settings().detections, paths)
    keys: dict[str, set[str]] = {}
    for each in made.rules:
        if each.variant_of in ("logins", "persistence"):
            of = each.title.split()[0]
            keys.setdefault(of, set()).add(twin_key(each, document("a"))[TWIN_KEY])
    assert {name: len(several) for name, several in keys.items()} == {
        "one": 1,
        "two": 1,
        "three": 1,
        "persistence": 1,
    }
    assert len(set.union(*keys.values())) == 4
    notes = [each for each in made.faults if "of another pack" in each.reason]
    assert sorted(each.place.path.parent.name for each in notes) == ["three"] * 2 + ["two"] * 2
    assert {each.what for each in notes} == {"note"}
    alone = load(Settings().detections, paths[:1])
    (key,) = keys["one"]
    assert {twin_key(each, document("a")).get(TWIN_KEY) for each in alone.rules} >= {key}


def test_the_six_patterns_are_variants_of_each_other() -> None:
    variants: dict[str, list[str]] = {}
    for each in load(Settings().detections).rules:
        if each.variant_of:
            variants.setdefault(each.variant_of, []).append(each.title)
    assert variants.pop("function_code_replaced")  # told apart by known automation
    # Told apart by whose past a country is compared with.
    assert len(variants.pop("role_used_elsewhere")) == 2
    assert len(variants.pop("person_acts_elsewhere")) == 3
    assert len(variants) == 6
    for name, titles in variants.items():
        assert sorted(titles) == [f"{name} by address", f"{name} by user"]


def test_alerts_that_were_read_know_their_twins_by_the_key() -> None:
    def alert(name: str, **more: str) -> dict[str, Any]:
        return {"id": name, "rule": {"id": f"r-{name}", "name": name}, "state": "open", **more}

    read = [alert("by user", twin_key="k"), alert("else"), alert("by address", twin_key="k")]
    made = with_twins(read)
    assert [[each["id"] for each in it.get("twins", ())] for it in made] == [
        ["by address"],
        [],
        ["by user"],
    ]
    assert not any("twin_key" in each for each in made)
    assert [each["rule"]["name"] for each in folded(made)] == ["by address and by user", "else"]
