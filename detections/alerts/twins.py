"""Twins: alerts of variants of one rule about exactly the same events.

Each pattern has a rule that counts by user and one that counts by address. If one user acts from
one address, both find the same events and raise an alert, which people read and decide as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from opensearchpy import OpenSearch

from detections.alerts.document import Document
from detections.alerts.paging import every
from detections.rule import Rule
from trailhound.batching import batched

TWIN_KEY: Final = "twin_key"
_AT_ONCE = 1_000
_LINKING = frozenset({"by", "of", "in"})
"""Words that are kept together with the next word of a title."""


def twin_key(rule: Rule, document: Mapping[str, Any]) -> Document:
    """The field of an alert's document that its twins share; empty for rules without variants.

    For an alert with more events than it names, it is derived from the first ones and their
    number.
    """
    if not rule.variant_of:
        return {}
    whole = hashlib.blake2b(digest_size=12)
    events = sorted(document["evidence"]["event_id"])
    scope = [rule.variant_scope] if rule.variant_scope else []
    for part in (rule.variant_of, *scope, str(document["count"]), *events):
        raw = part.encode("utf-8", "surrogatepass")
        whole.update(f"{len(raw)}:".encode() + raw)
    return {TWIN_KEY: whole.hexdigest()}


def twins_of(
    client: OpenSearch, index: str, keys: Mapping[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """The twins of alerts, whose `twin_key`s are `keys` by id. Each twin has `id`, `rule` (`id`,
    `name`) and `state`; alerts without twins are left out. Raises `ClusterError`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for wanted in batched(sorted(set(keys.values())), _AT_ONCE):
        asked = [{"terms": {TWIN_KEY: wanted}}]
        but = [{"exists": {"field": "merged_into"}}]
        fields = (TWIN_KEY, "rule.id", "rule.name", "state")
        for name, each in every(client, index, asked, but=but, fields=fields):
            rule = {"id": each["rule"]["id"], "name": each["rule"]["name"]}
            twin = {"id": name, "rule": rule, "state": each["state"]}
            found.setdefault(each[TWIN_KEY], []).append(twin)
    others = {
        name: [each for each in found.get(key, ()) if each["id"] != name]
        for name, key in keys.items()
    }
    return {name: twins for name, twins in others.items() if twins}


def with_twins(alerts: Sequence[Document]) -> list[Document]:
    """The alerts with their `twins` (as in `twins_of`) among each other, without the field that
    twins share."""
    groups: dict[str, list[Document]] = {}
    for alert in alerts:
        groups.setdefault(alert.get(TWIN_KEY) or alert["id"], []).append(alert)

    def twin(alert: Document) -> Document:
        rule = {"id": alert["rule"]["id"], "name": alert["rule"]["name"]}
        return {"id": alert["id"], "rule": rule, "state": alert["state"]}

    made = []
    for alert in alerts:
        several = groups[alert.get(TWIN_KEY) or alert["id"]]
        twins = [twin(each) for each in several if each["id"] != alert["id"]]
        plain = {key: value for key, value in alert.items() if key != TWIN_KEY}
        made.append(plain | ({"twins": twins} if twins else {}))
    return made


def folded(alerts: Iterable[Document]) -> list[Document]:
    """The alerts, with twins of the same state joined: the first one stays, with the names of all
    their rules. `twins` are as the store adds them."""
    made: list[Document] = []
    taken: set[str] = set()
    several = list(alerts)
    there = {(alert["id"], alert["state"]) for alert in several}
    for alert in several:
        if alert["id"] in taken:
            continue
        twins = [
            each
            for each in alert.get("twins", ())
            if each["state"] == alert["state"] and (each["id"], each["state"]) in there
        ]
        taken |= {each["id"] for each in twins}
        names = [alert["rule"]["name"], *(each["rule"]["name"] for each in twins)]
        made.append(alert | {"rule": alert["rule"] | {"name": together(names)}})
    return made


def together(titles: Sequence[str]) -> str:
    """One title for several rules.

    >>> together(["defense_evasion by user", "defense_evasion by address"])
    'defense_evasion by address and by user'
    >>> together(["One", "Another"])
    'Another and One'
    """
    different = sorted(set(titles))
    if len(different) == 1:
        return different[0]
    words = [title.split() for title in different]
    columns = zip(*words, strict=False)
    same = [each[0] for each in takewhile(lambda each: len(set(each)) == 1, columns)]
    while same and same[-1] in _LINKING:
        same.pop()
    rest = [" ".join(each[len(same) :]) for each in words]
    return " ".join([*same, " and ".join(each for each in rest if each)]).strip()
