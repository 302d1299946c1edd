"""Checks of CloudWatch: events arrive there, the log group is kept and closed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Final

from trailhound.aws.posture.evaluate_trails import delivered
from trailhound.aws.posture.facts import LogGroupFacts, Refused, Reply, TrailFacts, known
from trailhound.aws.posture.finding_builder import (
    Evaluator,
    Evaluators,
    FindingBuilder,
    aws,
    each_trail,
    listed,
    setup_or,
    statements,
    texts,
    without_trails,
)
from trailhound.plural import plural
from trailhound.posture import PostureFinding

GroupEvaluator = Callable[[FindingBuilder, LogGroupFacts, Reply], PostureFinding]
"""A check of an existing log group, with its description by `DescribeLogGroups`."""


def other_account(of: FindingBuilder, arn: str) -> PostureFinding:
    """The finding for a log group of an account that was not read."""
    owner = arn.split(":")[4]
    return of.unknown(
        arn,
        f"the log group belongs to account {owner}, which was not looked at",
        f"check it too: --account {owner} --role NAME, or --organisation",
    )


def _cloudwatch(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    if not trail.log_group:
        return of.failed(
            trail.arn,
            "it has no log group",
            setup_or(
                trail,
                of.scope,
                *("cloudtrail", "update-trail", "--name", trail.arn),
                *("--cloud-watch-logs-log-group-arn", "GROUP_ARN:*"),
                *("--cloud-watch-logs-role-arn", "ROLE_ARN"),
            ),
            trail.home,
        )
    return delivered(
        of,
        trail,
        "LatestCloudWatchLogsDeliveryTime",
        "LatestCloudWatchLogsDeliveryError",
        "to the log group",
    )


def _each_group(evaluator: GroupEvaluator) -> Evaluator:
    """A check of one log group as a check of those of all trails evaluated in an account."""

    def evaluate(of: FindingBuilder) -> Iterator[PostureFinding]:
        for arn in of.scope.log_groups:
            group = of.scope.group(arn)
            if group is None:
                yield other_account(of, arn)
            elif isinstance(group.described, Refused):
                yield of.unknown(group.name, group.described, region=group.region)
            elif group.described is None:
                yield of.failed(
                    group.name,
                    "there is no such log group, though a trail names it",
                    "trailhound aws setup --plan",
                    group.region,
                )
            else:
                yield evaluator(of, group, group.described)
        yield from _without_groups(of)

    return evaluate


def _without_groups(of: FindingBuilder) -> Iterator[PostureFinding]:
    yield from without_trails(of)
    if of.scope.trails and not of.scope.log_groups:
        yield of.failed(
            of.scope.account.id, "no trail has a log group", "trailhound aws setup --plan"
        )


def _retention(of: FindingBuilder, group: LogGroupFacts, described: Reply) -> PostureFinding:
    days, wanted = described.get("retentionInDays"), of.scope.wanted.log_days
    if days is None:
        return of.passed(group.name, "events stay for ever", group.region)
    if days >= wanted:
        return of.passed(group.name, f"events stay {plural(days, 'day')}", group.region)
    return of.failed(
        group.name,
        f"events stay {plural(days, 'day')}; required: {wanted:,}",
        aws(
            *("logs", "put-retention-policy", "--log-group-name", group.name),
            *("--retention-in-days", str(wanted), "--region", group.region),
        ),
        group.region,
    )


def _encrypted(of: FindingBuilder, group: LogGroupFacts, described: Reply) -> PostureFinding:
    if key := described.get("kmsKeyId"):
        return of.passed(group.name, f"key {key}", group.region)
    return of.failed(
        group.name,
        "no KMS key: CloudWatch's own encryption",
        aws(
            *("logs", "associate-kms-key", "--log-group-name", group.name),
            *("--kms-key-id", "KEY_ARN", "--region", group.region),
        ),
        group.region,
    )


def _not_public(of: FindingBuilder, group: LogGroupFacts, _described: Reply) -> PostureFinding:
    if isinstance(group.policies, Refused):
        return of.unknown(group.name, group.policies, region=group.region)
    open_ = sorted(
        str(policy.get("policyName"))
        for policy in group.policies
        if any(_opens(each, group) for each in _read(policy))
    )
    if not open_:
        evidence = f"{len(known(group.policies, ()))} resource policies, none for everybody"
        return of.passed(group.name, evidence, group.region)
    return of.failed(
        group.name,
        f"resource policy {listed(open_)} lets everybody in",
        aws(
            *("logs", "delete-resource-policy", "--policy-name", open_[0]),
            *("--region", group.region),
        ),
        group.region,
    )


def _read(policy: Reply) -> list[Reply]:
    try:
        return statements(json.loads(policy.get("policyDocument") or "{}"))
    except ValueError:
        return []


def _opens(statement: Reply, group: LogGroupFacts) -> bool:
    """Whether anybody may do something with a log group, without a condition that says who."""
    principal = statement.get("Principal")
    everybody = principal == "*" or (
        isinstance(principal, dict) and "*" in texts(principal.get("AWS") or [])
    )
    about = any(
        fnmatchcase(place, text)
        for text in texts(statement.get("Resource") or "*")
        for place in (group.arn, f"{group.arn}:*", f"{group.arn}:log-stream:a")
    )
    return (
        statement.get("Effect") == "Allow"
        and everybody
        and about
        and not statement.get("Condition")
    )


EVALUATORS: Final[Evaluators] = {
    "trail-cloudwatch": each_trail(_cloudwatch),
    "log-group-retention": _each_group(_retention),
    "log-group-encrypted": _each_group(_encrypted),
    "log-group-not-public": _each_group(_not_public),
}
