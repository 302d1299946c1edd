"""All parts of a set-up in an account, in order; here the log group, the roles and the trail."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from ingest.sources.s3_errors import code_of
from trailhound.aws import documents
from trailhound.aws.account import Account, reply_or_none
from trailhound.aws.bucket_setup import BucketParts
from trailhound.aws.names import LOG_DAYS, PREFIX, TrailSetup
from trailhound.aws.notification_setup import NotificationParts
from trailhound.aws.parts import EXISTS, Part, Value, by, members
from trailhound.aws.refusals import refusals
from trailhound.aws.setup_parts import pairs_of, part_of, tags_of
from trailhound.errors import UsageError

_UNSETTLED = (
    "InvalidCloudWatchLogsRoleArnException",
    "InvalidCloudWatchLogsLogGroupArnException",
)
_PAUSES = (2.0, 4.0, 8.0, 16.0)
"""Seconds between attempts."""
_UNKNOWN_KEY = "(the key's ARN, once it is made)"


def _settled(call: Callable[[], Any]) -> None:
    """Makes a call that needs a role, which may just have been created: it takes seconds until
    IAM's change reaches other services."""
    for pause in _PAUSES:
        try:
            call()
        except ClientError as error:
            if code_of(error) not in _UNSETTLED:
                raise
            time.sleep(pause)
        else:
            return
    call()


@dataclass(frozen=True)
class Trail(BucketParts, NotificationParts):
    """All parts of one set-up in one account."""

    @classmethod
    def of(cls, account: Account, wanted: TrailSetup, *, adopt: bool = False) -> Trail:
        """The wanted set-up in an account. Raises `UsageError` for data events of the log
        bucket."""
        there = replace(
            wanted, account=account.id, region=account.region, partition=account.partition
        )
        if there.bucket_name in there.data_buckets:
            raise UsageError(
                f"--data-bucket {there.bucket_name}: the log bucket itself is never logged",
                hint="each file written there would be an event that fills the next file",
            )
        return cls(account, there, adopt)

    def with_key(self) -> Trail:
        """This set-up, with the ARN of its KMS key if that exists. Raises `AwsError`."""
        if not self.setup.kms:
            return self
        with refusals(f"key {self.setup.key_alias}"):
            key = self._key()
        arn = _UNKNOWN_KEY if key is None else key["Arn"]
        return replace(self, setup=replace(self.setup, key_arn=arn))

    def key_parts(self) -> list[Part]:
        """The parts of the KMS key, whose ARN the other parts need."""
        return list(self._key_parts()) if self.setup.kms else []

    def parts(self) -> list[Part]:
        """All other parts."""
        return [
            *self._bucket_parts(),
            *self._notification_parts(),
            *self._role_parts(),
            *self._trail_parts(),
        ]

    def log_group(self) -> dict[str, Any] | None:
        """The log group as AWS describes it; None if it does not exist."""
        pages = self.account.client("logs").get_paginator("describe_log_groups")
        for page in pages.paginate(logGroupNamePrefix=self.setup.log_group):
            for each in page["logGroups"]:
                if each["logGroupName"] == self.setup.log_group:
                    return dict(each)
        return None

    def _role_parts(self) -> Iterator[Part]:
        logs, setup = self.account.client("logs"), self.setup
        what = f"log group {setup.log_group}"

        def read() -> Value:
            if self.log_group() is None:
                return None
            return self._ours(
                what, logs.list_tags_for_resource(resourceArn=setup.log_group_arn)["tags"]
            )

        yield part_of(
            what,
            EXISTS,
            read,
            lambda _then, _now: logs.create_log_group(
                logGroupName=setup.log_group, tags=setup.tags
            ),
        )
        yield part_of(
            f"{what}: retention",
            LOG_DAYS,
            lambda: (self.log_group() or {}).get("retentionInDays"),
            lambda then, _now: logs.put_retention_policy(
                logGroupName=setup.log_group, retentionInDays=then
            ),
            needs=what,
        )
        yield from self._role(
            setup.logs_role, documents.logs_trust(), documents.logs_permissions(setup)
        )
        yield from self._role(
            setup.daemon_role, documents.daemon_trust(setup), documents.daemon_permissions(setup)
        )

    def _role(self, name: str, trust: Value, permissions: Value) -> Iterator[Part]:
        iam, setup = self.account.client("iam"), self.setup
        what = f"role {name}"

        def role() -> Any:
            return reply_or_none(iam.get_role, "NoSuchEntity", RoleName=name)

        def read() -> Value:
            there = role()
            if there is None:
                return None
            return self._ours(what, tags_of(iam.list_role_tags(RoleName=name)["Tags"]))

        yield part_of(
            what,
            EXISTS,
            read,
            lambda _then, _now: iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps(trust),
                Tags=pairs_of(setup.tags),
            ),
        )
        yield part_of(
            f"{what}: trust",
            trust,
            lambda: role()["Role"]["AssumeRolePolicyDocument"],
            lambda then, _now: iam.update_assume_role_policy(
                RoleName=name, PolicyDocument=json.dumps(then)
            ),
            needs=what,
        )

        def granted() -> Value:
            reply = reply_or_none(
                iam.get_role_policy, "NoSuchEntity", RoleName=name, PolicyName=setup.name
            )
            return None if reply is None else reply["PolicyDocument"]

        yield part_of(
            f"{what}: permissions",
            permissions,
            granted,
            lambda then, _now: iam.put_role_policy(
                RoleName=name, PolicyName=setup.name, PolicyDocument=json.dumps(then)
            ),
            needs=what,
        )

    def _trail_parts(self) -> Iterator[Part]:
        cloudtrail, setup = self.account.client("cloudtrail"), self.setup
        what = f"trail {setup.name}"
        wanted = {
            "S3BucketName": setup.bucket_name,
            "S3KeyPrefix": PREFIX.rstrip("/"),
            "IncludeGlobalServiceEvents": True,
            "IsMultiRegionTrail": True,
            "IsOrganizationTrail": bool(setup.organisation),
            "LogFileValidationEnabled": True,
            "CloudWatchLogsLogGroupArn": f"{setup.log_group_arn}:*",
            "CloudWatchLogsRoleArn": setup.role_arn(setup.logs_role),
        } | ({"KmsKeyId": setup.key_arn} if setup.kms else {})
        given = {"LogFileValidationEnabled": "EnableLogFileValidation"}

        def arguments(then: Value) -> dict[str, Any]:
            return {"Name": setup.name} | {given.get(n, n): value for n, value in then.items()}

        def trail() -> Any:
            reply = reply_or_none(
                cloudtrail.get_trail, "TrailNotFoundException", Name=setup.trail_arn
            )
            return None if reply is None else reply["Trail"]

        def read() -> Value:
            there = trail()
            if there is None:
                return None
            listed = cloudtrail.list_tags(ResourceIdList=[there["TrailARN"]])["ResourceTagList"]
            self._ours(what, tags_of([tag for each in listed for tag in each["TagsList"]]))
            return {name: there[name] for name in wanted if name in there}

        def write(then: Value, now: Value) -> None:
            if now is None:
                tags = pairs_of(setup.tags)
                _settled(lambda: cloudtrail.create_trail(**arguments(then), TagsList=tags))
            else:
                _settled(lambda: cloudtrail.update_trail(**arguments(then)))

        yield part_of(what, wanted, read, write, members)

        def selectors() -> Value:
            reply = cloudtrail.get_event_selectors(TrailName=setup.trail_arn)
            advanced = reply.get("AdvancedEventSelectors")
            return advanced or [
                {"Name": "(basic)", **each} for each in reply.get("EventSelectors") or ()
            ]

        def with_others(now: Value, wanted: Value) -> Value:
            # A trail can't have both basic and advanced selectors: basic ones are shown as removed.
            others = [each for each in now or () if "FieldSelectors" in each]
            return [
                each
                for each in by("Name")(others, wanted)
                if each in wanted or not str(each.get("Name", "")).startswith("Trailhound ")
            ]

        yield part_of(
            f"{what}: event selectors",
            documents.event_selectors(setup),
            selectors,
            lambda then, _now: cloudtrail.put_event_selectors(
                TrailName=setup.trail_arn, AdvancedEventSelectors=then
            ),
            with_others,
            needs=what,
        )
        if setup.insights:
            yield part_of(
                f"{what}: insights",
                [{"InsightType": each} for each in documents.INSIGHTS],
                self._insights,
                lambda then, _now: cloudtrail.put_insight_selectors(
                    TrailName=setup.trail_arn, InsightSelectors=then
                ),
                by("InsightType"),
                needs=what,
            )
        yield part_of(
            f"{what}: logging",
            True,
            lambda: self.status()["IsLogging"],
            lambda _then, _now: cloudtrail.start_logging(Name=setup.trail_arn),
            needs=what,
        )

    def _insights(self) -> Value:
        reply = reply_or_none(
            self.account.client("cloudtrail").get_insight_selectors,
            "InsightNotEnabledException",
            TrailName=self.setup.trail_arn,
        )
        return (reply or {}).get("InsightSelectors") or None

    def status(self) -> dict[str, Any]:
        """The reply of `GetTrailStatus`. Raises `AwsError`."""
        with refusals(f"trail {self.setup.name}"):
            reply = self.account.client("cloudtrail").get_trail_status(Name=self.setup.trail_arn)
        return dict(reply)
