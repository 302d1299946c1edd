"""At which events the scheduled rules have looked, by when they were ingested.

That no alert is about a call says something only of events that a rule has looked at: in time, and
in its present form. A rule that was added, that fails or is disabled, or that an exception narrowed
until yesterday, says nothing about the days before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from detections.rule import Rule
from trailhound.state.rule_checkpoints import RuleCheckpoint

_ALWAYS: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Searched:
    """What was ingested from `since` on and before `until`."""

    since: datetime
    until: datetime

    def has(self, came: datetime, until: datetime) -> bool:
        """Whether what came at a time was looked at, given that it had to come before `until`."""
        return self.since <= came < min(self.until, until)


NOTHING: Final = Searched(_ALWAYS, _ALWAYS)


def searched_by(
    users: Iterable[Rule], checkpoints: Mapping[str, RuleCheckpoint], forms: Mapping[str, str]
) -> Searched:
    """What each of some rules has looked at in its present form."""
    found: list[Searched] = []
    for rule in users:
        mark = checkpoints.get(rule.id)
        if mark is None or mark.form not in ("", forms.get(rule.id, "")):
            return NOTHING
        since = max(mark.begun or _ALWAYS, mark.formed or _ALWAYS)
        found.append(Searched(since, mark.seen_until))
    if not found:
        return NOTHING
    return Searched(max(each.since for each in found), min(each.until for each in found))
