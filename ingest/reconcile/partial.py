"""What is missing of an object whose content was compared, and what repairs it."""

from __future__ import annotations

from collections.abc import Mapping

from ingest.documents.day_limit import TOO_MANY_NEW_DAYS
from ingest.objects import TrailObject
from ingest.reconcile.contents import Content
from ingest.reconcile.findings import Finding, Kind, Repair, finding_of
from trailhound.cluster.waiting import BLOCKED_CODES


def retry_for(code: str) -> Repair:
    """The repair that writes the events of dead letters with this code."""
    if code in BLOCKED_CODES:
        return Repair.RETRY_REOPENED
    return Repair.RETRY_NEW_DAYS if code == TOO_MANY_NEW_DAYS else Repair.RETRY


def partial(item: TrailObject, content: Content, letters: Mapping[int, str]) -> Finding:
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
    said = [f"{len(content.absent):,} of {content.events:,} events are in no index"]
    if dead:
        said.append(f"{dead:,} of them are dead letters ({', '.join(sorted(waiting))})")
    if content.fault:
        said.append(content.fault)
    return finding_of(
        item, Kind.PARTIAL, "; ".join(said), *repairs, events=len(content.absent), dead=dead
    )
