"""Every rule that ships: whole, told apart, with samples that it decides as they say."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from fnmatch import fnmatch
from typing import Any
from uuid import UUID

import pytest
from sigma.collection import SigmaCollection
from sigma.policy.profiles import TrustedPolicy

from detections.matcher import SigmaMatcher
from detections.packs.loading import load
from detections.rule import LEVELS
from detections.samples import documents, samples_file
from enrich.agent import agent
from enrich.enricher import Enricher
from tests.unit.detections.packs.shipped import OWN_KINDS, RULES, Shipped, shipped
from trailhound.report.collect.attack import belongs_to_tactic
from trailhound.settings import DetectionSettings

ENRICHER = Enricher()
TACTICS = {
    "collection", "command-and-control", "credential-access", "defense-evasion", "discovery",
    "execution", "exfiltration", "impact", "initial-access", "lateral-movement", "persistence",
    "privilege-escalation", "reconnaissance", "resource-development",
}  # fmt: skip
OF_DEFINITIONS = {"alarms", "patterns"}
TOOLS = re.compile(r"stratus|pacu\b|cloudgoat|scout ?suite|prowler|kali|trufflehog", re.IGNORECASE)

ON_TOOLS = {"discovery/offensive_tool", "discovery/key_tried_by_leak_scanner"}
"""Rules on tools that do name themselves. No technique rests on them."""

SERVICE = "states.amazonaws.com"
OF_ADDRESSES = {
    "credential-access/instance_credentials_from_two_addresses",
    "credential-access/instance_credentials_on_desktop",
    "credential-access/instance_credentials_outside_aws",
    "discovery/instance_role_looks_around",
    "lateral-movement/instance_role_at_operators_address",
}
"""Rules on the address or the tool that keys are used with: a service that calls for somebody has
its own."""

every_rule = pytest.mark.parametrize("rule", shipped(), ids=str)


def test_there_are_enough() -> None:
    by_tactic = Counter(rule.folder for rule in shipped())
    assert set(by_tactic) <= TACTICS | OF_DEFINITIONS
    assert sum(count for name, count in by_tactic.items() if name in TACTICS) >= 80
    assert by_tactic["alarms"] == 12
    assert by_tactic["patterns"] == 13


def test_names_and_ids_are_told_apart() -> None:
    all_documents = [each for rule in shipped() for each in (rule.main, *rule.parts)]
    ids = [each["id"] for each in all_documents]
    names = [each["name"] for each in all_documents if "name" in each]
    titles = [rule.main["title"] for rule in shipped()]
    for seen in (ids, names, titles):
        assert [value for value, count in Counter(seen).items() if count > 1] == []
    assert all(UUID(each).version == 4 for each in ids)


def test_it_is_sigma() -> None:
    """Parsed together, as references between documents demand."""
    texts = [rule.file.read_text("utf-8") for rule in shipped()]
    pack = SigmaCollection.from_yaml("\n---\n".join(texts), policy=TrustedPolicy)
    pack.resolve_rule_references()
    assert [error for rule in pack.rules for error in rule.errors] == []
    assert len(pack.rules) == sum(1 + len(rule.parts) for rule in shipped())


@every_rule
def test_a_rule_is_whole(rule: Shipped) -> None:
    main = rule.main
    assert main["description"].strip()
    assert main["status"] in {"stable", "test", "experimental"}
    assert main["author"]
    assert isinstance(main["date"], date)
    assert main["level"] in LEVELS
    tags = set(main["tags"])
    assert any(re.fullmatch(r"attack\.t\d{4}(\.\d{3})?", tag) for tag in tags)
    tactics = {f"attack.{tactic}" for tactic in TACTICS}
    assert tags & ({f"attack.{rule.folder}"} if rule.folder in TACTICS else tactics)
    assert all(link.startswith("https://") for link in main["references"])
    assert main["references"]
    assert main["falsepositives"]
    assert 3 <= len(rule.own["response"]) <= 5
    for each in (main, *rule.parts):
        assert "correlation" in each or each["logsource"] == {
            "product": "aws",
            "service": "cloudtrail",
        }


@every_rule
def test_tactics_and_techniques_belong_together(rule: Shipped) -> None:
    """Each technique is of a tactic that the rule names, and each of these has a technique."""
    tags = [tag.removeprefix("attack.") for tag in rule.main["tags"]]
    tactics = [tag for tag in tags if tag in TACTICS]
    techniques = [tag for tag in tags if re.fullmatch(r"t\d{4}(\.\d{3})?", tag)]
    assert sorted(tags) == sorted((*tactics, *techniques))
    for technique in techniques:
        # One that is not listed there would serve any tactic, even one that there is not.
        assert not belongs_to_tactic(technique, "none"), technique
        assert any(belongs_to_tactic(technique, tactic) for tactic in tactics), technique
    for tactic in tactics:
        assert any(belongs_to_tactic(technique, tactic) for technique in techniques), tactic
    links = {link for link in rule.main["references"] if "attack.mitre.org" in link}
    assert links == {
        f"https://attack.mitre.org/techniques/{technique.upper().replace('.', '/')}/"
        for technique in techniques
    }


@every_rule
def test_no_selection_is_idle(rule: Shipped) -> None:
    """A selection that no condition names was forgotten there."""
    for detection in rule.detections:
        condition = detection["condition"]
        words = re.findall(
            r"[\w*]+", " ".join([condition] if isinstance(condition, str) else condition)
        )
        idle = [
            name
            for name in detection
            if name != "condition" and not any(fnmatch(name, word) for word in words if word != "*")
        ]
        assert idle == [] or "them" in words


@every_rule
def test_no_tool_need_name_itself(rule: Shipped) -> None:
    """What a tool calls itself is the first thing that an attacker changes."""
    if str(rule) in ON_TOOLS:
        return
    assert not TOOLS.search(str(rule.detections))
    for trail in rule.samples.match:
        for event in trail:
            known_agent = agent(event.get("userAgent", ""))
            assert known_agent is None or known_agent.kind != "offensive"
            assert not TOOLS.search(str(event))


@every_rule
def test_a_call_by_way_of_a_service_is_its_callers_own(rule: Shipped) -> None:
    """Systems Manager, Step Functions and the like make whatever call they are asked for: no rule
    leaves it out only because AWS wrote `invokedBy`."""
    if str(rule) in OF_ADDRESSES or rule.folder in OF_DEFINITIONS:
        return
    for detection in rule.detections:
        if "userIdentity.invokedBy|exists" not in str(detection):
            continue
        matcher = SigmaMatcher.from_detection(detection)
        found = [
            event
            for trail in rule.samples.match
            for event in documents(trail, ENRICHER)
            if matcher.matches(event)
        ]
        assert found
        for event in found:
            by_way = {**event, "sourceIPAddress": SERVICE, "userAgent": SERVICE}
            by_way["userIdentity"] = {**event["userIdentity"], "invokedBy": SERVICE}
            assert matcher.matches(by_way)


@every_rule
def test_samples_have_the_shape_of_their_rule(rule: Shipped) -> None:
    samples = rule.samples
    for trail in samples.match + samples.no_match:
        assert not rule.plain or len(trail) == 1
        for document in documents(trail, ENRICHER):
            assert document["userIdentity"]["type"]
            assert document["eventSource"].endswith(".amazonaws.com")


@every_rule
def test_samples_are_decided_as_they_say(rule: Shipped) -> None:
    """Of a rule over several events only this is seen here: that its parts find what they name."""
    samples = rule.samples
    matchers = [SigmaMatcher.from_detection(each) for each in rule.detections]

    def found(matcher: SigmaMatcher, trail: Any) -> bool:
        return any(map(matcher.matches, documents(trail, ENRICHER)))

    if rule.plain:
        (matcher,) = matchers
        assert [found(matcher, trail) for trail in samples.match] == [True] * len(samples.match)
        assert not any(found(matcher, trail) for trail in samples.no_match)
    elif "geolocation" not in str(rule.detections):  # that takes a database
        assert all(any(found(each, trail) for each in matchers) for trail in samples.match)
        if rule.main.get("correlation", {}).get("type", "").startswith("temporal"):
            assert all(any(found(each, trail) for trail in samples.match) for each in matchers)


def test_nothing_lies_about_without_a_rule() -> None:
    expected = {rule.file for rule in shipped()} | {samples_file(rule.file) for rule in shipped()}
    assert {file for file in RULES.rglob("*") if file.is_file()} == expected


def test_rules_over_all_that_happens_are_decided_by_the_engine() -> None:
    """Where a matcher decides, a first time is found by reading every event of the rule."""
    pack = load(DetectionSettings(), [])
    over_all = [rule for rule in pack.rules if rule.kind in OWN_KINDS]
    assert over_all
    read = [rule.title for rule in over_all if pack.compiled[rule.id].post_filter is not None]
    assert not read


def test_own_kinds_have_their_keys() -> None:
    keys = {
        "new_terms": {
            *("field", "group_by", "days", "training_days", "training_events"),
            "other_than_group",
        },
        "impossible_travel": {"group_by", "max_kmh", "min_km"},
        "anomaly": {
            "group_by",
            "measure",
            "field",
            "baseline",
            "deviations",
            "minutes",
            "min_count",
            "services",
        },
    }
    for rule in shipped():
        for kind in OWN_KINDS:
            if kind in rule.own:
                assert set(rule.own[kind]) <= keys[kind], rule
