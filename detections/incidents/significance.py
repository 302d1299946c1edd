"""Decides which alert of an incident is most significant; its rule gives the incident its title.

Among alerts of the highest level, alerts about successful calls come before attempts, alerts about
single calls before those over complete days, and rules whose title says what happened before those
that any call of a list raises (`S3BucketPolicyChanges`) or any three (`defense_evasion`).

If only such a rule has the highest level, an alert one level lower about the same calls may say
what happened: `headline` finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from detections.alerts.twins import together
from detections.incidents.document import is_of_days
from detections.rule import LEVELS

Document = Mapping[str, Any]

NAMED: Final = frozenset(
    {
        # The alarms of detections/rules/alarms, in the order of their names.
        "d2bf4325-b891-418f-8f50-c1a706ddea87",
        "f4138371-ee95-4bd3-833a-eb19a3afa681",
        "9082e6da-3e75-47ee-8887-10be9d5e4db2",
        "5945d171-98da-4d75-91da-04e958a8e919",
        "2b5840c4-bf63-48db-a836-38ef9fe3ab1e",
        "55aad50a-8a16-49f4-b271-99e5a75e6823",
        "5aaf4896-4236-41d8-84fc-e62cce3d40f7",
        "9984c96b-32fc-42b6-acd8-18ffa971b7dd",
        "be027f14-b66a-45f7-b167-79701ce1452b",
        "b5ee4971-f1db-46c5-abcf-a70e51ce897f",
        "face9357-a037-402a-bd41-69c58d4eb897",
        "d6a65d77-5554-4014-a4f1-03ca47f723f1",
        # The patterns of detections/rules/patterns, by address and by user.
        "a378c706-16eb-4739-88e9-c1a3c72b8c30",
        "40e9081a-c9ac-422e-b449-3ce2ff83f48d",
        "9d162631-b253-4f5e-a81e-adb852f0c7ea",
        "f0d8e4f5-8882-44a8-b71b-877493f3bfe9",
        "fd9c250f-521a-4e46-b07f-17652565dc24",
        "8a312bb7-807e-4ab3-a1b6-9ec13616d617",
        "80670113-a2be-410d-a5d5-f14e5b692794",
        "178ae5e2-3792-484f-a967-3a4f6d52c97b",
        "87e660d1-16c8-479a-a3d6-e1c923616ce6",
        "c968ec34-70d5-4273-98f1-ee777c86592c",
        "84155d70-ebe3-4909-a125-b5debfb82208",
        "e5ccd19d-631a-4572-836e-fbbb88a2dd10",
        "87dc8d7c-c547-496a-a07d-74c8de1e75ad",
    }
)
"""Ids of shipped rules whose title is a name that does not say what happened."""


FIELDS: Final = (
    *("rule", "level", "severity", "attempt", "first_seen", "last_seen"),
    *("calls.name", "entity.principal"),
)
"""The fields of an alert that are read here."""

_LEVELS_BELOW: Final = 1
"""How much lower the level of an alert may be that says what another one is about."""


def headline(
    alerts: Sequence[tuple[str, Document]],
) -> tuple[tuple[str, Document], tuple[str, Document] | None]:
    """The most significant alert (id, document) of an incident, and what explains it, if anything
    does."""
    lead = min(alerts, key=lambda each: significance(each[1]))
    return lead, explanation(lead[1], alerts)


def title_of(titles: Sequence[str], explained_by: Sequence[str] = ()) -> str:
    """How lists, messages and the report call an alert or an incident: by the titles of its rule
    and of the rules of its twins; and, where those do not say what happened, first by the title of
    the rule that does.

    >>> title_of(["S3BucketPolicyChanges"], ["Bucket opened to everybody"])
    'Bucket opened to everybody (S3BucketPolicyChanges)'
    """
    title = together(titles)
    return f"{together(explained_by)} ({title})" if explained_by else title


def explanation(
    of: Document, alerts: Iterable[tuple[str, Document]]
) -> tuple[str, Document] | None:
    """The most significant of the alerts that say what happened where the rule of one, `of`, does
    not: alerts with no other calls, by the same principal, in the same time. None if the rule says
    it itself, or there is no such alert."""
    if of["rule"].get("id") not in NAMED:
        return None
    found = [(name, other) for name, other in alerts if _explains(other, of)]
    return min(found, key=lambda each: significance(each[1]), default=None)


def _explains(document: Document, other: Document) -> bool:
    lowest = LEVELS.index(other["level"]) - _LEVELS_BELOW
    if (
        document["rule"].get("id") in NAMED
        or is_of_days(document)
        or LEVELS.index(document["level"]) < lowest
        or (document.get("attempt") is True and other.get("attempt") is not True)
    ):
        return False
    calls = {each["name"] for each in document.get("calls") or ()}
    others = {each["name"] for each in other.get("calls") or ()}
    who = set(_principals(document)), set(_principals(other))
    return (
        bool(calls)
        and calls <= others
        and (not all(who) or not who[0].isdisjoint(who[1]))
        and document["first_seen"] <= other["last_seen"]
        and other["first_seen"] <= document["last_seen"]
    )


def _principals(document: Document) -> Sequence[str]:
    found: Sequence[str] = (document.get("entity") or {}).get("principal") or ()
    return found


def significance(document: Document) -> tuple[Any, ...]:
    """The sort key of an incident's alerts: the most significant one is first."""
    return (
        -LEVELS.index(document["level"]),
        document.get("attempt") is True,
        is_of_days(document),
        document["rule"].get("id") in NAMED,
        -document["severity"],
        document["first_seen"],
    )
