"""The learning period of a rule that compares principals with each other: too few days before.

On the first days of an index nothing shows which principals are always far above the others. What
is found then is recorded like everything else, and marked: channels get one digest a day of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from detections.compiled import Query
from detections.correlations.parts import during
from detections.finding import Finding
from detections.kinds.anomaly import TRAINED_WITHIN, Anomaly
from detections.span import milliseconds
from trailhound.cluster.reader import has_any, is_any
from trailhound.plural import plural

DAY = 86_400_000


class Searches(Protocol):
    """An index or a snapshot of one: the replies to several searches."""

    def searches(self, bodies: Sequence[dict[str, Any]]) -> Sequence[Mapping[str, Any]]: ...


class PastDays:
    """The UTC days on which a query has events. Each day is queried once, and only whether it
    has any: that costs little, however many events there are."""

    def __init__(self, index: Searches, query: Query) -> None:
        self._index = index
        self._query = query
        self._known: dict[int, bool] = {}

    def before(self, moment: int, enough: int = TRAINED_WITHIN) -> int:
        """The number of days with events among the `TRAINED_WITHIN` before the day of a moment (in
        milliseconds), counted up to at least `enough`. Raises `ClusterError`."""
        today = moment - moment % DAY
        days = [today - back * DAY for back in range(1, TRAINED_WITHIN + 1)]
        # The nearest ones first: where there is history, they are enough.
        for some in (days[:enough], days[enough:]):
            self._ask([day for day in some if day not in self._known])
            found = sum(self._known.get(day, False) for day in days)
            if found >= enough:
                return found
        return found

    def _ask(self, days: Sequence[int]) -> None:
        if not days:
            return
        bodies = [
            has_any({"bool": {"filter": [self._query, during((day, day + DAY - 1))]}})
            for day in days
        ]
        for day, answer in zip(days, self._index.searches(bodies), strict=True):
            self._known[day] = is_any(answer)


def judged(finding: Finding, anomaly: Anomaly, history: PastDays) -> Finding:
    """The finding of a population, marked if there is too little history before its window."""
    if not anomaly.training_days:
        return finding
    first = milliseconds(finding.first_seen)
    days = history.before(first - first % anomaly.window, anomaly.training_days)
    if days >= anomaly.training_days:
        return finding
    seen = plural(days, "day") if days else "no day"
    return replace(
        finding,
        learning=f"found while learning: there are events on {seen} of the {TRAINED_WITHIN} "
        f"before, of {anomaly.training_days} that it takes",
    )
