"""The part of a message that names other alerts of the incident."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, NamedTuple

from opensearchpy import OpenSearch

from detections.alerts.document import Document
from detections.alerts.paging import every
from detections.alerts.twins import TWIN_KEY, together
from detections.alerts.whose import FIELDS as WHOSE
from detections.alerts.whose import as_named
from detections.incidents.document import INCIDENT
from detections.incidents.significance import FIELDS, explanation
from detections.notify.bundles import KEY, marked
from detections.rule import LEVELS
from trailhound.cluster.reader import document_of

OTHERS: Final = 10
"""Other alerts of the incident that a message names."""
_TEXTS: Final = {"_source_includes": "description,response,falsepositives"}


@dataclass(frozen=True, slots=True)
class OfIncident:
    """`part`: the incident's `id`, the number of its `alerts` that are not closed, and up to
    `OTHERS` of the `others`; empty where there are no others. `explained_by`: the alert that says
    what happened where the rule of the message's alert does not (`explanation`): its `id`, `level`,
    `rule`, `description`, `response` and `falsepositives`; else empty. `rules`: the titles that
    these name, as `bundles.marked`."""

    part: Document = field(default_factory=dict)
    explained_by: Document = field(default_factory=dict)
    rules: frozenset[str] = frozenset()


def others_of(
    client: OpenSearch, index: str, incident: str, lead: str, due: Collection[str]
) -> OfIncident:
    """The other alerts of the incident of an alert `lead`. Those that are `due` are named first,
    one of each rule before a second one, then the most severe ones. Twins count as one alert.
    Raises opensearch-py's exceptions."""
    but = [{"term": {"state": "closed"}}, {"exists": {"field": "merged_into"}}]
    found = every(
        client,
        index,
        [{"term": {INCIDENT: incident}}],
        but=but,
        fields=(*FIELDS, *WHOSE, TWIN_KEY),
        sort=[{"severity": "desc"}, {"first_seen": "asc"}],
    )
    # A rule's severity may be its own, and so above those of a higher level.
    alerts = dict(sorted(found, key=lambda each: -LEVELS.index(each[1]["level"])))
    explained_by = _explained_by(client, index, alerts, lead)
    variants: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name, document in alerts.items():
        variants.setdefault(document.get(TWIN_KEY) or name, []).append((name, document))
    others, own = [], set()
    for each in variants.values():
        if any(name == lead for name, _ in each):
            own = {it["rule"]["name"] for _, it in each}
        else:
            others.append(each)
    if not others:
        return OfIncident()
    titles = [sorted({it["rule"]["name"] for _, it in each}) for each in others]
    chosen = sorted(islice(_in_turn(others, titles, own, due), OTHERS))
    names = [{marked(it["rule"]["name"], it) for _, it in each} for each in others]
    if explained_by:
        names_of_explanation = {marked(explained_by["rule"], alerts[explained_by["id"]])}
    else:
        names_of_explanation = set()
    return OfIncident(
        {
            "id": incident,
            "alerts": len(others) + 1,
            "others": [
                {
                    "id": others[place][0][0],
                    "level": others[place][0][1]["level"],
                    "rule": together(titles[place]),
                    "summary": as_named(others[place][0][1]).get("summary", ""),
                }
                for place in chosen
            ],
        },
        explained_by,
        frozenset().union(names_of_explanation, *(names[place] for place in chosen)),
    )


class IncidentKey(NamedTuple):
    """The `id` that an incident had when a channel got the first message about it, and `since` when
    (ISO 8601): it stays while the id changes, as when an earlier alert joins or two incidents
    become one."""

    id: str
    since: str


def incident_key(
    client: OpenSearch, index: str, channel: str, incident: str, now: str
) -> IncidentKey:
    """The key of an incident for a channel; a new one where no message about it is recorded. Raises
    opensearch-py's exceptions."""
    delivered = [{"term": {f"delivery.{name}": channel}} for name in ("done", "pending")]
    clauses: list[Mapping[str, Any]] = [
        {"term": {INCIDENT: incident}},
        {"bool": {"should": delivered, "minimum_should_match": 1}},
    ]
    logs = (
        document["delivery"].get("log", {}).get(channel, {})
        for _, document in every(client, index, clauses, fields=("delivery",))
    )
    known = [IncidentKey(**log[KEY]) for log in logs if log.get(KEY)]
    return min(known, key=lambda key: (key.since, key.id), default=IncidentKey(incident, now))


def closed_before(client: OpenSearch, index: str, incident: str) -> Document:
    """What was closed of an incident that goes on: the number of `alerts`, their `dispositions`,
    `by` whom, and the `rule` and `level` of the `most_severe` one. Empty if nothing was. Raises
    opensearch-py's exceptions."""
    found = every(
        client,
        index,
        [{"term": {INCIDENT: incident}}, {"term": {"state": "closed"}}],
        but=[{"exists": {"field": "merged_into"}}],
        fields=("rule.name", "level", "disposition", "state_by"),
        sort=[{"severity": "desc"}, {"first_seen": "asc"}],
    )
    closed = sorted(
        (document for _, document in found), key=lambda each: -LEVELS.index(each["level"])
    )
    if not closed:
        return {}
    return {
        "alerts": len(closed),
        "dispositions": _distinct(closed, "disposition"),
        "by": _distinct(closed, "state_by"),
        "most_severe": {"rule": closed[0]["rule"]["name"], "level": closed[0]["level"]},
    }


def _distinct(documents: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    return sorted({each[name] for each in documents if each.get(name)})


def _explained_by(
    client: OpenSearch, index: str, alerts: Mapping[str, Mapping[str, Any]], lead: str
) -> Document:
    found = explanation(alerts[lead], alerts.items()) if lead in alerts else None
    stored = None if found is None else document_of(client, index, found[0], _TEXTS)
    if found is None or stored is None:
        return {}
    name, document = found
    return {
        "id": name,
        "level": document["level"],
        "rule": document["rule"]["name"],
        "description": stored["_source"].get("description", ""),
        "response": list(stored["_source"].get("response", ())),
        "falsepositives": list(stored["_source"].get("falsepositives", ())),
    }


def _in_turn(
    others: Sequence[Sequence[tuple[str, Mapping[str, Any]]]],
    titles: Sequence[Sequence[str]],
    own: Collection[str],
    due: Collection[str],
) -> Iterator[int]:
    """The places of alerts in the order in which a message names them; `own`: titles that it has
    anyway."""
    is_due = [any(name in due for name, _ in each) for each in others]
    for of_these in (True, False):
        seen = set(own)
        first: list[int] = []
        later: list[int] = []
        for place, names in enumerate(titles):
            if is_due[place] == of_these:
                (later if seen.issuperset(names) else first).append(place)
                seen.update(names)
        yield from (*first, *later)
