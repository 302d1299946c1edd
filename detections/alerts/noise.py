"""Which rules raise the most alerts, how these were judged, about whom they are, and what would
make a rule raise fewer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.paging import every
from detections.alerts.store import AlertQuery
from detections.rule import Level
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.plural import plural
from trailhound.settings import Settings

PRINCIPALS: Final = 5
"""Principals that are named, those with the most alerts first."""
FEW: Final = 5
"""Fewer alerts are no reason to change a rule."""
_MOST: Final = 0.5
"""The share of the alerts from which one principal is the reason of the noise."""
_MERGED: Final = {"exists": {"field": "merged_into"}}
_DAY: Final = 86_400.0


@dataclass(slots=True)
class RuleNoise:
    """The alerts of one rule. `not_closed` are open or acknowledged; `judged` were closed as true
    positive, false positive or benign, `harmless` as one of the latter two. `principals`: number of
    alerts by principal; an alert may have several. `example`: the latest alert of the first of
    them; empty where there are fewer than `FEW` alerts."""

    id: str
    title: str
    kind: str
    level: Level
    alerts: int = 0
    not_closed: int = 0
    judged: int = 0
    harmless: int = 0
    per_day: float = 0.0
    principals: Counter[str] = field(default_factory=Counter)
    example: str = ""

    @property
    def share(self) -> float | None:
        """Of the judged alerts, the share that was harmless; None if none was judged."""
        return round(self.harmless / self.judged, 4) if self.judged else None

    def named(self) -> list[tuple[str, int]]:
        """The principals with the most alerts, and the number of each."""
        return sorted(self.principals.items(), key=lambda it: (-it[1], it[0]))[:PRINCIPALS]

    def suggestion(self) -> tuple[str, str]:
        """What would make the rule raise fewer alerts, and the command to try it with; empty where
        it raises few, or was mostly right.

        >>> ada = Counter(ada=8)
        >>> RuleNoise("i", "A", "sigma", "low", 9, principals=ada, example="5f1c").suggestion()[0]
        '8 of 9 are about ada: an exception for them'
        >>> RuleNoise("i", "A", "anomaly", "low", 9, example="5f1c").suggestion()[0]
        'about 0 principals: a higher `min_count` or `deviations` in detections.overrides'
        """
        if self.alerts < FEW or not self.example or (self.share is not None and self.share < _MOST):
            return "", ""
        for name, number in self.named()[:1]:
            if number >= _MOST * self.alerts:
                reason = f"{number:,} of {self.alerts:,} are about {name}: an exception for them"
                return reason, f"trailhound rules except {self.example} --by principal --dry-run"
        about = f"about {plural(len(self.principals), 'principal')}"
        if (options := _OPTIONS.get(self.kind)) is not None:
            return (
                f"{about}: {options} in detections.overrides",
                "trailhound rules backtest --since 30d",
            )
        return (
            f"{about}: an exception for what they share, or a lower level in detections.overrides",
            f"trailhound rules except {self.example} --dry-run",
        )

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        reason, command = self.suggestion()
        return {
            "id": self.id,
            "title": self.title,
            "kind": self.kind,
            "level": self.level,
            "alerts": self.alerts,
            "per_day": self.per_day,
            "not_closed": self.not_closed,
            "judged": self.judged,
            "harmless": self.share,
            "principals": len(self.principals),
            "top_principals": [{"name": name, "alerts": count} for name, count in self.named()],
            "suggestion": {"reason": reason, "command": command} if reason else None,
        }


_OPTIONS: Final[Mapping[str, str]] = {
    "correlation": "a higher `threshold` or a shorter `timespan`",
    "anomaly": "a higher `min_count` or `deviations`",
    "new_terms": "more `training_days`",
    "impossible_travel": "a higher `max_kmh` or `min_km`",
}
"""What an override can change, by kind of rule."""


def noise(
    client: OpenSearch, settings: Settings, query: AlertQuery, since: datetime, until: datetime
) -> list[RuleNoise]:
    """Every rule with an alert that matches, the noisiest first. `since` and `until` are the span
    of the rate. Raises `ClusterError`."""
    index = Names(settings.prefix).alerts
    make_searchable(client, index, required=True)
    reader = IndexReader(client, index)
    asked = {"bool": {"filter": query.query(), "must_not": [_MERGED]}}
    found = _counted(reader, asked)
    sources = [
        {"id": {"terms": {"field": "rule.id"}}},
        {"principal": {"terms": {"field": "entity.principal"}}},
    ]
    for bucket in reader.buckets(asked, sources):
        if (rule := found.get(bucket["key"]["id"])) is not None:
            rule.principals[bucket["key"]["principal"]] = bucket["doc_count"]
    days = max(1.0, (until - since).total_seconds() / _DAY)
    for rule in found.values():
        rule.per_day = round(rule.alerts / days, 2)
        if rule.alerts >= FEW:
            rule.example = _example(client, index, query, rule)
    return sorted(found.values(), key=lambda it: (-it.alerts, it.title, it.id))


def _counted(reader: IndexReader, asked: Mapping[str, Any]) -> dict[str, RuleNoise]:
    """The alerts by rule, state and disposition."""
    sources: list[dict[str, Any]] = [
        *({name: {"terms": {"field": f"rule.{name}"}}} for name in ("id", "name", "kind", "level")),
        {"state": {"terms": {"field": "state"}}},
        {"as": {"terms": {"field": "disposition", "missing_bucket": True}}},
    ]
    found: dict[str, RuleNoise] = {}
    for bucket in reader.buckets(asked, sources):
        key, count = bucket["key"], bucket["doc_count"]
        made = RuleNoise(key["id"], key["name"], key["kind"], key["level"])
        rule = found.setdefault(key["id"], made)
        rule.alerts += count
        if key["state"] != "closed":
            rule.not_closed += count
        elif key["as"] in ("true-positive", "false-positive", "benign"):
            rule.judged += count
            rule.harmless += count if key["as"] != "true-positive" else 0
    return found


def _example(client: OpenSearch, index: str, query: AlertQuery, rule: RuleNoise) -> str:
    clauses = [*query.query(), {"term": {"rule.id": rule.id}}]
    clauses += [{"term": {"entity.principal": name}} for name, _ in rule.named()[:1]]
    latest = {"last_seen": "desc"}
    found = every(client, index, clauses, but=[_MERGED], fields=(), sort=[latest], limit=1, page=1)
    return "".join(name for name, _ in found)
