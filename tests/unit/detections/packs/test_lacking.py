"""Rules that find nothing because no setting gives their fields a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from detections.packs.describe import WITHOUT_DATA, listed, shown
from detections.packs.lacking import ASN, CITY, THREATS, absent_data, lacking, sentence
from detections.packs.loading import load_paths
from tests.unit.detections.packs.by_hand import IDS, pack, text
from tests.unit.detections.packs.shipped import RULES
from trailhound.settings import DetectionSettings
from trailhound.settings.enrich import EnrichSettings, ThreatListSettings

NETWORK = "{geolocation.as_org|exists: true}"
NEW = "{new_terms: {field: geolocation.asn, group_by: [userIdentity.arn]}}"


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"detection": f"{{s: {NETWORK}, condition: s}}"}, (ASN,)),
        ({"detection": "{s: {geolocation.as_org: null}, condition: s}"}, ()),
        ({"detection": f"{{s: {NETWORK}, c: {{eventName: A}}, condition: c and not s}}"}, ()),
        ({"detection": f"{{s: {NETWORK}, c: {{eventName: A}}, condition: c or s}}"}, ()),
        ({"detection": "{s: {threat.indicator.ip|exists: true}, condition: s}"}, (THREATS,)),
        ({"detection": "{s: {geolocation.country_code: NL}, condition: s}"}, (CITY,)),
        (
            {"detection": f"{{s: {NETWORK}, p: {{geolocation.city: X}}, condition: s and p}}"},
            (CITY, ASN),
        ),
        ({"trailhound": NEW}, (ASN,)),
        ({"trailhound": "{new_terms: {field: awsRegion}}"}, ()),
        ({"trailhound": "{impossible_travel: {group_by: [userIdentity.arn]}}"}, (CITY,)),
        ({"trailhound": "{anomaly: {group_by: [geolocation.asn]}}"}, (ASN,)),
    ],
)
def test_a_rule_lacks_what_no_event_of_its_can_do_without(
    tmp_path: Path, changes: dict[str, str], lacks: tuple[str, ...]
) -> None:
    made = pack(tmp_path, text(1, **changes))
    assert not made.problems
    assert lacking(made, [CITY, ASN, THREATS]) == ({IDS[1]: lacks} if lacks else {})
    assert lacking(made, []) == {}


@pytest.mark.parametrize(
    ("correlation", "lacks"),
    [
        ("type: event_count, rules: [far], timespan: 1h, condition: {gte: 2}", True),
        ("type: event_count, rules: [far, near], timespan: 1h, condition: {gte: 2}", False),
        ("type: temporal, rules: [far, near], timespan: 1h", True),
        ("type: temporal, rules: [far, near], timespan: 1h, condition: {gte: 1}", False),
        ("type: temporal, rules: [far, near], timespan: 1h, condition: far or near", False),
        (
            "type: value_count, rules: [near], timespan: 1h, condition: {gte: 2, field: asn}",
            True,
        ),
    ],
)
def test_a_correlation_lacks_what_its_rules_or_groups_do(
    tmp_path: Path, correlation: str, lacks: bool
) -> None:
    far = text(1, name="far", detection=f"{{s: {NETWORK}, condition: s}}")
    near = text(2, name="near")
    groups = "[userIdentity.arn]"
    made = pack(
        tmp_path,
        far,
        near,
        text(
            3,
            detection="",
            logsource="",
            correlation=f"{{{correlation}, group-by: {groups}}}".replace(
                ": asn", ": geolocation.asn"
            ),
        ),
    )
    assert not made.problems
    assert lacking(made, [ASN]).get(IDS[3], ()) == ((ASN,) if lacks else ())


def test_what_is_listed_and_shown_says_it(tmp_path: Path) -> None:
    made = pack(tmp_path, text(1, detection=f"{{s: {NETWORK}, condition: s}}"), text(2))
    states = {each["id"]: (each["state"], each["lacks"]) for each in listed(made, [ASN])}
    assert states == {IDS[1]: (WITHOUT_DATA, [ASN]), IDS[2]: ("on", [])}
    assert shown(made, made.rule(IDS[1]), [ASN])["lacks"] == [ASN]
    assert sentence(made, [ASN]) == f"1 rule finds nothing without {ASN}: Rule 1"


def test_shipped_rules_say_what_they_lack() -> None:
    """So that nobody takes a rule that finds nothing for one that watches."""
    made = load_paths([RULES], DetectionSettings())
    lack = lacking(made, [ASN, THREATS])
    assert len(lack) == 3
    for name, settings in lack.items():
        if ASN in settings:
            assert ASN in made.rule(name).description


def test_settings_say_what_is_absent(tmp_path: Path) -> None:
    assert absent_data(EnrichSettings(city_database=tmp_path / "c")) == (ASN, THREATS)
    lists = [ThreatListSettings(path=tmp_path / "l")]
    given = EnrichSettings(asn_database=tmp_path / "a", threat_lists=lists)
    assert ASN not in absent_data(given)
    assert absent_data(given.model_copy(update={"geolocation": False})) == (CITY, ASN)
