"""Rules on free-form objects count the same events however many have to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detections.compiled import Compiled
from detections.events import counting
from detections.events.search import Search
from detections.rule import FilePosition, Rule
from detections.span import ALL_TIME
from tests.helpers.detections import compile_detection
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names

NAMES = {
    "GetFew": counting.AT_ONCE - 10,
    "GetSome": counting.FEW - 20,
    "GetMany": counting.FEW + 20,
}
"""Event name → how many events, one for each way of counting."""
PARAMETERS: list[dict[str, Any]] = [
    {"tool": "Key", "other": "lock"},
    {"tool": {"name": "KEY"}},
    {"tool": [{"name": "lock"}, {"deep": ["monkey"]}]},
    {"tool": "lock", "other": "key"},
    {"other": "key", "tool": None},
]
TESTS: list[tuple[dict[str, Any], set[int]]] = [
    ({"requestParameters.tool": "*"}, {0, 1, 2, 3}),
    ({"requestParameters.tool": "key"}, {0, 1}),
    ({"requestParameters.tool|contains": "key"}, {0, 1, 2}),
    ({"requestParameters.tool|startswith": "lo"}, {2, 3}),
]
"""A test and the places of the parameters that pass it."""


def test_few_and_many_candidates_are_counted_alike(
    each_engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(each_engine, namespace, tmp_path)
    client = prepared(settings)
    events = [
        record(eventName=name, requestParameters=PARAMETERS[n % len(PARAMETERS)])
        for name, number in NAMES.items()
        for n in range(number)
    ]
    backfill(settings, write_trail(tmp_path, events))
    client.indices.refresh(index=Names(settings.prefix).days)
    compiled: dict[str, Compiled] = {}
    expected: list[int] = []
    for name, number in NAMES.items():
        for test, places in TESTS:
            chosen = {"name": {"eventName": name}, "test": test}
            passed = sum(n % len(PARAMETERS) in places for n in range(number))
            for condition, hits in (("", passed), ("not ", number - passed)):
                made = compile_detection(chosen | {"condition": f"name and {condition}test"})
                compiled[str(len(compiled))] = made
                expected.append(hits)
    if dialect_of(client).product == "Elasticsearch":
        made = compiled["0"].on(dialect_of(client))
        assert made.superset is not None
    rules = [Rule(name, "", "sigma", "low", None, FilePosition(Path())) for name in compiled]
    for worth_a_look in (1, len(rules) + 1):
        counted = list(
            Search(client, settings, worth_a_look=worth_a_look).count(rules, compiled, ALL_TIME)
        )
        assert [each.error for each in counted] == [None] * len(rules)
        assert [each.hits for each in counted] == expected
