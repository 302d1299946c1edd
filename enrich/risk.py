"""The risk score: a table of weights, and a pure function of four facts."""

from __future__ import annotations

from dataclasses import dataclass

HIGH_RISK_CALLS = frozenset(
    {
        "CreateRole",
        "AttachRolePolicy",
        "PutRolePolicy",
        "CreateUser",
        "AttachUserPolicy",
        "PutUserPolicy",
        "CreateAccessKey",
        "DeleteTrail",
        "StopLogging",
    }
)


@dataclass(frozen=True, slots=True)
class RiskTable:
    """Points for each fact, named as in the settings; the sum never passes `cap`."""

    base: int = 1
    high_risk_call: int = 5
    root: int = 8
    external: int = 2
    error: int = 3
    cap: int = 10
    high_risk_calls: frozenset[str] = HIGH_RISK_CALLS


DEFAULT_RISK = RiskTable()


def score(
    table: RiskTable,
    *,
    high_risk_call: bool = False,
    root: bool = False,
    external: bool = False,
    error: bool = False,
) -> tuple[int, list[str]]:
    """The score and the names of the facts that applied, in the order of the table.

    >>> score(DEFAULT_RISK, high_risk_call=True, external=True)
    (8, ['high_risk_call', 'external_address'])
    >>> score(DEFAULT_RISK, root=True, error=True)
    (10, ['root', 'error'])
    """
    facts = (
        (high_risk_call, "high_risk_call", table.high_risk_call),
        (root, "root", table.root),
        (external, "external_address", table.external),
        (error, "error", table.error),
    )
    total = table.base + sum(points for applies, _, points in facts if applies)
    return min(total, table.cap), [name for applies, name, _ in facts if applies]
