"""Clauses for values that users give: only `*` in a value is a wildcard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

Query = dict[str, Any]


def any_of(value: str, fields: Sequence[str]) -> Query:
    """A text in one of several keyword fields, ignoring case; `*` in it stands for any text.

    >>> any_of("a?*", ["user.name"])
    {'wildcard': {'user.name': {'value': 'a\\\\?*', 'case_insensitive': True}}}
    """
    kind = "term"
    if "*" in value:
        kind, value = "wildcard", value.replace("\\", "\\\\").replace("?", "\\?")
    return either([{kind: {name: {"value": value, "case_insensitive": True}}} for name in fields])


def anywhere(text: str) -> str:
    """A text for `any_of` that may stand anywhere in a field, unless it has a `*` of its own.

    >>> anywhere("logs"), anywhere("logs*")
    ('*logs*', 'logs*')
    """
    return text if "*" in text else f"*{text}*"


def between(field: str, since: datetime | None, until: datetime | None) -> list[Query]:
    """Clauses for the times from `since` on and before `until`; empty without limits.

    >>> between("at", None, None)
    []
    """
    limits = {
        name: moment.isoformat()
        for name, moment in (("gte", since), ("lt", until))
        if moment is not None
    }
    return [{"range": {field: limits}}] if limits else []


def either(clauses: Sequence[Query]) -> Query:
    """One of several clauses.

    >>> either([{"match_all": {}}])
    {'match_all': {}}
    """
    if len(clauses) == 1:
        return clauses[0]
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


MOST_CLAUSES = 900
"""Clauses that values may take of the 1,024 that an engine allows in one query by default; the rest
is for spans and limits."""


def clauses(query: Any) -> int:
    """The number of clauses that an engine counts in a query.

    >>> clauses({"bool": {"filter": [{"term": {}}], "must_not": [{"exists": {}}]}})
    2
    """
    if isinstance(query, list):
        return sum(map(clauses, query))
    return sum(
        sum(clauses(each) for name, each in body.items() if name != "minimum_should_match")
        if kind == "bool"
        else 1
        for kind, body in query.items()
    )


def both(*clauses: Query) -> Query:
    """All of these clauses, without scoring."""
    return {"bool": {"filter": list(clauses)}}
