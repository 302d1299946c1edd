"""The alerts that a change may concern: those that the changed ones join, directly or by others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from detections.incidents.joining import LinkedAlert, Sharing, linked, near

Search = Callable[[Sequence[LinkedAlert]], Iterable[LinkedAlert]]
"""At least all alerts that join one of the given ones, by usable links and time."""
Count = Callable[[Iterable[LinkedAlert]], Sharing]
"""How many share what these alerts have; what was counted before is in it too."""


def reached(
    changed: Iterable[LinkedAlert], search: Search, count: Count, gap: timedelta
) -> tuple[dict[str, LinkedAlert], Sharing]:
    """The changed alerts and all that are connected with them, by id, and who shares their links.

    To join these alone gives the same incidents of them as to join all alerts.
    """
    wave = {each.id: each for each in changed}
    found: dict[str, LinkedAlert] = {}
    sharing = count(wave.values())
    while wave:
        found |= wave
        usable = [_with_usable(each, sharing) for each in wave.values()]
        others = {each.id: each for each in search(usable) if each.id not in found}
        sharing = count(others.values())
        wave = {
            name: each
            for name, each in others.items()
            if _joins_any(_with_usable(each, sharing), usable, gap)
        }
    return found, sharing


def _with_usable(alert: LinkedAlert, sharing: Sharing) -> LinkedAlert:
    return LinkedAlert(alert.id, alert.first, alert.last, sharing.usable(alert))


def _joins_any(one: LinkedAlert, several: Iterable[LinkedAlert], gap: timedelta) -> bool:
    return any(near(one, other, gap) and linked(one.links, other.links) for other in several)
