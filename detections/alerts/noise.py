"""Which rules raise the most alerts, how these were judged, about whom they are, and what would
make a rule raise fewer."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.paging import every
from detections.alerts.remedies import FIELDS, Suggestion, about_principal, identity_of
from detections.alerts.set_apart import SetApart, set_apart
from detections.alerts.store import AlertQuery
from detections.events.identity import ISSUER, of_identity_center
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
_READ: Final = 1_000
"""The latest alerts about a principal that are looked at."""
_READ_EVENTS: Final = 20
_MERGED: Final = {"exists": {"field": "merged_into"}}
_DAY: Final = 86_400.0


@dataclass(slots=True)
class RuleNoise:
    """The alerts of one rule. `not_closed` are open or acknowledged; `judged` were closed as true
    positive, false positive or benign, `harmless` as one of the latter two. `principals`: number of
    alerts by principal; an alert may have several. `apart`: alerts that are no reason for any
    suggestion. `example`: of the others the latest alert of the first principal; empty where there
    are fewer than `FEW`. `of_principal`: the suggestion where most are about one principal."""

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
    apart: SetApart = field(default_factory=SetApart)
    example: str = ""
    of_principal: Suggestion | None = None

    @property
    def share(self) -> float | None:
        """Of the judged alerts, the share that was harmless; None if none was judged."""
        return round(self.harmless / self.judged, 4) if self.judged else None

    @property
    def counted(self) -> int:
        """The number of alerts that are a reason for a suggestion."""
        return self.alerts - len(self.apart.ids)

    def named(self) -> list[tuple[str, int]]:
        """The principals with the most alerts, and the number of each."""
        return _first(self.principals, PRINCIPALS)

    @property
    def suggestion(self) -> Suggestion:
        """What would make the rule raise fewer alerts; empty where it raises few, or was mostly
        right.

        >>> RuleNoise("i", "A", "anomaly", "low", 9, example="5f1c").suggestion.reason
        'about 0 principals: a higher `min_count` or `deviations` in detections.overrides'
        """
        if self.is_quiet:
            return Suggestion()
        said = self.apart.in_words
        if self.counted < FEW or not self.example:
            return Suggestion(
                f"nothing is proposed: of {self.alerts:,} alerts {said}; look at these",
                shlex.join(["trailhound", "alerts", "list", "--rule", self.id]),
            )
        made = self._proposed
        return replace(made, reason=f"{made.reason}; {said}") if said else made

    @property
    def _proposed(self) -> Suggestion:
        if self.of_principal is not None:
            return self.of_principal
        about = f"about {plural(len(+(self.principals - self.apart.principals)), 'principal')}"
        if (options := _OPTIONS.get(self.kind)) is not None:
            return Suggestion(
                f"{about}: {options} in detections.overrides",
                "trailhound rules backtest --since 30d",
            )
        return Suggestion(
            f"{about}: an exception for what they share, or a lower level in detections.overrides",
            f"trailhound rules except {self.example} --dry-run",
        )

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is to be done about it."""
        right = self.share is not None and self.share < _MOST
        return self.alerts < FEW or right or not (self.example or self.apart.ids)

    @property
    def mainly(self) -> str:
        """The principal whom at least half of the alerts are about that count; empty where there is
        none."""
        for name, number in _first(self.principals - self.apart.principals):
            if number >= _MOST * self.counted:
                return name
        return ""

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        found = self.suggestion
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
            "suggestion": found.as_dict() if found.reason else None,
            "left_out": dict(self.apart.reasons),
        }


def _first(principals: Counter[str], most: int = 1) -> list[tuple[str, int]]:
    """Those with the most alerts."""
    return sorted(principals.items(), key=lambda it: (-it[1], it[0]))[:most]


_OPTIONS: Final[Mapping[str, str]] = {
    "correlation": "a higher `threshold` or a shorter `timespan`",
    "anomaly": "a higher `min_count` or `deviations`",
    "new_terms": "more `training_days`",
    "impossible_travel": "a higher `max_kmh` or `min_km`",
}
"""What an override can change, by kind of rule."""


def noise(
    client: OpenSearch,
    settings: Settings,
    query: AlertQuery,
    since: datetime,
    until: datetime,
    asking: Collection[str] = (),
) -> list[RuleNoise]:
    """Every rule with an alert that matches, the noisiest first. `since` and `until` are the span
    of the rate; `asking`: the ids of rules that leave out known automation. Raises
    `ClusterError`."""
    names = Names(settings.prefix)
    index = names.alerts
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
    many = [rule.id for rule in found.values() if rule.alerts >= FEW]
    apart = set_apart(client, index, query.query(), many)
    for rule in found.values():
        rule.apart = apart.get(rule.id, rule.apart)
        rule.per_day = round(rule.alerts / days, 2)
        if rule.counted >= FEW:
            rule.example = _example(client, index, query, rule)
            if rule.mainly and not rule.is_quiet:
                rule.of_principal = _of_principal(
                    client, names, query, rule, known_automation=rule.id in asking
                )
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
    of_first = _first(rule.principals - rule.apart.principals)
    clauses += [{"term": {"entity.principal": name}} for name, _ in of_first]
    but, latest = [_MERGED, _apart(rule)], {"last_seen": "desc"}
    found = every(client, index, clauses, but=but, fields=(), sort=[latest], limit=1, page=1)
    return "".join(name for name, _ in found)


def _apart(rule: RuleNoise) -> dict[str, Any]:
    return {"ids": {"values": rule.apart.ids}}


def _of_principal(
    client: OpenSearch,
    names: Names,
    query: AlertQuery,
    rule: RuleNoise,
    *,
    known_automation: bool,
) -> Suggestion:
    """What would make a rule raise fewer alerts about the one whom most are about."""
    who = rule.mainly
    clauses = [*query.query(), {"term": {"rule.id": rule.id}}, {"term": {"entity.principal": who}}]
    fields = (*FIELDS, "evidence.event_id")
    but, latest = [_MERGED, _apart(rule)], {"last_seen": "desc"}
    alerts = list(
        every(client, names.alerts, clauses, but=but, fields=fields, sort=[latest], limit=_READ)
    )
    groups: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for each in alerts:
        groups.setdefault(identity_of(each[1]), []).append(each)
    # Accounts of one organization have roles and users of the same names.
    own = max(groups.values(), key=len, default=[])
    role = _role(client, names.days, own[0][1]) if known_automation and own else ""
    elsewhere = len(alerts) - len(own)
    return about_principal(who, rule.counted, own, role=role, rule=rule.id, elsewhere=elsewhere)


def _role(client: OpenSearch, days: str, alert: Mapping[str, Any]) -> str:
    """The ARN of the role of an alert's session, from an event; empty for others, and for people of
    Identity Center, who are no automation."""
    ids = ((alert.get("evidence") or {}).get("event_id") or ())[:_READ_EVENTS]
    found = IndexReader(client, days).search(
        {"query": {"ids": {"values": list(ids)}}, "size": 1, "_source": [ISSUER]}
    )
    for hit in found.get("hits", {}).get("hits", ()):
        identity = (hit["_source"].get("userIdentity") or {}).get("sessionContext") or {}
        arn = str((identity.get("sessionIssuer") or {}).get("arn") or "")
        return "" if of_identity_center(arn) or ":role/" not in arn else arn
    return ""
