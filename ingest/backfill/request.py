"""What a backfill is asked to read."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.objects import Selection


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """The sources, as a user names them, and which of their objects to read.

    `force`: also those that are already ingested. `limit`: at most so many.
    """

    sources: tuple[str, ...]
    selection: Selection = field(default_factory=Selection)
    force: bool = False
    limit: int | None = None
