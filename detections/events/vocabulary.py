"""The values of some fields in a span, by which the queries of many rules are simplified.

Most rules name calls that nobody made in the span. The engine finds that out for every rule and
shard again, by an automaton for each case-insensitive text. One aggregation returns all values of
the few fields that nearly every rule names; against these a clause is decided
here: it becomes the plain terms that it matches, or nothing, and with it often the whole rule.

Of a span of several days it also returns which calls each day has: a search costs something for
each day's index that it asks, and most rules name calls of few days.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from detections.backend.clause import NOTHING, all_of, any_of
from detections.compiled import Query
from detections.events.daily_indices import DAY, day_name
from detections.events.index import BY_DAY
from detections.span import Span, moment

FIELDS = (
    "eventName",
    "eventSource",
    "errorCode",
    "userIdentity.type",
    "user_agent.kind",
    "trail.repaired",
)
"""Keyword fields with few values; `trail.repaired` shows whether rules need the matcher."""
MOST = 2_000
"""Values of a field; one with more is not used. All together stay below the engine's
65,535 buckets (`search.max_buckets`)."""
_CALL: Final = "eventName"
_DAYS: Final = "days"
_CALLS_A_DAY: Final = 500
_MOST_DAYS: Final = timedelta(days=60)
"""With so many days and calls of each, the buckets stay below the limit too."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Field → all of its values among the events of a span that were searchable at one moment.

    A field that is not in it may have any value.
    """

    values: Mapping[str, frozenset[str]]
    days: Mapping[str, frozenset[str]] | None = None
    """Call → the UTC days (`YYYY.MM.DD`) of its events; None where that is not known."""
    _folded: dict[str, Mapping[str, list[str]]] = field(default_factory=dict, compare=False)
    """Of each field that was compared, its values by what they are in lower case."""

    @classmethod
    def request(cls, span: Span) -> dict[str, Any]:
        """The body of the search for it."""
        asked = {
            path: {"terms": {"field": path, "size": MOST, "shard_size": MOST}} for path in FIELDS
        }
        by_day: dict[str, Any] = {}
        if span.clock == "@timestamp" and DAY < span.until - span.since <= _MOST_DAYS:
            calls = {"terms": {"field": _CALL, "size": _CALLS_A_DAY, "shard_size": _CALLS_A_DAY}}
            by_day = {_DAYS: {**BY_DAY, "aggs": {_CALL: calls}}}
        aggs = {**asked, **by_day}
        return {"size": 0, "track_total_hits": False, "query": span.query(), "aggs": aggs}

    @classmethod
    def of(cls, reply: Mapping[str, Any]) -> Vocabulary:
        """From the reply; without fields that have more values than returned."""
        found = dict(reply.get("aggregations", {}))
        days = found.pop(_DAYS, None)
        return cls(
            {
                path: frozenset(bucket["key"] for bucket in each["buckets"])
                for path, each in found.items()
                if not each["sum_other_doc_count"]
            },
            None if days is None else _days_of_calls(days["buckets"]),
        )

    def days_of(self, query: Query) -> frozenset[str] | None:
        """The UTC days of the span that may have events of a narrowed query; None for all."""
        calls = None if self.days is None else _calls_of(query)
        if self.days is None or calls is None:
            return None
        return frozenset().union(*(self.days.get(each, ()) for each in calls))

    def narrowed(self, query: Query) -> Query:
        """A query that finds the same events of the span, as of that moment.

        Of those that became searchable since, it may find fewer than `query` does and never others:
        hence clauses under a `must_not` are unchanged.

        >>> known = Vocabulary({"eventName": frozenset({"GetUser", "getuser"})})
        >>> known.narrowed({"term": {"eventName": {"value": "GETUSER", "case_insensitive": True}}})
        {'terms': {'eventName': ['GetUser', 'getuser']}}
        >>> known.narrowed({"wildcard": {"eventName": {"value": "Put*"}}})
        {'match_none': {}}
        """
        ((kind, asked),) = query.items()
        if kind == "bool":
            return self._bool(query)
        test = _TESTS.get(kind)
        if test is None or len(asked) != 1:
            return query
        ((path, wanted),) = asked.items()
        if kind == "exists":
            path = wanted
        elif not isinstance(wanted, dict | list):  # the short form
            wanted = {"value": wanted}
        known = self.values.get(path)
        if known is None:
            return query
        if kind == "term" and wanted.get("case_insensitive") and str(wanted["value"]).isascii():
            # Most clauses are these, hundreds for each of hundreds of values.
            found = self._fold(path).get(str(wanted["value"]).lower(), [])
        else:
            matches = test(wanted)
            if matches is None:
                return query
            found = sorted(filter(matches, known))
        if not found:
            return NOTHING
        return query if kind == "exists" else {"terms": {path: found}}

    def _fold(self, path: str) -> Mapping[str, list[str]]:
        """As ASCII folds: the Kelvin sign is no K."""
        folded = self._folded.get(path)
        if folded is None:
            made: dict[str, list[str]] = {}
            for value in sorted(filter(str.isascii, self.values[path])):
                made.setdefault(value.lower(), []).append(value)
            folded = self._folded[path] = made
        return folded

    def _bool(self, query: Query) -> Query:
        inner = query["bool"]
        if set(inner) == {"should", "minimum_should_match"}:
            if inner["minimum_should_match"] != 1:
                return query
            return any_of(map(self.narrowed, inner["should"]))
        if set(inner) <= {"filter", "must_not"}:
            barred = inner.get("must_not", [])
            kept = [{"bool": {"must_not": barred}}] if barred else []
            return all_of([*map(self.narrowed, inner.get("filter", [])), *kept])
        return query


def _days_of_calls(buckets: Sequence[Mapping[str, Any]]) -> dict[str, frozenset[str]] | None:
    days: dict[str, set[str]] = {}
    for bucket in buckets:
        calls = bucket[_CALL]
        if calls["sum_other_doc_count"]:
            return None
        day = day_name(moment(int(bucket["key"])).date())
        for each in calls["buckets"]:
            days.setdefault(each["key"], set()).add(day)
    return {call: frozenset(of_call) for call, of_call in days.items()}


def _calls_of(query: Query) -> frozenset[str] | None:
    """The calls, one of which every event of a query is; None where it does not say.

    >>> sorted(_calls_of({"bool": {"filter": [{"terms": {"eventName": ["GetUser", "GetRole"]}}]}}))
    ['GetRole', 'GetUser']
    >>> _calls_of({"term": {"eventName": {"value": "GetUser", "case_insensitive": True}}})
    """
    ((kind, asked),) = query.items()
    if kind == "match_none":
        return frozenset()
    if kind == "terms" and isinstance(calls := asked.get(_CALL), list):
        return frozenset(calls)
    if kind != "bool":
        return None
    if filters := asked.get("filter"):
        found = [calls for each in filters if (calls := _calls_of(each)) is not None]
        return frozenset.intersection(*found) if found else None
    if asked.get("minimum_should_match") == 1:
        either = [_calls_of(each) for each in asked["should"]]
        if None not in either:
            return frozenset[str]().union(*(calls for calls in either if calls is not None))
    return None


Matches = Callable[[str], bool]

_PLAIN = re.compile(r"(?:\[[a-z][A-Z]\]|\\[^A-Za-z0-9]|[A-Za-z0-9_ ]|\.\*?|[()|])*")
"""Expressions that mean to Lucene what they mean here: those that many strings are packed into."""


def _term(wanted: Mapping[str, Any]) -> Matches | None:
    """None for a case-insensitive one: `Vocabulary.narrowed` decides those of ASCII alone."""
    return None if wanted.get("case_insensitive") else str(wanted["value"]).__eq__


def _terms(wanted: Sequence[Any]) -> Matches:
    return frozenset(map(str, wanted)).__contains__


def _wildcard(wanted: Mapping[str, Any]) -> Matches | None:
    parts = re.findall(r"\\.|.", wanted["value"], re.DOTALL)
    return _full(
        "".join(
            ".*" if part == "*" else "." if part == "?" else re.escape(part[-1]) for part in parts
        ),
        fold=wanted.get("case_insensitive", False),
    )


def _prefix(wanted: Mapping[str, Any]) -> Matches | None:
    fold = wanted.get("case_insensitive", False)
    return _full(re.escape(wanted["value"]) + ".*", fold=fold)


def _regexp(wanted: Mapping[str, Any]) -> Matches | None:
    expression = wanted["value"]
    if wanted.get("flags") != "NONE" or not _PLAIN.fullmatch(expression):
        return None
    return _full(expression, fold=False)


def _full(expression: str, *, fold: bool) -> Matches | None:
    """A whole text; only ASCII is folded. None if the engine would compare it differently."""
    if fold and not expression.isascii():
        return None
    flags = re.DOTALL | re.ASCII | (re.IGNORECASE if fold else 0)
    try:
        compiled = re.compile(expression, flags)
    except re.error:
        return None
    return lambda value: compiled.fullmatch(value) is not None


_TESTS: Mapping[str, Callable[[Any], Matches | None]] = {
    "term": _term,
    "terms": _terms,
    "wildcard": _wildcard,
    "prefix": _prefix,
    "regexp": _regexp,
    "exists": lambda _: lambda _: True,
}
"""How a clause is decided for a value; None where only the engine can."""
