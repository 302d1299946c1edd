"""How far each rule has run: one document a rule.

Everything that was ingested before `seen_until` has been searched by the rule, without a gap. A
run that failed leaves it where it was, so the next one covers the same time again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

_LONGEST = 480


class RuleCheckpoint(StateDocument, frozen=True):
    """How far a rule has run. Times are UTC; `ran_at` is when its last run began; `failures` counts
    since the last success. An `inactive` rule does not run; if it is activated again, it continues
    from here."""

    kind: ClassVar[str] = "rule_checkpoint"
    id_prefix: ClassVar[str] = "rule-checkpoint-"

    rule_id: str
    title: str
    seen_until: datetime
    ran_at: datetime
    seconds: float = 0.0
    found: int = 0
    failures: int = 0
    last_error: str = ""
    inactive: bool = False

    @property
    def key(self) -> str:
        """A rule's id, or its hash where it is longer than an `_id` may be (512 bytes)."""
        raw = self.rule_id.encode("utf-8", "surrogatepass")
        return self.rule_id if len(raw) <= _LONGEST else hashlib.sha256(raw).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """As it is printed; times in ISO 8601."""
        times = {"seen_until": self.seen_until.isoformat(), "ran_at": self.ran_at.isoformat()}
        return msgspec.structs.asdict(self) | times

    @classmethod
    def upgraded(cls, source: Mapping[str, Any]) -> Mapping[str, Any]:
        if "resting" in source and "inactive" not in source:
            return {**source, "inactive": source["resting"]}
        return source

    @classmethod
    def legacy_query(cls) -> dict[str, Any]:
        """The last release gave the checkpoints of feeds the same `state`; those have a `uri`."""
        return {
            "bool": {
                "filter": [{"term": {"state": "mark"}}],
                "must_not": [{"exists": {"field": "uri"}}],
            }
        }


class RuleCheckpoints:
    """All rules' checkpoints of a namespace."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._store = StateStore(client, settings, RuleCheckpoint)

    def read(self) -> dict[str, RuleCheckpoint]:
        """Every rule's checkpoint by its id, the latest write included.

        Of a rule that has one in the last release's form as well, today's counts: the other may
        have been started again by a daemon of that release. Raises opensearch-py's exceptions;
        `RequestFailedError` where a shard did not answer, since a checkpoint that is not seen
        would be started again, and leave a gap.
        """
        found: dict[str, RuleCheckpoint] = {}
        for each, legacy in self._store.both():
            if not legacy or each.rule_id not in found:
                found[each.rule_id] = each
        return found

    def write(self, checkpoints: Iterable[RuleCheckpoint]) -> None:
        """Set these. Raises opensearch-py's exceptions, and `RequestFailedError` for a refused
        one."""
        self._store.write(checkpoints)
