"""A Logs Insights query, and the limits and price of all queries.

Only the parts of its text that determine how its answers are combined are parsed: commands, order,
limit. AWS evaluates the rest ("CloudWatch Logs Insights query syntax").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trailhound.errors import UsageError

ROWS: Final = 10_000
"""Most rows that one query returns ("StartQuery", limit)."""
AT_ONCE: Final = 10
"""Queries that run at the same time; an account may run 30 or more ("CloudWatch Logs quotas")."""
SECONDS: Final = 300.0
"""Time limit of one query, in seconds."""
PRICE: Final = 0.005
"""Dollars for a GB scanned: us-east-1, list price of 2025 ("Amazon CloudWatch pricing")."""
POINTER: Final = "@ptr"
"""The field that identifies the event of a row; rows of aggregates do not have it."""
TIME: Final = "@timestamp"
_OF_EVENTS: Final = frozenset(
    {"fields", "display", "filter", "filterindex", "parse", "sort", "limit", "unmask"}
)
"""Commands after which a row is still one event. With any other (stats, dedup, pattern, unnest, …)
the answers for the parts of a time cannot be combined to that for the whole."""
_TOKEN: Final = re.compile(
    r"""(?P<comment>\#[^\n]*)
    |(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<regex>(?<=[=~(,\s])/(?![\s/*])(?:\\.|[^/\\\n])*/)
    |(?P<pipe>\|)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_SORT: Final = re.compile(
    r"(?P<field>`[^`]*`|[^\s,]+(?:\([^)]*\))?)(?:\s+(?P<way>asc|desc))?", re.IGNORECASE
)

Row = Mapping[str, str]


@dataclass(frozen=True)
class QueryCommand:
    """One command of a query; `name` in lower case."""

    name: str
    rest: str

    @property
    def text(self) -> str:
        return f"{self.name} {self.rest}".rstrip()


@dataclass(frozen=True)
class Query:
    """`text` is what is sent to AWS. `limit`: the number of rows that the query asks for; `order`:
    fields, and whether each is descending; `per_event`: a row is one event, so that the time can be
    queried in parts."""

    text: str
    limit: int | None
    order: tuple[tuple[str, bool], ...]
    per_event: bool

    @property
    def can_split(self) -> bool:
        """Whether the query of a cut answer can be run again for parts of its time."""
        return self.per_event and (self.limit is None or self.limit > ROWS)

    @property
    def sent_limit(self) -> int | None:
        """The limit for StartQuery; None if the query's own limit applies."""
        return None if self.limit is not None and self.limit <= ROWS else ROWS


def parsed(text: str) -> Query:
    """A query as it is sent. Raises `UsageError` where it can't be sent as it is.

    >>> made = parsed("fields @message | filter x like /a|b/ | sort @timestamp asc | limit 20")
    >>> made.limit, made.order, made.per_event
    (20, (('@timestamp', False),), True)
    >>> parsed("stats count(*) by bin(5m)").per_event
    False
    """
    commands = commands_of(text)
    if not commands:
        raise UsageError("the query is empty", hint='write one, as "fields @timestamp, @message"')
    if any(each.name == "source" for each in commands):
        raise UsageError(
            "SOURCE names log groups, which --log-group does here", hint="leave it out"
        )
    limit = None
    for each in commands:
        if each.name == "limit" and each.rest.replace("_", "").isdecimal():
            limit = int(each.rest)
    sent = text.strip()
    if limit is not None and limit > ROWS:
        if commands[-1].name != "limit" or sum(each.name == "limit" for each in commands) > 1:
            raise UsageError(
                f"a limit over {ROWS:,} can only be the last command", hint="move it to the end"
            )
        sent = " | ".join(each.text for each in commands[:-1]) or f"fields {TIME}, @message"
    order = next((_order(each.rest) for each in reversed(commands) if each.name == "sort"), ())
    per_event = all(each.name in _OF_EVENTS for each in commands)
    return Query(sent, limit, order, per_event)


def commands_of(text: str) -> list[QueryCommand]:
    """The commands, separated by pipes. A pipe in a text, a regular expression or a comment does
    not separate.

    >>> [each.name for each in commands_of("FIELDS a # x | y\\n| filter m like /a|b/ | sort a")]
    ['fields', 'filter', 'sort']
    """
    parts = [""]
    for found in _TOKEN.finditer(text):
        if found.lastgroup == "pipe":
            parts.append("")
        elif found.lastgroup != "comment":
            parts[-1] += found[0]
    made = []
    for part in filter(None, map(str.strip, parts)):
        words = part.split(None, 1)
        name, rest = words[0], words[1] if len(words) > 1 else ""
        made.append(QueryCommand(name.lower(), rest.strip()))
    return made


def _order(text: str) -> tuple[tuple[str, bool], ...]:
    found = _SORT.finditer(text)
    return tuple((it["field"].strip("`"), (it["way"] or "").lower() == "desc") for it in found)


def ordered(rows: Sequence[Row], query: Query) -> tuple[list[Row], str]:
    """Rows of several answers in the query's order; and why they are not in that order, else "".

    Without `sort` the newest come first, as with AWS. Compared as by AWS ("sort"): ascending,
    missing values and texts are before numbers. Rows that compare equal keep their order.
    """
    order = query.order or (((TIME, True),) if query.per_event else ())
    if not order:
        return list(rows), ""
    missing = [name for name, _ in order if rows and not any(name in row for row in rows)]
    if missing:
        return list(rows), (
            f"rows are in order within each query alone: {', '.join(missing)} is not among the "
            "fields"
        )
    made = list(rows)
    for name, descending in reversed(order):
        made.sort(key=lambda row: _comparable(row.get(name)), reverse=descending)
    return made, ""


def _comparable(value: str | None) -> tuple[int, float, str]:
    if value is None:
        return (0, 0.0, "")
    try:
        number = float(value)
    except ValueError:
        return (1, 0.0, value)
    return (2, number, "") if number == number else (1, 0.0, value)


def limited(rows: Iterable[Row], query: Query) -> list[Row]:
    """At most as many rows as the query asks for. Rows of aggregates are not cut: AWS applies their
    limit for each log group."""
    made = list(rows)
    return made[: query.limit] if query.limit is not None and query.per_event else made
