"""How `trailhound paths --lateral` shows role changes by address, and chains of roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.late_imports import late_imports
from trailhound.cli.listing import Form, Listing, note_left_off
from trailhound.cli.screen import warn

with late_imports():
    from detections.investigation.lateral import MOST_CHAINED, Lateral

Row = dict[str, Any]

_NAMED = 4
"""The most roles of an address that a terminal names."""
_UNNAMED = "no call names its role"
_KINDS = {"lateral_movement": "address", "role_chain": "chain"}


def _call(name: str, place: int) -> Callable[[Row], Any]:
    return lambda row: row["timeline"][place][name]


def _roles(row: Row) -> str:
    """The roles of a chain in their order; the roles of an address, which are not a chain, each
    with its number of calls."""
    if row["type"] == "role_chain":
        return " → ".join(row["role_chain"])
    runs = [(role, len(list(calls))) for role, calls in groupby(row["role_chain"])]
    return ", ".join(_times(role, number) for role, number in runs) or _UNNAMED


def _shown_roles(row: Row) -> str:
    """`_roles` for a terminal: an account only where it changes, and of an address each role once,
    the most frequent first."""
    if row["type"] == "role_chain":
        return " → ".join(_short(row["role_chain"]))
    counts = Counter[str](row["role_chain"]).most_common()
    named = counts[:_NAMED]
    made = [
        _times(name, number)
        for name, (_, number) in zip(_short(role for role, _ in named), named, strict=True)
    ]
    if len(counts) > _NAMED:
        made.append(f"+{len(counts) - _NAMED} more")
    return ", ".join(made) or _UNNAMED


def _times(role: str, number: int) -> str:
    return f"{role} ×{number:,}" if number > 1 else role


def _short(roles: Iterable[str]) -> list[str]:
    """Roles without their kind, with the account of the first and of each that is in another than
    the one before.

    >>> _short(["role:a@111122223333", "role:b@111122223333", "role:c@444455556666"])
    ['a@111122223333', 'b', 'c@444455556666']
    """
    made: list[str] = []
    before = ""
    for role in roles:
        whole = role.removeprefix("role:")
        name, _, account = whole.rpartition("@")
        made.append(name if name and account == before else whole)
        before = account
    return made


MOVEMENTS = Listing[Row](
    "movements",
    (
        Column("type", lambda each: each["type"], "by", shown=lambda each: _KINDS[each["type"]]),
        Column("score", lambda each: each.get("risk_score"), "score", ColumnType.NUMBER),
        Column("origin", lambda each: each.get("source_ip") or each["origin"], "who or where"),
        Column("roles", _roles, "roles", whole=True, shown=_shown_roles),
        Column("count", lambda each: each["count"], "count", ColumnType.NUMBER),
        Column(
            "refused", lambda each: each.get("refused"), "refused", ColumnType.NUMBER, priority=3
        ),
        Column("first", _call("time", 0), "first", ColumnType.INSTANT, priority=1),
        Column("last", _call("time", -1), "last", ColumnType.INSTANT, priority=2),
    ),
    dict,
    empty="no address assumed roles more than twice, and no role assumed another",
)
"""`trailhound paths --lateral`."""


def show_movements(moved: Lateral, limit: int, form: Form, beside: dict[str, Any]) -> None:
    """Role changes by address and chains of roles, at most `limit` of each."""
    rows = [each.as_json() for each in moved.movements]
    rows += [each.as_json() for each in moved.chains]
    totals = {"addresses": moved.total_movements, "chains": moved.total_chains}
    more = any(total > limit for total in totals.values())
    MOVEMENTS.show(rows, form, beside=beside | {"more": more, "total": totals})
    for kind, total in totals.items():
        if total > limit:
            note_left_off(f"{limit:,} of {total:,} {kind} shown: --limit N for more", form)
    if moved.more:
        warn(
            f"only the first {MOST_CHAINED:,} calls with a session's credentials were "
            f"followed; {moved.more:,} were left out: narrow the time"
        )
