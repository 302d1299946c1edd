"""What is missing of an object whose content was compared, and what repairs it."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
from ingest.objects import TrailObject
from ingest.reconcile.contents import Content
from ingest.reconcile.findings import ReconcileFinding, ReconcileFindingKind, Repair, finding_of
from trailhound.cluster.waiting import BLOCKED_CODES


def retry_for(code: str) -> Repair:
    """The repair that writes the events of dead letters with this code."""
    if code in BLOCKED_CODES:
        return Repair.RETRY_REOPENED
    return Repair.RETRY_NEW_DAYS if code == TOO_MANY_NEW_DAYS else Repair.RETRY


def partial(item: TrailObject, content: Content, letters: Mapping[int, str]) -> ReconcileFinding:
    """The finding for an object with absent events; `letters` are the codes of its dead letters by
    the position of their record."""
    waiting = {letters[position] for position in content.absent if position in letters}
    dead = sum(position in letters for position in content.absent)
    repairs = [Repair.READ_AGAIN] if len(content.absent) > dead else []
    retries = {retry_for(code) for code in waiting}
    repairs += [
        each
        for each in (Repair.RETRY_REOPENED, Repair.RETRY_NEW_DAYS, Repair.RETRY)
        if each in retries
    ]
    parts = [_absent(len(content.absent), content.events)]
    if dead:
        letter = "is a dead letter" if dead == 1 else "are dead letters"
        parts.append(f"{dead:,} of them {letter} ({', '.join(sorted(waiting))})")
    if content.fault:
        parts.append(content.fault)
    return finding_of(
        item,
        ReconcileFindingKind.PARTIAL,
        "; ".join(parts),
        *repairs,
        events=len(content.absent),
        dead=dead,
    )


def _absent(absent: int, events: int) -> str:
    """How many of an object's events are in no index, in words.

    >>> _absent(1, 1), _absent(3, 3)
    ('its only event is in no index', 'none of its 3 events is in an index')
    >>> _absent(1, 212), _absent(2, 212)
    ('1 of 212 events is in no index', '2 of 212 events are in no index')
    """
    if absent == events:
        only = "its only event is in no index"
        return only if events == 1 else f"none of its {events:,} events is in an index"
    return f"{absent:,} of {events:,} events {'is' if absent == 1 else 'are'} in no index"
