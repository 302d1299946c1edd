"""Runs plain rules over the index: many in a request, all their hits, and errors by rule.

Rules are sent together by `_msearch`. Most have few hits, which are in the first reply; for a rule
with more, the rest is read on a point in time as its findings are consumed. An incomplete reply (a
failed shard, a query cut off) is an error of that rule only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import orjson
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionTimeout, TransportError

from detections.backend.clause import NOTHING
from detections.compiled import Compiled
from detections.events.counting import Counting, within
from detections.events.fields import Hit
from detections.events.found import finding, grouping
from detections.events.index import SORT, Days, EventIndex
from detections.events.light import light_search
from detections.events.matching import Matching, decided, reader_for
from detections.events.vocabulary import Vocabulary
from detections.finding import Finding
from detections.rule import Rule
from detections.span import Span
from trailhound.cluster.client import answers
from trailhound.cluster.complete_reply import require_complete, search_timeout
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.reader import HITS_PAGE
from trailhound.cluster.refusals import from_response
from trailhound.cluster.request_params import WHOLE
from trailhound.cluster.shards_starting import with_started_shards
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterError, ClusterUnreachableError, TrailhoundError
from trailhound.settings import Settings

RULES_A_REQUEST = 100
WORTH_A_LOOK = 10
"""From this number of rules on, one aggregation over the span saves more than it costs."""
REQUEST_BYTES = 4 * 1024 * 1024
FIRST_PAGE = 200

_Body = Callable[[Rule, Compiled, Span], dict[str, Any]]
"""The search body for one rule in a span."""
_Reply = Mapping[str, Any] | ClusterError


@dataclass(frozen=True, slots=True)
class Found:
    """The findings of one rule in one span, one for each event, the earliest first.

    They are read as they are consumed, in constant memory. Consuming them raises `ClusterError`
    for an incomplete reply: the findings before it are correct, and the span has to be searched
    again. `seconds` is the engine's time for the first page.
    """

    rule: Rule
    findings: Iterator[Finding]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """The number of hits of one rule in one span, or its error.

    `hits` counts the events that it matches, `seconds` is the engine's time for it.
    """

    rule: Rule
    hits: int = 0
    seconds: float = 0.0
    error: TrailhoundError | None = None


class Search:
    """Searches the daily indices of the settings' namespace."""

    def __init__(
        self,
        client: OpenSearch,
        settings: Settings,
        *,
        index: str | Days | None = None,
        worth_a_look: int = WORTH_A_LOOK,
        first_page: int = FIRST_PAGE,
        hits_page: int = HITS_PAGE,
    ) -> None:
        """`index`: an expression of daily indices; default: all.

        `worth_a_look`: with this many rules and more, the calls of the span are read first, so that
        rules about other calls need no query.
        `first_page`, `hits_page`: hits that come at once, with the reply for many rules and of one.
        """
        self._worth_a_look = worth_a_look
        self._first = first_page
        self._client = client
        self._where = settings.hosts[0]
        self._cut_off = settings.cluster.timeout / 2
        self._index = EventIndex(
            client,
            index or Names(settings.prefix).days,
            hits_page=hits_page,
            seconds=self._cut_off,
        )
        self._counted_by = Counting(self._index, self._cut_off)

    def find(
        self, rules: Sequence[Rule], compiled: Mapping[str, Compiled], span: Span
    ) -> Iterator[Found]:
        """Every plain rule's findings in the span.

        Raises `ClusterUnreachableError` where the whole cluster is unreachable.
        """
        for rule, narrowed, reply in self._sent(rules, compiled, span, self._first_page):
            if narrowed is None:
                yield Found(rule, iter(()))
            else:
                yield Found(rule, self._findings(rule, narrowed, span, reply), _took(reply))

    def count(
        self, rules: Sequence[Rule], compiled: Mapping[str, Compiled], span: Span
    ) -> Iterator[RuleOutcome]:
        """The number of hits of every plain rule; reads only events that the matcher decides.

        Raises as `find` does.
        """
        for rule, narrowed, reply in self._sent(rules, compiled, span, self._counting):
            if narrowed is None:
                yield RuleOutcome(rule)
            else:
                yield self._counted(rule, narrowed, span, reply)

    # One request for many rules

    def _sent(
        self,
        rules: Sequence[Rule],
        compiled: Mapping[str, Compiled],
        span: Span,
        body: _Body,
    ) -> Iterator[tuple[Rule, Compiled | None, _Reply]]:
        """Each rule, its query as sent, and the reply; no query if it cannot have hits."""
        known = self.vocabulary(span) if len(rules) >= self._worth_a_look else None
        left = self._narrowed(rules, compiled, known)
        asked = [rule for rule in rules if rule.id in left]
        replies = self._replies(asked, left, span, body, known)
        for rule in rules:
            yield (rule, left[rule.id], next(replies)) if rule.id in left else (rule, None, {})

    def _narrowed(
        self, rules: Sequence[Rule], compiled: Mapping[str, Compiled], known: Vocabulary | None
    ) -> dict[str, Compiled]:
        """The queries of the rules that can find anything in a span, by id, narrowed to it.

        If the span's vocabulary can't be read, all of them unchanged: each reports its own error.
        """
        dialect = dialect_of(self._client)
        own = {rule.id: compiled[rule.id].on(dialect) for rule in rules}
        if known is None:
            return own
        narrowed = {key: each.narrowed(known.narrowed) for key, each in own.items()}
        return {key: each for key, each in narrowed.items() if each.query != NOTHING}

    def vocabulary(self, span: Span) -> Vocabulary | None:
        """What is known of the events of a span; None if it can't be read.

        Raises `ClusterUnreachableError` where the whole cluster is unreachable.
        """
        body = Vocabulary.request(span) | search_timeout(self._cut_off)
        (reply,) = self._send([self._line(span, body)])
        try:
            return Vocabulary.of(_answer(reply))
        except ClusterError:
            return None

    def _replies(
        self,
        rules: Sequence[Rule],
        compiled: Mapping[str, Compiled],
        span: Span,
        body: _Body,
        known: Vocabulary | None,
    ) -> Iterator[_Reply]:
        """One for each rule, in order; requested in batches as they are consumed."""
        lines: list[bytes] = []
        size = 0
        for rule in rules:
            days = None if known is None else known.days_of(compiled[rule.id].query)
            line = self._line(span, body(rule, compiled[rule.id], span), days)
            if lines and (len(lines) == RULES_A_REQUEST or size + len(line) > REQUEST_BYTES):
                yield from self._send(lines)
                lines, size = [], 0
            lines.append(line)
            size += len(line)
        if lines:
            yield from self._send(lines)

    def _line(
        self, span: Span, body: Mapping[str, Any], days: Collection[str] | None = None
    ) -> bytes:
        """One search of several: its header and its body. `days`: those that have its events."""
        header = {"index": self._index.on(span.query(), days), **WHOLE}
        return orjson.dumps(header) + b"\n" + orjson.dumps(body) + b"\n"

    def _send(self, lines: list[bytes]) -> list[_Reply]:
        """A reply or an error for each search."""
        return with_started_shards(
            self._sent_once(lines),
            lambda numbers: self._sent_once([lines[number] for number in numbers]),
        )

    def _sent_once(self, lines: list[bytes]) -> list[_Reply]:
        """The same in one try. A request that fails as a whole is halved."""
        body = b"".join(lines).decode()
        try:
            replies: list[Mapping[str, Any]] = self._client.msearch(
                body=body,
                params={"request_timeout": self._cut_off * (2 + len(lines) / 10)},
            )["responses"]
        except TransportError as error:
            fault = from_response(error, self._where)
            if isinstance(fault, ClusterUnreachableError) and not (
                isinstance(error, ConnectionTimeout) or answers(self._client)
            ):
                raise fault from error
            if len(lines) == 1:
                return [fault]
            middle = len(lines) // 2
            return self._sent_once(lines[:middle]) + self._sent_once(lines[middle:])
        return list(replies)

    def _first_page(self, rule: Rule, compiled: Compiled, span: Span) -> dict[str, Any]:
        asked = reader_for(compiled, grouping(rule)).request()
        light = light_search(asked)
        return {
            "query": within(compiled.query, span),
            "size": self._first,
            "track_total_hits": True,
            "sort": SORT if light is None else ["_doc"],
            **(asked if light is None else light.body),
            **search_timeout(self._cut_off),
        }

    def _counting(self, _: Rule, compiled: Compiled, span: Span) -> dict[str, Any]:
        return self._counted_by.request(compiled, span)

    # One rule

    def _findings(
        self, rule: Rule, compiled: Compiled, span: Span, reply: _Reply
    ) -> Iterator[Finding]:
        reader = reader_for(compiled, grouping(rule))
        first = _answer(reply)["hits"]
        hits: list[Hit] | None = first["hits"]
        if first["total"]["value"] > len(first["hits"]):
            hits = None  # only some of them
        elif hits and (light := light_search(reader.request())) is not None:
            hits = light.hits(hits)
            hits = hits and light.ordered(hits)
        if hits is not None and not any(map(reader.must_be_entire, hits)):
            for hit in decided(compiled, reader, hits):
                yield finding(rule, reader, hit)
            return
        with self._index.snapshot(span.query()) as snapshot:
            for hit in Matching(snapshot, compiled, grouping(rule)).hits(span.query()):
                yield finding(rule, reader, hit)

    def _counted(self, rule: Rule, compiled: Compiled, span: Span, reply: _Reply) -> RuleOutcome:
        started = monotonic()
        total = 0
        error: ClusterError | None = None
        try:
            total = self._counted_by.number(compiled, span, _answer(reply))
        except ClusterError as fault:
            error = fault
        return RuleOutcome(rule, total, round(_took(reply) + monotonic() - started, 3), error)


def _answer(reply: _Reply) -> Mapping[str, Any]:
    if isinstance(reply, ClusterError):
        raise reply
    return require_complete(reply)


def _took(reply: _Reply) -> float:
    """The engine's own seconds."""
    return float(reply.get("took", 0)) / 1000 if isinstance(reply, Mapping) else 0.0
