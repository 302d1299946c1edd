"""An event as a report shows it, and the bands of risk and severity.

Times are in UTC. Texts are as they were recorded; renderers make them safe to show (`visible`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import msgspec

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with its zone, which is UTC."""

Band = Literal["high", "medium", "low"]
"""The band of a risk score from 1 to 10: high from 8, medium from 5, low below; of alerts that of
their level, with critical ones among the high and informational ones among the low."""

BANDS: tuple[Band, ...] = ("high", "medium", "low")
HIGH, MEDIUM = 8, 5
HIGH_LEVELS = ("high", "critical")


def band_of(score: int) -> Band:
    """The band of a score.

    >>> band_of(8), band_of(5), band_of(4)
    ('high', 'medium', 'low')
    """
    return "high" if score >= HIGH else "medium" if score >= MEDIUM else "low"


def band_of_level(level: str) -> Band:
    """The band of alerts of a level, which is the one that lists of alerts show: a rule may give
    them a severity of its own.

    >>> band_of_level("critical"), band_of_level("medium"), band_of_level("informational")
    ('high', 'medium', 'low')
    """
    return "high" if level in HIGH_LEVELS else "medium" if level == "medium" else "low"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of a call. `kind` is the last part of a `resource.*` field, such as `bucket`."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Event:
    """An event, with its most important fields; absent ones are empty."""

    id: str
    time: Moment
    principal: str = ""
    account: str = ""
    region: str = ""
    source: str = ""
    call: str = ""
    address: str = ""
    country: str = ""
    agent: str = ""
    outcome: str = ""
    error: str = ""
    risk: int = 0
    reasons: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class CallCount:
    """A call, its number of events, and how many of them failed."""

    name: str
    events: int
    failed: int = 0
