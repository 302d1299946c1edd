"""One call of the long tail, and how a caller's events are divided among its calls."""

from __future__ import annotations

from typing import Any

from trailhound.sample.activity import Activity
from trailhound.sample.sessions import Actor
from trailhound.sample.shapes import CallError, Shape

Fields = dict[str, Any]

_READING = ("Describe", "List", "Get", "BatchGet", "Search", "Lookup", "Filter", "Query", "Select")
_READ_FAULTS = (
    CallError(0.02, "ThrottlingException", "Rate exceeded"),
    CallError(0.012, "ResourceNotFoundException", "The requested resource was not found."),
    CallError(0.006, "AccessDeniedException"),
)
_CHANGE_FAULTS = (
    CallError(0.015, "ValidationException", "One or more parameters of the request are not valid."),
    CallError(0.01, "ConflictException", "Another operation on the resource is in progress."),
)
_FLATTEN = 3
"""Added to a call's rank: without it the first would have nearly all events."""


def call(
    source: str,
    name: str,
    request: Fields | None = None,
    response: Fields | None = None,
    *,
    additional: Fields | None = None,
    data: bool = False,
) -> Shape:
    """A call as CloudTrail records it: its name shows whether it reads, and how it fails.

    Reading calls leave `responseElements` null, so they have none here either.
    """
    reading = name.startswith(_READING)
    return Shape(
        source,
        name,
        request=request,
        response=response,
        additional=additional,
        read_only=reading,
        data=data,
        faults=_READ_FAULTS if reading else _CHANGE_FAULTS,
    )


def event(source: str, name: str, details: Fields) -> Shape:
    """An event that a service itself records, in `serviceEventDetails`."""
    return Shape(source, name, details=details, read_only=False, event_type="AwsServiceEvent")


def ranked(weight: float, actor: Actor, by: str, shapes: tuple[Shape, ...]) -> list[Activity]:
    """Calls that divide one weight by their rank: each is less frequent than the one before.

    >>> two = (call("eks", "ListClusters"), call("ecs", "ListClusters"))
    >>> [round(each.weight, 9) for each in ranked(7.0, Actor.PERSON, "console", two)]
    [4.0, 3.0]
    """
    parts = [1 / (rank + _FLATTEN) for rank in range(len(shapes))]
    total = sum(parts)
    return [
        Activity(weight * part / total, actor, by, shape)
        for part, shape in zip(parts, shapes, strict=True)
    ]
