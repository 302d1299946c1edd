"""Recounts how often alerts were seen before, where an older alert was written after them.

Rules may run over an older span later, and events may be late. An alert is written with the number
of those that are there by then, so the later ones about the same group or principals would keep
theirs. What writes an alert that others follow marks it (`RECOUNT`) with the same write, and at the
end of a run it and the others are recounted. So does, afterwards, a writer that finds that another
one wrote at the same time (`mark_overtaken`). An interrupted run leaves the mark, and the next run
completes it. In the usual order of time nothing is marked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import RECOUNT, Document
from detections.alerts.earlier import (
    EarlierAlerts,
    EarlierFound,
    alerts_about,
    overtaken,
    stored_before,
    subjects,
)
from detections.alerts.paging import every
from detections.alerts.summary import summary
from trailhound.batching import batched
from trailhound.cluster.reader import BY_SEQUENCE, IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import OVERTAKEN, TRIES
from trailhound.errors import RequestFailedError
from trailhound.internal_errors import Skipped
from trailhound.plural import plural
from trailhound.settings import Settings
from trailhound.state.store import bulk

LOG = logging.getLogger("trailhound.detections")
MOST_ASKED: Final = 1_000
"""The most alerts that are recounted one by one."""
_MARKED_AT_ONCE: Final = 500
"""Marked alerts of one batch, the earliest first."""
_VALUES_AT_ONCE: Final = 10_000
"""Groups or principals of a rule in one search; a query may have 65,536."""
_WRITTEN_AT_ONCE: Final = 1_000
_KEYS: Final = ("rule.id", "group", "group_key", "entity.arn", "entity.principal")
_TIMES: Final = ("first_seen", "last_seen")
_SAID: Final = ("before", "calls", "count", "count_relation", "outcome")
"""What the sentence of an alert needs besides."""
_NOT_MERGED: Final = {"exists": {"field": "merged_into"}}


@dataclass(frozen=True, slots=True)
class _Read:
    """An alert without its events, and the version that was read."""

    document: Document
    guard: Mapping[str, int]


class Recount:
    """The alerts of one namespace. Raises `ClusterError` and opensearch-py's exceptions."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        most_asked: int = MOST_ASKED,
        skipped: Skipped | None = None,
    ) -> None:
        """`skipped`: takes the alerts that cannot be recounted."""
        self._skipped = skipped or Skipped(LOG)
        self._client = client
        self._most_asked = most_asked
        self._index = Names(settings.prefix).alerts

    def run(self, may_continue: Callable[[], bool] = lambda: True) -> int:
        """Recount what follows marked alerts; `may_continue` is called before each batch.
        Returns the number of alerts that changed."""
        changed, overtaken = 0, 0
        while may_continue():
            make_searchable(self._client, self._index, required=True)
            marked = self._read([{"term": {RECOUNT: True}}], _MARKED_AT_ONCE)
            if not marked:
                break
            changes, later = self._changes(marked)
            found = later | marked
            others = {name: each for name, each in changes.items() if name not in marked}
            complete = self._write(others, found)
            if complete:  # else the marks stay, and those are read again
                cleared = {name: changes.get(name, {}) | {RECOUNT: False} for name in marked}
                complete = self._write(cleared, found)
            changed += len(changes)
            overtaken = 0 if complete else overtaken + 1
            if overtaken == TRIES:
                raise RequestFailedError(
                    f"what came before {plural(len(marked), 'alert')} could not be counted: others "
                    "keep changing them",
                    hint="check how many daemons and `detect` commands run at once, and try again",
                )
            if overtaken:
                time.sleep(OVERTAKEN.seconds(overtaken))
        return changed

    def _changes(self, marked: Mapping[str, _Read]) -> tuple[dict[str, Document], dict[str, _Read]]:
        """The fields to change, by `_id`, and the marked alerts with those that follow them."""
        later = {
            name: each
            for name, each in marked.items()
            if each.document.get("before") is not None  # else older ones may be gone
        }
        for asked, since in _alike([each.document for each in marked.values()]):
            later |= self._read([asked, {"range": {"first_seen": {"gt": since}}}])
        counted = self._counted({name: each.document for name, each in later.items()})
        changes: dict[str, Document] = {}
        for name, each in later.items():
            known = each.document.get("before") or {}
            # The update is merged into the stored object: a time that there is no more is cleared.
            now = {"last": None} | counted[name]
            if (known.get("count"), known.get("last")) != (now["count"], now["last"]):
                now["relation"] = known.get("relation", now["relation"])
                with self._skipped.around("alert", name):
                    text = summary(each.document | {"before": now})
                    changes[name] = {"before": now, "summary": text}
        return changes, later

    def _counted(self, alerts: Mapping[str, Document]) -> dict[str, Document]:
        """The `before` of alerts: of few by a count for each, since late events make some of a
        rule with many alerts; of many by reading all that they may count, once."""
        if len(alerts) <= self._most_asked:
            return stored_before(self._client, self._index, alerts)
        earlier = EarlierAlerts()
        added: set[str] = set()
        for asked, _ in _alike(list(alerts.values())):
            for name, alert in self._every([asked]):
                if name not in added:  # it is about several
                    added.add(name)
                    with self._skipped.around("alert", name):
                        earlier.add(name, alert)
        return {name: earlier.before(each) for name, each in alerts.items()}

    def _read(self, asked: Sequence[Any], most: int | None = None) -> dict[str, _Read]:
        order = [{"first_seen": "asc"}, *BY_SEQUENCE]
        reader = IndexReader(self._client, self._index, order=order)
        request = {"_source": [*_KEYS, *_TIMES, *_SAID], "seq_no_primary_term": True}
        query = {"bool": {"filter": list(asked), "must_not": [_NOT_MERGED]}}
        return {
            hit["_id"]: _Read(
                hit["_source"],
                {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]},
            )
            for hit in reader.documents(query, request, limit=most)
        }

    def _every(self, asked: Sequence[Any]) -> Iterator[tuple[str, Document]]:
        sort = [{"last_seen": "asc"}]
        fields = (*_KEYS, *_TIMES)
        return every(self._client, self._index, asked, but=[_NOT_MERGED], fields=fields, sort=sort)

    def _write(self, changes: Mapping[str, Document], found: Mapping[str, _Read]) -> bool:
        """Change fields of alerts. Returns whether none of them had changed since it was read."""
        complete = True
        for names in batched(list(changes), _WRITTEN_AT_ONCE):
            lines: list[Mapping[str, Any]] = []
            for name in names:
                lines += [{"update": {"_id": name, **found[name].guard}}, {"doc": changes[name]}]
            for each in bulk(self._client, self._index, lines, allowed={404, 409}):
                complete = complete and each["status"] != 409
        return complete


def mark_overtaken(
    client: OpenSearch,
    index: str,
    alerts: Mapping[str, Mapping[str, Any]],
    earlier: EarlierFound,
    written: Mapping[str, int],
) -> None:
    """Mark those of the alerts that were `written` while another writer wrote alerts that they
    count, or that count them: neither could see those of the other. `written`: `_id` → sequence
    number, of all that were written at once.

    Raises `ClusterError`, `RequestFailedError` and opensearch-py's exceptions.
    """
    if earlier.alone(written.values()):
        return
    ours = {name: dict(each) for name, each in alerts.items() if name in written}
    for some in batched(sorted(overtaken(client, index, ours, earlier)), _WRITTEN_AT_ONCE):
        lines: list[Mapping[str, Any]] = []
        for name in some:
            lines += [{"update": {"_id": name}}, {"doc": {RECOUNT: True}}]
        bulk(client, index, lines, allowed={404})


def _alike(alerts: Sequence[Document]) -> Iterator[tuple[dict[str, Any], str]]:
    """Clauses for all alerts that are about the same as one of these, each with when the first of
    these began."""
    values: dict[tuple[str, str], set[str]] = {}
    begins: dict[tuple[str, str], list[str]] = {}
    for each in alerts:
        field, own = subjects(each)
        key = each["rule"]["id"], field
        values.setdefault(key, set()).update(own)
        begins.setdefault(key, []).append(each["first_seen"])
    for key, several in values.items():
        for some in batched(sorted(several), _VALUES_AT_ONCE) if several else [[]]:
            yield {"bool": alerts_about(*key, some)}, min(begins[key])
