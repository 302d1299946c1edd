"""Estimates how long reading the event history takes, before it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from ingest.objects import Selection


@dataclass(frozen=True, slots=True)
class Estimate:
    """`events` and `requests` are extrapolated from the newest page of each lane (an account and
    region), of which there are `lanes`. `seconds` is the time of the slowest one, since all are
    read at once."""

    lanes: int = 0
    windows: int = 0
    events: int = 0
    requests: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@runtime_checkable
class Estimated(Protocol):
    """A source that can estimate how long reading it takes."""

    def estimate(self, selection: Selection) -> Estimate:
        """Raises `SourceUnreachableError`."""


def sum_of(estimates: Sequence[Estimate]) -> Estimate | None:
    """The sum of several, for sources read one after the other; None where there are none."""
    if not estimates:
        return None
    return Estimate(
        *(sum(getattr(each, name) for each in estimates) for name in Estimate.__slots__)
    )
