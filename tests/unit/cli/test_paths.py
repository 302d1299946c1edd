"""How `trailhound paths` shows its rows."""

from __future__ import annotations

from typing import Any

import pytest

from trailhound.cli.columns import plain
from trailhound.cli.movements import MOVEMENTS
from trailhound.cli.table_layout import layout

HOME, AWAY = "111122223333", "444455556666"
(ROLES,) = [each for each in MOVEMENTS.columns if each.name == "roles"]


@pytest.mark.parametrize(
    ("kind", "roles", "shown"),
    [
        ("lateral_movement", ["role:a", "role:a", "role:b", "role:a"], "role:a ×2, role:b, role:a"),
        ("lateral_movement", [], "no call names its role"),
        ("role_chain", ["role:a", "role:b"], "role:a → role:b"),
    ],
)
def test_only_a_chain_of_roles_has_arrows(kind: str, roles: list[str], shown: str) -> None:
    row: dict[str, Any] = {"type": kind, "role_chain": roles}
    assert ROLES.value(row) == shown


@pytest.mark.parametrize(
    ("kind", "roles", "shown"),
    [
        ("lateral_movement", [f"b@{HOME}", f"a@{HOME}", f"b@{HOME}"], f"b@{HOME} ×2, a"),
        ("lateral_movement", [f"r{n}@{HOME}" for n in range(6)], f"r0@{HOME}, r1, r2, r3, +2 more"),
        ("lateral_movement", [], "no call names its role"),
        ("role_chain", [f"a@{HOME}", f"b@{HOME}", f"a@{AWAY}"], f"a@{HOME} → b → a@{AWAY}"),
        ("role_chain", ["a", "it@home@" + HOME, "b"], f"a → it@home@{HOME} → b"),
    ],
)
def test_a_terminal_names_each_role_of_an_address_once_and_an_account_where_it_changes(
    kind: str, roles: list[str], shown: str
) -> None:
    roles = [f"role:{each}" for each in roles]
    row: dict[str, Any] = {"type": kind, "role_chain": roles}
    assert ROLES.shown is not None
    assert ROLES.shown(row) == shown


def test_a_pipe_has_every_call_of_an_address_and_80_columns_have_room_for_roles() -> None:
    calls = [f"role:reports-production-{n % 60}@{HOME}" for n in range(100)]
    row = {
        "type": "lateral_movement",
        "source_ip": "203.0.113.250",
        "role_chain": calls,
        "count": 100,
        "refused": 0,
        "timeline": [{"time": "2025-03-01T00:00:00.000Z"}],
        "risk_score": 10,
    }
    assert plain(ROLES, row) == ", ".join(calls)
    (roles,) = [each for each in layout(MOVEMENTS.columns, [row], 80) if each.column is ROLES]
    assert roles.width >= 40
    assert len(roles.text(row)) <= 4 * roles.width
