"""Finds and reads alerts, and writes decisions of people about them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import OpenSearchException

from detections.alerts.disposition import Disposition
from detections.alerts.document import Document, shown, stamp
from detections.alerts.paging import every
from detections.alerts.triage import NOBODY, Decision
from detections.alerts.twins import TWIN_KEY, twins_of
from detections.events.selection import alerts_by_principal
from detections.rule import LEVELS, Level
from detections.tactics import tagged
from trailhound.batching import batched
from trailhound.cluster.free_text import check_free_text, free_text
from trailhound.cluster.queries import either
from trailhound.cluster.reader import IndexReader, document_of
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.retry_policy import BUSY_SECONDS, RetryPolicy, is_busy
from trailhound.cluster.templates import Names
from trailhound.cluster.versions import (
    OVERTAKEN,
    READ_AT_ONCE,
    TRIES,
    Write,
    existing,
    read_many,
    write_many,
)
from trailhound.errors import (
    ClusterError,
    ForeignTemplateError,
    UsageError,
)
from trailhound.settings import Settings

STATES = ("open", "acknowledged", "closed")


SORTS: Final[Mapping[str, str]] = {
    "last-seen": "last_seen",
    "first-seen": "first_seen",
    "raised": "@timestamp",
    "level": "severity",
    "count": "count",
}
"""Sort order → field; the latest or largest come first. Of `level` it is the order within each."""

SHORTEST_PREFIX = 4
"""The fewest characters of a prefix of an id, as in git."""
NO_ALERT = "there is no alert with this id"
_EXAMPLE = "'rule.level:high AND calls.name:PutKeyPolicy'"
_CANDIDATES = 10
"""The most alerts that are named for an ambiguous prefix."""
_ID_PAGE = 5_000


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Selects alerts. `level`: this level and above; `rule`: id or title; `principal`: as in
    `by_principal`; `since`: last seen at or after it; `until`: first seen before it; `account`: of
    an event or of its folder; `assignee`: the owner, or "nobody"; `text`: a Lucene query over the
    fields of alerts; `incident`: the complete id of their incident. Alerts that were merged into
    others are left out.
    """

    states: tuple[str, ...] = ()
    level: Level = "informational"
    since: datetime | None = None
    rule: str | None = None
    principal: str | None = None
    until: datetime | None = None
    account: str | None = None
    tactic: str | None = None
    assignee: str | None = None
    disposition: Disposition | None = None
    text: str | None = None
    incident: str | None = None

    def query(self) -> list[dict[str, Any]]:
        """As clauses of the query DSL, combined by AND."""
        clauses: list[dict[str, Any]] = [{"terms": {"level": list(levels_from(self.level))}}]
        if self.states:
            clauses.append({"terms": {"state": list(self.states)}})
        if self.since is not None:
            clauses.append({"range": {"last_seen": {"gte": stamp(self.since)}}})
        if self.until is not None:
            clauses.append({"range": {"first_seen": {"lt": stamp(self.until)}}})
        if self.rule is not None:
            clauses.append(_either(self.rule, "rule.id", "rule.name"))
        if self.principal is not None:
            clauses.append(alerts_by_principal(self.principal))
        if self.account is not None:
            clauses.append({"term": {"entity.account": self.account}})
        if self.tactic is not None:
            name = tagged(self.tactic)
            # Older Sigma rules write tactics with underscores instead of hyphens.
            clauses.append({"terms": {"attack.tactic": [name, name.replace("-", "_")]}})
        if self.disposition is not None:
            clauses.append({"term": {"disposition": self.disposition}})
        if self.assignee is not None and self.assignee.lower() == NOBODY:
            clauses.append({"bool": {"must_not": {"exists": {"field": "assignee"}}}})
        elif self.assignee is not None:
            clauses.append(_either(self.assignee, "assignee"))
        if self.incident is not None:
            # An alert that was not joined yet is its own incident.
            its_own = {"ids": {"values": [self.incident]}}
            clauses.append(either([{"term": {"incident": self.incident}}, its_own]))
        if self.text is not None:
            clauses.append(free_text(self.text))
        return clauses


def levels_from(level: Level) -> tuple[Level, ...]:
    """This level and the more severe ones.

    >>> levels_from("high")
    ('high', 'critical')
    """
    return LEVELS[LEVELS.index(level) :]


def _either(text: str, *fields: str) -> dict[str, Any]:
    return either([{"term": {it: {"value": text, "case_insensitive": True}}} for it in fields])


@dataclass(slots=True)
class ResolvedAlerts:
    """Given ids: `names` maps them to ids of alerts, `left` to the reason why there is none."""

    names: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Decided:
    """The result of a decision: the alerts that are as decided, by id, and for the others (`left`)
    the reason. `fault`: the error that ended it before all were tried."""

    alerts: dict[str, Document] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    fault: OpenSearchException | ClusterError | None = None


class AlertStore:
    """The alerts of one namespace. Raises opensearch-py's exceptions."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = Names(settings.prefix).alerts

    def find(
        self, query: AlertQuery, limit: int | None = None, sort: str = "last-seen"
    ) -> list[Document]:
        """The alerts, each with its `twins`, if any. `sort` is one of `SORTS`. Raises `UsageError`
        for an invalid `text`."""
        make_searchable(self._client, self._index, required=True)
        found = dict(self._every(query, limit, sort))
        twins = self._twins(found)
        return [shown(name, document) | twins.get(name, {}) for name, document in found.items()]

    def count(self, query: AlertQuery) -> int:
        """The number of matching alerts. Raises as `find`."""
        make_searchable(self._client, self._index, required=True)
        but = [{"exists": {"field": "merged_into"}}]
        body: dict[str, Any] = {"bool": {"filter": list(query.query()), "must_not": but}}
        return IndexReader(self._client, self._index).count(body)

    def matching(self, query: AlertQuery) -> dict[str, Document]:
        """The rule, level and state of every matching alert, by id. Raises as `find`."""
        make_searchable(self._client, self._index, required=True)
        return dict(self._every(query, fields=("rule", "level", "state")))

    def documents(
        self, query: AlertQuery, fields: Sequence[str], sort: str = "last-seen"
    ) -> Iterator[tuple[str, Document]]:
        """These fields of every matching alert, with its id. Raises as `find`."""
        make_searchable(self._client, self._index, required=True)
        return self._every(query, fields=fields, sort=sort)

    def _every(
        self,
        query: AlertQuery,
        limit: int | None = None,
        sort: str = "last-seen",
        fields: Sequence[str] | None = None,
    ) -> Iterator[tuple[str, Document]]:
        if query.text is not None:
            reader = IndexReader(self._client, self._index)
            check_free_text(reader, query.text, "rule.name", example=_EXAMPLE)
        # A severity may be a rule's own, and a level has no order that the engine knows.
        parts: list[list[dict[str, Any]]] = [[]]
        if sort == "level":
            parts = [[{"term": {"level": each}}] for each in reversed(levels_from(query.level))]
        found = (
            each
            for part in parts
            for each in every(
                self._client,
                self._index,
                [*query.query(), *part],
                but=[{"exists": {"field": "merged_into"}}],
                fields=fields,
                sort=[{name: "desc"} for name in dict.fromkeys((SORTS[sort], "last_seen"))],
                limit=limit,
            )
        )
        return islice(found, limit)

    def get(self, name: str) -> Document:
        """An alert, with its deliveries. Raises `UsageError` if there is none."""
        if not name:
            raise unknown(name)
        found = document_of(self._client, self._index, name, {"_source_excludes": "counted"})
        if found is None:
            raise unknown(name)
        source = found["_source"]
        if TWIN_KEY in source:
            make_searchable(self._client, self._index, required=True)
        delivery = {"delivery": source.get("delivery", {}).get("log", {})}
        return shown(name, source) | self._twins({name: source}).get(name, {}) | delivery

    def twins(self, names: Sequence[str]) -> dict[str, list[Document]]:
        """The twins of alerts by id, as in `twins_of`; alerts without twins are left out."""
        make_searchable(self._client, self._index, required=True)
        keys: dict[str, str] = {}
        for part in batched(names, _ID_PAGE):
            ids: dict[str, Any] = {"ids": {"values": list(part)}}
            asked = [ids, {"exists": {"field": TWIN_KEY}}]
            for name, each in every(self._client, self._index, asked, fields=(TWIN_KEY,)):
                keys[name] = each[TWIN_KEY]
        return twins_of(self._client, self._index, keys)

    def _twins(self, found: Mapping[str, Document]) -> dict[str, Document]:
        """The member `twins` of the alerts that have twins, by id."""
        keys = {name: each[TWIN_KEY] for name, each in found.items() if TWIN_KEY in each}
        twins = twins_of(self._client, self._index, keys) if keys else {}
        return {name: {"twins": several} for name, several in twins.items()}

    def named(self, given: str) -> Document:
        """`get` for an id or a unique prefix of one. Raises `UsageError` if no or several ids begin
        with it."""
        found = self.resolve([given])
        if given in found.names:
            return self.get(found.names[given])
        if found.left[given] == NO_ALERT:
            raise unknown(given)
        raise UsageError(f"{given}: {found.left[given]}", hint="give more of the id")

    def resolve(self, given: Iterable[str]) -> ResolvedAlerts:
        """The alerts of ids or unique prefixes of ids, in their order."""
        # A table may have cut the id.
        wanted = {each: each.strip().rstrip("…").removesuffix("...") for each in given}
        there = existing(self._client, self._index, [name for name in wanted.values() if name])
        short = {
            name for name in wanted.values() if name not in there and len(name) >= SHORTEST_PREFIX
        }
        begun = self._beginning_with(short) if short else {}
        made = ResolvedAlerts()
        for each, name in wanted.items():
            found = [name] if name in there else begun.get(name, [])
            if len(found) == 1:
                made.names[each] = found[0]
            elif found:
                made.left[each] = f"{len(found):,} alerts begin with it: {self._named(found)}"
            elif name and len(name) < SHORTEST_PREFIX:
                made.left[each] = f"it is too short: give at least {SHORTEST_PREFIX} characters"
            else:
                made.left[each] = NO_ALERT
        return made

    def _beginning_with(self, prefixes: Iterable[str]) -> dict[str, list[str]]:
        """The ids that begin with each prefix. Reads all ids, since engines can't search `_id` by
        prefix."""
        wanted = tuple(prefixes)
        found: dict[str, list[str]] = {}
        make_searchable(self._client, self._index, required=True)
        for name, _ in every(self._client, self._index, (), fields=(), page=_ID_PAGE):
            if name.startswith(wanted):
                for prefix in wanted:
                    if name.startswith(prefix):
                        found.setdefault(prefix, []).append(name)
        return found

    def _named(self, names: Sequence[str]) -> str:
        """Alerts, described so that they can be distinguished."""
        ordered = sorted(names)[:_CANDIDATES]
        stored = read_many(self._client, self._index, ordered)
        choices = [
            f"{name} ({each.document['level']}, {each.document['rule']['name']}, "
            f"{each.document['last_seen'][:19]})"
            for name, each in stored.items()
        ]
        return "; ".join([*choices, *(["…"] if len(names) > len(ordered) else [])])

    def decide(self, names: Sequence[str], decision: Decision) -> Decided:
        """Writes a decision to each of the alerts, unless it is as decided already.

        Every write is conditional: if another writer was faster, the alert is read and decided
        again. Never raises: what could not be written is in the result, and the same call again
        completes it.
        """
        made = Decided()
        try:
            self._require(decision)
        except (OpenSearchException, ClusterError) as error:
            made.fault = error
        for part in batched(names, READ_AT_ONCE):
            try:
                if made.fault is None:
                    self._decide(part, decision, made)
            except (OpenSearchException, ClusterError) as error:
                made.fault = error
                for name in part:
                    if name not in made.alerts:
                        made.left.setdefault(name, "its change was not confirmed")
            for name in part:
                if name not in made.alerts:
                    made.left.setdefault(name, "not tried: an earlier request failed")
        return made

    def _require(self, decision: Decision) -> None:
        """Raises `ForeignTemplateError` if the index still has the mapping of the last release, in
        which the decision would be stored but not searchable."""
        needed = {"assignee"} if decision.verb == "assign" else set()
        needed |= {"disposition"} if decision.disposition is not None else set()
        if not needed:
            return
        found = self._client.indices.get_mapping(index=self._index)
        for index, body in found.items():
            lacking = needed - body["mappings"].get("properties", {}).keys()
            if lacking:
                raise ForeignTemplateError(
                    f"the index {index} is from another version of Trailhound: it does not search "
                    f"{', '.join(sorted(lacking))}",
                    hint="run `trailhound init`: it upgrades in place",
                )

    def _decide(self, names: Sequence[str], decision: Decision, made: Decided) -> None:
        """Decide one batch. Alerts for which other writers were faster too often go to
        `made.left`."""
        policy = RetryPolicy(BUSY_SECONDS, retry=is_busy)
        waiting = list(names)
        for number in range(TRIES):
            stored = policy.run(partial(read_many, self._client, self._index, waiting))
            writes: dict[str, Write] = {}
            for name in waiting:
                if name not in stored:
                    made.left[name] = NO_ALERT
                    continue
                before = stored[name].document
                try:
                    after = decision.applied(name, before, datetime.now(UTC))
                except UsageError as error:
                    made.left[name] = error.with_hint
                    continue
                if after is None:
                    made.alerts[name] = shown(name, before)
                else:
                    writes[name] = Write(after, stored[name])
            written = policy.run(partial(write_many, self._client, self._index, writes))
            made.alerts |= {name: shown(name, dict(writes[name].document)) for name in written}
            waiting = [name for name in writes if name not in written]
            if not waiting:
                return
            time.sleep(OVERTAKEN.seconds(number + 1))
        made.left |= dict.fromkeys(waiting, "other writers keep changing it")

    def acknowledge(self, name: str, by: str, note: str = "") -> Document:
        """Marks an alert as being worked on. Raises `UsageError` for one that is closed."""
        return self._decided(name, Decision("ack", by, note))

    def close(
        self, name: str, by: str, note: str = "", disposition: Disposition | None = None
    ) -> Document:
        """Closes an alert: it is not updated any more."""
        return self._decided(name, Decision("close", by, note, disposition))

    def _decided(self, name: str, decision: Decision) -> Document:
        """Decide one alert. Raises `UsageError` if there is none, or its state does not allow
        it."""
        if not name or name not in existing(self._client, self._index, [name]):
            raise unknown(name)
        made = self.decide([name], decision)
        if made.fault is not None:
            raise made.fault
        if name in made.left:
            raise UsageError(made.left[name])
        return made.alerts[name]


def unknown(*names: str) -> UsageError:
    """The error for ids without an alert."""
    return UsageError(
        f"there is no alert {', '.join(names)}", hint="see `trailhound alerts list --state all`"
    )
