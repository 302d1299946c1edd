"""How far each rule has run: one document a rule in the ledger index, `_id` = `mark-<rule id>`.

Everything that was ingested before a rule's mark has been looked through by it, without a gap. A
run that failed leaves the mark where it was, so the next one makes up for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from opensearchpy import OpenSearch

from trailhound.cluster.templates import Names
from trailhound.errors import RequestFailedError
from trailhound.settings import Settings

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a rule stands. Times are UTC; `ran_at` is when its last run began; `failures` counts
    since the last success. A `inactive` rule is in force no more; should it be so again, it goes on
    from here."""

    rule_id: str
    title: str
    seen_until: datetime
    ran_at: datetime
    seconds: float = 0.0
    found: int = 0
    failures: int = 0
    last_error: str = ""
    inactive: bool = False

    def as_dict(self) -> dict[str, Any]:
        """As it is stored and printed; times in ISO 8601."""
        times = {"seen_until": self.seen_until.isoformat(), "ran_at": self.ran_at.isoformat()}
        return asdict(self) | times


class Marks:
    """All marks of a namespace."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = Names(settings.prefix).ledger

    def read(self) -> dict[str, Mark]:
        """Every rule's mark by its id, the latest write included.

        Raises opensearch-py's exceptions; `RequestFailedError` where a shard did not answer,
        since a
        mark that is merely not seen would be begun anew, and leave a gap.
        """
        found_or_not = {"ignore_unavailable": "true"}
        self._client.indices.refresh(index=self._index, params=found_or_not)
        body = {"size": _MOST, "query": {"term": {"state": "mark"}}}
        reply = self._client.search(index=self._index, body=body, params=found_or_not)
        if reply["timed_out"] or reply["_shards"]["failed"]:
            raise RequestFailedError("the marks of the rules could not be read whole")
        return {each.rule_id: each for each in map(_parsed, reply["hits"]["hits"])}

    def write(self, marks: Iterable[Mark]) -> None:
        """Set these. Raises opensearch-py's exceptions, and `RequestFailedError` for a refused
        one.
        """
        lines: list[Mapping[str, Any]] = []
        for mark in marks:
            lines.append({"index": {"_id": f"mark-{mark.rule_id}"}})
            lines.append({"state": "mark", **mark.as_dict()})
        if not lines:
            return
        reply = self._client.bulk(body=lines, index=self._index)
        if reply["errors"]:
            faults = [each["index"]["error"] for each in reply["items"] if "error" in each["index"]]
            raise RequestFailedError(
                f"a rule's mark was refused: {faults[0].get('reason', faults[0])}"
            )


def _parsed(hit: Mapping[str, Any]) -> Mark:
    source = dict(hit["_source"])
    del source["state"]
    for name in ("seen_until", "ran_at"):
        source[name] = datetime.fromisoformat(source[name])
    return Mark(**source)
