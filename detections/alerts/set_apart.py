"""Alerts that are no reason for an exception: they may be an intruder's, so what would hide them is
not proposed.

Set apart are alerts of an incident that is open and of level high or above, and those about an
identity that had no successful call before; not those that somebody closed as harmless.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.disposition import HARMLESS
from detections.alerts.paging import every
from detections.incidents.document import INCIDENT, LINKS, NEW
from detections.incidents.raising import FIELDS, FROM, TO, newcomers, standing
from detections.rule import LEVELS
from trailhound.batching import batched

GRAVE: Final = "of open incidents of level high or above"
UNKNOWN: Final = "about somebody with no successful call before"

_READ: Final = (
    *("rule.id", "state", "disposition", "entity.principal"),
    *(INCIDENT, f"{LINKS}.{NEW}"),
)
_IDS_AT_ONCE: Final = 1_000
_MERGED: Final = {"exists": {"field": "merged_into"}}
_CLOSED: Final = {"term": {"state": "closed"}}
_RAISABLE: Final = LEVELS[LEVELS.index(FROM) :]


@dataclass(slots=True)
class SetApart:
    """Those of one rule: their `ids`, the number of each reason, and how many are about each of
    the `principals`."""

    ids: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    principals: Counter[str] = field(default_factory=Counter)

    @property
    def in_words(self) -> str:
        """How many there are of each reason, and that they are left out; empty where none is.

        >>> SetApart(["a", "b"], Counter({GRAVE: 2})).in_words
        'left out are 2 of open incidents of level high or above'
        """
        each = [f"{self.reasons[why]:,} {why}" for why in (GRAVE, UNKNOWN) if self.reasons[why]]
        return f"left out are {', '.join(each)}" if each else ""


def set_apart(
    client: OpenSearch, index: str, asked: Sequence[Mapping[str, Any]], rules: Collection[str]
) -> dict[str, SetApart]:
    """Those of these rules among the alerts that match, by the id of the rule. Raises
    `ClusterError`."""
    clauses = [*asked, {"terms": {"rule.id": sorted(rules)}}]
    found = dict(every(client, index, clauses, but=[_MERGED], fields=_READ)) if rules else {}
    alerts = {name: it for name, it in found.items() if not _is_harmless(it)}
    grave = _grave(client, index, {it[INCIDENT] for it in alerts.values() if it.get(INCIDENT)})
    made: dict[str, SetApart] = defaultdict(SetApart)
    for name, it in alerts.items():
        why = GRAVE if it.get(INCIDENT) in grave else UNKNOWN if newcomers(it) else ""
        if why:
            rule = made[it["rule"]["id"]]
            rule.ids.append(name)
            rule.reasons[why] += 1
            rule.principals.update((it.get("entity") or {}).get("principal") or ())
    return dict(made)


def _grave(client: OpenSearch, index: str, incidents: Collection[str]) -> set[str]:
    """Those of incidents that are open and of level high or above."""
    raisable = {"terms": {"level": list(_RAISABLE)}}
    some = {
        it[INCIDENT]
        for part in batched(sorted(incidents), _IDS_AT_ONCE)
        for _, it in every(
            client,
            index,
            [{"terms": {INCIDENT: part}}, raisable],
            but=[_MERGED, _CLOSED],
            fields=(INCIDENT,),
        )
    }
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for part in batched(sorted(some), _IDS_AT_ONCE):
        named = [{"terms": {INCIDENT: part}}]
        for _, it in every(client, index, named, but=[_MERGED], fields=(INCIDENT, *FIELDS)):
            groups.setdefault(it[INCIDENT], []).append(it)
    least = LEVELS.index(TO)
    return {name for name, group in groups.items() if LEVELS.index(standing(group).level) >= least}


def _is_harmless(document: Mapping[str, Any]) -> bool:
    return document.get("state") == "closed" and document.get("disposition") in HARMLESS
