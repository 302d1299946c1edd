"""Joins rows of similar incidents, since on an ordinary day most are one alert of one rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

FROM: Final = 3
"""The number of incidents of the same rule, level and state from which on they are one row."""

Incident = Mapping[str, Any]


def folded(incidents: Iterable[Incident]) -> list[dict[str, Any]]:
    """Incidents in their order. Those of a single rule are one row if at least `FROM` have the same
    level and state; that row has their number as `incidents`, and no id.

    >>> one = {"id": "a", "title": "x", "level": "low", "state": "open", "rules": {"x": 1},
    ...        "first_seen": "1", "last_seen": "2", "alerts": 1, "open": 1, "principals": ["ada"],
    ...        "addresses": [], "accounts": [], "access_keys": [], "files": []}
    >>> [(it["id"], it["incidents"], it["alerts"]) for it in folded([one, {**one}, {**one}])]
    [('', 3, 3)]
    """
    several = list(incidents)
    groups: dict[object, list[Incident]] = {}
    for incident in several:
        groups.setdefault(_kind(incident), []).append(incident)
    made: list[dict[str, Any]] = []
    for incident in several:
        group = groups[_kind(incident)]
        if len(group) < FROM:
            made.append({**incident, "incidents": 1})
        elif incident is group[0]:
            made.append(_together(group))
    return made


def _kind(incident: Incident) -> object:
    """The key of incidents that share a row; the id, for an incident with several rules."""
    if len(incident["rules"]) > 1:
        return incident["id"]
    return incident["title"], incident["level"], incident["state"]


def _together(several: Sequence[Incident]) -> dict[str, Any]:
    lists = ("principals", "addresses", "accounts", "access_keys", "files")
    return {
        **several[0],
        "id": "",
        "title": f"{several[0]['title']} ({len(several):,} incidents)",
        "incidents": len(several),
        "first_seen": min(each["first_seen"] for each in several),
        "last_seen": max(each["last_seen"] for each in several),
        "alerts": sum(each["alerts"] for each in several),
        "open": sum(each["open"] for each in several),
        **{name: list(dict.fromkeys(v for each in several for v in each[name])) for name in lists},
    }
