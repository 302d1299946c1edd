"""On which days the rules that build on a rule would have reported its calls.

Where an event alone is an alert, a call that the rule finds is one that it reports. A correlation
reports only where its condition is met, and a `new_terms` rule only what is new: a call below that
may be made every day without a word, and must not become known by it, or the mass act that the rule
is for would be left out. So a day counts for such a rule's part only if the rule itself would have
found the call on that day. What other known automation did does not help: it is left out as the
rule leaves it out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from ipaddress import ip_network
from typing import Final

from opensearchpy import OpenSearch

from detections.alerts.event_query import counted_parts, group_clauses
from detections.automation.learning import Pattern, known_until, midnight
from detections.automation.observing import A_ROLES_SESSION, daily_patterns
from detections.automation.relation import Relation, Trusted, relation_of
from detections.automation.trusting import asks, trusting
from detections.compiled import Compiled, Query
from detections.correlations.correlation import Correlation
from detections.correlations.parts import any_of
from detections.events.identity import ARN, ISSUER
from detections.events.index import EventIndex
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import Rule
from detections.running.evaluation import Evaluator
from detections.span import Span
from trailhound.batching import batched
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.errors import RuleError
from trailhound.settings import Settings
from trailhound.state.known_automation import KnownAutomation

_FINDINGS: Final = 100
"""Findings whose events are searched by one request."""

Days = Mapping[Pattern, Collection[date]]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule to be evaluated on a day, over the events of some roles, or of all; and the entries
    that it leaves out."""

    rule_id: str
    day: date
    roles: tuple[str, ...]
    known: Relation


class ReportableDays:
    """For the rules of a pack. What was found of a day is kept until another day begins, so that
    learning again within a day costs little."""

    def __init__(self, client: OpenSearch, settings: Settings, pack: Pack) -> None:
        self._client = client
        self._settings = settings
        self._chosen = settings.detections.known_automation
        self._pack = pack
        self._users = users_of(pack)
        self._index = EventIndex(client, Names(settings.prefix).days)
        self._today: date | None = None
        self._found: dict[tuple[str, date, tuple[str, ...], tuple[Trusted, ...]], set[Pattern]] = {}

    def of(
        self, days: Days, entries: Collection[KnownAutomation], today: date
    ) -> dict[Pattern, set[date]]:
        """Those of `days` that count for learning `today`. Days that are too few anyway are
        returned as they are. Raises `ClusterError`."""
        if today != self._today:
            self._today, self._found = today, {}
        made = {pattern: set(each) for pattern, each in days.items()}
        known = relation_of(self._chosen, entries)
        nothing = Relation([])
        kept = [each for each in entries if each.forgotten is None]
        trusted = relation_of(self._chosen, kept).entries
        wanted: dict[tuple[str, bool], list[Pattern]] = defaultdict(list)
        for pattern, each in made.items():
            users = self._users.get(pattern.rule_id, ())
            if not users:
                made[pattern] = set()
            elif known_until(each, today, self._chosen) is not None:
                # What is known or trusted already goes on by what it does, left out or not.
                own = any(covers(entry, pattern) for entry in trusted)
                for user in users:
                    if not user.is_plain:
                        wanted[user.id, own].append(pattern)
        for (name, own), patterns in wanted.items():
            roles = tuple(sorted({pattern.role for pattern in patterns}))
            for day in sorted(set().union(*(made[pattern] for pattern in patterns))):
                asked = _Asked(name, day, roles, nothing if own else known)
                found = self._found_by(asked)
                for pattern in patterns:
                    if pattern not in found:
                        made[pattern].discard(day)
        return made

    def _found_by(self, asked: _Asked) -> set[Pattern]:
        key = asked.rule_id, asked.day, asked.roles, tuple(asked.known.entries)
        if key not in self._found:
            self._found[key] = set(self._evaluated(asked))
        return self._found[key]

    def _evaluated(self, asked: _Asked) -> Iterator[Pattern]:
        rule = next(each for each in self._pack.rules if each.id == asked.rule_id)
        rules = {
            name: trusting(self._pack.compiled[name], name, asked.known) for name in parts_of(rule)
        }
        compiled = rules
        if asked.roles and _groups_by_role(rule):
            roles: Query = {"terms": {ISSUER: list(asked.roles)}}
            compiled = {name: _restricted(each, roles) for name, each in rules.items()}
        span = Span(midnight(asked.day), midnight(asked.day + timedelta(days=1)))
        of_part: dict[str, list[Query]] = defaultdict(list)
        try:
            for found in Evaluator(self._client, self._settings, compiled).evaluate(rule, span):
                within = {"gte": found.first_seen.isoformat(), "lte": found.last_seen.isoformat()}
                for name, own in counted_parts(rule, found.group)[0]:
                    clauses = [{"range": {"@timestamp": within}}, *group_clauses(own)]
                    of_part[name].append({"bool": {"filter": clauses}})
        except RuleError:
            return  # the rule's own run reports it; what it cannot look at teaches nothing
        dialect = dialect_of(self._client)
        for name in (each for each in of_part if asks(self._pack.compiled[each])):
            query = rules[name].on(dialect).query
            for some in batched(of_part[name], _FINDINGS):
                filters = [query, span.query(), A_ROLES_SESSION, any_of(some)]
                made: Query = {"bool": {"filter": filters}}
                for each in daily_patterns(self._index, name, made, self._chosen):
                    yield each.pattern


def users_of(pack: Pack) -> Mapping[str, list[Rule]]:
    """The id of each compiled rule → the rules that raise alerts about its events: itself,
    and correlations that refer to it."""
    found: dict[str, list[Rule]] = defaultdict(list)
    for rule in pack.alerting:
        for name in parts_of(rule):
            found[name].append(rule)
    return found


def asking(pack: Pack) -> frozenset[str]:
    """The ids of the rules that leave out known automation, themselves or in what they count."""
    return frozenset(
        rule.id
        for rule in pack.alerting
        if any(asks(pack.compiled[name]) for name in parts_of(rule) if name in pack.compiled)
    )


def parts_of(rule: Rule) -> list[str]:
    """The ids of the plain rules whose events a rule looks at; its own where it is none of them."""
    if not rule.is_correlation:
        return [rule.id]
    try:
        return [rule_id(leaf) for leaf in Correlation.of(rule.definition).leaves()]
    except RuleError:
        return []


def covers(entry: Trusted, pattern: Pattern) -> bool:
    """Whether an entry is about the same calls as a pattern, at any time.

    >>> pattern = Pattern("r", "1", "arn:role", "AROA", "ec2.amazonaws.com", "Run", "10.0.0.0/24")
    >>> covers(Trusted("arn:role", "Run", "10.0.0.0/8"), pattern)
    True
    """
    for name in ("rule_id", "account", "role_id", "source"):
        if getattr(entry, name) not in ("", getattr(pattern, name)):
            return False
    if (entry.role, entry.call, entry.endpoint) != (pattern.role, pattern.call, pattern.endpoint):
        return False
    ours, theirs = ip_network(pattern.network), ip_network(entry.network, strict=False)
    return ours.version == theirs.version and ours.subnet_of(theirs)  # type: ignore[arg-type]


def _groups_by_role(rule: Rule) -> bool:
    """Whether all events of a group are of one role, so that other roles cannot matter to it."""
    if not rule.is_correlation:
        return False
    correlation = Correlation.of(rule.definition)
    return correlation.grouped_alike and ARN in correlation.group_by


def _restricted(compiled: Compiled, by: Query) -> Compiled:
    def narrowed(query: Query) -> Query:
        return {"bool": {"filter": [query, by]}}

    return replace(
        compiled.narrowed(narrowed), plain=narrowed(compiled.plain) if compiled.plain else {}
    )
