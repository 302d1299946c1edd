"""One run of `trailhound aws check`: read the accounts, evaluate them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from trailhound.aws.account import Account
from trailhound.aws.posture.accounts import Stage, read_all, targets
from trailhound.aws.posture.catalogue import CHECKS
from trailhound.aws.posture.evaluation import evaluate
from trailhound.aws.posture.facts import Requirements
from trailhound.posture import Posture


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which accounts and regions are checked, by which role, and with which requirements."""

    accounts: Sequence[str] = ()
    organisation: bool = False
    role: str = ""
    """Its name in each account."""
    regions: Sequence[str] = ()
    wanted: Requirements = field(default_factory=Requirements)


def examine(own: Account, request: Request, stage: Stage) -> Posture:
    """The posture of the accounts. Raises `AwsError` where the organisation can't be read,
    `UsageError` for accounts that can't be meant; an account that can't be read is among the
    `unreached`."""
    found = targets(
        own, organisation=request.organisation, only=request.accounts, role=request.role
    )
    read = read_all(
        own,
        found,
        role=request.role,
        regions=request.regions,
        stage=stage,
        buckets=request.wanted.buckets,
    )
    now = datetime.now(UTC)
    return Posture(
        taken=now.isoformat(timespec="seconds"),
        accounts=tuple(read.named),
        checks=CHECKS,
        findings=tuple(evaluate(read.accounts, request.wanted, now)),
        unreached=tuple(read.unreached),
    )
