"""The query DSL on a real engine agrees with the matcher, for random rules on random events.

The events are indexed once, by a backfill, repairs included; what the matcher says of an event is
asked of the record as it was written, with the added fields beside it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch

from detections.events.search import Search
from detections.matcher import SigmaMatcher
from detections.rule import FilePosition, Rule
from detections.span import ALL_TIME
from tests.conftest import PRODUCT
from tests.helpers.detections import compile_detection
from tests.helpers.namespaces import own_namespace
from tests.helpers.trails import backfill, documents, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.mappings import ADDED
from trailhound.errors import RuleError
from trailhound.settings import Settings

WORDS = [
    "alice",
    "Alice*",
    "a?b",
    "BOB",
    "bo b",
    "c:\\x",
    "İstanbul",
    "éclair",
    "ÉCLAIR",
    "K",
    "k",
    "true",
    "5",
    "5.0",
    "10.1.2.3",
    "2001:db8::1",
    "a.b",
    "x=y",
    "[b]",
    "~a#",
    '"q"',
    "",
    "\n",
]
ADDRESSES = [
    "10.1.2.3",
    "198.51.100.7",
    "2001:db8::1",
    "s3.amazonaws.com",
    "10.1.2.3, 8.8.8.8",
    "::ffff:10.1.2.3",
    "AWS Internal",
    "",
]
KEYS = ["a", "b", "A", "d.e", "c"]
LONG = "Long text " + "x" * 33_000
"""Too long for a term. In few events: whole ones are read by the thousand."""


def _value(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(10 if depth < 3 else 6)
    if kind < 4:
        return dice.choice(WORDS) + dice.choice(["", "", dice.choice(WORDS)])
    if kind == 4:
        return dice.choice([0, 5, 7, 12.5, -1, 5.0, True, False])
    if kind == 5:
        return LONG if dice.random() < 0.05 else dice.choice([None, {}, [], "plain"])
    if kind < 8:
        return {key: _value(dice, depth + 1) for key in dice.sample(KEYS, dice.randrange(1, 4))}
    return [_value(dice, depth + 1) for _ in range(dice.randrange(1, 4))]


def _event(dice: random.Random) -> dict[str, Any]:
    changes: dict[str, Any] = {
        "eventName": dice.choice(["CreateUser", "createuser", "DeleteUser", "GetObject"]),
        "sourceIPAddress": dice.choice(ADDRESSES),
        "userAgent": LONG if dice.random() < 0.02 else dice.choice(WORDS),
        "requestID": dice.choice([*WORDS, None, 5]),
        "readOnly": dice.choice([True, False, "true", None]),
        "requestParameters": dice.choice(
            [None, {key: _value(dice) for key in KEYS if dice.random() < 0.6}]
        ),
        "resources": [{"ARN": dice.choice(WORDS), "type": dice.choice(["b", None])}] * 2,
    }
    if dice.random() < 0.3:
        changes |= {"errorCode": dice.choice(["AccessDenied", "", "Client.Unauthorized"])}
    made = record(**changes)
    if dice.random() < 0.3:
        del made["userAgent"]
    return made


FIELDS = st.sampled_from(
    [
        "eventName",
        "userAgent",
        "readOnly",
        "errorCode",
        "resources.ARN",
        "resources",
        "requestParameters",
        "requestParameters.a",
        "requestParameters.b",
        "requestParameters.a.b",
        "requestParameters.A",
        "requestParameters.c.a",
        "requestParameters.d.e",
        "userIdentity",
        "event.action",
        "user.name",
        "risk_score",
        "eventVersion",
        "sharedEventID",
        "requestID",
        "eventTime",
        "source.ip",
        "sourceIPAddress",
    ]
)
TEXTS = st.builds(
    lambda parts: "".join(parts),
    st.lists(
        st.sampled_from([*WORDS, "*", "?", "\\*", "\\?", "Create", "user", "Long", "ada", "arn:"]),
        min_size=1,
        max_size=3,
    ),
)
VALUES = TEXTS | st.lists(TEXTS, min_size=1, max_size=12)
NUMBERS = st.sampled_from([0, 5, 7, 12.5, -1, 1, 8])
EXPRESSIONS = st.sampled_from(
    [
        "^Create",
        "User$",
        "a.b",
        "(?i)ALICE",
        "[a-c]+\\?",
        "\\d\\.\\d",
        "^$",
        "b|^a",
        "(a|b)+ ?b",
        "\\bbo\\b",
        "é",
        "(?i)é",
        "a{2,}",
        "^(?!Create).*$",
        "(.)\\1",
        "\\s",
        "\\W",
        "[^a-z]$",
        "(?i)k",
        "(?s)^.$",
        "x{300,}",
        "^(Get|Delete)",
        "User(?=$)",
        "[*?]",
        "\\\\x",
        "(?i)[^e]lice",
        "(?i)[a-z]{5}$",
        "\\Aada",
        '"q"|~|#',
    ]
)
ITEMS = st.one_of(
    st.tuples(
        FIELDS,
        st.sampled_from(
            [
                "",
                "|cased",
                "|neq",
                "|contains",
                "|startswith",
                "|endswith",
                "|cased|contains",
                "|contains|all",
                "|windash|contains",
                "|startswith|neq",
                "|cased|endswith",
            ]
        ),
        VALUES,
    ),
    st.tuples(
        FIELDS,
        st.sampled_from(["|base64", "|base64offset|contains"]),
        st.sampled_from(["alice", "BOB"]),
    ),
    st.tuples(FIELDS, st.sampled_from(["|re", "|re|i", "|re|startswith"]), EXPRESSIONS),
    st.tuples(FIELDS, st.just("|exists"), st.booleans()),
    st.tuples(FIELDS, st.just(""), st.none() | st.booleans() | NUMBERS),
    st.tuples(FIELDS, st.sampled_from(["|gt", "|gte", "|lt", "|lte"]), NUMBERS),
    st.tuples(
        FIELDS,
        st.sampled_from(
            ["|fieldref", "|fieldref|startswith", "|fieldref|lastpart", "|fieldref|accountpart"]
        ),
        FIELDS,
    ),
    st.tuples(
        FIELDS,
        st.just("|cidr"),
        st.sampled_from(
            ["10.0.0.0/8", "10.1.2.0/23", "198.51.100.7/32", "2001:db8::/32", "::/0", "0.0.0.0/0"]
        ),
    ),
    st.tuples(st.just(""), st.sampled_from(["", "|contains", "|all", "|startswith"]), VALUES),
)
SELECTIONS = st.lists(ITEMS, min_size=1, max_size=2).map(
    lambda items: {field + modifier: value for field, modifier, value in items}
)
DETECTIONS = st.builds(
    lambda a, b, condition: {"a": a, "b": b, "condition": condition},
    SELECTIONS,
    SELECTIONS | st.lists(SELECTIONS, min_size=1, max_size=2),
    st.sampled_from(["a", "not a", "a and b", "a or b", "a and not b", "not (a or not b)"]),
)
RULES = st.lists(DETECTIONS, min_size=20, max_size=20)


TOO_LONG = "the cluster allows 1,024"
"""A rule that the matcher knows and no engine: the random ones have so many clauses at times."""


Indexed = tuple[Settings, OpenSearch, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def indexed(each_engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    """An engine with 250 random events on it, and each as the matcher should see it, by `_id`."""
    folder = tmp_path_factory.mktemp("laws")
    with own_namespace(each_engine, folder) as own:
        client = connect(own)
        dice = random.Random(20250301)
        events = [_event(dice) for _ in range(250)]
        report = backfill(own, write_trail(folder, events))
        assert report.counts.indexed == 250
        written = {event["eventID"]: event for event in events}
        seen = {
            name: {key: source[key] for key in ADDED if key in source} | written[name]
            for name, source in documents(client, own).items()
        }
        repaired = sum("repaired" in each.get("trail", {}) for each in seen.values())
        assert repaired > 5, "texts too long for a term are among the events"
        yield own, client, seen


def rule(number: int) -> Rule:
    return Rule(f"r{number}", "", "sigma", "low", None, FilePosition(Path()))


ASKED = settings(
    deadline=None,
    phases=[Phase.generate],  # a rule shrunk needs minutes of an engine's time
    suppress_health_check=list(HealthCheck),
)


# The first example is always the simplest: twenty times the same rule.
@settings(ASKED, max_examples=5 if PRODUCT else 2)
@given(detections=RULES)
def test_query_and_matcher_agree_on_each_engine(
    indexed: Indexed, detections: list[dict[str, Any]]
) -> None:
    """Few rules in a session of all engines, as many as the first's in one of a further engine."""
    agree(indexed, detections)


@pytest.mark.parametrize("each_engine", [PRODUCT or "3.8"], indirect=True)
@settings(ASKED, max_examples=4)
@given(detections=RULES)
def test_query_and_matcher_agree(indexed: Indexed, detections: list[dict[str, Any]]) -> None:
    agree(indexed, detections)


def agree(indexed: Indexed, detections: list[dict[str, Any]]) -> None:
    """What the engine finds and counts by these rules is what the matcher says."""
    own, client, seen = indexed
    compiled = {}
    for number, detection in enumerate(detections):
        try:
            compiled[f"r{number}"] = compile_detection(detection)
        except RuleError as fault:
            if TOO_LONG in fault.message:
                continue
            with pytest.raises(RuleError):  # faulty for the matcher too, never for the query alone
                SigmaMatcher.from_detection(detection)
    rules = [rule(int(name[1:])) for name in compiled]
    search = Search(client, own)
    found = {each.rule.id: list(each.findings) for each in search.find(rules, compiled, ALL_TIME)}
    counted = {each.rule.id: each.hits for each in search.count(rules, compiled, ALL_TIME)}
    for name, each in compiled.items():
        detection = detections[int(name[1:])]
        matcher = each.matcher
        assert matcher is not None
        expected = {event for event, source in seen.items() if matcher.matches(source)}
        got = {finding.events[0] for finding in found[name]}
        assert got == expected, (detection, each.plain)
        assert counted[name] == len(expected)
