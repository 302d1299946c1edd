"""Backfills that have not ended or were interrupted: rules may not have looked at their events.

A backfill names such events at its end. One that a signal, a kill or a lost cluster ended before
cannot, or nobody reads it, so the next one names them too, and so does `status`. The same holds for
the other commands that index old events.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from trailhound.state.document import StateDocument

BACKFILL: Final = "backfill"
RETRY: Final = "retry-deadletters"
REPAIR: Final = "reconcile --repair"


class BackfillState(StateDocument, frozen=True, kw_only=True):
    """One backfill, or run of another `command` that indexes old events. It `began` then, and has
    renewed its document at `heartbeat` (UTC; None where that is not known). `host` and `boot`
    identify the machine of `pid`. What it indexed before `recorded` is counted as late already."""

    kind: ClassVar[str] = "backfill"
    id_prefix: ClassVar[str] = "backfill-"

    id: str
    began: datetime
    heartbeat: datetime | None = None
    host: str = ""
    boot: str = ""
    pid: int = 0
    command: str = BACKFILL
    recorded: datetime | None = None

    @property
    def key(self) -> str:
        return self.id
