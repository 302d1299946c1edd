"""Which alerts a channel gets in one message: those of one incident, and twins in any case.

A channel gets a message for an incident when its first alert is due, and one more when an alert is
more severe than that message. Which messages were sent is read from the deliveries recorded in the
incident's alerts, so the next run completes a run that was interrupted. Closed alerts do not count:
an incident with new alerts after it was closed gets a message again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.paging import every
from detections.alerts.twins import TWIN_KEY
from detections.rule import LEVELS, Level
from trailhound.batching import batched

SENT: Final = "sent"
FOLDED: Final = "folded"
"""States of an alert's delivery. `folded`: it needs no message of its own, because the message of
another alert (`into`), sent at `level`, covers it."""

OTHERS: Final = 10
"""Other alerts of the incident that a message names."""
_IDS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Due:
    """An alert to be sent to a channel. `pending`: the alert's document has a delivery entry for
    the channel. `about`: the subject of its message: the id of its incident, else the key that its
    twins share, else its own id. `learning`: it is in no message of its own, but in the digest of a
    day."""

    name: str
    level: Level
    last_seen: datetime
    pending: bool
    about: str
    learning: bool = False


@dataclass(frozen=True, slots=True)
class Notified:
    """What a channel was sent about an incident: the alert of the message, and its level; None
    where nothing was sent. `waits`: a message failed and is retried later."""

    by: str = ""
    level: Level | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """One message: it is about `lead`, and covers the `others`."""

    lead: Due
    others: tuple[Due, ...] = ()

    @property
    def alerts(self) -> tuple[Due, ...]:
        return (self.lead, *self.others)


@dataclass(slots=True)
class Bundled:
    """`send`: the messages, in the order of their leads. `covered`: alerts that need no message,
    each with the message that covers it. `waiting`: number of alerts that wait for the retry of a
    failed message. `learning`: alerts that only the digest of a learning period tells of."""

    send: list[Bundle] = field(default_factory=list)
    learning: list[Due] = field(default_factory=list)
    covered: list[tuple[Due, Notified]] = field(default_factory=list)
    waiting: int = 0


def covers(notified: Notified, level: Level) -> bool:
    """Whether an alert of this level needs no message of its own."""
    return notified.level is not None and _rank(level) <= _rank(notified.level)


def bundled(due: Sequence[Due], notified: Mapping[str, Notified]) -> Bundled:
    """The messages for `due`, which is ordered by severity, the most severe first; `notified` is by
    `Due.about`."""
    groups: dict[str, list[Due]] = {}
    made = Bundled()
    for each in sorted(due, key=lambda each: each.learning):
        known = notified.get(each.about, Notified())
        if covers(known, each.level):
            made.covered.append((each, known))
        elif known.waits:
            made.waiting += 1
        elif each.learning and each.about not in groups:
            made.learning.append(each)
        else:
            groups.setdefault(each.about, []).append(each)
    made.send = [Bundle(several[0], tuple(several[1:])) for several in groups.values()]
    return made


def notified_of(
    client: OpenSearch, index: str, channel: str, by: str, values: Iterable[str], now: datetime
) -> dict[str, Notified]:
    """What the channel was sent about the alerts that have these `values` in the field `by`: value
    → message. Raises opensearch-py's exceptions."""
    names = sorted(set(values))
    found: dict[str, Notified] = {}
    tried = [{"term": {f"delivery.{name}": channel}} for name in ("done", "pending")]
    for some in batched(names, _IDS_AT_ONCE):
        clauses: list[Mapping[str, Any]] = [
            {"terms": {by: some}},
            {"bool": {"should": tried, "minimum_should_match": 1}},
        ]
        but = [{"term": {"state": "closed"}}, {"exists": {"field": "merged_into"}}]
        fields = (by, "level", "delivery")
        for alert, document in every(client, index, clauses, but=but, fields=fields):
            log = document["delivery"].get("log", {}).get(channel, {})
            before = found.get(document[by], Notified())
            found[document[by]] = _with(before, alert, document["level"], log, now)
    return found


def _with(
    notified: Notified, alert: str, level: Level, log: Mapping[str, Any], now: datetime
) -> Notified:
    match log.get("state"):
        case "sent" | "folded":
            logged: Level = log.get("level") or level
            if not covers(notified, logged):
                return Notified(log.get("into") or alert, logged, notified.waits)
        case "pending" if log.get("next_at") and datetime.fromisoformat(log["next_at"]) > now:
            return Notified(notified.by, notified.level, waits=True)
    return notified


def _rank(level: Level) -> int:
    return LEVELS.index(level)


def others_of(client: OpenSearch, index: str, incident: str, lead: str) -> dict[str, Any]:
    """The part of a message on the incident: its `id`, the number of its `alerts` that are not
    closed, and the most severe `others` (up to `OTHERS`). Empty where there are no others. Twins
    count as one alert. Raises opensearch-py's exceptions."""
    but = [{"term": {"state": "closed"}}, {"exists": {"field": "merged_into"}}]
    found = every(
        client,
        index,
        [{"term": {"incident": incident}}],
        but=but,
        fields=("level", "rule.name", "summary", TWIN_KEY),
        sort=[{"severity": "desc"}, {"first_seen": "asc"}],
    )
    members = list(found)
    own = next((it.get(TWIN_KEY) for name, it in members if name == lead), "") or lead
    variants: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for name, document in members:
        variants.setdefault(document.get(TWIN_KEY) or name, (name, document))
    others = [each for key, each in variants.items() if key != own]
    if not others:
        return {}
    return {
        "id": incident,
        "alerts": len(others) + 1,
        "others": [
            {
                "id": name,
                "level": document["level"],
                "rule": document["rule"]["name"],
                "summary": document.get("summary", ""),
            }
            for name, document in others[:OTHERS]
        ],
    }
