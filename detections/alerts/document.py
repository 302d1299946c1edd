"""Alerts as documents of `trailhound-alerts`: made of a rule and a burst, and their changes of
state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from detections.alerts.burst import FAILED, Burst, EvidenceEvent, pack, unpack
from detections.alerts.discover import discover_url
from detections.alerts.facts import CALLS, LONGEST_VALUE
from detections.alerts.merging import StoredAlert
from detections.alerts.summary import summary, what
from detections.alerts.text import one_line
from detections.alerts.whose import as_named
from detections.attempts import lowered, lowers_attempts
from detections.finding import Group
from detections.rule import Rule

if TYPE_CHECKING:
    from detections.alerts.event_query import EventQuery, Totals

CALL_SUMMARY = "call_summary"
"""The field with the calls in words, since a dashboard column can't show `calls`, a list of
objects."""
_IN_A_COLUMN = 2
"""The most calls in it: more would crowd out the other columns at 1280 pixels."""

RECOUNT = "recount"
"""The field of an alert that alerts written before it follow: true until they are recounted
(`recounting`)."""

PRIVATE = (
    *(CALL_SUMMARY, "counted", "delivery", "group_key", "incident_due", "links", "twin_key"),
    RECOUNT,
)
"""Internal fields, which no command and no message shows."""

_LONGEST_KEY = 128
"""Of an access key, as IAM's AccessKeyId; a forged one may be longer, and hold anything."""
_KEY_TOKEN = "key:"  # noqa: S105 - the kind of a link
"""The prefix of access keys among links (`detections.incidents.actors`)."""
_USER_TOKENS = ("user:", "saml:")
"""The kinds of links by who opens sessions: IAM users, and people of an identity provider."""
"""The prefix of users, who have their account before their name."""

LEARNING = "learning"
"""The field of an alert that was found while its rule had too little history: true, else absent."""

HISTORY = 100
"""The number of latest changes of state that are kept."""

Document = dict[str, Any]

LONGEST_TEXT = 4_000
"""The most characters of a note that are kept."""


def stamp(when: datetime) -> str:
    """A moment as documents have it: UTC, milliseconds, `Z`.

    >>> stamp(datetime(2025, 3, 1, tzinfo=UTC))
    '2025-03-01T00:00:00.000Z'
    """
    utc = when.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def raised(rule: Rule, group: Group, key: str, now: datetime) -> Document:
    """The document of a new alert, without the fields of `counting`."""
    return {
        "@timestamp": stamp(now),
        "rule": {
            "id": rule.id,
            "name": rule.title,
            "kind": rule.kind,
            "level": rule.level,
            "severity": rule.severity,
        },
        "attack": {
            "tactic": list(rule.attack.tactics),
            "technique": list(rule.attack.techniques),
        },
        "description": rule.description,
        "response": list(rule.response),
        "references": list(rule.references),
        "falsepositives": list(rule.falsepositives),
        "group": [one_line(f"{name}={value}", LONGEST_VALUE) for name, value in group],
        "group_key": key,
        "state": "open",
        "state_by": "trailhound",
        "state_at": stamp(now),
        "history": [{"state": "open", "by": "trailhound", "at": stamp(now)}],
    }


_RESULTS: Mapping[bool | None, str] = {
    None: "",
    **{failed: outcome for outcome, failed in FAILED.items()},
}


def counting(
    burst: Burst,
    dashboards_url: str,
    data_view: str,
    *,
    kibana: bool = False,
    query: EventQuery | None = None,
    totals: Totals | None = None,
) -> Document:
    """The part of an alert's document that depends on its burst. `kibana`: the URL is Kibana's.

    `query` and `totals`: of a burst with more events than it names.
    """
    events = [each.id for each in burst.evidence]
    url = discover_url(dashboards_url, data_view, events, burst.first, burst.last, kibana=kibana)
    return {
        "first_seen": stamp(burst.first),
        "last_seen": stamp(burst.last),
        **_counts(burst, totals),
        "entity": {kind: sorted(values) for kind, values in sorted(burst.entities.items())},
        "evidence": {
            "event_id": events,
            "time": [stamp(each.time) for each in burst.evidence],
            "call": [each.call for each in burst.evidence],
            "outcome": [_RESULTS[each.failed] for each in burst.evidence],
            **({"url": url} if url else {}),  # an empty one would be shown as a broken link
            **({"query": query.query, "query_exact": query.exact} if query else {}),
        },
        "reason": burst.detail,
        "counted": {"events": pack(burst.known)},
        **({LEARNING: True} if burst.learning else {}),
    }


def _counts(burst: Burst, totals: Totals | None) -> Document:
    """The fields with the numbers of events, by call and by result."""
    succeeded, only_attempts = burst.succeeded, burst.only_attempts
    if totals is not None:
        succeeded = succeeded or totals.succeeded > 0
        only_attempts = not succeeded
    if totals is not None and totals.exact:
        return {
            "count": totals.count,
            "count_relation": "eq",
            "calls": [
                {"name": one_line(name, LONGEST_VALUE), "count": count, "failed": failed}
                for name, count, failed in totals.calls
            ],
            **_outcome(
                succeeded=succeeded,
                failed=totals.succeeded < totals.count,
                only_attempts=only_attempts,
            ),
        }
    calls: dict[str, Document] = {}
    for each in burst.evidence:
        if each.call:
            call = calls.setdefault(each.call, {"name": each.call, "count": 0, "failed": 0})
            call["count"] += 1
            call["failed"] += each.failed is True
    frequent = sorted(calls, key=lambda name: -calls[name]["count"])[:CALLS]
    return {
        "count": burst.count,
        "count_relation": "eq" if burst.exact else "gte",
        "calls": [call for name, call in calls.items() if name in frequent],
        **_outcome(
            succeeded=succeeded,
            failed=any(each.failed for each in burst.evidence),
            only_attempts=only_attempts,
        ),
    }


def _outcome(*, succeeded: bool, failed: bool, only_attempts: bool) -> Document:
    """`attempt`: nothing of it succeeded."""
    if only_attempts:
        return {"outcome": "failure", "attempt": True}
    if succeeded:
        return {"outcome": "mixed" if failed else "success", "attempt": False}
    return {"outcome": "", "attempt": False}


def levelled(document: Document, rule: Rule, now: datetime) -> Document:
    """An alert with its level, which is lowered by one if no call succeeded.

    Only a new alert is lowered. One that is stored rises to its rule's level with the first
    success, and every channel that takes it is sent it again.
    """
    if "level" not in document:
        level, severity = rule.level, rule.severity
        if document["attempt"] and lowers_attempts(rule):
            level, severity = lowered(level, severity)
        made = document | {"level": level, "severity": severity}
        return made | ({"lowered": True} if level != rule.level else {})
    if document["attempt"] or not document.get("lowered"):
        return document
    own = document["rule"]
    note = f"raised from {document['level']} to {own['level']}: a call succeeded"
    risen = {
        "level": own["level"],
        "severity": own["severity"],
        "lowered": False,
        "raised_from": document["level"],
    }
    if delivery := document.get("delivery"):
        risen["delivery"] = delivery | {"done": []}
    return noted(document, now, note) | risen


def succeeded(document: Document, now: datetime) -> Document:
    """An alert that was an attempt, and of which a call has succeeded: a channel that takes it is
    sent it again. One whose level was lowered rises besides (`levelled`)."""
    delivery = document.get("delivery")
    if document.get("lowered") or not delivery:
        return document
    made = document | {"succeeded": True, "delivery": delivery | {"done": []}}
    return noted(made, now, "a call succeeded: no attempt any more")


def learned(document: Document, now: datetime) -> Document:
    """An alert of a learning period that is none any more, since there is history now: channels
    that had it in the digest of the period are sent it."""
    made = {key: value for key, value in document.items() if key != LEARNING}
    if delivery := made.get("delivery"):
        log = delivery.get("log", {})
        done = [name for name in delivery["done"] if log.get(name, {}).get("state") != LEARNING]
        made["delivery"] = delivery | {"done": done}
    return noted(made, now, "there is enough history now: sent like any other alert")


def noted(document: Document, now: datetime, note: str) -> Document:
    """The document with a note of ours in its history, in the same state."""
    entry = {"state": document["state"], "by": "trailhound", "at": stamp(now), "note": note}
    return document | {"history": [*document.get("history", ()), entry][-HISTORY:]}


def worded(document: Document) -> Document:
    """An alert with its summary sentence, and its calls in words."""
    return document | {
        "summary": summary(document),
        CALL_SUMMARY: what(document, _IN_A_COLUMN),
    }


def known(document: Mapping[str, Any], *, full: int | None) -> StoredAlert:
    """The burst of a stored alert. With `full` or more events it is not extended."""
    evidence = document["evidence"]
    burst = Burst(
        datetime.fromisoformat(document["first_seen"]),
        datetime.fromisoformat(document["last_seen"]),
        document["count"],
        unpack(document["counted"]["events"]),
        tuple(
            EvidenceEvent(datetime.fromisoformat(time), event, call, FAILED.get(outcome))
            for time, event, call, outcome in zip(
                evidence["time"],
                evidence["event_id"],
                _filled(evidence, "call"),
                _filled(evidence, "outcome"),
                strict=True,
            )
        ),
        {kind: frozenset(values) for kind, values in document["entity"].items()},
        document["reason"],
        document["count_relation"] == "eq",
        document.get("outcome") in ("success", "mixed"),
        bool(document.get(LEARNING)),
    )
    frozen = document["state"] == "closed" or (full is not None and burst.count >= full)
    return StoredAlert(burst, frozen, "merged_into" in document)


def _filled(evidence: Mapping[str, Any], name: str) -> list[str]:
    """A text for each event; empty texts for alerts of the last release."""
    found = list(evidence.get(name, ()))
    return found or [""] * len(evidence["event_id"])


def changed_state(document: Document, state: str, by: str, now: datetime, note: str) -> Document:
    """The document in another state, with who changed it, when and why."""
    who = one_line(by, LONGEST_VALUE)
    entry = {"state": state, "by": who, "at": stamp(now)}
    if note:
        entry["note"] = one_line(note, LONGEST_TEXT)
    history = [*document.get("history", ()), entry][-HISTORY:]
    return document | {
        "state": state,
        "state_by": who,
        "state_at": stamp(now),
        "history": history,
    }


def access_keys(document: Mapping[str, Any]) -> list[str]:
    """The access keys of the actor that an alert is linked by, each as one clean line; empty if it
    was never joined.

    >>> access_keys({"links": {"own": ["key:AKIAEXAMPLE", "user:111122223333:ada"]}})
    ['AKIAEXAMPLE']
    >>> access_keys({"links": {"own": ["key:AKIA\\x1b[2J\\nBuy"]}})
    ['AKIA [2J Buy']
    """
    own = (document.get("links") or {}).get("own") or ()
    keys = (each.removeprefix(_KEY_TOKEN) for each in own if each.startswith(_KEY_TOKEN))
    return [one_line(key, _LONGEST_KEY) for key in keys]


def openers(document: Mapping[str, Any]) -> list[str]:
    """The users that an alert is linked by, each as one clean line: its actor, or who opened the
    actor's sessions; empty if it was never joined.

    >>> openers({"links": {"own": ["key:AKIAEXAMPLE", "user:111122223333:ada"]}})
    ['ada']
    >>> openers({"links": {"own": ["key:ASIAEXAMPLE", "saml:111122223333:ada@example.com"]}})
    ['ada@example.com']
    """
    own = (document.get("links") or {}).get("own") or ()
    users = (each.split(":", 2)[2] for each in own if each.startswith(_USER_TOKENS))
    return [one_line(name, LONGEST_VALUE) for name in users]


def opened_by(document: Mapping[str, Any]) -> list[str]:
    """The users who opened the sessions of an alert's actor, with keys that are among its
    `access_keys`; empty if a principal of the alert is the user.

    >>> own = ["key:AKIAEXAMPLE", "key:ASIAEXAMPLE", "user:111122223333:ada"]
    >>> opened_by({"links": {"own": own}, "entity": {"principal": ["Ops/s"]}})
    ['ada']
    >>> opened_by({"links": {"own": own}, "entity": {"principal": ["ada"]}})
    []
    """
    principals = (document.get("entity") or {}).get("principal") or ()
    return [name for name in openers(document) if name not in principals]


def shown(name: str, document: Mapping[str, Any]) -> Document:
    """An alert without its internal fields, for users, programs and channels."""
    document = as_named(document)
    made = {"id": name} | {key: value for key, value in document.items() if key not in PRIVATE}
    if keys := access_keys(document):
        made["access_keys"] = keys
    if users := opened_by(document):
        made["opened_by"] = users
    # Alerts of the last release have no sentence.
    return made if "summary" in made else made | {"summary": summary(made)}
