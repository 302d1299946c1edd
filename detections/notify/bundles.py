"""Which alerts a channel gets in one message: those of one incident, and twins in any case.

A channel gets a message for an incident when its first alert is due. It gets one more when an alert
is more severe than that message, or with it the incident is more than its alerts in a way that no
message has said (`detections.incidents.raising`), or is at least `NEW_RULES_FROM` and of a rule
that no message about the incident named, or has a call that succeeded where messages named attempts
alone: of its rule, or of all rules. Which messages were sent is read from the deliveries recorded
in the incident's alerts, so the next run completes a run that was interrupted. Closed alerts do not
count: an incident with new alerts after it was closed gets a message again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.paging import every
from detections.alerts.twins import TWIN_KEY
from detections.incidents.raising import TO, Standing
from detections.rule import LEVELS, Level
from trailhound.batching import batched

SENT: Final = "sent"
FOLDED: Final = "folded"
"""States of an alert's delivery. `folded`: it needs no message of its own, because the message of
another alert (`into`), sent at `level`, covers it."""

NEW_RULES_FROM: Final[Level] = "high"
"""The level from which on an alert of a rule that no message of its incident named gets one."""
RULES: Final = "rules"
"""The member of a recorded delivery that has the titles of the rules that its message named."""
GROUNDS: Final = "grounds"
"""The member of a recorded delivery that has why the incident is more than its alerts."""
KEY: Final = "incident_key"
"""The member of a recorded delivery that has the key of the message's incident (`IncidentKey`)."""
ATTEMPT: Final = " (attempt)"
"""What is appended to the names of an alert of which no call succeeded: a message about it covers
no alert of a call that did."""
_IDS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Due:
    """An alert to be sent to a channel. `pending`: the alert's document has a delivery entry for
    the channel. `about`: the subject of its message: the id of its incident, else the key that its
    twins share, else its own id. `learning`: it is in no message of its own, but in the digest of a
    day. `known_by`: as in `known_by`; empty if its message is about no incident. `significance`: as
    in `detections.incidents.significance`; the most significant one of a message is its subject.
    `standing`: of its incident, where that is more than the alert (`detections.incidents.raising`).
    """

    name: str
    level: Level
    last_seen: datetime
    pending: bool
    about: str
    learning: bool = False
    known_by: frozenset[str] = frozenset()
    significance: tuple[Any, ...] = ()
    standing: Standing | None = None

    @property
    def grounds(self) -> frozenset[str]:
        """Why its incident is more than its alerts."""
        return self.standing.grounds if self.standing is not None else frozenset()

    @property
    def told_at(self) -> Level:
        """The level of a message about it: its own, or that to which facts add up."""
        return max(self.level, TO, key=LEVELS.index) if self.grounds else self.level


@dataclass(frozen=True, slots=True)
class Notified:
    """What a channel was sent about an incident: the alert of the most severe message, and its
    level; None where nothing was sent. `named`: the titles of the rules that messages named, and
    the keys that alerts of these rules share with their twins. `grounds`: why messages said that
    the incident is more than its alerts. `waits`: a message failed and is retried later."""

    by: str = ""
    level: Level | None = None
    waits: bool = False
    named: frozenset[str] = frozenset()
    grounds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Bundle:
    """One message: it is about `lead`, and the `others` are in it. `before`: what was sent about
    the incident before."""

    lead: Due
    others: tuple[Due, ...] = ()
    before: Notified = Notified()

    @property
    def alerts(self) -> tuple[Due, ...]:
        return (self.lead, *self.others)


@dataclass(slots=True)
class Bundled:
    """`send`: the messages, in the order of their leads. `covered`: alerts that need no message,
    each with the message that covers it. `waiting`: number of alerts that wait for the retry of a
    failed message. `learning`: alerts that only the digest of a learning period mentions."""

    send: list[Bundle] = field(default_factory=list)
    learning: list[Due] = field(default_factory=list)
    covered: list[tuple[Due, Notified]] = field(default_factory=list)
    waiting: int = 0


def known_by(document: Mapping[str, Any]) -> frozenset[str]:
    """The names by which an alert is found among those in `Notified.named`: the title of its rule,
    and the key that its twins share, marked if it is an attempt."""
    names = filter(None, (document["rule"]["name"], document.get(TWIN_KEY)))
    return frozenset(marked(name, document) for name in names)


def marked(name: str, document: Mapping[str, Any]) -> str:
    """A name of an alert, marked if the alert is an attempt."""
    return f"{name}{ATTEMPT}" if document.get("attempt") else name


def covers(notified: Notified, due: Due) -> bool:
    """Whether an alert needs no message of its own."""
    if notified.level is None or _rank(due.told_at) > _rank(notified.level):
        return False
    if due.grounds - notified.grounds:
        return False
    level, known_by = due.level, due.known_by
    plain = {name.removesuffix(ATTEMPT) for name in known_by}
    if not known_by or not notified.named.isdisjoint(known_by | plain):
        return True
    attempts = {name for name in notified.named if name.endswith(ATTEMPT)}
    succeeded = {f"{name}{ATTEMPT}" for name in known_by if not name.endswith(ATTEMPT)}
    if succeeded & attempts or (succeeded and attempts and attempts == notified.named):
        return False
    return _rank(level) < _rank(NEW_RULES_FROM)


def bundled(due: Sequence[Due], notified: Mapping[str, Notified]) -> Bundled:
    """The messages for `due`, which is ordered by severity, the most severe first; `notified` is by
    `Due.about`."""
    groups: dict[str, list[Due]] = {}
    made = Bundled()
    for each in sorted(due, key=lambda each: each.learning):
        known = notified.get(each.about, Notified())
        if covers(known, each):
            made.covered.append((each, known))
        elif known.waits:
            made.waiting += 1
        elif each.learning and each.about not in groups:
            made.learning.append(each)
        else:
            groups.setdefault(each.about, []).append(each)
    for about, several in groups.items():
        lead, *others = sorted(several, key=lambda each: each.significance)
        made.send.append(Bundle(lead, tuple(others), notified.get(about, Notified())))
    return made


def notified_of(
    client: OpenSearch, index: str, channel: str, by: str, values: Iterable[str], now: datetime
) -> dict[str, Notified]:
    """What the channel was sent about the alerts that have these `values` in the field `by`: value
    → message. Raises opensearch-py's exceptions."""
    names = sorted(set(values))
    tried: dict[str, list[Mapping[str, Any]]] = {}
    either = [{"term": {f"delivery.{name}": channel}} for name in ("done", "pending")]
    for some in batched(names, _IDS_AT_ONCE):
        clauses: list[Mapping[str, Any]] = [
            {"terms": {by: some}},
            {"bool": {"should": either, "minimum_should_match": 1}},
        ]
        but = [{"term": {"state": "closed"}}, {"exists": {"field": "merged_into"}}]
        fields = (by, "level", "delivery", "rule.name", "attempt", "succeeded", TWIN_KEY)
        for alert, document in every(client, index, clauses, but=but, fields=fields):
            tried.setdefault(document[by], []).append({"id": alert} | document)
    return {name: _notified(alerts, channel, now) for name, alerts in tried.items()}


def _notified(alerts: Sequence[Mapping[str, Any]], channel: str, now: datetime) -> Notified:
    """What the channel was sent about alerts of one incident."""
    logs = [(each, each["delivery"].get("log", {}).get(channel, {})) for each in alerts]
    # The last release recorded no rules: its messages named at least the alert's own.
    rules = {
        title
        for each, log in logs
        for title in log.get(RULES) or (_sent_title(each) if log.get("state") == SENT else [])
    }
    twins = {name for each, _ in logs for name in known_by(each) if rules & {*_title(each)}}
    grounds = {ground for _, log in logs for ground in log.get(GROUNDS, ())}
    made = Notified(named=frozenset(rules | twins), grounds=frozenset(grounds))
    for each, log in logs:
        made = _with(made, each["id"], each["level"], log, now)
    return made


def _title(alert: Mapping[str, Any]) -> list[str]:
    return [marked(alert["rule"]["name"], alert)]


def _sent_title(alert: Mapping[str, Any]) -> list[str]:
    """The title in a message that was sent before a call succeeded, if it was an attempt then."""
    return _title({**alert, "attempt": True} if alert.get("succeeded") else alert)


def _with(
    notified: Notified, alert: str, level: Level, log: Mapping[str, Any], now: datetime
) -> Notified:
    match log.get("state"):
        case "sent" | "folded":
            logged: Level = log.get("level") or level
            if notified.level is None or _rank(logged) > _rank(notified.level):
                return replace(notified, by=log.get("into") or alert, level=logged)
        case "pending" if log.get("next_at") and datetime.fromisoformat(log["next_at"]) > now:
            return replace(notified, waits=True)
    return notified


def _rank(level: Level) -> int:
    return LEVELS.index(level)
