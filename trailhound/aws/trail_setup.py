"""The parts of a set-up in the order in which they can be made, read and written by AWS's API."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from ingest.sources.s3_errors import code_of
from trailhound.aws import documents
from trailhound.aws.account import Account, found
from trailhound.aws.names import LOG_DAYS, PREFIX, TAG, TrailSetup
from trailhound.aws.parts import EXISTS, Part, Value, by, members, replaced, statements
from trailhound.aws.refusals import refusals
from trailhound.errors import AwsError, UsageError

_NO_BUCKET = ("404", "NoSuchBucket")
_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_UNSETTLED = (
    "InvalidCloudWatchLogsRoleArnException",
    "InvalidCloudWatchLogsLogGroupArnException",
)
_PAUSES = (2.0, 4.0, 8.0, 16.0)
"""Seconds."""
_UNKNOWN_KEY = "(the key's ARN, once it is made)"


def _pairs(tags: dict[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in tags.items()]


def tags_of(listed: list[dict[str, str]]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in listed}


def _settled(call: Callable[[], Any]) -> None:
    """A call that needs a role which may have been made a moment ago: IAM takes seconds to tell the
    other services."""
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
class Trail:
    """One set-up in one account. Objects that exist without our tag are `adopted` if asked for, and
    then not removed later."""

    account: Account
    setup: TrailSetup
    adopt: bool = False

    @classmethod
    def of(cls, account: Account, wanted: TrailSetup, *, adopt: bool = False) -> Trail:
        """What is wanted, in an account."""
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
        """The same, with the ARN of the key where it exists."""
        if not self.setup.kms:
            return self
        with refusals(f"key {self.setup.key_alias}"):
            key = self._key()
        arn = _UNKNOWN_KEY if key is None else key["Arn"]
        return replace(self, setup=replace(self.setup, key_arn=arn))

    def key_parts(self) -> list[Part]:
        """What has to be there before the rest can be planned with its ARN."""
        return list(self._key_parts()) if self.setup.kms else []

    def parts(self) -> list[Part]:
        """Everything else."""
        return [
            *self._bucket_parts(),
            *self._notification_parts(),
            *self._role_parts(),
            *self._trail_parts(),
        ]

    def _part(
        self,
        name: str,
        wanted: Value,
        read: Callable[[], Value],
        write: Callable[[Value, Value], None],
        merge: Callable[[Value, Value], Value] = replaced,
        needs: str = "",
    ) -> Part:
        """With refusals as sentences that name the part."""

        def reading() -> Value:
            with refusals(name):
                return read()

        def writing(then: Value, now: Value) -> None:
            with refusals(name):
                write(then, now)

        return Part(name, wanted, reading, writing, merge, needs)

    def _ours(self, what: str, tags: dict[str, str]) -> Value:
        """That a thing is there, and by whom; raises `AwsError` for one that is not ours."""
        if tags.get(TAG) == self.setup.name or self.adopt:
            return EXISTS
        raise AwsError(
            f"{what} exists already, and was not made by this set-up (it has no tag "
            f"{TAG}={self.setup.name})",
            hint="give another name with --name or --bucket; or --adopt to change it, merged with "
            "what it has (it is then never deleted by --destroy)",
        )

    # -- the key ------------------------------------------------------------------------------

    def _key(self) -> dict[str, Any] | None:
        kms = self.account.client("kms")
        reply = found(kms.describe_key, "NotFoundException", KeyId=self.setup.key_alias)
        return None if reply is None else dict(reply["KeyMetadata"])

    def _key_parts(self) -> Iterator[Part]:
        kms, setup = self.account.client("kms"), self.setup
        name = f"key {setup.key_alias}"

        def read() -> Value:
            key = self._key()
            if key is None:
                return None
            listed = kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            return self._ours(name, {each["TagKey"]: each["TagValue"] for each in listed})

        def create(_then: Value, _now: Value) -> None:
            made = kms.create_key(
                Description=f"CloudTrail's files of {setup.name}",
                Policy=json.dumps(documents.key_policy(setup)),
                Tags=_pairs(setup.tags, "TagKey", "TagValue"),
            )["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=setup.key_alias, TargetKeyId=made)

        yield self._part(name, EXISTS, read, create)
        yield self._part(
            f"{name}: rotation",
            True,
            lambda: kms.get_key_rotation_status(KeyId=self._key_id())["KeyRotationEnabled"],
            lambda _then, _now: kms.enable_key_rotation(KeyId=self._key_id()),
            needs=name,
        )
        yield self._part(
            f"{name}: policy",
            documents.key_policy(setup),
            lambda: json.loads(
                kms.get_key_policy(KeyId=self._key_id(), PolicyName="default")["Policy"]
            ),
            lambda then, _now: kms.put_key_policy(
                KeyId=self._key_id(), PolicyName="default", Policy=json.dumps(then)
            ),
            statements,
            needs=name,
        )

    def _key_id(self) -> str:
        key = self._key()
        return str(key["KeyId"]) if key else self.setup.key_alias

    # -- the bucket ---------------------------------------------------------------------------

    def bucket_tags(self) -> dict[str, str] | None:
        """Its tags; None where there is no such bucket. Raises `AwsError` for another account's."""
        s3, bucket = self.account.client("s3"), self.setup.bucket_name
        try:
            if found(s3.head_bucket, *_NO_BUCKET, Bucket=bucket) is None:
                return None
            reply = found(s3.get_bucket_tagging, "NoSuchTagSet", **self._own())
        except ClientError as error:
            if code_of(error) not in ("403", "AccessDenied"):
                raise
            raise AwsError(
                f"bucket {bucket}: it belongs to another account, or looking at it is denied",
                hint="give another name with --bucket; if it is yours, grant s3:ListBucket and "
                "s3:GetBucketTagging",
            ) from None
        return tags_of(reply["TagSet"]) if reply else {}

    def _own(self) -> dict[str, str]:
        """Names the bucket, and that it must be this account's."""
        return {"Bucket": self.setup.bucket_name, "ExpectedBucketOwner": self.setup.account}

    def _bucket_parts(self) -> Iterator[Part]:
        s3, setup, own = self.account.client("s3"), self.setup, self._own()
        name = f"bucket {setup.bucket_name}"

        def read() -> Value:
            tags = self.bucket_tags()
            return None if tags is None else self._ours(name, tags)

        def create(_then: Value, _now: Value) -> None:
            where = (
                {}
                if setup.region == "us-east-1"
                else {"CreateBucketConfiguration": {"LocationConstraint": setup.region}}
            )
            s3.create_bucket(
                Bucket=setup.bucket_name,
                ObjectLockEnabledForBucket=bool(setup.object_lock_days),
                **where,
            )
            s3.put_bucket_tagging(**own, Tagging={"TagSet": _pairs(setup.tags)})

        yield self._part(name, EXISTS, read, create)
        part = partial(self._part, needs=name)
        yield part(
            f"{name}: versioning",
            "Enabled",
            lambda: s3.get_bucket_versioning(**own).get("Status"),
            lambda then, _now: s3.put_bucket_versioning(
                **own, VersioningConfiguration={"Status": then}
            ),
        )
        yield part(
            f"{name}: encryption",
            documents.encryption(setup),
            self._encryption,
            lambda then, _now: s3.put_bucket_encryption(
                **own, ServerSideEncryptionConfiguration=then
            ),
        )
        yield part(
            f"{name}: public access",
            dict.fromkeys(
                (
                    "BlockPublicAcls",
                    "IgnorePublicAcls",
                    "BlockPublicPolicy",
                    "RestrictPublicBuckets",
                ),
                True,
            ),
            lambda: (
                found(s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", **own)
                or {"PublicAccessBlockConfiguration": None}
            )["PublicAccessBlockConfiguration"],
            lambda then, _now: s3.put_public_access_block(
                **own, PublicAccessBlockConfiguration=then
            ),
        )
        yield part(
            f"{name}: policy",
            documents.bucket_policy(setup),
            self._bucket_policy,
            lambda then, _now: s3.put_bucket_policy(**own, Policy=json.dumps(then)),
            statements,
        )
        yield part(
            f"{name}: lifecycle",
            [documents.lifecycle_rule(setup)],
            lambda: (
                found(
                    s3.get_bucket_lifecycle_configuration,
                    "NoSuchLifecycleConfiguration",
                    **own,
                )
                or {"Rules": None}
            )["Rules"],
            lambda then, _now: s3.put_bucket_lifecycle_configuration(
                **own, LifecycleConfiguration={"Rules": then}
            ),
            by("ID"),
        )
        if setup.object_lock_days:
            yield part(
                f"{name}: object lock",
                documents.object_lock(setup),
                self._object_lock,
                lambda then, _now: s3.put_object_lock_configuration(
                    **own, ObjectLockConfiguration=then
                ),
            )

    def _object_lock(self) -> Value:
        """Without a number of years or days that is 0."""
        reply = found(
            self.account.client("s3").get_object_lock_configuration,
            "ObjectLockConfigurationNotFoundError",
            **self._own(),
        )
        if reply is None:
            return None
        lock: dict[str, Any] = reply["ObjectLockConfiguration"]
        if retention := lock.get("Rule", {}).get("DefaultRetention"):
            lock["Rule"]["DefaultRetention"] = {
                key: value for key, value in retention.items() if value
            }
        return lock

    def _bucket_policy(self) -> Value:
        s3 = self.account.client("s3")
        reply = found(s3.get_bucket_policy, "NoSuchBucketPolicy", **self._own())
        return None if reply is None else json.loads(reply["Policy"])

    def _encryption(self) -> Value:
        """Without members that AWS adds and that we say nothing of."""
        s3 = self.account.client("s3")
        reply = found(
            s3.get_bucket_encryption,
            "ServerSideEncryptionConfigurationNotFoundError",
            **self._own(),
        )
        if reply is None:
            return None
        rules = reply["ServerSideEncryptionConfiguration"]["Rules"]
        known = ("ApplyServerSideEncryptionByDefault", "BucketKeyEnabled")
        return {"Rules": [{name: each[name] for name in known if each.get(name)} for each in rules]}

    # -- notifications ------------------------------------------------------------------------

    def _notification_parts(self) -> Iterator[Part]:
        s3, sns, setup = self.account.client("s3"), self.account.client("sns"), self.setup
        topic, alarms = f"topic {setup.topic_name}", f"topic {setup.alarm_topic_name}"
        yield from self._topic(
            topic, setup.topic_name, setup.topic_arn, documents.topic_policy(setup)
        )
        yield from self._topic(
            alarms,
            setup.alarm_topic_name,
            setup.alarm_topic_arn,
            documents.alarm_topic_policy(setup),
        )
        yield from self._queues()
        yield self._part(
            f"subscription of queue {setup.queue_name}",
            {"Protocol": "sqs", "Endpoint": setup.queue_arn},
            lambda: self._subscribed(setup.topic_arn, "sqs", setup.queue_arn),
            lambda _then, _now: sns.subscribe(
                TopicArn=setup.topic_arn,
                Protocol="sqs",
                Endpoint=setup.queue_arn,
                Attributes={"RawMessageDelivery": "true"},
            ),
            needs=topic,
        )
        if setup.subscriber:
            protocol = "email" if "@" in setup.subscriber else "https"
            yield self._part(
                f"subscription of {setup.subscriber}",
                {"Protocol": protocol, "Endpoint": setup.subscriber},
                lambda: self._subscribed(setup.alarm_topic_arn, protocol, setup.subscriber),
                lambda _then, _now: sns.subscribe(
                    TopicArn=setup.alarm_topic_arn,
                    Protocol=protocol,
                    Endpoint=setup.subscriber,
                ),
                needs=alarms,
            )
        wanted = {"TopicConfigurations": [documents.notification(setup)]}

        def merged(now: Value, _wanted: Value) -> Value:
            now = now or {}
            topics = by("Id")(now.get("TopicConfigurations"), wanted["TopicConfigurations"])
            return {**now, "TopicConfigurations": topics}

        yield self._part(
            f"bucket {setup.bucket_name}: notifications",
            wanted,
            self.notifications,
            lambda then, _now: s3.put_bucket_notification_configuration(
                **self._own(), NotificationConfiguration=then
            ),
            merged,
            needs=f"bucket {setup.bucket_name}",
        )

    def notifications(self) -> Value:
        """The bucket's whole configuration; None where it is empty."""
        reply = self.account.client("s3").get_bucket_notification_configuration(**self._own())
        whole = {name: value for name, value in reply.items() if name != "ResponseMetadata"}
        for each in whole.get("TopicConfigurations", ()):
            for rule in each.get("Filter", {}).get("Key", {}).get("FilterRules", ()):
                rule["Name"] = rule["Name"].lower()  # S3 gives back `Prefix`
        return whole or None

    def _subscribed(self, topic: str, protocol: str, endpoint: str) -> Value:
        sns = self.account.client("sns")
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        for page in pages:
            for each in page["Subscriptions"]:
                if (each["Protocol"], each["Endpoint"]) == (protocol, endpoint):
                    return {"Protocol": protocol, "Endpoint": endpoint}
        return None

    def _topic(self, what: str, name: str, arn: str, wanted: Value) -> Iterator[Part]:
        sns, setup = self.account.client("sns"), self.setup

        def read() -> Value:
            if found(sns.get_topic_attributes, "NotFound", TopicArn=arn) is None:
                return None
            return self._ours(what, tags_of(sns.list_tags_for_resource(ResourceArn=arn)["Tags"]))

        yield self._part(
            what,
            EXISTS,
            read,
            lambda _then, _now: sns.create_topic(Name=name, Tags=_pairs(setup.tags)),
        )
        yield self._part(
            f"{what}: policy",
            wanted,
            lambda: json.loads(
                sns.get_topic_attributes(TopicArn=arn)["Attributes"].get("Policy", "null")
            ),
            lambda then, _now: sns.set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(then)
            ),
            statements,
            needs=what,
        )
        if setup.kms:
            yield self._part(
                f"{what}: encryption",
                setup.key_arn,
                lambda: sns.get_topic_attributes(TopicArn=arn)["Attributes"].get("KmsMasterKeyId"),
                lambda then, _now: sns.set_topic_attributes(
                    TopicArn=arn, AttributeName="KmsMasterKeyId", AttributeValue=then
                ),
                needs=what,
            )

    def queue_url(self, name: str) -> str | None:
        """None where there is no such queue."""
        reply = found(self.account.client("sqs").get_queue_url, *_NO_QUEUE, QueueName=name)
        return None if reply is None else str(reply["QueueUrl"])

    def _queues(self) -> Iterator[Part]:
        setup = self.setup
        kept = {"MessageRetentionPeriod": "1209600"}
        encrypted = {"KmsMasterKeyId": setup.key_arn} if setup.kms else {}
        redrive = {"deadLetterTargetArn": setup.failed_queue_arn, "maxReceiveCount": 5}
        yield from self._queue(setup.failed_queue_name, kept | encrypted)
        yield from self._queue(
            setup.queue_name,
            kept
            | encrypted
            | {
                "VisibilityTimeout": "300",
                "ReceiveMessageWaitTimeSeconds": "20",
                "RedrivePolicy": redrive,
            },
        )
        what = f"queue {setup.queue_name}"
        yield self._part(
            f"{what}: policy",
            documents.queue_policy(setup),
            lambda: self._queue_attributes(setup.queue_name, ("Policy",)).get("Policy"),
            lambda then, _now: self._set_queue(setup.queue_name, {"Policy": then}),
            statements,
            needs=what,
        )

    def _queue(self, name: str, wanted: dict[str, Any]) -> Iterator[Part]:
        sqs, setup = self.account.client("sqs"), self.setup
        what = f"queue {name}"

        def read() -> Value:
            address = self.queue_url(name)
            if address is None:
                return None
            tags = sqs.list_queue_tags(QueueUrl=address).get("Tags") or {}
            return self._ours(what, tags)

        yield self._part(
            what,
            EXISTS,
            read,
            lambda _then, _now: sqs.create_queue(QueueName=name, tags=setup.tags),
        )
        yield self._part(
            f"{what}: attributes",
            wanted,
            lambda: self._queue_attributes(name, tuple(wanted)),
            lambda then, _now: self._set_queue(name, then),
            members,
            needs=what,
        )

    def _queue_attributes(self, name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
        """Those that a set-up says something of; documents as such."""
        reply = self.account.client("sqs").get_queue_attributes(
            QueueUrl=self.queue_url(name), AttributeNames=["All"]
        )
        there = reply.get("Attributes", {})
        made = {key: there[key] for key in wanted if there.get(key)}
        for key in ("Policy", "RedrivePolicy"):
            if key in made:
                made[key] = json.loads(made[key])
        if "RedrivePolicy" in made:
            made["RedrivePolicy"]["maxReceiveCount"] = int(made["RedrivePolicy"]["maxReceiveCount"])
        return made

    def _set_queue(self, name: str, attributes: dict[str, Any]) -> None:
        self.account.client("sqs").set_queue_attributes(
            QueueUrl=self.queue_url(name),
            Attributes={
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in attributes.items()
            },
        )

    # -- log group and roles ------------------------------------------------------------------

    def log_group(self) -> dict[str, Any] | None:
        """The log group as AWS describes it."""
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

        yield self._part(
            what,
            EXISTS,
            read,
            lambda _then, _now: logs.create_log_group(
                logGroupName=setup.log_group, tags=setup.tags
            ),
        )
        yield self._part(
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
            return found(iam.get_role, "NoSuchEntity", RoleName=name)

        def read() -> Value:
            there = role()
            if there is None:
                return None
            return self._ours(what, tags_of(iam.list_role_tags(RoleName=name)["Tags"]))

        yield self._part(
            what,
            EXISTS,
            read,
            lambda _then, _now: iam.create_role(
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps(trust),
                Tags=_pairs(setup.tags),
            ),
        )
        yield self._part(
            f"{what}: trust",
            trust,
            lambda: role()["Role"]["AssumeRolePolicyDocument"],
            lambda then, _now: iam.update_assume_role_policy(
                RoleName=name, PolicyDocument=json.dumps(then)
            ),
            needs=what,
        )

        def granted() -> Value:
            reply = found(iam.get_role_policy, "NoSuchEntity", RoleName=name, PolicyName=setup.name)
            return None if reply is None else reply["PolicyDocument"]

        yield self._part(
            f"{what}: permissions",
            permissions,
            granted,
            lambda then, _now: iam.put_role_policy(
                RoleName=name, PolicyName=setup.name, PolicyDocument=json.dumps(then)
            ),
            needs=what,
        )

    # -- the trail ----------------------------------------------------------------------------

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
            reply = found(cloudtrail.get_trail, "TrailNotFoundException", Name=setup.trail_arn)
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
                tags = _pairs(setup.tags)
                _settled(lambda: cloudtrail.create_trail(**arguments(then), TagsList=tags))
            else:
                _settled(lambda: cloudtrail.update_trail(**arguments(then)))

        yield self._part(what, wanted, read, write, members)

        def selectors() -> Value:
            reply = cloudtrail.get_event_selectors(TrailName=setup.trail_arn)
            advanced = reply.get("AdvancedEventSelectors")
            return advanced or [
                {"Name": "(basic)", **each} for each in reply.get("EventSelectors") or ()
            ]

        def with_others(now: Value, wanted: Value) -> Value:
            # Basic selectors can't stand beside advanced ones: they are shown as removed.
            others = [each for each in now or () if "FieldSelectors" in each]
            return [
                each
                for each in by("Name")(others, wanted)
                if each in wanted or not str(each.get("Name", "")).startswith("Trailhound ")
            ]

        yield self._part(
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
            yield self._part(
                f"{what}: insights",
                [{"InsightType": each} for each in documents.INSIGHTS],
                self._insights,
                lambda then, _now: cloudtrail.put_insight_selectors(
                    TrailName=setup.trail_arn, InsightSelectors=then
                ),
                by("InsightType"),
                needs=what,
            )
        yield self._part(
            f"{what}: logging",
            True,
            lambda: self.status()["IsLogging"],
            lambda _then, _now: cloudtrail.start_logging(Name=setup.trail_arn),
            needs=what,
        )

    def _insights(self) -> Value:
        reply = found(
            self.account.client("cloudtrail").get_insight_selectors,
            "InsightNotEnabledException",
            TrailName=self.setup.trail_arn,
        )
        return (reply or {}).get("InsightSelectors") or None

    def status(self) -> dict[str, Any]:
        """What `GetTrailStatus` says."""
        with refusals(f"trail {self.setup.name}"):
            reply = self.account.client("cloudtrail").get_trail_status(Name=self.setup.trail_arn)
        return dict(reply)
