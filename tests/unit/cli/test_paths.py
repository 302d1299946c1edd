"""How `trailhound paths` shows its rows."""

from __future__ import annotations

from typing import Any

import pytest

from trailhound.cli.paths import MOVEMENTS


@pytest.mark.parametrize(
    ("kind", "roles", "shown"),
    [
        ("lateral_movement", ["role:a", "role:a", "role:b", "role:a"], "role:a ×2, role:b, role:a"),
        ("lateral_movement", [], "no call names its role"),
        ("role_chain", ["role:a", "role:b"], "role:a → role:b"),
    ],
)
def test_only_a_chain_of_roles_has_arrows(kind: str, roles: list[str], shown: str) -> None:
    (column,) = [each for each in MOVEMENTS.columns if each.name == "roles"]
    row: dict[str, Any] = {"type": kind, "role_chain": roles}
    assert column.value(row) == shown
