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
"""The band of a severity or risk score from 1 to 10: high from 8, medium from 5, low below."""

BANDS: tuple[Band, ...] = ("high", "medium", "low")
HIGH, MEDIUM = 8, 5


def band_of(score: int) -> Band:
    """The band of a score.

    >>> band_of(8), band_of(5), band_of(4)
    ('high', 'medium', 'low')
    """
    return "high" if score >= HIGH else "medium" if score >= MEDIUM else "low"


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
