"""Checks of what all trails of an account log together: regions, management and data events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from trailhound.aws.posture.facts import Refused, TrailFacts, known
from trailhound.aws.posture.finding_builder import (
    OWNER,
    Evaluator,
    Evaluators,
    FindingBuilder,
    aws,
    listed,
    plural,
    setup_command,
    setup_or,
    unseen_regions,
    without_trails,
)
from trailhound.aws.selectors import logs
from trailhound.posture import PostureFinding

_SOURCES: Final = (
    "iam.amazonaws.com",
    "kms.amazonaws.com",
    "rdsdata.amazonaws.com",
    "bedrock.amazonaws.com",
)
"""Services whose management events are checked: one that nobody leaves out, the two that basic
selectors can exclude, and one for its models."""
_MANAGEMENT: Final = {
    f"{'reads' if read == 'true' else 'writes'} of {source}": {
        "eventCategory": "Management",
        "readOnly": read,
        "eventSource": source,
    }
    for source in _SOURCES
    for read in ("true", "false")
}
_OBJECT: Final = "trailhound-check-object"
_ANY_BUCKET: Final = "trailhound-check-any-bucket"
_NAMED: Final = (
    "check the name: --bucket, or the s3: nodes of the setting investigation.crown_jewels"
)

_MAKE: Final = "trailhound aws setup --plan"


def _every_region(of: FindingBuilder) -> Iterator[PostureFinding]:
    """Each region has a trail that logs; unknown if a trail of the region could not be read."""
    account = of.scope.account
    bare: list[str] = []
    unsure: list[str] = []
    dark = 0
    for region in account.regions:
        states = [trail.is_logging for trail in account.trails if trail.covers(region.name)]
        if True in states:
            continue
        if isinstance(region.trails, Refused):
            dark += 1
        elif any(isinstance(each, Refused) for each in states):
            unsure.append(region.name)
        else:
            bare.append(region.name)
    wide = [each.name for each in account.trails if each.is_logging is True and each.all_regions]
    if bare:
        yield of.failed(account.id, f"no trail logs {listed(bare)}", _MAKE)
    if unsure:
        yield _state_unknown(of, f"whether a trail logs {listed(unsure)}")
    if dark:
        yield unseen_regions(of)
    if account.unlisted and not wide:
        yield of.unknown(account.id, account.unlisted)
    elif not bare and not unsure and not dark:
        only = "" if account.all_regions else " (only these were looked at)"
        opted = [each.name for each in account.regions if each.opted_in]
        enabled = f", with those opted in: {listed(opted)}" if opted else ""
        named = f" by trail {listed(wide)}" if wide else ""
        seen = plural(len(account.regions), "region")
        yield of.passed(account.id, f"{seen} logged{named}{enabled}{only}")


def _state_unknown(of: FindingBuilder, what: str) -> PostureFinding:
    why = next(each.status for each in of.scope.account.trails if isinstance(each.status, Refused))
    return of.unknown(of.scope.account.id, why.with_reason(f"{what}: {why.reason}"))


def _management(of: FindingBuilder) -> Iterator[PostureFinding]:
    """In each region, the selectors of all trails together log every management event."""
    account = of.scope.account
    bare = list(without_trails(of))
    if bare:
        yield from bare
        return
    missing: dict[str, list[str]] = {}
    unsure: list[TrailFacts] = []
    dark = False
    for region in account.regions:
        trails = [each for each in account.trails if each.covers(region.name)]
        trails = [each for each in trails if each.is_logging is not False]
        for what, event in _MANAGEMENT.items():
            if any(each.is_logging is True and _lets(each, event) for each in trails):
                continue
            closed = [
                each
                for each in trails
                if isinstance(each.selectors, Refused) or each.is_logging is not True
            ]
            unsure += closed
            if isinstance(region.trails, Refused):
                dark = True
            elif not closed:
                missing.setdefault(what, []).append(region.name)
    if missing:
        gaps = [
            what + ("" if len(where) == len(account.regions) else f" in {listed(where, 3)}")
            for what, where in missing.items()
        ]
        yield of.failed(account.id, f"no trail logs {listed(gaps, 3)}", _selectors_fix(of))
    if unsure:
        yield _unread(of, unsure[0])
    if dark:
        yield unseen_regions(of)
    wide = [each for each in account.trails if each.is_logging is True and each.all_regions]
    everywhere = all(any(_lets(each, event) for each in wide) for event in _MANAGEMENT.values())
    if account.unlisted and not everywhere:
        yield of.unknown(account.id, account.unlisted)
    elif not missing and not unsure and not dark:
        where = plural(len(account.regions), "region")
        yield of.passed(account.id, f"reads and writes, in {where}")


def _unread(of: FindingBuilder, trail: TrailFacts) -> PostureFinding:
    why = trail.selectors if isinstance(trail.selectors, Refused) else trail.status
    assert isinstance(why, Refused)  # noqa: S101 - it is what makes it unread
    return of.unknown(trail.arn, why, region=trail.home)


def _lets(trail: TrailFacts, event: Mapping[str, str]) -> bool:
    return logs(known(trail.selectors, ()), event)


def _selectors_fix(of: FindingBuilder) -> str:
    """The fix: `aws setup` for a trail of its own, else a command of the AWS CLI."""
    trails = [each for each in of.scope.account.trails if each.is_logging is True]
    if not trails:
        return _MAKE
    chosen = max(trails, key=lambda each: each.all_regions)
    selector = '[{"ReadWriteType":"All","IncludeManagementEvents":true,"DataResources":[]}]'
    return setup_command(chosen, of.scope) or aws(
        *("cloudtrail", "put-event-selectors", "--trail-name", chosen.arn),
        *("--event-selectors", selector, "--region", chosen.home),
    )


def _global(of: FindingBuilder) -> Iterator[PostureFinding]:
    account = of.scope.account
    bare = list(without_trails(of))
    if bare:
        yield from bare
        return
    having = [each for each in account.trails if each.described.get("IncludeGlobalServiceEvents")]
    on = [each for each in having if each.is_logging is True]
    if on:
        yield of.passed(account.id, f"in trail {listed([each.name for each in on])}")
    elif unsure := [each for each in having if isinstance(each.is_logging, Refused)]:
        yield _unread(of, unsure[0])
    elif account.unlisted_regions:
        yield unseen_regions(of)
    else:
        chosen = account.trails[0]
        yield of.failed(
            account.id,
            "no trail that logs includes them",
            setup_or(
                chosen,
                of.scope,
                *("cloudtrail", "update-trail", "--name", chosen.arn),
                *("--include-global-service-events", "--is-multi-region-trail"),
            ),
        )


def _data_events(read: str) -> Evaluator:
    """A check whether reads, or writes, of objects are logged in the buckets that matter."""

    def evaluate(of: FindingBuilder) -> Iterator[PostureFinding]:
        bare = list(without_trails(of))
        if bare:
            yield from bare
            return
        for bucket in of.scope.wanted.buckets or (_ANY_BUCKET,):
            yield _elsewhere(of, bucket) or _objects(of, bucket, read)

    return evaluate


def _elsewhere(of: FindingBuilder, bucket: str) -> PostureFinding | None:
    """The finding for a bucket that is not this account's, whose selectors do not matter then: it
    does not exist, or another account has to log it. None for a bucket of this account."""
    account = of.scope.account
    if bucket == _ANY_BUCKET or bucket in known(account.own_buckets, frozenset()):
        return None
    name = f"bucket {bucket}"
    for other in of.scope.others.values():
        if bucket in known(other.own_buckets, frozenset()):
            return of.not_applicable(name, f"it belongs to account {other.id}, and is judged there")
    there = account.elsewhere.get(bucket, False)
    if there is False:
        return of.unknown(name, "there is no such bucket", _NAMED)
    if not isinstance(account.own_buckets, Refused):
        if isinstance(there, Refused) and not there.denied:
            return of.unknown(name, there)
        return of.unknown(name, f"it belongs to another account than {account.id}", OWNER)
    return of.unknown(name, there) if isinstance(there, Refused) else None


def _objects(of: FindingBuilder, bucket: str, read: str) -> PostureFinding:
    account = of.scope.account
    event = {
        "eventCategory": "Data",
        "readOnly": read,
        "resources.type": "AWS::S3::Object",
        "resources.ARN": f"arn:{account.partition}:s3:::{bucket}/{_OBJECT}",
        "eventName": "GetObject" if read == "true" else "PutObject",
        "eventSource": "s3.amazonaws.com",
        "userIdentity.arn": f"arn:{account.partition}:iam::{account.id}:user/trailhound-check",
    }
    chosen = [each for each in account.trails if each.is_logging is not False]
    named = "all buckets" if bucket == _ANY_BUCKET else f"bucket {bucket}"
    by = [each for each in chosen if each.is_logging is True and _lets(each, event)]
    left_out = [] if bucket != _ANY_BUCKET or not by else _left_out(of, by, event)
    if left_out:
        named, by = f"bucket {listed(left_out)}", []
    if by:
        evidence = f"by trail {listed([each.name for each in by])}"
        if not any(each.all_regions for each in by):
            evidence += f", in {listed([each.home for each in by])} alone"
        return of.passed(named, evidence)
    dark = [
        each
        for each in chosen
        if isinstance(each.selectors, Refused) or each.is_logging is not True
    ]
    if dark:
        return _unread(of, dark[0])
    if account.unlisted_regions:
        return unseen_regions(of)
    if not chosen:
        return of.failed(named, "no trail logs", _MAKE)
    trail = max(chosen, key=lambda each: each.all_regions)
    flags = [] if bucket == _ANY_BUCKET else ["--data-bucket", bucket]
    kind = "All" if read == "true" else "WriteOnly"
    arn = f"arn:{account.partition}:s3" + ("" if bucket == _ANY_BUCKET else f":::{bucket}/")
    selector = (
        f'[{{"ReadWriteType":"{kind}","IncludeManagementEvents":true,'
        f'"DataResources":[{{"Type":"AWS::S3::Object","Values":["{arn}"]}}]}}]'
    )
    return of.failed(
        named,
        f"no trail has data events of {'reads' if read == 'true' else 'writes'} there",
        setup_command(trail, of.scope, *flags)
        or aws(
            *("cloudtrail", "put-event-selectors", "--trail-name", trail.arn),
            *("--event-selectors", selector, "--region", trail.home),
        ),
    )


def _left_out(of: FindingBuilder, trails: list[TrailFacts], event: Mapping[str, str]) -> list[str]:
    """The account's own buckets that trails leave out, apart from those that trails write to."""
    account = of.scope.account
    logged_to = {each.bucket for each in account.trails}
    return [
        name
        for name in sorted(known(account.own_buckets, frozenset()) - logged_to)
        if not any(
            _lets(
                each,
                {**event, "resources.ARN": f"arn:{account.partition}:s3:::{name}/{_OBJECT}"},
            )
            for each in trails
        )
    ]


EVALUATORS: Final[Evaluators] = {
    "trail-every-region": _every_region,
    "trail-management-events": _management,
    "trail-global-events": _global,
    "data-events-write": _data_events("false"),
    "data-events-read": _data_events("true"),
}
