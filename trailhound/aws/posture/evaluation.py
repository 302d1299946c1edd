"""Runs every check on the facts of every account that was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final

from trailhound.aws.posture import (
    evaluate_account,
    evaluate_alarms,
    evaluate_buckets,
    evaluate_coverage,
    evaluate_trails,
    evaluate_watching,
)
from trailhound.aws.posture.catalogue import CHECKS
from trailhound.aws.posture.facts import AccountFacts, Requirements, Scope, TrailFacts
from trailhound.aws.posture.finding_builder import Evaluators, FindingBuilder
from trailhound.posture import PostureFinding

EVALUATORS: Final[Evaluators] = {
    **evaluate_coverage.EVALUATORS,
    **evaluate_trails.EVALUATORS,
    **evaluate_buckets.EVALUATORS,
    **evaluate_watching.EVALUATORS,
    **evaluate_alarms.EVALUATORS,
    **evaluate_account.EVALUATORS,
}


def evaluate(
    accounts: Iterable[AccountFacts], wanted: Requirements, now: datetime
) -> Iterator[PostureFinding]:
    """Findings, account by account, in the order of the catalogue."""
    others = {each.id: each for each in accounts}
    here = _evaluated_in(others)
    for account in others.values():
        trails = [each for each in account.trails if here[each.arn] == account.id]
        scope = Scope(account=account, others=others, trails=trails, wanted=wanted, now=now)
        for check in CHECKS:
            yield from EVALUATORS[check.id](FindingBuilder(check.id, scope))


def _evaluated_in(accounts: Mapping[str, AccountFacts]) -> dict[str, str]:
    """The account in which each trail is evaluated: its own, or else the first that shows it."""
    found: dict[str, str] = {}
    for account in accounts.values():
        for trail in account.trails:
            found.setdefault(trail.arn, _owner(trail, accounts) or account.id)
    return found


def _owner(trail: TrailFacts, accounts: Mapping[str, AccountFacts]) -> str:
    """The owner, if it was read and shows the trail too."""
    owner = accounts.get(trail.owner)
    shows = owner is not None and any(each.arn == trail.arn for each in owner.trails)
    return trail.owner if shows else ""
