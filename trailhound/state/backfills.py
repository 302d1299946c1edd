"""Backfills that have not ended or were interrupted: rules may not have looked at their events.

A backfill names such events at its end. One that a signal, a kill or a lost cluster ended before
cannot, or nobody reads it, so the next one names them too.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from trailhound.state.document import StateDocument


class BackfillState(StateDocument, frozen=True, kw_only=True):
    """One backfill. It `began` then (UTC); `host` and `boot` identify the machine of `pid`."""

    kind: ClassVar[str] = "backfill"
    id_prefix: ClassVar[str] = "backfill-"

    id: str
    began: datetime
    host: str = ""
    boot: str = ""
    pid: int = 0

    @property
    def key(self) -> str:
        return self.id
