"""The same set-up as a CloudFormation template, from the same documents.

Account and region are those of the stack: names contain them as pseudo parameters, and each text
with one becomes an `Fn::Sub`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trailhound.aws import documents
from trailhound.aws.names import LOG_DAYS, PREFIX, TrailSetup

Resource = dict[str, Any]


def for_a_stack(setup: TrailSetup) -> TrailSetup:
    """The set-up in the account and region of the stack."""
    return replace(
        setup,
        account="${AWS::AccountId}",
        region="${AWS::Region}",
        partition="${AWS::Partition}",
        key_arn="${TrailKey.Arn}",
    )


def template(setup: TrailSetup) -> dict[str, Any]:
    """The template of a set-up; with `for_a_stack` it is independent of account and region."""
    resources: dict[str, Resource] = {}
    if setup.kms:
        resources["TrailKey"] = _kept(
            "AWS::KMS::Key",
            Description=f"CloudTrail's files of {setup.name}",
            EnableKeyRotation=True,
            KeyPolicy=documents.key_policy(setup),
            Tags=_tags(setup),
        )
        resources["TrailKeyAlias"] = _made(
            "AWS::KMS::Alias", AliasName=setup.key_alias, TargetKeyId=setup.key_arn
        )
    resources |= _bucket(setup) | _notifications(setup) | _roles(setup)
    resources["Trail"] = _trail(setup)
    if setup.subscriber:
        resources["Subscriber"] = _made(
            "AWS::SNS::Subscription",
            TopicArn={"Ref": "AlarmTopic"},
            Protocol="email" if "@" in setup.subscriber else "https",
            Endpoint=setup.subscriber,
        )
    made: dict[str, Any] = _substituted(
        {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": f"Trailhound's set-up {setup.name}: a CloudTrail trail and its queue",
            "Resources": resources,
            "Outputs": {
                "Queue": {"Value": setup.queue_arn},
                "Bucket": {"Value": setup.bucket_name},
                "DaemonRole": {"Value": setup.role_arn(setup.daemon_role)},
                "AlarmTopic": {"Value": setup.alarm_topic_arn},
            },
        }
    )
    return made


def _made(kind: str, *needs: str, **properties: Any) -> Resource:
    made: Resource = {"Type": kind}
    if needs:
        made["DependsOn"] = list(needs)
    return made | {"Properties": properties}


def _kept(kind: str, *needs: str, **properties: Any) -> Resource:
    """A resource that is kept when its stack is deleted."""
    return _made(kind, *needs, **properties) | {
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
    }


def _tags(setup: TrailSetup) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in setup.tags.items()]


def _bucket(setup: TrailSetup) -> dict[str, Resource]:
    rule = documents.lifecycle_rule(setup)
    wanted = documents.notification(setup)
    by_default = documents.encryption(setup)["Rules"][0]
    encryption = {
        "ServerSideEncryptionByDefault": by_default["ApplyServerSideEncryptionByDefault"]
    } | {name: by_default[name] for name in ("BucketKeyEnabled",) if name in by_default}
    lock = (
        {
            "ObjectLockEnabled": True,
            "ObjectLockConfiguration": documents.object_lock(setup),
        }
        if setup.object_lock_days
        else {}
    )
    bucket = _kept(
        "AWS::S3::Bucket",
        "TrailFilesTopicPolicy",
        BucketName=setup.bucket_name,
        VersioningConfiguration={"Status": "Enabled"},
        BucketEncryption={"ServerSideEncryptionConfiguration": [encryption]},
        PublicAccessBlockConfiguration=dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
            True,
        ),
        LifecycleConfiguration={
            "Rules": [
                {
                    "Id": rule["ID"],
                    "Status": rule["Status"],
                    "Prefix": rule["Filter"]["And"]["Prefix"],
                    "ObjectSizeGreaterThan": str(rule["Filter"]["And"]["ObjectSizeGreaterThan"]),
                    "Transitions": [
                        {"TransitionInDays": each["Days"], "StorageClass": each["StorageClass"]}
                        for each in rule["Transitions"]
                    ],
                }
            ]
        },
        NotificationConfiguration={
            "TopicConfigurations": [
                {
                    "Event": event,
                    "Topic": wanted["TopicArn"],
                    "Filter": {"S3Key": {"Rules": wanted["Filter"]["Key"]["FilterRules"]}},
                }
                for event in wanted["Events"]
            ]
        },
        Tags=_tags(setup),
        **lock,
    )
    policy = _made(
        "AWS::S3::BucketPolicy",
        Bucket={"Ref": "TrailBucket"},
        PolicyDocument=documents.bucket_policy(setup),
    )
    return {"TrailBucket": bucket, "TrailBucketPolicy": policy}


def _notifications(setup: TrailSetup) -> dict[str, Resource]:
    key = {"KmsMasterKeyId": setup.key_arn} if setup.kms else {}
    found: dict[str, Resource] = {}
    for resource, name, policy in (
        ("TrailFilesTopic", setup.topic_name, documents.topic_policy(setup)),
        ("AlarmTopic", setup.alarm_topic_name, documents.alarm_topic_policy(setup)),
    ):
        found[resource] = _made("AWS::SNS::Topic", TopicName=name, Tags=_tags(setup), **key)
        found[f"{resource}Policy"] = _made(
            "AWS::SNS::TopicPolicy", Topics=[{"Ref": resource}], PolicyDocument=policy
        )
    found["FailedQueue"] = _made(
        "AWS::SQS::Queue",
        QueueName=setup.failed_queue_name,
        MessageRetentionPeriod=1_209_600,
        Tags=_tags(setup),
        **key,
    )
    found["TrailFilesQueue"] = _made(
        "AWS::SQS::Queue",
        QueueName=setup.queue_name,
        MessageRetentionPeriod=1_209_600,
        VisibilityTimeout=300,
        ReceiveMessageWaitTimeSeconds=20,
        RedrivePolicy={
            "deadLetterTargetArn": {"Fn::GetAtt": ["FailedQueue", "Arn"]},
            "maxReceiveCount": 5,
        },
        Tags=_tags(setup),
        **key,
    )
    found["TrailFilesQueuePolicy"] = _made(
        "AWS::SQS::QueuePolicy",
        Queues=[{"Ref": "TrailFilesQueue"}],
        PolicyDocument=documents.queue_policy(setup),
    )
    found["TrailFilesSubscription"] = _made(
        "AWS::SNS::Subscription",
        "TrailFilesQueuePolicy",
        TopicArn={"Ref": "TrailFilesTopic"},
        Protocol="sqs",
        Endpoint={"Fn::GetAtt": ["TrailFilesQueue", "Arn"]},
        RawMessageDelivery=True,
    )
    return found


def _roles(setup: TrailSetup) -> dict[str, Resource]:
    def role(name: str, trust: Any, permissions: Any) -> Resource:
        return _made(
            "AWS::IAM::Role",
            RoleName=name,
            AssumeRolePolicyDocument=trust,
            Policies=[{"PolicyName": setup.name, "PolicyDocument": permissions}],
            Tags=_tags(setup),
        )

    return {
        "LogGroup": _kept(
            "AWS::Logs::LogGroup",
            LogGroupName=setup.log_group,
            RetentionInDays=LOG_DAYS,
            Tags=_tags(setup),
        ),
        "LogsRole": role(
            setup.logs_role, documents.logs_trust(), documents.logs_permissions(setup)
        ),
        "DaemonRole": role(
            setup.daemon_role, documents.daemon_trust(setup), documents.daemon_permissions(setup)
        ),
    }


def _trail(setup: TrailSetup) -> Resource:
    more: dict[str, Any] = {"KMSKeyId": setup.key_arn} if setup.kms else {}
    if setup.insights:
        more["InsightSelectors"] = [{"InsightType": each} for each in documents.INSIGHTS]
    return _made(
        "AWS::CloudTrail::Trail",
        "TrailBucketPolicy",
        TrailName=setup.name,
        S3BucketName={"Ref": "TrailBucket"},
        S3KeyPrefix=PREFIX.rstrip("/"),
        IncludeGlobalServiceEvents=True,
        IsMultiRegionTrail=True,
        IsOrganizationTrail=bool(setup.organisation),
        EnableLogFileValidation=True,
        IsLogging=True,
        CloudWatchLogsLogGroupArn={"Fn::GetAtt": ["LogGroup", "Arn"]},
        CloudWatchLogsRoleArn={"Fn::GetAtt": ["LogsRole", "Arn"]},
        AdvancedEventSelectors=documents.event_selectors(setup),
        Tags=_tags(setup),
        **more,
    )


def _substituted(value: Any) -> Any:
    """`value`, with texts that contain a pseudo parameter or attribute as `Fn::Sub`."""
    if isinstance(value, dict):
        return {name: _substituted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_substituted(each) for each in value]
    if isinstance(value, str) and "${" in value:
        return {"Fn::Sub": value}
    return value
