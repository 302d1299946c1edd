"""What backfills left that did not end, as `status` and `doctor` name it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from trailhound.app.backfill.undetected import Undetected, undetected
from trailhound.app.backfill.unfinished import UnfinishedBackfills
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.backfills import BACKFILL, BackfillState

_NAMED: Final = 3
"""Backfills that are named in a sentence."""


@dataclass(frozen=True, slots=True)
class LeftByBackfills:
    """What backfills left that did not end, the first to begin first: `undetected` is None where
    rules cover all that they may have indexed."""

    backfills: Sequence[BackfillState]
    undetected: Undetected | None

    @property
    def only_backfills(self) -> bool:
        """Whether no other command is among them."""
        return all(each.command == BACKFILL for each in self.backfills)

    def fact(self) -> str:
        """Which backfills they are, and how many events no rule has looked at."""
        named = ", ".join(
            f"{each.began:%F %T} UTC"
            + (f" on {each.host}" if each.host else "")
            + (f" by {each.command}" if each.command != BACKFILL else "")
            for each in self.backfills[:_NAMED]
        )
        more = len(self.backfills) - _NAMED
        sentence = (
            f"{len(self.backfills):,} did not end: interrupted, killed, or stopped by an error "
            f"(began {named}"
        )
        sentence += f", and {more:,} more)" if more > 0 else ")"
        if self.undetected is None:
            return f"{sentence}; no event is left that rules have not looked at"
        return f"{sentence}; rules have not looked at {plural(self.undetected.events, 'event')}"

    def advice(self) -> str:
        """What to run."""
        again = f"to resume, run the same {'backfill' if self.only_backfills else 'command'} again"
        if self.undetected is None:
            return again
        since, until = self.undetected.days
        return f"{again}; for the events, run `trailhound detect --since {since} --until {until}`"

    def as_dict(self) -> dict[str, Any]:
        """As `status --json` prints it."""
        left = self.undetected
        return {
            "backfills": [
                {
                    "began": _written(each.began),
                    "last_seen": _written(each.heartbeat) if each.heartbeat else None,
                    "host": each.host,
                    "pid": each.pid,
                    "command": each.command,
                }
                for each in self.backfills
            ],
            **(left.as_dict() if left else {"events": 0, "since": None, "until": None}),
        }


def _written(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds")


def left_by_backfills(client: OpenSearch, settings: Settings) -> LeftByBackfills | None:
    """None where all backfills have ended, or still run.

    Raises `ClusterError` and opensearch-py's exceptions.
    """
    unfinished = UnfinishedBackfills(client, settings)
    found = unfinished.all()
    if not found:
        return None
    return LeftByBackfills(found, undetected(client, settings, unfinished.spans(found)))
