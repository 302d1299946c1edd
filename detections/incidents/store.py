"""Incidents as people read them: made from the alerts that name them; they are not stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import access_keys, openers, stamp
from detections.alerts.paging import every
from detections.alerts.store import NO_ALERT, SHORTEST_PREFIX, AlertQuery, AlertStore, Decided
from detections.alerts.triage import Decision, Verb
from detections.alerts.twins import TWIN_KEY
from detections.incidents.closings import closed_as
from detections.incidents.document import INCIDENT, INSIDE, LINKS, NEW, acted, is_of_days
from detections.incidents.entries import FIELDS as ENTRY_FIELDS
from detections.incidents.entries import STATES, about, is_twin, timeline
from detections.incidents.raising import FROM, TO, standing
from detections.incidents.significance import headline, significance, title_of
from detections.rule import LEVELS
from trailhound.batching import batched
from trailhound.cluster.reader import IndexReader, document_of
from trailhound.cluster.refreshing import make_searchable
from trailhound.cluster.templates import Names
from trailhound.errors import UsageError
from trailhound.settings import Settings

Document = Mapping[str, Any]
Incident = dict[str, Any]

SORTS: Final = ("level", "last-seen", "first-seen", "alerts")
"""Sort orders; the most severe, latest or largest come first. Within a level (not the severity,
which no list shows) incidents with a success come before attempts, then those of the most tactics
and rules that say what was done, each the latest first."""

FIELDS: Final = (
    *("rule", "level", "severity", "state", "disposition", "assignee", "first_seen", "last_seen"),
    *("state_by", "state_at", "history"),
    *("count", "count_relation", "calls", "outcome", "attempt", "before", "summary", "attack"),
    *("entity.principal", "entity.address", "entity.account", "entity.outsider", "entity.arn"),
    *("file.object", INCIDENT, TWIN_KEY),
    *(f"{LINKS}.{name}" for name in ("first", "last", "principal", "address", "account", "own")),
    *(f"{LINKS}.{NEW}", f"{LINKS}.{INSIDE}"),
)
"""The fields of alerts that an incident is made from."""

_DECIDED: Final[Mapping[Verb, tuple[str, ...]]] = {
    "ack": ("open",),
    "close": ("open", "acknowledged"),
    "reopen": ("acknowledged", "closed"),
    "assign": (),
    "note": (),
}
"""Verb → states of the alerts that a decision about an incident changes; all if not listed."""
_NAMED: Final = 20
_NONE: Final = "there is no incident"
_IDS_AT_ONCE: Final = 1_000
_CANDIDATES: Final = 10
_NOT_MERGED: Final = {"exists": {"field": "merged_into"}}


@dataclass(slots=True)
class ResolvedIncidents:
    """Given ids: `names` maps them to ids of incidents, `left` to the reason why there is none."""

    names: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert of an incident: its id, its rule, its state, and when it was raised."""

    name: str
    title: str
    state: str
    raised_at: datetime


class IncidentStore:
    """The incidents of one namespace. Raises opensearch-py's exceptions and `ClusterError`."""

    def __init__(self, client: OpenSearch, settings: Settings) -> None:
        self._client = client
        self._index = Names(settings.prefix).alerts
        self._alerts = AlertStore(client, settings)

    def find(self, query: AlertQuery, sort: str = "level") -> list[Incident]:
        """The incidents that have a matching alert, complete; `states` and `level` are those of the
        incident.

        `sort` is one of `SORTS`; closed incidents come last.
        """
        least = query.level
        if least == TO:  # it may be that of an incident none of whose alerts has it
            query = replace(query, level=FROM)
        make_searchable(self._client, self._index, required=True)
        # A state is the incident's: one that is closed has no other alert.
        clauses = query.query()
        ids = {
            document.get(INCIDENT) or name
            for name, document in self._every(clauses, fields=(INCIDENT,))
        }
        found = [
            each
            for each in self._made(ids)
            if (not query.states or each["state"] in query.states)
            and LEVELS.index(each["level"]) >= LEVELS.index(least)
        ]
        return sorted(found, key=lambda each: _order(each, sort))

    def get(self, name: str, most: int = _NAMED) -> Incident:
        """An incident by its id, with its timeline: an entry for each alert, in order of time; and
        with the `falsepositives` of the rule that gives its title. `most`: how many principals,
        addresses, keys and the like it names. Raises `UsageError` if there is none."""
        alerts = self.alerts_of(name)
        incident = made(alerts, most)
        params = {"_source_includes": "falsepositives"}
        alert = document_of(self._client, self._index, incident["alert"], params)
        benign = [] if alert is None else alert["_source"].get("falsepositives", [])
        return incident | {"falsepositives": benign, "timeline": timeline(alerts)}

    def alerts_of(self, name: str) -> list[tuple[str, Document]]:
        """The alerts of an incident by its id, in order of time, with their links. Raises
        `UsageError` if there is none."""
        make_searchable(self._client, self._index, required=True)
        for alerts in self._groups([name], (*FIELDS, *ENTRY_FIELDS)).values():
            return alerts
        raise no_incident(name)

    def resolve(self, given: Iterable[str]) -> ResolvedIncidents:
        """The incidents of ids or unique prefixes of ids, which may be those of any alert in them.
        So the id of an incident that became part of another finds that one."""
        make_searchable(self._client, self._index, required=True)
        result = ResolvedIncidents()
        wanted = {each: each.strip().rstrip("…").removesuffix("...") for each in given}
        for each, name in wanted.items():
            begun = self._beginning_with(name) if len(name) >= SHORTEST_PREFIX else []
            if name in begun or len(begun) == 1:
                result.names[each] = name if name in begun else begun[0]
            elif begun:
                several = "; ".join(begun[:_CANDIDATES]) + (
                    "; …" if len(begun) > _CANDIDATES else ""
                )
                result.left[each] = f"several incidents begin with it: {several}"
        rest = [each for each in wanted if each not in result.names and each not in result.left]
        alerts = self._alerts.resolve(rest) if rest else None
        if alerts is not None:
            named = self._incidents_of(set(alerts.names.values()))
            result.names |= {each: named[name] for each, name in alerts.names.items()}
            result.left |= {
                each: f"{_NONE} or alert with this id" if why == NO_ALERT else why
                for each, why in alerts.left.items()
            }
        return result

    def of_alerts(self, query: AlertQuery, sort: str = "last-seen") -> list[Incident]:
        """The incidents of matching alerts, made only from these, in the order of their first alert
        by `sort` (one of `detections.alerts.store.SORTS`)."""
        groups: dict[str, list[tuple[str, Document]]] = {}
        for name, document in self._alerts.documents(query, FIELDS, sort):
            groups.setdefault(document.get(INCIDENT) or name, []).append((name, document))
        return [made(sorted(alerts, key=_by_time)) for alerts in groups.values()]

    def named(self, given: str) -> str:
        """The id of the incident of an id or a unique prefix. Raises `UsageError` if no or several
        ids begin with it."""
        found = self.resolve([given])
        if given in found.names:
            return found.names[given]
        if found.left[given].startswith(_NONE):
            raise no_incident(given)
        raise UsageError(f"{given}: {found.left[given]}", hint="give more of the id")

    def members(self, names: Sequence[str], states: Sequence[str] = ()) -> dict[str, list[str]]:
        """The ids of the alerts of incidents, by incident; only of these states, if any are
        given."""
        make_searchable(self._client, self._index, required=True)
        return {
            name: [alert for alert, document in alerts if not states or document["state"] in states]
            for name, alerts in self._groups(names).items()
        }

    def raised(self, names: Sequence[str]) -> dict[str, list[RaisedAlert]]:
        """The alerts of incidents, by incident, in the order in which they were raised."""
        make_searchable(self._client, self._index, required=True)
        fields = ("@timestamp", "first_seen", "rule.name", "state", INCIDENT)
        return {
            name: sorted(
                (
                    RaisedAlert(
                        alert,
                        document["rule"]["name"],
                        document["state"],
                        datetime.fromisoformat(document["@timestamp"]),
                    )
                    for alert, document in alerts
                ),
                key=lambda each: each.raised_at,
            )
            for name, alerts in self._groups(names, fields).items()
        }

    def decide(self, names: Sequence[str], decision: Decision) -> Decided:
        """Write a decision to the alerts of incidents that it can change. What could not be written
        is in the result; the same call again completes it."""
        return self.decide_of(self.raised(names), decision)

    def decide_of(self, alerts: Mapping[str, Sequence[RaisedAlert]], decision: Decision) -> Decided:
        """The same of these alerts alone: one that joins an incident meanwhile is not changed."""
        states = _DECIDED[decision.verb]
        wanted = [
            each.name
            for some in alerts.values()
            for each in some
            if not states or each.state in states
        ]
        return self._alerts.decide(wanted, decision)

    def some(self, names: Iterable[str]) -> list[Incident]:
        """The incidents with these ids, complete; without those that are none."""
        return list(self._made(names))

    def _made(self, names: Iterable[str]) -> Iterator[Incident]:
        for alerts in self._groups(sorted(names)).values():
            yield made(alerts)

    def _groups(
        self, names: Sequence[str], fields: Sequence[str] = FIELDS
    ) -> dict[str, list[tuple[str, Document]]]:
        """The alerts of each incident, in order of time; an alert that was not joined yet is an
        incident."""
        found: dict[str, list[tuple[str, Document]]] = {}
        for part in batched(list(names), _IDS_AT_ONCE):
            alone = {
                "bool": {
                    "filter": [{"ids": {"values": part}}],
                    "must_not": [{"exists": {"field": INCIDENT}}],
                }
            }
            either = {
                "bool": {"should": [{"terms": {INCIDENT: part}}, alone], "minimum_should_match": 1}
            }
            for name, document in self._every([either], fields=fields):
                found.setdefault(document.get(INCIDENT) or name, []).append((name, document))
        for alerts in found.values():
            alerts.sort(key=_by_time)
        return found

    def _every(
        self, clauses: Sequence[Mapping[str, Any]], fields: Sequence[str]
    ) -> Iterator[tuple[str, Document]]:
        return every(self._client, self._index, clauses, but=[_NOT_MERGED], fields=fields)

    def _beginning_with(self, prefix: str) -> list[str]:
        """Ids of incidents that begin with a prefix, a few more than messages name."""
        reply = IndexReader(self._client, self._index).search(
            {
                "query": {
                    "bool": {
                        "filter": [{"prefix": {INCIDENT: {"value": prefix}}}],
                        "must_not": [_NOT_MERGED],
                    }
                },
                "aggs": {
                    "ids": {
                        "terms": {
                            "field": INCIDENT,
                            "size": _CANDIDATES + 1,
                            "order": {"_key": "asc"},
                        }
                    }
                },
            }
        )
        return [str(each["key"]) for each in reply["aggregations"]["ids"]["buckets"]]

    def _incidents_of(self, names: set[str]) -> dict[str, str]:
        """The incident of each alert; for a merged alert, that of the alert it was merged into."""
        found: dict[str, str] = {}
        merged: dict[str, str] = {}
        clause = {"ids": {"values": sorted(names)}}
        for name, document in every(
            self._client, self._index, [clause], fields=(INCIDENT, "merged_into")
        ):
            if into := document.get("merged_into"):
                merged[name] = into
            found[name] = document.get(INCIDENT) or name
        if merged:
            targets = self._incidents_of(set(merged.values()) - merged.keys())
            found |= {name: targets.get(into, found[name]) for name, into in merged.items()}
        return found


def no_incident(*names: str) -> UsageError:
    """The error for ids without an incident."""
    return UsageError(
        f"there is no incident {', '.join(names)}",
        hint="see `trailhound incidents list --state all`",
    )


def made(alerts: Sequence[tuple[str, Document]], most: int = _NAMED) -> Incident:
    """An incident from its alerts in order of time, as `--json` prints it.

    It has the level and severity of its most severe alert, or a higher one (`standing`), the title
    of its `headline`, and is open while any of them is.
    """
    documents = [document for _, document in alerts]
    level = standing(documents)
    lead, explained_by = headline(alerts)
    said = explained_by or lead
    steps = _steps(documents)
    distinct = partial(_distinct, most=most)
    times = [acted(document) for document in steps]
    states = {document["state"] for document in documents}
    rules: dict[str, int] = {}
    for document in sorted(documents, key=significance):
        title = document["rule"]["name"]
        rules[title] = rules.get(title, 0) + 1
    tactics = (name for it in steps for name in it["attack"].get("tactic", ()))
    return {
        "id": documents[0].get(INCIDENT) or alerts[0][0],
        "title": title_of(_titles(lead, documents), _titles(explained_by, documents)),
        "alert": said[0],
        "level": level.level,
        "severity": level.severity,
        "raised_from": level.raised_from or "",
        "raised_because": level.because if level.raised_from else "",
        "succeeded": {"rules": level.rules, "tactics": list(level.tactics)},
        "state": next(state for state in STATES if state in states),
        "attempt": all(document.get("attempt") is True for document in documents),
        "first_seen": stamp(min(first for first, _ in times)),
        "last_seen": stamp(max(last for _, last in times)),
        "alerts": len(documents),
        "open": sum(document["state"] != "closed" for document in documents),
        "closed_as": closed_as(documents),
        "rules": rules,
        "tactics": distinct(tactics),
        "principals": distinct(
            [
                *(name for it in steps for name in about(it, "principal")),
                *(name for it in steps for name in openers(it)),
            ]
        ),
        "addresses": distinct(name for it in steps for name in about(it, "address")),
        "accounts": distinct(name for it in steps for name in about(it, "account")),
        "outsiders": distinct(
            name for it in steps for name in (it.get("entity") or {}).get("outsider", ())
        ),
        "access_keys": distinct(name for it in _of_moments(steps) for name in access_keys(it)),
        "files": distinct(it["file"]["object"] for it in steps if it.get("file")),
        "calls": distinct(
            each["name"] for it in sorted(steps, key=is_of_days) for each in it.get("calls") or ()
        ),
    }


def _titles(of: tuple[str, Document] | None, documents: Sequence[Document]) -> list[str]:
    """The titles of the rules of an alert and its twins; none for no alert."""
    if of is None:
        return []
    return [it["rule"]["name"] for it in documents if is_twin(it, of[1]) or it is of[1]]


def _by_time(alert: tuple[str, Document]) -> tuple[str, str]:
    return alert[1]["first_seen"], alert[0]


def _steps(documents: Sequence[Document]) -> list[Document]:
    """The alerts that decide when the incident began and who it is about. Alerts over complete
    days, which may count mainly ordinary work, are left out unless they share an address with
    another."""
    steps = [it for it in documents if not is_of_days(it)]
    addresses = {address for it in steps for address in about(it, "address")}
    return [
        it
        for it in documents
        if not steps or not is_of_days(it) or addresses.intersection(about(it, "address"))
    ]


def _of_moments(steps: Sequence[Document]) -> Sequence[Document]:
    """The alerts that prove which keys were used: one over complete days also has those with which
    the owner did ordinary work, before and beside the incident. All, where there are no others."""
    return [it for it in steps if not is_of_days(it)] or steps


def _distinct(names: Iterable[str], most: int) -> list[str]:
    return list(dict.fromkeys(names))[:most]


def _order(incident: Incident, sort: str) -> tuple[Any, ...]:
    seen = -datetime.fromisoformat(incident["last_seen"]).timestamp()
    first = -datetime.fromisoformat(incident["first_seen"]).timestamp()
    keys: dict[str, tuple[float, ...]] = {
        "level": (
            -LEVELS.index(incident["level"]),
            incident["attempt"],
            -len(incident["succeeded"]["tactics"]),
            -incident["succeeded"]["rules"],
            seen,
        ),
        "last-seen": (seen,),
        "first-seen": (first,),
        "alerts": (-incident["alerts"], seen),
    }
    return (incident["state"] == "closed", *keys[sort], incident["id"])
