"""Facts of an account that is logged and watched as it should be, to be spoilt by tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trailhound.aws.documents import INSIGHTS, bucket_policy, event_selectors, lifecycle_rule
from trailhound.aws.names import TrailSetup
from trailhound.aws.posture import monitored
from trailhound.aws.posture.catalogue import CHECKS
from trailhound.aws.posture.evaluation import evaluate
from trailhound.aws.posture.facts import (
    AccountFacts,
    BucketFacts,
    Key,
    LogGroupFacts,
    MetricFilterFacts,
    Refused,
    Region,
    Requirements,
    TrailFacts,
)
from trailhound.posture import CheckedAccount, Posture, PostureFinding, Unreached

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ACCOUNT = "111122223333"
SETUP = TrailSetup(account=ACCOUNT, region="eu-west-1", kms=True)
GROUP = SETUP.log_group_arn
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"
TOPIC = SETUP.alarm_topic_arn
LATELY = NOW - timedelta(minutes=10)


def trail(**changes: Any) -> TrailFacts:
    """Ours; `described` members as further arguments are replaced."""
    made = TrailFacts(
        described={
            "Name": SETUP.name,
            "TrailARN": SETUP.trail_arn,
            "HomeRegion": SETUP.region,
            "S3BucketName": SETUP.bucket_name,
            "S3KeyPrefix": "cloudtrail-logs",
            "IsMultiRegionTrail": True,
            "IsOrganizationTrail": True,
            "IncludeGlobalServiceEvents": True,
            "LogFileValidationEnabled": True,
            "KmsKeyId": KEY,
            "CloudWatchLogsLogGroupArn": f"{GROUP}:*",
        },
        status={
            "IsLogging": True,
            "LatestDeliveryTime": LATELY,
            "LatestDigestDeliveryTime": LATELY,
            "LatestCloudWatchLogsDeliveryTime": LATELY,
        },
        selectors=event_selectors(SETUP),
        insights=frozenset(INSIGHTS),
        key=Key(described={"KeyState": "Enabled", "KeyManager": "CUSTOMER"}, rotates=True),
    )
    own = {name: changes.pop(name) for name in list(changes) if not hasattr(made, name)}
    return replace(made, **changes, described={**made.described, **own})


def bucket(**changes: Any) -> BucketFacts:
    made = BucketFacts(
        name=SETUP.bucket_name,
        public_access=dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
            True,
        ),
        policy=bucket_policy(SETUP),
        is_public=False,
        grants=[{"Grantee": {"Type": "CanonicalUser", "ID": "1"}, "Permission": "FULL_CONTROL"}],
        versioning={"Status": "Enabled", "MFADelete": "Enabled"},
        lock=None,
        access_log={"TargetBucket": "access-logs"},
        lifecycle=[lifecycle_rule(SETUP)],
        encryption={"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]},
    )
    return replace(made, **changes)


def alarm(**changes: Any) -> dict[str, Any]:
    return {
        "AlarmName": "everything",
        "Namespace": "N",
        "MetricName": "M",
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 1.0,
        "Period": 300,
        "ActionsEnabled": True,
        "AlarmActions": [TOPIC],
        **changes,
    }


def group(**changes: Any) -> LogGroupFacts:
    made = LogGroupFacts(
        arn=GROUP,
        described={"logGroupName": SETUP.log_group, "retentionInDays": 90, "kmsKeyId": KEY},
        filters=[
            MetricFilterFacts(
                name="everything",
                metrics=(("N", "M"),),
                matches=frozenset(label for label, _ in monitored.events()),
            )
        ],
        policies=[],
        alarms=[alarm()],
        topics={TOPIC: [{"SubscriptionArn": f"{TOPIC}:1"}]},
    )
    return replace(made, **changes)


def region(**changes: Any) -> Region:
    made = Region(
        name="eu-west-1",
        opted_in=False,
        trails=frozenset({SETUP.trail_arn}),
        recorders=[{"recording": True, "lastStatus": "SUCCESS"}],
        vpcs=frozenset({"vpc-1"}),
        flow_logs=frozenset({"vpc-1"}),
        hub=True,
    )
    return replace(made, **changes)


def account(**changes: Any) -> AccountFacts:
    """With `trail`, `bucket`, `group` and `region` as further arguments."""
    buckets = {SETUP.bucket_name: changes.pop("bucket", bucket())}
    groups = {GROUP: changes.pop("group", group())}
    made = AccountFacts(
        id=ACCOUNT,
        partition="aws",
        regions=[region(name="us-east-1"), changes.pop("region", region())],
        all_regions=True,
        chosen=False,
        enabled=["eu-west-1", "us-east-1"],
        trails=[changes.pop("trail", trail())],
        organisation={"Id": "o-abcdefghij", "MasterAccountId": ACCOUNT},
        delegated=frozenset(),
        account_block=None,
        own_buckets=frozenset({SETUP.bucket_name, "payroll"}),
        sharing_role=None,
        buckets=buckets,
        groups=groups,
    )
    return replace(made, **changes)


def found(*accounts: AccountFacts, wanted: Requirements | None = None) -> list[PostureFinding]:
    return list(evaluate(accounts, wanted or Requirements(), NOW))


def posture() -> Posture:
    """What was found of an account of which two things are spoilt, beside one not reached."""
    refused = Refused("securityhub:DescribeHub", "DescribeHub is denied", "grant it", denied=True)
    findings = found(account(trail=trail(key=None), region=region(hub=refused)))
    return Posture(
        taken="2025-03-01T12:00:00+00:00",
        accounts=(CheckedAccount(account=ACCOUNT, name="prod"),),
        checks=CHECKS,
        findings=tuple(findings),
        unreached=(Unreached(account="999988887777", reason="the role", hint="grant it"),),
    )
