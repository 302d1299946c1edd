"""Which alerts a channel gets in one message: those of one incident, and twins in any case.

A channel is told of an incident when its first alert is due, and once more when one is more severe
than what it was told. What it was told follows from the deliveries that are recorded in the
incident's alerts: a run that stopped in between is completed by the next one. Alerts that are
closed do not count, so that an incident that goes on after it was closed is told again.
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
"""An alert's delivery: it is in the message of another alert, `into`, which had `level`."""

OTHERS: Final = 10
"""Other alerts of the incident that a message names."""
_IDS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Due:
    """An alert to be sent to a channel. `pending`: the alert's document has an entry for it.
    `about`: what its message is about: the incident, or what twins have in common, or itself."""

    name: str
    level: Level
    last_seen: datetime
    pending: bool
    about: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was told of an incident: by which alert, at which level. `waits`: a message
    failed and is tried again later."""

    by: str = ""
    level: Level | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """One message: about `lead`, and the `others` that need none then."""

    lead: Due
    others: tuple[Due, ...] = ()

    @property
    def alerts(self) -> tuple[Due, ...]:
        return (self.lead, *self.others)


@dataclass(slots=True)
class Bundled:
    """`send`: the messages, in the order of their leads. `covered`: alerts that need no message,
    and the incident's that was sent. `waiting`: how many wait with a message that failed."""

    send: list[Bundle] = field(default_factory=list)
    covered: list[tuple[Due, Told]] = field(default_factory=list)
    waiting: int = 0


def covers(told: Told, level: Level) -> bool:
    """Whether an alert of this level needs no message of its own."""
    return told.level is not None and _rank(level) <= _rank(told.level)


def bundled(due: Sequence[Due], told: Mapping[str, Told]) -> Bundled:
    """Due alerts, the most severe first, by message."""
    groups: dict[str, list[Due]] = {}
    made = Bundled()
    for each in due:
        known = told.get(each.about, Told())
        if covers(known, each.level):
            made.covered.append((each, known))
        elif known.waits:
            made.waiting += 1
        else:
            groups.setdefault(each.about, []).append(each)
    made.send = [Bundle(several[0], tuple(several[1:])) for several in groups.values()]
    return made


def told_of(
    client: OpenSearch, index: str, channel: str, by: str, values: Iterable[str], now: datetime
) -> dict[str, Told]:
    """What the channel was told of the alerts that have these values of the field `by`."""
    names = sorted(set(values))
    found: dict[str, Told] = {}
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
            before = found.get(document[by], Told())
            found[document[by]] = _with(before, alert, document["level"], log, now)
    return found


def _with(told: Told, alert: str, level: Level, log: Mapping[str, Any], now: datetime) -> Told:
    match log.get("state"):
        case "sent" | "folded":
            said: Level = log.get("level") or level
            if not covers(told, said):
                return Told(log.get("into") or alert, said, told.waits)
        case "pending" if log.get("next_at") and datetime.fromisoformat(log["next_at"]) > now:
            return Told(told.by, told.level, waits=True)
    return told


def _rank(level: Level) -> int:
    return LEVELS.index(level)


def others_of(client: OpenSearch, index: str, incident: str, lead: str) -> dict[str, Any]:
    """What a message says of the incident: `alerts`, how many it has that are not closed, and the
    most severe `others`. Empty where there are none. Twins are one alert."""
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
