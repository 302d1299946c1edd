"""Calls for rules of the kinds that Sigma lacks, and what such a rule finds among them."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from detections.compiled import Compiled
from detections.events.index import EventIndex
from detections.finding import Finding
from detections.matcher import SigmaMatcher
from detections.span import Clock, Span
from tests.helpers.event_store import EventStore, at

ARN = "userIdentity.arn"
DAY = 86_400
HOUR = 3_600
RANDOM = settings(max_examples=8, deadline=None)
SEEDS = st.integers(0, 2**32)
Event = dict[str, Any]


def compiled(mark: str, *, decided: bool = False) -> Compiled:
    query = {"term": {"recipientAccountId": mark}}
    matcher = SigmaMatcher.from_detection({"call": {"eventName": "Call"}})
    if decided:
        return Compiled(query, post_filter=matcher)
    return Compiled({"bool": {"filter": [query, {"term": {"eventName": "Call"}}]}})


def index_of(store: EventStore) -> EventIndex:
    return EventIndex(store.client, store.index, hits_page=50, groups_page=7)


def span(clock: Clock, since: float, until: float) -> Span:
    return Span(at(since), at(until), clock)


def event(number: int, time: int, arn: str | None, **fields: Any) -> Event:
    """A call; a field's dots are written as double underscores."""
    named = {name.replace("__", "."): value for name, value in fields.items()}
    ingested = named.pop("ingested", time)
    if arn is not None:
        named[ARN] = arn
    return {
        "id": f"e{number:05}",
        "time": time,
        "ingested": ingested,
        "fields": {"eventName": "Call", **named},
    }


def in_short(findings: list[Finding], mark: str) -> set[tuple[str, ...]]:
    """Of each finding the values of its group and its first event's id."""
    found = {
        (*(value for _, value in each.group), each.events[0].removeprefix(f"{mark}-"))
        for each in findings
    }
    assert len(found) == len(findings)
    return found


def inside(each: Event, clock: Clock, since: float, until: float) -> bool:
    return bool(since <= each["time" if clock == "@timestamp" else "ingested"] < until)


def asked(chance: Random, day: int) -> tuple[Clock, int, int]:
    clock: Clock = chance.choice(["@timestamp", "event.ingested"])
    since = chance.randrange(0, 4 * day)
    return clock, since, since + chance.randrange(1, 4 * day)
