"""Up to when it has been looked up which alerts' sessions were opened by calls ingested late."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from msgspec.structs import replace
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

_OPENERS: Final = "openers"
"""The name of the only document."""


class JoiningCheckpoint(StateDocument, frozen=True, kw_only=True):
    """Every call that issued keys and was ingested before `seen_until` has been looked at."""

    kind: ClassVar[str] = "joining_checkpoint"
    id_prefix: ClassVar[str] = "joining-checkpoint-"

    name: str = _OPENERS
    seen_until: datetime

    @property
    def key(self) -> str:
        return self.name


class JoiningCheckpoints:
    """The checkpoint of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, JoiningCheckpoint)

    def get(self) -> datetime | None:
        """None if there is none yet."""
        found = self._store.one(_OPENERS)
        return None if found is None else found.seen_until

    def advance(self, until: datetime) -> None:
        """Set it, unless another writer has got further."""
        self._store.revise(
            JoiningCheckpoint(seen_until=until),
            lambda stored: replace(stored, seen_until=max(stored.seen_until, until)),
        )
