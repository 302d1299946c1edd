"""Events that were ingested while no rule had begun to run on schedule, until `detect` ran over
them.

The first rules of a namespace look at what was ingested in the few minutes before them
(`detections.lookback_minutes`), and at nothing from before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import ClassVar, Final

import msgspec

from trailhound.state.document import StateDocument

_PART: Final = timedelta(minutes=1)
_MOST_PARTS: Final = 60
"""Of more, the first two become one: what matters is what came just before the first rules, or
while `detect` ran."""


class IngestedPart(msgspec.Struct, frozen=True, kw_only=True):
    """`events` that were recorded between `opened` and `added`; the times of the first and the last
    of them."""

    events: int
    first: datetime
    last: datetime
    opened: datetime
    added: datetime

    def plus(self, other: IngestedPart) -> IngestedPart:
        """Both together."""
        return IngestedPart(
            events=self.events + other.events,
            first=min(self.first, other.first),
            last=max(self.last, other.last),
            opened=min(self.opened, other.opened),
            added=max(self.added, other.added),
        )


class BeforeRules(StateDocument, frozen=True, kw_only=True):
    """All of a namespace, in parts, the first to be recorded first."""

    kind: ClassVar[str] = "before_rules"
    id_prefix: ClassVar[str] = "before-rules-"

    name: str = "all"
    parts: tuple[IngestedPart, ...] = ()

    @property
    def key(self) -> str:
        return self.name

    def plus(self, new: IngestedPart) -> BeforeRules:
        """These events too. Those of one minute are one part."""
        parts = list(self.parts)
        if parts and new.opened < parts[-1].opened + _PART:
            new = parts.pop().plus(new)
        parts.append(new)
        if len(parts) > _MOST_PARTS:
            parts[:2] = [parts[0].plus(parts[1])]
        return BeforeRules(name=self.name, parts=tuple(parts))

    def of(self, parts: Iterable[IngestedPart]) -> BeforeRules:
        """With these parts alone."""
        return BeforeRules(name=self.name, parts=tuple(parts))
