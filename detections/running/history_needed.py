"""Which rules compare with more history than the index has, for the scheduled job's note."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from detections.events.index import EventIndex
from detections.kinds.anomaly import TRAINED_WITHIN, Anomaly
from detections.kinds.learning import DAY, PastDays
from detections.kinds.new_terms import NewTerms
from detections.rule import Rule
from detections.running.job_note import HISTORY
from detections.span import milliseconds
from trailhound.plural import plural

_NAMED = 5


def history_needed(index: EventIndex, rules: Sequence[Rule], now: datetime) -> str:
    """A sentence on the rules for which the events before today are too few; empty if none is.

    Raises `ClusterError`.
    """
    asking = [(rule, days) for rule in rules if (days := _days(rule))]
    if not asking:
        return ""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    found = index.search({"aggs": {"first": {"min": {"field": "@timestamp"}}}})
    first = (found.get("aggregations") or {}).get("first", {}).get("value")
    age = 0 if first is None else max(0, (milliseconds(today) - int(first)) // DAY)
    with_events = PastDays(index, {"match_all": {}}).before(milliseconds(today))
    learning = [(rule, days) for rule, days in asking if _learns(rule) and with_events < days]
    waiting = [(rule, days) for rule, days in asking if not _learns(rule) and age < days]
    sentences = []
    if learning:
        sentences.append(f"one message a day about alerts of {_named(learning)}")
    if waiting:
        sentences.append(f"no finding yet about principals without a past, by {_named(waiting)}")
    if not sentences:
        return ""
    number = plural(with_events, "day")
    return f"{HISTORY}{number} of the {TRAINED_WITHIN} before today: {'; '.join(sentences)}"


def _days(rule: Rule) -> int:
    """The days of history that a rule needs; 0 if none."""
    made = rule.definition
    if isinstance(made, NewTerms):
        return made.training_days
    if isinstance(made, Anomaly):
        return made.training_days or made.training_weeks * 7
    return 0


def _learns(rule: Rule) -> bool:
    """Whether a rule finds something without history too, and marks it."""
    return isinstance(rule.definition, Anomaly) and rule.definition.training_days > 0


def _named(rules: Sequence[tuple[Rule, int]]) -> str:
    names = [f"{rule.title} (needs {days})" for rule, days in rules[:_NAMED]]
    more = len(rules) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
