"""Whether a correlation can find anything in a span, from counts of its events alone.

Of most correlations one search says that they can't: a rule that they need has no event near the
span, or there are too few in all. Many such searches fit into one request. Of the others, most have
few events, which that search brings too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sigma.rule import SigmaRule

from detections.backend.clause import NOTHING
from detections.compiled import Compiled, Query
from detections.correlations.correlation import Correlation
from detections.correlations.parts import Compile, Counts, Interval, PlainParts, Touch, any_of
from detections.events.anchors import Anchor, anchor_of
from detections.events.fields import Hit
from detections.events.identity import ARN
from detections.events.principal import PrincipalView, role_view, views
from detections.events.query_times import times_of
from detections.events.vocabulary import Vocabulary
from detections.span import Span
from trailhound.cluster.reader import has_any, is_any

_OF_ROLES = "of_roles"


def viewed(
    correlation: Correlation, compile_rule: Compile
) -> Iterator[tuple[Correlation, Compile]]:
    """The correlation in each view of the principals it groups by, and what compiles its rules."""
    names = correlation.group_by
    if not correlation.grouped_alike:  # aliases: the parts' own fields are compared
        yield correlation, compile_rule
        return
    for view in views(names):
        by_view = correlation.grouped_by(dict(zip(names, view.fields, strict=True)))
        yield by_view, partial(_in_view, view, compile_rule)


def of_roles(correlation: Correlation, compile_rule: Compile) -> tuple[Correlation, Compile]:
    """The form of a correlation that counts sessions of a role together, and what compiles it."""
    view = role_view(correlation.group_by)
    return correlation.of_roles(), partial(_in_view, view, compile_rule)


def near(anchor: Anchor, correlation: Correlation) -> Interval:
    """The event times of all windows that end in an interval."""
    return correlation.around(anchor.since, anchor.until)


@dataclass(frozen=True, slots=True)
class KnownEvents:
    """What is known of the events of a span that rules are evaluated over, and around it.

    A query that is narrowed by it may miss events that became searchable since.
    """

    span: Span
    around: Span
    vocabulary: Vocabulary

    def touched(self, query: Query) -> Query:
        """A query for events of the span, narrowed."""
        return self.vocabulary.narrowed(query)

    def days_of(self, query: Query) -> frozenset[str] | None:
        """The UTC days that may have events of a narrowed query; None for all that it allows."""
        times = times_of(query)
        if times is None or times[0] < self.around.since or times[1] >= self.around.until:
            return None
        return self.vocabulary.days_of(query)

    def compiling(self, compile_rule: Compile, interval: Interval) -> Compile:
        """What compiles rules for the events of an interval, narrowed where all of it is known."""
        if self.around.clock != "@timestamp":
            return compile_rule
        since, until = self.around.milliseconds()
        if interval[0] < since or interval[1] >= until:
            return compile_rule
        return lambda rule: compile_rule(rule).narrowed(self.vocabulary.narrowed)


@dataclass(frozen=True, slots=True)
class Promising:
    """A correlation in one view that may find something. `touched` finds its events in the span;
    `counts`, where they are known, are of all its windows, as are `hits`, by time."""

    correlation: Correlation
    compile_rule: Compile
    touched: Query
    counts: Counts | None
    hits: Sequence[Hit] | None = None


class Prospect:
    """A correlation in one view and a span: `body` is the search whose answer says enough, also
    about the form that counts sessions of a role together, which has no other events."""

    def __init__(
        self,
        correlation: Correlation,
        compile_rule: Compile,
        span: Span,
        known: KnownEvents | None = None,
    ) -> None:
        leaves = any_of([compile_rule(rule).query for rule in correlation.leaves()])
        self.touched = in_span(leaves, span, known)
        self.body = has_any(self.touched)
        self._correlation = correlation
        self._compile = compile_rule
        self._parts: PlainParts | None = None
        self._of_roles: tuple[Correlation, Compile] | None = None
        if correlation.by_role and ARN in correlation.group_by:
            self._of_roles = of_roles(correlation, compile_rule)
        # By `event.ingested` the other events of its windows may be of any time.
        if not correlation.nested and span.clock == "@timestamp":
            interval = near(anchor_of(span, correlation.max_window), correlation)
            narrow = compile_rule if known is None else known.compiling(compile_rule, interval)
            self._parts = PlainParts(correlation, narrow, Touch(span))
            self.body = self._parts.counting_with_hits(interval)
            if self._of_roles is not None:
                self.body["aggs"][_OF_ROLES] = self._parts.counting_in(
                    role_view(correlation.group_by)
                )

    def promising(self, answer: Mapping[str, Any]) -> list[Promising]:
        """What to search further, by the answer to `body`; empty where there is nothing to find."""
        counts: Counts | None = None
        hits: Sequence[Hit] | None = None
        if self._parts is None:
            worth = is_any(answer)
        else:
            counts = self._parts.counts(answer)
            worth = bool(counts.touched) and self._correlation.possible(counts.by_leaf)
            hits = self._parts.all_hits(answer) if worth else None
        if not worth:
            return []
        found = [Promising(self._correlation, self._compile, self.touched, counts, hits)]
        if self._of_roles is not None and self._roles_may(answer):
            found.append(Promising(*self._of_roles, self.touched, None))
        return found

    def _roles_may(self, answer: Mapping[str, Any]) -> bool:
        if self._parts is None:
            return True
        counted = self._parts.counts_in(answer["aggregations"][_OF_ROLES])
        return self._correlation.possible(counted)


def in_span(query: Query, span: Span, known: KnownEvents | None = None) -> Query:
    """The events of a query in a span; `NOTHING` where it is known that there are none."""
    narrowed = query if known is None else known.touched(query)
    return NOTHING if narrowed == NOTHING else {"bool": {"filter": [narrowed, span.query()]}}


def _in_view(view: PrincipalView, compile_rule: Compile, rule: SigmaRule) -> Compiled:
    return view.of(compile_rule(rule))
