"""Plain rules over the index: many a request, all their hits, and each rule's faults its own.

Rules go out together by `_msearch`. Most have few hits, which come with the first reply; a rule
with more is read to its end on a point in time of its own. A reply that is not whole (a failed
shard, a query cut off) fails that rule's interval and no other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionTimeout, TransportError

from detections.backend.clause import NOTHING
from detections.backend.fields import LEAVES, named
from detections.compiled import REPAIRED, Compiled, Query, is_repaired
from detections.events.found import Hit, findings
from detections.events.replies import whole
from detections.events.vocabulary import Vocabulary
from detections.finding import Finding
from detections.matcher.moved import put_back
from detections.rule import Rule
from detections.span import Span
from trailhound.cluster.refusals import cluster_errors, translate
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError, ClusterUnreachable, RequestFailed, TrailhoundError
from trailhound.settings import Settings

RULES_A_REQUEST = 100
WORTH_A_LOOK = 10
"""From so many rules on, one look at what there is in the span spares more than it costs."""
REQUEST_BYTES = 4 * 1024 * 1024
FIRST_PAGE = 200
PAGE = 5_000
"""Hits of one reply; of rules whose hits must be decided, each brings its whole event."""
DECIDED_PAGE = 1_000
KEEP_ALIVE = "5m"
SORT = [
    {"@timestamp": "asc"},
    {"eventID": "asc"},
    {"trail.object": "asc"},
    {"trail.position": "asc"},
]
"""A total order: documents of the same event differ by where they stood."""

_FIXED = ("@timestamp", "trail.repaired")
_PARAMS = ("ignore_unavailable", "allow_no_indices")


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule did in one span: its findings, or the error that kept it from an answer.

    `hits` counts the events that it matches, `seconds` is the engine's time for it.
    """

    rule: Rule
    hits: int = 0
    seconds: float = 0.0
    findings: tuple[Finding, ...] = ()
    error: TrailhoundError | None = None


class Search:
    """Searches the daily indices of the settings' namespace."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        *,
        rule_seconds: float | None = None,
        worth_a_look: int = WORTH_A_LOOK,
    ) -> None:
        """`rule_seconds`: when a query is cut off; by default, after half of `cluster.timeout`.

        `worth_a_look`: from how many rules on their span is looked at before they are asked.
        """
        self._worth_a_look = worth_a_look
        self._client = client
        self._index = Names(settings.prefix).days
        self._where = settings.hosts[0]
        self._cut_off = rule_seconds or settings.cluster.timeout / 2

    def find(
        self, rules: Sequence[Rule], compiled: Mapping[str, Compiled], span: Span
    ) -> Iterator[RuleOutcome]:
        """Every plain rule's findings in the span: one for each event, the earliest first.

        Raises `ClusterUnreachable` where the cluster is away as a whole.
        """
        left = self._narrowed(rules, compiled, span)
        asked = [rule for rule in rules if rule.id in left]
        replies = self._replies(asked, left, span, self._first_page)
        for rule in rules:
            if rule.id in left:
                yield self._outcome(rule, left[rule.id], span, next(replies))
            else:
                yield RuleOutcome(rule)

    def count(
        self, rules: Sequence[Rule], compiled: Mapping[str, Compiled], span: Span
    ) -> Iterator[RuleOutcome]:
        """As `find`, without findings: only events that must be decided are read."""
        left = self._narrowed(rules, compiled, span)
        asked = [rule for rule in rules if rule.id in left]
        replies = self._replies(asked, left, span, self._counting)
        for rule in rules:
            if rule.id in left:
                yield self._counted(rule, left[rule.id], span, next(replies))
            else:
                yield RuleOutcome(rule)

    def hits(
        self,
        compiled: Compiled,
        span: Span,
        fields: Iterable[str] = (),
        *,
        extra: Query | None = None,
    ) -> Iterator[Hit]:
        """Every event that the rule matches, in order, decided. Raises `ClusterError`.

        `fields` are what each hit's `source` should hold; where the matcher has to decide, it is
        the whole event. `extra` narrows the query further.
        """
        query = _within(compiled.query if extra is None else _both(compiled.query, extra), span)
        body = {"query": query, **_wanted(compiled, fields), "sort": SORT}
        with cluster_errors(self._where):
            yield from self._decided(
                compiled, self._pages(body, DECIDED_PAGE if compiled.decide else PAGE)
            )

    # One request for many rules

    def _narrowed(
        self, rules: Sequence[Rule], compiled: Mapping[str, Compiled], span: Span
    ) -> dict[str, Compiled]:
        """The queries of the rules that can find anything in the span, by id, narrowed to it.

        Where the span's vocabulary can't be told, all of them as they are: each says what is wrong.
        """
        own = {rule.id: compiled[rule.id] for rule in rules}
        if len(rules) < self._worth_a_look:
            return own
        body = Vocabulary.request(span) | {"timeout": f"{self._cut_off * 1000:.0f}ms"}
        (reply,) = self._send([orjson.dumps(body)])
        try:
            known = Vocabulary.of(_answer(reply))
        except ClusterError:
            return own
        return {
            key: replace(each, query=query)
            for key, each in own.items()
            for query in [known.narrowed(each.query)]
            if query != NOTHING
        }

    def _replies(
        self,
        rules: Sequence[Rule],
        compiled: Mapping[str, Compiled],
        span: Span,
        body: Callable[[Rule, Compiled, Span], dict[str, Any]],
    ) -> Iterator[Mapping[str, Any] | ClusterError]:
        """One for each rule, in their order; asked for as they are taken, many at once."""
        lines: list[bytes] = []
        size = 0
        for rule in rules:
            line = orjson.dumps(body(rule, compiled[rule.id], span))
            if lines and (len(lines) == RULES_A_REQUEST or size + len(line) > REQUEST_BYTES):
                yield from self._send(lines)
                lines, size = [], 0
            lines.append(line)
            size += len(line)
        if lines:
            yield from self._send(lines)

    def _send(self, lines: list[bytes]) -> list[Mapping[str, Any] | ClusterError]:
        """A reply or an error for each line. A request that fails as a whole is halved."""
        header = orjson.dumps({"index": self._index, **_HEADER})
        body = b"".join(header + b"\n" + line + b"\n" for line in lines).decode()
        try:
            replies: list[Mapping[str, Any]] = self._client.msearch(
                body=body,
                params={"request_timeout": self._cut_off * (2 + len(lines) / 10)},
            )["responses"]
        except TransportError as error:
            fault = translate(error, self._where)
            gone = isinstance(fault, ClusterUnreachable) and not isinstance(
                error, ConnectionTimeout
            )
            if gone:
                raise fault from error
            if len(lines) == 1:
                return [fault]
            middle = len(lines) // 2
            return self._send(lines[:middle]) + self._send(lines[middle:])
        return list(replies)

    def _first_page(self, rule: Rule, compiled: Compiled, span: Span) -> dict[str, Any]:
        return {
            "query": _within(compiled.query, span),
            "size": FIRST_PAGE,
            "track_total_hits": True,
            "sort": SORT,
            **_wanted(compiled, rule.group_by),
            "timeout": f"{self._cut_off * 1000:.0f}ms",
        }

    def _counting(self, _: Rule, compiled: Compiled, span: Span) -> dict[str, Any]:
        return {
            "query": _within(compiled.query, span),
            "size": 0,
            "track_total_hits": True,
            "aggs": {"repaired": {"filter": REPAIRED}},
            "timeout": f"{self._cut_off * 1000:.0f}ms",
        }

    # One rule

    def _outcome(
        self, rule: Rule, compiled: Compiled, span: Span, reply: Mapping[str, Any] | ClusterError
    ) -> RuleOutcome:
        started = monotonic()
        try:
            hits = list(self._all(rule, compiled, span, _answer(reply)))
        except ClusterError as error:
            return RuleOutcome(rule, seconds=_seconds(reply, started), error=error)
        found = findings(rule, hits)
        return RuleOutcome(rule, len(hits), _seconds(reply, started), found)

    def _all(
        self, rule: Rule, compiled: Compiled, span: Span, reply: Mapping[str, Any]
    ) -> Iterator[Hit]:
        found = reply["hits"]
        if found["total"]["value"] > len(found["hits"]):
            return self.hits(compiled, span, rule.group_by)
        with cluster_errors(self._where):
            return iter(list(self._decided(compiled, [found["hits"]])))

    def _counted(
        self, rule: Rule, compiled: Compiled, span: Span, reply: Mapping[str, Any] | ClusterError
    ) -> RuleOutcome:
        started = monotonic()
        try:
            answer = _answer(reply)
            total = int(answer["hits"]["total"]["value"])
            repaired = int(answer.get("aggregations", {}).get("repaired", {}).get("doc_count", 0))
            if compiled.decide is not None and total:
                total = sum(1 for _ in self.hits(compiled, span))
            elif repaired:
                total -= repaired
                total += sum(1 for _ in self.hits(compiled, span, extra=REPAIRED))
        except ClusterError as error:
            return RuleOutcome(rule, seconds=_seconds(reply, started), error=error)
        return RuleOutcome(rule, total, _seconds(reply, started))

    # All hits of one query

    def _pages(self, body: dict[str, Any], size: int) -> Iterator[list[dict[str, Any]]]:
        """Every hit, page by page, as of one point in time."""
        try:
            made = self._client.create_pit(
                index=self._index,
                params={
                    "keep_alive": KEEP_ALIVE,
                    "allow_partial_pit_creation": "false",
                    "ignore_unavailable": "true",
                },
            )
        except TransportError as error:
            if error.status_code == 404:  # no day yet
                return
            raise
        pit = made["pit_id"]
        after: dict[str, Any] = {}
        expected = seen = 0
        try:
            while True:
                request = {
                    **body,
                    **after,
                    "pit": {"id": pit, "keep_alive": KEEP_ALIVE},
                    "size": size,
                    "track_total_hits": not after,
                    "timeout": f"{self._cut_off * 1000:.0f}ms",
                }
                reply = whole(self._client.search(body=request, params=_WHOLE))
                hits = reply["hits"]["hits"]
                expected = expected if after else int(reply["hits"]["total"]["value"])
                seen += len(hits)
                if hits:
                    yield hits
                if len(hits) < size:
                    break
                after = {"search_after": hits[-1]["sort"]}
        finally:
            self._client.delete_pit(body={"pit_id": [pit]})
        if seen != expected:
            raise _incomplete(seen, expected)

    def _decided(self, compiled: Compiled, pages: Iterable[list[dict[str, Any]]]) -> Iterator[Hit]:
        """The hits that the rule really matches."""
        for page in pages:
            entire = self._entire(compiled, page)
            for hit in page:
                source = entire.get((hit["_index"], hit["_id"])) or _held(hit)
                if compiled.holds(source):
                    yield Hit(hit["_id"], put_back(source) if is_repaired(source) else source)

    def _entire(
        self, compiled: Compiled, page: list[dict[str, Any]]
    ) -> dict[tuple[str, str], Mapping[str, Any]]:
        """The whole events of hits that were repaired, where a page holds only some fields."""
        if compiled.decide is not None:
            return {}
        wanted = [
            {"_index": hit["_index"], "_id": hit["_id"]} for hit in page if is_repaired(_held(hit))
        ]
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for start in range(0, len(wanted), 100):
            reply = self._client.mget(body={"docs": wanted[start : start + 100]})
            for each in reply["docs"]:
                if not each.get("found"):  # its day was closed or deleted a moment ago
                    raise RequestFailed(
                        f"an event that a rule may match could not be read: {each['_id']}",
                        hint="it is tried again",
                    )
                found[each["_index"], each["_id"]] = each["_source"]
        return found


_HEADER = {**dict.fromkeys(_PARAMS, True), "allow_partial_search_results": False}
_WHOLE = {"allow_partial_search_results": "false"}


def _answer(reply: Mapping[str, Any] | ClusterError) -> Mapping[str, Any]:
    if isinstance(reply, ClusterError):
        raise reply
    return whole(reply)


def _incomplete(seen: int, expected: int) -> ClusterError:
    return ClusterError(
        f"OpenSearch gave {seen:,} hits of {expected:,}", hint="it is tried again; check its health"
    )


def _seconds(reply: Mapping[str, Any] | ClusterError, started: float) -> float:
    took = reply.get("took", 0) / 1000 if isinstance(reply, Mapping) else 0.0
    return round(took + monotonic() - started, 3)


def _within(query: Query, span: Span) -> Query:
    return {"bool": {"filter": [span.query(), query]}}


def _both(query: Query, other: Query) -> Query:
    return {"bool": {"filter": [query, other]}}


def _wanted(compiled: Compiled, fields: Iterable[str]) -> dict[str, Any]:
    """What a hit is to bring: all of its `_source` where the matcher decides, else a few fields.

    Columns hold those of keywords, and are read several times faster than stored events are
    unpacked.
    """
    if compiled.decide is not None:
        return {"_source": True}
    paths = list(dict.fromkeys((*_FIXED, *map(named, fields))))
    if all(LEAVES.get(path) == "keyword" for path in paths if path != "@timestamp"):
        return {"_source": False, "docvalue_fields": [{"field": path} for path in paths]}
    return {"_source": paths}


def _held(hit: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields that a hit brought, from its columns as from its `_source`."""
    columns = hit.get("fields")
    if columns is None:
        return hit.get("_source") or {}
    repaired = columns.get("trail.repaired", [])
    return {**columns, "trail": {"repaired": repaired}, "@timestamp": columns["@timestamp"][0]}
