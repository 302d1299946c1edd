"""Warnings about calls that a user trusts: names that no event and no rule has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from opensearchpy import OpenSearch

from detections.automation.trusting import asks
from detections.compiled import Compiled
from detections.events.identity import ISSUER
from detections.events.index import EventIndex
from detections.matcher.precheck import precheck
from detections.suggestions import did_you_mean
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

_NAMES: Final = 5_000
"""The number of most frequent calls that are compared for a suggestion."""
_CALL: Final = "eventName"


def doubts(
    client: OpenSearch,
    settings: Settings,
    rules: Mapping[str, Compiled],
    role: str,
    calls: Sequence[str],
) -> list[str]:
    """A sentence for each name that no event has, or that no rule names. Raises `ClusterError`."""
    index = EventIndex(client, Names(settings.prefix).days)
    terms = [{ISSUER: role}, *({_CALL: call} for call in calls)]
    seen = [not none for none in index.none_match([{"term": each} for each in terms])]
    found = []
    if not seen[0]:
        found.append(f"no event in the index is of the role {role}: check the ARN")
    names: list[str] = []
    for call, known in zip(calls, seen[1:], strict=True):
        if not known:
            names = names or _names(index)
            hint = did_you_mean(call, names, "check how CloudTrail writes it")
            found.append(f"no event in the index is a call {call}: {hint}")
        if not any(_asks_about(rule, call) for rule in rules.values()):
            found.append(f"no rule that leaves out known automation asks about {call} by name")
    return found


def _asks_about(rule: Compiled, call: str) -> bool:
    if not asks(rule) or rule.matcher is None:
        return False
    possible = precheck(rule.matcher, (_CALL,))
    return possible is not None and possible({_CALL: call})


def _names(index: EventIndex) -> list[str]:
    body = {"size": 0, "aggs": {"names": {"terms": {"field": _CALL, "size": _NAMES}}}}
    found = index.search(body).get("aggregations") or {}
    return [str(each["key"]) for each in found.get("names", {}).get("buckets", ())]
