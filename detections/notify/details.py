"""The lines of a message that say who, where and with what, each value once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from detections.alerts.field_words import in_words, shared

Line = tuple[str, list[str]]
"""A heading, and its values."""


def details(alert: Mapping[str, Any]) -> list[Line]:
    """What the events have in common, the entities, access keys, who opened the session, tools and
    ATT&CK. A principal that the first sentence names, and what the events have in common, are not
    said again; a resource always is, also where the actor is the resource.

    >>> details({"group": ["userIdentity.arn=arn:x"], "summary": "ada: CreateUser",
    ...     "entity": {"principal": ["ada"], "arn": ["arn:x"], "resource": ["ada"]}})
    [('Same principal', ['arn:x']), ('Resource', ['ada'])]
    """
    return [(heading, values) for heading, values in _lines(alert) if values]


def _lines(alert: Mapping[str, Any]) -> Iterator[Line]:
    named: set[str] = set()
    for each in alert.get("group") or ():
        what, value = shared(each)
        named.add(value)
        yield what[:1].upper() + what[1:], [value]
    principals: Sequence[str] = alert["entity"].get("principal") or []
    if len(principals) == 1 and alert.get("summary", "").startswith(f"{principals[0]}: "):
        named.add(principals[0])
    origin = alert.get("origin") or {}
    for kind, values in alert["entity"].items():
        left = [each for each in values if kind == "resource" or each not in named]
        yield heading(kind), placed(left, origin) if kind == "address" else left
    yield "Access key", [*(alert.get("access_keys") or origin.get("access_keys") or ())]
    yield "Session opened by", [*(alert.get("opened_by") or ())]
    yield "Web identity", [*(origin.get("web_identities") or ())]
    yield "Tool", [*(origin.get("tools") or ())]
    attack = alert.get("attack") or {}
    yield "ATT&CK", [*(attack.get("tactic") or ()), *(attack.get("technique") or ())]


def heading(kind: str) -> str:
    """The name of a kind of entity, as a line begins.

    >>> heading("address"), heading("arn")
    ('Address', 'ARN')
    """
    words = in_words(kind)
    return words[:1].upper() + words[1:]


def placed(addresses: Sequence[str], origin: Mapping[str, Any]) -> list[str]:
    """Addresses with their country and network, where these are known.

    >>> placed(["192.0.2.1"], {"addresses": [{"address": "192.0.2.1", "country": "Chile"}]})
    ['192.0.2.1 (Chile)']
    """
    known = {
        each["address"]: ", ".join(filter(None, map(each.get, ("country", "network"))))
        for each in origin.get("addresses", ())
    }
    return [f"{each} ({known[each]})" if known.get(each) else each for each in addresses]


def added_up(found: Mapping[str, Any]) -> str:
    """Why an incident is more than its alerts.

    >>> added_up({"raised_from": "medium", "because": "2 rules of 2 tactics, all succeeded"})
    'The incident is raised from medium: 2 rules of 2 tactics, all succeeded'
    """
    raised = f"is raised from {found['raised_from']}" if found["raised_from"] else "goes further"
    return f"The incident {raised}: {found['because']}"


def folded(others: Iterable[Mapping[str, Any]]) -> list[str]:
    """Other alerts of an incident in words: those of one rule and level once, with their number.

    >>> folded([{"level": "high", "rule": "A"}, {"level": "low", "rule": "B"},
    ...     {"level": "high", "rule": "A"}])
    ['high: A ×2', 'low: B']
    """
    counts: dict[str, int] = {}
    for each in others:
        line = f"{each['level']}: {each['rule']}"
        counts[line] = counts.get(line, 0) + 1
    return [line + (f" ×{count}" if count > 1 else "") for line, count in counts.items()]
