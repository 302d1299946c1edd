"""The long tail of a trail: hundreds of calls of dozens of services, each of them rare.

A real trail's frequent calls are few, but its field paths are many: every service has its own
parameters, and the same name has different types (`filter` is text here and an object there, `tags`
a list or a map). A dynamic mapping fails on this tail.
"""

from __future__ import annotations

from trailhound.sample.activity import Activity
from trailhound.sample.sessions import Actor
from trailhound.sample.shapes import Shape
from trailhound.sample.tail import compute, data, governance
from trailhound.sample.tail.call import ranked


def _mixed(*areas: tuple[Shape, ...]) -> tuple[Shape, ...]:
    """The areas' calls in turns, so that no area ranks below another."""
    longest = max(len(area) for area in areas)
    return tuple(area[place] for place in range(longest) for area in areas if place < len(area))


_INVENTORY = _mixed(compute.INVENTORY, data.INVENTORY, governance.INVENTORY)
_CHANGES = _mixed(compute.CHANGES, data.CHANGES, governance.CHANGES)
_ALL_TASKS = _mixed(compute.TASKS, data.TASKS, governance.TASKS)
_TASKS = tuple(shape for shape in _ALL_TASKS if shape.details is None)
_EVENTS = tuple(shape for shape in _ALL_TASKS if shape.details is not None)

SERVICE_TAIL: tuple[Activity, ...] = (
    *ranked(4000, Actor.SERVICE_ROLE, "config", _INVENTORY),
    *ranked(1000, Actor.SERVICE_ROLE, "resource-explorer-2", data.INVENTORY),
    *ranked(800, Actor.SERVICE_ROLE, "trustedadvisor", compute.INVENTORY),
    *ranked(600, Actor.SERVICE_ROLE, "securityhub", governance.INVENTORY),
    *ranked(2400, Actor.ON_BEHALF, "cloudformation", _CHANGES),
    *ranked(1500, Actor.ON_BEHALF, "states", _TASKS),
    *(Activity(200 / len(_EVENTS), Actor.SERVICE, shape.source, shape) for shape in _EVENTS),
)
"""10,500 of 100,000 events: the larger part, by services themselves."""

WORKLOAD_TAIL = tuple(ranked(1700, Actor.WORKLOAD, "ecs-tasks", _TASKS))
PIPELINE_TAIL = tuple(ranked(350, Actor.PIPELINE, "lists", _CHANGES))
PEOPLE_TAIL = tuple(ranked(250, Actor.PERSON, "console", governance.PEOPLE))
LONG_TAIL = SERVICE_TAIL + WORKLOAD_TAIL + PIPELINE_TAIL + PEOPLE_TAIL
"""12,800 of 100,000 events."""
