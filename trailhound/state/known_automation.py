"""Known automation: one document an entry, learned from the account's history or set by somebody.

An entry says which calls of which role, from which network, a rule leaves out, and in which time.
`detections.automation` learns entries and asks them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

import msgspec
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

KEPT = timedelta(days=400)
"""How long an entry that has ended is kept: until then `detect` judges as it was judged before."""


class KnownAutomation(StateDocument, frozen=True, kw_only=True):
    """Times are UTC. Events from `since` on, before `until`, are excused. `days` are the days on
    which the call was counted when it was last learned, `last_day` the latest of these. An empty
    `rule_id` is any rule; `rule` is its title. After `forgotten` nothing that happened before
    counts. `by` is who set or forgot it."""

    kind: ClassVar[str] = "known_automation"
    id_prefix: ClassVar[str] = "known-automation-"

    role: str
    call: str
    network: str
    since: datetime
    until: datetime
    rule_id: str = ""
    rule: str = ""
    account: str = ""
    role_id: str = ""
    source: str = ""
    endpoint: str = ""
    days: int = 0
    last_day: datetime | None = None
    origin: Literal["learned", "set"] = "learned"
    by: str = ""
    note: str = ""
    forgotten: datetime | None = None
    alerted: bool = False

    @property
    def what(self) -> tuple[str, ...]:
        """What is excused, without the time."""
        return (
            *(self.rule_id, self.account, self.role, self.role_id),
            *(self.source, self.call, self.network, self.endpoint),
        )

    @property
    def key(self) -> str:
        whole = hashlib.blake2b(digest_size=6)
        for part in (*self.what, self.since.isoformat()):
            raw = part.encode("utf-8", "surrogatepass")
            whole.update(f"{len(raw)}:".encode() + raw)
        return whole.hexdigest()

    def holds(self, when: datetime) -> bool:
        """Whether it excuses events of a moment."""
        return self.since <= when < self.until

    def as_dict(self) -> dict[str, Any]:
        """As it is printed; times in ISO 8601."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return {"id": self.key, **{name: made[name] for name in made if name != "alerted"}}


class KnownAutomations:
    """All entries of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, KnownAutomation)

    def all(self) -> list[KnownAutomation]:
        """Every entry, those that have ended too; by role, call, network and time."""
        return sorted(
            self._store.all(), key=lambda each: (each.role, each.call, each.network, each.since)
        )

    def write(self, entries: Iterable[KnownAutomation]) -> None:
        """Set these."""
        self._store.write(entries)

    def remove_before(self, until: datetime) -> int:
        """Remove those that ended `KEPT` before a time; how many."""
        old = [each.key for each in self._store.all() if each.until < until - KEPT]
        return self._store.delete(old) if old else 0
