"""What is there at the end, against the account, and against a quiet run over the same bucket.

Each function returns what must not be: sentences, none where all is well.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from opensearchpy import OpenSearch

from bench.chaos.faults import Hook
from bench.chaos.installation import CHANNEL, MARK
from bench.chaos.trail import Account
from bench.following import BUCKET
from detections.events.index import EventIndex
from trailhound.cluster.reader import IndexReader
from trailhound.cluster.templates import Names

_TERMS: Final = ("indexed", "duplicates", "dead_lettered", "filtered")
_BY_POPULATION: Final = "anomaly"
"""The kind of rule that compares principals with those whose events are there when it runs, so that
an alert of a part of a day stays (docs/correlations.md)."""
_TRACEBACK: Final = re.compile(r'^ +File ".*/(trailhound|ingest|enrich|detections)/', re.MULTILINE)
"""A frame of ours: Python's own start shows one of its own where a signal comes then."""
_SHOWN: Final = 5

Alerts = Mapping[str, Mapping[str, Any]]
"""Documents by id."""


class Stored:
    """What a namespace holds."""

    def __init__(self, client: OpenSearch, namespace: str) -> None:
        self._client = client
        self._names = Names(f"{namespace}-")

    def events(self) -> Counter[tuple[str, str]]:
        """How many documents there are by eventID and day of the index."""
        wanted = {"_source": ["eventID"]}
        found: Counter[tuple[str, str]] = Counter()
        days = EventIndex(self._client, self._names.days)
        for hit in days.documents({"match_all": {}}, wanted, refresh=True):
            day = str(hit["_index"]).rsplit("-", 1)[1].replace(".", "-")
            found[hit["_source"]["eventID"], day] += 1
        return found

    def ledger(self) -> dict[str, list[Mapping[str, Any]]]:
        """Its documents by kind."""
        found = defaultdict(list)
        for hit in self._all(self._names.ledger):
            found[hit["_source"]["kind"]].append(hit["_source"])
        return found

    def letters(self) -> Counter[str]:
        """How many dead letters each object has."""
        return Counter(hit["_source"]["object"] for hit in self._all(self._names.deadletter))

    def alerts(self) -> Alerts:
        """All that were not merged into another one."""
        found = {hit["_id"]: hit["_source"] for hit in self._all(self._names.alerts)}
        return {name: each for name, each in found.items() if "merged_into" not in each}

    def _all(self, index: str) -> Iterator[Any]:
        return IndexReader(self._client, index).documents({"match_all": {}}, refresh=True)


def of_events(found: Counter[tuple[str, str]], account: Account) -> list[str]:
    """Every distinct event is there once, on its day, and nothing else is."""
    lost, extra = account.documents - found, found - account.documents
    return _many("events are lost", lost) + _many("events are too many", extra)


def of_ledger(stored: Stored, account: Account) -> list[str]:
    """Each entry's counts add up, none is claimed, and what could not be read is named."""
    faults, kinds, letters = [], stored.ledger(), stored.letters()
    entries = {each["uri"]: each for each in kinds["object"]}
    for uri, entry in entries.items():
        terms = sum(entry.get(term, 0) for term in _TERMS)
        if entry.get("read", 0) != terms:
            faults.append(f"{uri}: {entry.get('read', 0)} read, {terms} with an outcome")
        if entry["state"] in ("claimed", "released") or entry.get("claim"):
            faults.append(f"{uri}: {entry['state']}, and nobody reads it")
        if entry.get("dead_lettered", 0) != letters[uri]:
            counted = entry.get("dead_lettered", 0)
            faults.append(f"{uri}: {counted} dead letters in its entry, {letters[uri]} stored")
    for key, how in [*account.broken.items(), *((ghost, "gone") for ghost in account.ghosts)]:
        entry = entries.get(f"s3://{BUCKET}/{key}", {"state": "absent"})
        named = entry["state"] == "failed" and entry.get("reason")
        if not named and not (how == "gone" and entry["state"] == "done"):  # read just before
            faults.append(f"{key} ({how}) is {entry['state']} in the ledger")
    expected = Counter({f"s3://{BUCKET}/{key}": n for key, n in account.unusable.items()})
    faults += _many("dead letters are missing", expected - letters)
    faults += _many("dead letters are too many", letters - expected)
    return faults + [f"a backfill is noted as unfinished: {each}" for each in kinds["backfill"]]


def of_alerts(stormy: Alerts, quiet: Alerts, triaged: set[str]) -> tuple[list[str], Counter[str]]:
    """Faults, and how many rules and groups have the same alerts, or differ for a reason that is
    documented: `triaged` (a closed alert takes no events) or `population`."""
    ours, theirs = _by_group(stormy), _by_group(quiet)
    faults, reasons = [], Counter[str]()
    for group in {*ours, *theirs}:
        one, other = ours.get(group, {}), theirs.get(group, {})
        lost, extra = _hits(other) - _hits(one), _hits(one) - _hits(other)
        kind = next(iter({**one, **other}.values()))["rule"]["kind"]
        if sum(map(len, map(_hits_of, one.values()))) > len(_hits(one)):
            faults.append(f"{group}: an event is in two alerts")
        if _spans(one) == _spans(other):
            reasons["same"] += 1
        elif kind == _BY_POPULATION and not lost:
            reasons["population"] += 1
        elif one.keys() & triaged and not lost and not extra:
            reasons["triaged"] += 1
        else:
            faults.append(f"{group}: {_spans(one)}, quietly {_spans(other)}")
    return faults, reasons


def of_incidents(stormy: Alerts) -> list[str]:
    """Every alert is in an incident, and none waits for it."""
    return [
        f"alert {name} is in no incident, or has still to be joined"
        for name, each in stormy.items()
        if not each.get("incident") or each.get("incident_due")
    ]


def of_messages(stormy: Alerts, hook: Hook) -> tuple[list[str], Counter[str]]:
    """Faults, and the states of the deliveries of alerts that the channel takes. What is recorded
    as sent has been received, and nothing twice but what got no answer, or whose sender ended."""
    received = {each.alert for each in hook.messages}
    faults, states = [], Counter[str]()
    for name, each in stormy.items():
        log = each.get("delivery", {}).get("log", {}).get(CHANNEL, {})
        state = log.get("state", "none")
        states[f"{state}, {each['state']}"] += 1
        if state == "sent" and name not in received:
            faults.append(f"alert {name} was not received, and is recorded as sent")
        if each["state"] == "closed" or each["level"] in ("low", "informational"):
            continue
        waits = state in ("none", "pending") and not each.get("learning")  # a digest a day
        if waits or state == "failed":
            faults.append(f"alert {name} ({each['rule']['name']}) was not sent: {log}")
    if hook.forged:
        faults.append(f"{hook.forged} messages have a wrong signature")
    return faults, states


def of_logs(folder: Path) -> list[str]:
    """No traceback and no secret in anything that was printed."""
    faults = []
    for file in sorted(folder.iterdir()):
        text = file.read_text("utf-8", "replace")
        faults += [f"a secret in {file.name}"] if MARK in text else []
        faults += [f"a traceback in {file.name}"] if _TRACEBACK.search(text) else []
    return faults


def _many(what: str, found: Counter[Any]) -> list[str]:
    if not found:
        return []
    return [f"{found.total()} {what}: {[*found][:_SHOWN]}"]


def _by_group(alerts: Alerts) -> dict[tuple[str, ...], dict[str, Mapping[str, Any]]]:
    found: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for name, each in alerts.items():
        found[each["rule"]["name"], *each.get("group", ())][name] = each
    return found


def _hits_of(alert: Mapping[str, Any]) -> set[str]:
    """The ids of its events. One whose id was taken has its hash behind the eventID, and which of
    the two records that is depends on the order of reading."""
    return {str(each)[:36] for each in alert["evidence"]["event_id"]}


def _hits(alerts: Mapping[str, Mapping[str, Any]]) -> set[str]:
    return set[str]().union(*map(_hits_of, alerts.values()))


def _spans(alerts: Mapping[str, Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """What two runs over the same events have in common. What was before an alert is counted when
    it is written, so it isn't part of it."""
    names: Iterable[str] = ("first_seen", "last_seen", "count", "count_relation", "level")
    return sorted(
        (*(each[name] for name in names), *sorted(_hits_of(each))) for each in alerts.values()
    )
