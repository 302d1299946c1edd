"""The span that scheduled rules have to repeat after an upgrade.

The last release ran no scheduled rules while a daemon polled a bucket. `init` detects that and
writes this document; the rules then run over everything that was ingested meanwhile, and each
channel gets one digest of the alerts instead of a message for each.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

SCHEDULED_RULES = "scheduled-rules"
"""The name of the catch-up after a daemon of the last release polled a bucket."""


class CatchUp(StateDocument, frozen=True, kw_only=True):
    """A catch-up; times are UTC. A rule without a checkpoint begins at `since`, the time when the
    first event was ingested (None: there was no event). Events ingested before `until` belong to
    the catch-up; it is None until a daemon begins. `done`: every rule has caught up. `notified`:
    the channels that have sent their digest.
    """

    kind: ClassVar[str] = "catch_up"
    id_prefix: ClassVar[str] = "catch-up-"

    name: str
    since: datetime | None = None
    found_at: datetime
    until: datetime | None = None
    done: bool = False
    notified: tuple[str, ...] = ()
    notified_at: datetime | None = None

    @property
    def key(self) -> str:
        return self.name

    def describe(self) -> str:
        """A sentence about what the rules run over."""
        start = f"{self.since:%F %T} UTC" if self.since is not None else "the first event"
        end = f"{self.until:%F %T} UTC" if self.until is not None else "the next daemon's start"
        return (
            "each rule runs over all that was ingested since its last run (a rule that never ran: "
            f"since {start}) until {end}; each channel gets one digest"
        )

    def as_dict(self) -> dict[str, Any]:
        """As `status` prints it; times in ISO 8601."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made

    def covers(self, moment: datetime) -> bool:
        """Whether events ingested at a moment belong to the catch-up."""
        return not self.done and (self.until is None or moment < self.until)


class CatchUps:
    """The catch-ups of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, CatchUp)

    def get(self, name: str) -> CatchUp | None:
        """A catch-up as last written; None if there is none."""
        return self._store.one(name)

    def begin(self, catch_up: CatchUp) -> bool:
        """Write a catch-up unless one of its name exists. Returns whether it was written."""
        try:
            self._store.client.index(
                index=self._store.index,
                id=catch_up.identifier,
                body=catch_up.document(),
                params={"op_type": "create"},
            )
        except ConflictError:
            return False
        return True

    def revise(self, catch_up: CatchUp, change: Callable[[CatchUp], CatchUp]) -> CatchUp:
        """Change a catch-up; repeated if another writer was faster."""
        return self._store.revise(catch_up, change)
