"""Looks for the kinds of leads one after another: a kind that fails, or is interrupted, is named
and keeps the leads of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.investigation.lead import Lead, Progress
from detections.investigation.past import Looking
from detections.span import Span
from trailhound.cluster.client import answers
from trailhound.cluster.refusals import cluster_errors
from trailhound.errors import ClusterUnreachableError, TrailhoundError

INTERRUPTED: Final = "interrupted"
_ALERTS: Final = "alerts about the leads"


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of leads: `what` is looked for, and what finds it in a span. `past`: whether it
    compares with all of the time before."""

    what: str
    find: Callable[[Span, Looking], Iterable[Lead]]
    past: bool = False


@dataclass(frozen=True, slots=True)
class NotSearched:
    """A kind of leads that was not searched, or only in part, and why."""

    what: str
    reason: str

    def __str__(self) -> str:
        return f"{self.what}: {self.reason}"

    def as_json(self) -> dict[str, str]:
        """As `--json` prints it."""
        return {"what": self.what, "reason": self.reason}


@dataclass(slots=True)
class Hunting:
    """The leads that are ready, and what was not searched. `searched`: the number of kinds that
    were; `interrupted`: whether a signal ended it."""

    leads: list[Lead] = field(default_factory=list)
    not_searched: list[NotSearched] = field(default_factory=list)
    searched: int = 0
    interrupted: bool = False


def hunted(
    client: OpenSearch,
    parts: Sequence[Part],
    span: Span,
    mark_alerted: Callable[[Sequence[Lead]], Any],
    progress: Progress = lambda _what, _done, _total: None,
) -> Hunting:
    """The leads of all kinds, those that need no past first. `mark_alerted` is called with them.

    Raises `ClusterUnreachableError` where the cluster does not answer at all and nothing was
    searched: of a hunt that was under way, what is left is not searched.
    """
    made = Hunting()
    ordered = sorted(parts, key=lambda each: each.past)
    left = [each.what for each in ordered]
    gone: ClusterUnreachableError | None = None
    try:
        for number, part in enumerate(ordered):
            looking = _looking(part, number, len(ordered), progress)
            if gone is None:
                gone = _look(client, part, span, looking, made)
            else:
                made.not_searched.append(NotSearched(part.what, gone.message))
            del left[0]
        if gone is not None:
            if not made.searched:
                raise gone
            return made
        left = [_ALERTS] if made.leads else []
        _mark(made, mark_alerted)
    except KeyboardInterrupt:
        made.interrupted = True
        made.not_searched += [NotSearched(what, INTERRUPTED) for what in left]
    return made


def _looking(part: Part, number: int, total: int, progress: Progress) -> Looking:
    what = f"looking for {part.what}"
    progress(what, number, total)

    def looking(since: datetime) -> None:
        progress(f"{what}, back to {since:%Y-%m-%d}" if since.year > 1 else what, number, total)

    return looking


def _look(
    client: OpenSearch, part: Part, span: Span, looking: Looking, made: Hunting
) -> ClusterUnreachableError | None:
    """Adds the leads of a kind, or why it failed. Returns the error of a cluster that does not
    answer any more; a search that takes too long is no such error."""
    try:
        with cluster_errors():
            for lead in part.find(span, looking):
                made.leads.append(lead)  # one by one: those before a fault are right
    except TrailhoundError as fault:
        made.not_searched.append(NotSearched(part.what, fault.message))
        if isinstance(fault, ClusterUnreachableError) and not answers(client):
            return fault
    else:
        made.searched += 1
    return None


def _mark(made: Hunting, mark_alerted: Callable[[Sequence[Lead]], Any]) -> None:
    if not made.leads:
        return
    try:
        with cluster_errors():
            mark_alerted(made.leads)
    except TrailhoundError as fault:
        made.not_searched.append(NotSearched(_ALERTS, fault.message))
