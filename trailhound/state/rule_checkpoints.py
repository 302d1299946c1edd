"""How far each rule has run: one document for each rule.

The rule has searched everything that was ingested before `seen_until`, without a gap. A failed run
does not change it, so the next one covers the same time again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from opensearchpy import OpenSearch

from trailhound.settings import Settings
from trailhound.state.document import StateDocument
from trailhound.state.store import StateStore

_LONGEST = 480


class RuleCheckpoint(StateDocument, frozen=True):
    """How far a rule has run. Times are UTC. `ran_at` is the beginning of its last run, `failures`
    the number of failures since the last success. An `inactive` rule does not run; when it is
    activated again, it continues from here. It has never looked at what was ingested before it
    `begun`; None in checkpoints of the last release. It has its `form` (`detections.packs.forms`)
    since `formed`, also in time of ingestion; empty and None where that is not known."""

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
    begun: datetime | None = None
    form: str = ""
    formed: datetime | None = None

    @property
    def key(self) -> str:
        """The rule's id, or a hash of it if it is too long for an `_id` (512 bytes)."""
        raw = self.rule_id.encode("utf-8", "surrogatepass")
        return self.rule_id if len(raw) <= _LONGEST else hashlib.sha256(raw).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it; times in ISO 8601."""
        times = {"seen_until": self.seen_until.isoformat(), "ran_at": self.ran_at.isoformat()}
        made = msgspec.structs.asdict(self) | times
        for name in ("begun", "form", "formed"):
            del made[name]  # of use to us alone
        return made

    def reformed(self, form: str) -> RuleCheckpoint:
        """The checkpoint of the rule in a form, from here on. Which form an earlier release ran is
        not known; it is taken to be this one."""
        if form == self.form:
            return self
        formed = self.seen_until if self.form else self.formed
        return msgspec.structs.replace(self, form=form, formed=formed)

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
        """Every rule's checkpoint by its id, including the latest write.

        If a rule also has a checkpoint in the form of the last release, the one in the current form
        counts: a daemon of that release may have restarted the other. Raises opensearch-py's
        exceptions, and `RequestFailedError` if a shard did not answer, since a missing checkpoint
        would be started again and leave a gap.
        """
        found: dict[str, RuleCheckpoint] = {}
        for each, legacy in self._store.both():
            if not legacy or each.rule_id not in found:
                found[each.rule_id] = each
        return found

    def first_begun(self) -> datetime | None:
        """Since when of ingestion a rule looks at events; None where none has begun yet. Those of
        the last release count as having run always."""
        always = datetime.min.replace(tzinfo=UTC)
        return min((each.begun or always for each in self.read().values()), default=None)

    def write(self, checkpoints: Iterable[RuleCheckpoint]) -> None:
        """Write checkpoints. Raises opensearch-py's exceptions, and `RequestFailedError` if one is
        rejected."""
        self._store.write(checkpoints)
