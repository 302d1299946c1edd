"""Known automation: one document for each entry, learned from the account's history or set by hand.

An entry says which call of which role from which network a rule leaves out, and in which time.
`detections.automation` learns entries and applies them.
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
"""How long an ended entry is kept. Until then `detect` over old events gives the same result."""


class KnownAutomation(StateDocument, frozen=True, kw_only=True):
    """An entry; times are UTC. It applies to events from `since` on and before `until`. `days` is
    the number of days on which the call was counted when it was last learned, `last_day` the latest
    of them. An empty `rule_id` means any rule; `rule` is the rule's title. Days before `forgotten`
    do not count for learning it again. `by` is who set or forgot it."""

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
        """What the entry applies to, without its time."""
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
        """Whether the entry applies to events of a moment."""
        return self.since <= when < self.until

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it; times in ISO 8601."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return {"id": self.key, **{name: made[name] for name in made if name != "alerted"}}


class KnownAutomations:
    """All entries of a namespace. Raises opensearch-py's exceptions, `RequestFailedError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, KnownAutomation)

    def all(self) -> list[KnownAutomation]:
        """Every entry, including ended ones, by role, call, network and time."""
        return sorted(
            self._store.all(), key=lambda each: (each.role, each.call, each.network, each.since)
        )

    def write(self, entries: Iterable[KnownAutomation]) -> None:
        """Write entries."""
        self._store.write(entries)

    def remove_before(self, until: datetime) -> int:
        """Remove entries that ended `KEPT` before a time. Returns their number."""
        old = [each.key for each in self._store.all() if each.until < until - KEPT]
        return self._store.delete(old) if old else 0
