"""Runs every check on the facts of every account that was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from trailhound.aws.posture import (
    judge_account,
    judge_alarms,
    judge_buckets,
    judge_coverage,
    judge_trails,
    judge_watching,
)
from trailhound.aws.posture.catalogue import CHECKS
from trailhound.aws.posture.facts import Account, Requirements, Scope, Trail
from trailhound.aws.posture.ruling import Judges, Ruling
from trailhound.posture import Finding

JUDGES: Final[Judges] = {
    **judge_coverage.JUDGES,
    **judge_trails.JUDGES,
    **judge_buckets.JUDGES,
    **judge_watching.JUDGES,
    **judge_alarms.JUDGES,
    **judge_account.JUDGES,
}


def judged(accounts: Iterable[Account], wanted: Requirements, now: datetime) -> Iterator[Finding]:
    """Findings, account by account, in the order of the catalogue."""
    others = {each.id: each for each in accounts}
    here = _judged_in(others)
    for account in others.values():
        trails = [each for each in account.trails if here[each.arn] == account.id]
        scope = Scope(account=account, others=others, trails=trails, wanted=wanted, now=now)
        for check in CHECKS:
            yield from JUDGES[check.id](Ruling(check.id, scope))


def _judged_in(accounts: Mapping[str, Account]) -> dict[str, str]:
    """The account in which each trail is judged: its own, or else the first that shows it."""
    found: dict[str, str] = {}
    for account in accounts.values():
        for trail in account.trails:
            found.setdefault(trail.arn, _owner(trail, accounts) or account.id)
    return found


def _owner(trail: Trail, accounts: Mapping[str, Account]) -> str:
    """The owner, if it was read and shows the trail too."""
    owner = accounts.get(trail.owner)
    shows = owner is not None and any(each.arn == trail.arn for each in owner.trails)
    return trail.owner if shows else ""
