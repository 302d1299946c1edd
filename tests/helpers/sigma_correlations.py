"""Sigma correlations for tests: plain rules A, B, C by event name, and what they compile to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.policy.profiles import TrustedPolicy
from sigma.rule import SigmaRule

from detections.compiled import Compiled
from detections.correlations.correlation import Correlation
from detections.correlations.ranges import with_range, without_range
from detections.matcher import SigmaMatcher


def plain(name: str, mark: str) -> dict[str, Any]:
    """A rule on one event name, among the events of one mark."""
    return {
        "title": name,
        "name": name,
        "logsource": {"product": "aws"},
        "detection": {
            "call": {"eventName": name, "recipientAccountId": mark},
            "condition": "call",
        },
    }


def over(
    names: Sequence[str],
    mark: str,
    type_: str,
    grouping: Sequence[str],
    timespan: int,
    condition: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """A correlation over plain rules, with these; `timespan` in seconds."""
    found = correlation(
        type=type_,
        rules=list(names),
        group_by=list(grouping),
        timespan=f"{timespan}s",
        condition=condition,
    )
    return [*(plain(name, mark) for name in names), found]


def correlation(name: str = "found", **body: Any) -> dict[str, Any]:
    """A correlation; underscores in `body`'s names replace Sigma's hyphens."""
    return {
        "title": name,
        "name": name,
        "correlation": {key.replace("group_by", "group-by"): each for key, each in body.items()},
    }


def parsed(*documents: dict[str, Any], name: str = "found") -> SigmaCorrelationRule:
    """The rule `name` of a pack, its references resolved."""
    single = {each["name"]: without_range(each) for each in documents}
    text = "\n---\n".join(yaml.safe_dump(each, allow_unicode=True) for each, _ in single.values())
    collection = SigmaCollection.from_yaml(text, policy=TrustedPolicy)
    for each, (_, others) in single.items():
        made = collection[each]
        if isinstance(made, SigmaCorrelationRule):
            with_range(made, others)
    rule = collection[name]
    assert isinstance(rule, SigmaCorrelationRule)
    return rule


def loaded(*documents: dict[str, Any], name: str = "found") -> Correlation:
    return Correlation.of(parsed(*documents, name=name))


def exactly(mark: str) -> Callable[[SigmaRule], Compiled]:
    """A compiler whose queries are exact."""
    return lambda rule: Compiled(
        {
            "bool": {
                "filter": [
                    {"term": {"eventName": rule.title}},
                    {"term": {"recipientAccountId": mark}},
                ]
            }
        }
    )


def loosely(mark: str) -> Callable[[SigmaRule], Compiled]:
    """A compiler whose queries find all events of the mark, and leave the rest to the matcher."""
    return lambda rule: Compiled(
        {"term": {"recipientAccountId": mark}}, post_filter=SigmaMatcher.from_rule(rule)
    )
