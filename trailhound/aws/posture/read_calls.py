"""The calls by which an account is read, each with the permission that it needs.

The policy of `trailhound aws check --policy` is made of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from ingest.sources.aws_codes import FAILURES
from ingest.sources.s3_errors import code_of
from trailhound.aws.account import Account
from trailhound.aws.posture.facts import Refused
from trailhound.aws.refusals import is_denied, refused


@dataclass(frozen=True)
class ReadCall:
    """A call. `member` is the part of the reply that is wanted, the whole where it is empty;
    of a paginated call all pages are joined. Codes of `absent` mean that there is no such thing."""

    permission: str
    service: str
    operation: str
    member: str = ""
    absent: tuple[str, ...] = ()


READ_CALLS: Final[Mapping[str, ReadCall]] = {
    "regions": ReadCall("ec2:DescribeRegions", "ec2", "describe_regions", "Regions"),
    "trails": ReadCall("cloudtrail:DescribeTrails", "cloudtrail", "describe_trails", "trailList"),
    "status": ReadCall("cloudtrail:GetTrailStatus", "cloudtrail", "get_trail_status"),
    "selectors": ReadCall("cloudtrail:GetEventSelectors", "cloudtrail", "get_event_selectors"),
    "insights": ReadCall(
        "cloudtrail:GetInsightSelectors",
        "cloudtrail",
        "get_insight_selectors",
        "InsightSelectors",
        ("InsightNotEnabledException",),
    ),
    "key": ReadCall(
        "kms:DescribeKey", "kms", "describe_key", "KeyMetadata", ("NotFoundException",)
    ),
    "rotation": ReadCall(
        "kms:GetKeyRotationStatus",
        "kms",
        "get_key_rotation_status",
        "KeyRotationEnabled",
        ("NotFoundException",),
    ),
    "buckets": ReadCall("s3:ListAllMyBuckets", "s3", "list_buckets", "Buckets"),
    "public access": ReadCall(
        "s3:GetBucketPublicAccessBlock",
        "s3",
        "get_public_access_block",
        "PublicAccessBlockConfiguration",
        ("NoSuchPublicAccessBlockConfiguration",),
    ),
    "account block": ReadCall(
        "s3:GetAccountPublicAccessBlock",
        "s3control",
        "get_public_access_block",
        "PublicAccessBlockConfiguration",
        ("NoSuchPublicAccessBlockConfiguration",),
    ),
    "policy": ReadCall(
        "s3:GetBucketPolicy", "s3", "get_bucket_policy", "Policy", ("NoSuchBucketPolicy",)
    ),
    "policy status": ReadCall(
        "s3:GetBucketPolicyStatus",
        "s3",
        "get_bucket_policy_status",
        "PolicyStatus",
        ("NoSuchBucketPolicy",),
    ),
    "grants": ReadCall("s3:GetBucketAcl", "s3", "get_bucket_acl", "Grants"),
    "versioning": ReadCall("s3:GetBucketVersioning", "s3", "get_bucket_versioning"),
    "bucket there": ReadCall(
        "s3:GetBucketVersioning", "s3", "get_bucket_versioning", absent=("NoSuchBucket",)
    ),
    "lock": ReadCall(
        "s3:GetBucketObjectLockConfiguration",
        "s3",
        "get_object_lock_configuration",
        "ObjectLockConfiguration",
        ("ObjectLockConfigurationNotFoundError",),
    ),
    "access log": ReadCall("s3:GetBucketLogging", "s3", "get_bucket_logging", "LoggingEnabled"),
    "lifecycle": ReadCall(
        "s3:GetLifecycleConfiguration",
        "s3",
        "get_bucket_lifecycle_configuration",
        "Rules",
        ("NoSuchLifecycleConfiguration",),
    ),
    "encryption": ReadCall(
        "s3:GetEncryptionConfiguration",
        "s3",
        "get_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        ("ServerSideEncryptionConfigurationNotFoundError",),
    ),
    "log groups": ReadCall("logs:DescribeLogGroups", "logs", "describe_log_groups", "logGroups"),
    "filters": ReadCall(
        "logs:DescribeMetricFilters",
        "logs",
        "describe_metric_filters",
        "metricFilters",
        ("ResourceNotFoundException",),
    ),
    "resource policies": ReadCall(
        "logs:DescribeResourcePolicies", "logs", "describe_resource_policies", "resourcePolicies"
    ),
    "test filter": ReadCall("logs:TestMetricFilter", "logs", "test_metric_filter", "matches"),
    "alarms": ReadCall(
        "cloudwatch:DescribeAlarms", "cloudwatch", "describe_alarms", "MetricAlarms"
    ),
    "subscriptions": ReadCall(
        "sns:ListSubscriptionsByTopic",
        "sns",
        "list_subscriptions_by_topic",
        "Subscriptions",
        ("NotFound", "NotFoundException"),
    ),
    "organisation": ReadCall(
        "organizations:DescribeOrganization",
        "organizations",
        "describe_organization",
        "Organization",
        ("AWSOrganizationsNotInUseException",),
    ),
    "delegated": ReadCall(
        "organizations:ListDelegatedAdministrators",
        "organizations",
        "list_delegated_administrators",
        "DelegatedAdministrators",
    ),
    "accounts": ReadCall(
        "organizations:ListAccounts", "organizations", "list_accounts", "Accounts"
    ),
    "sharing role": ReadCall("iam:GetRole", "iam", "get_role", "Role", ("NoSuchEntity",)),
    "recorders": ReadCall(
        "config:DescribeConfigurationRecorderStatus",
        "config",
        "describe_configuration_recorder_status",
        "ConfigurationRecordersStatus",
    ),
    "vpcs": ReadCall("ec2:DescribeVpcs", "ec2", "describe_vpcs", "Vpcs"),
    "flow logs": ReadCall("ec2:DescribeFlowLogs", "ec2", "describe_flow_logs", "FlowLogs"),
    "hub": ReadCall(
        "securityhub:DescribeHub",
        "securityhub",
        "describe_hub",
        "HubArn",
        ("InvalidAccessException", "ResourceNotFoundException"),
    ),
}


class Reader:
    """Reads one account; a request that fails gives a `Refused`, not an exception."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def ask(self, name: str, what: str, region: str | None = None, **arguments: Any) -> Any:
        """The result of a request (`ReadCall.member`), None if there is no such object, or a
        `Refused`. `what` is the object of the request."""
        call = READ_CALLS[name]
        try:
            client = self.account.client(call.service, region)
            if call.member and client.can_paginate(call.operation):
                pages = client.get_paginator(call.operation).paginate(**arguments)
                return [each for page in pages for each in page.get(call.member) or ()]
            reply = getattr(client, call.operation)(**arguments)
        except FAILURES as error:
            if isinstance(error, ClientError) and code_of(error) in call.absent:
                return None
            return _refused(call, error, what)
        return reply.get(call.member) if call.member else dict(reply)


def _refused(call: ReadCall, error: Exception, what: str) -> Refused:
    refusal = refused(error, what)
    denied = is_denied(error)
    hint = f"grant {call.permission} (`trailhound aws check --policy` is the whole policy)"
    return Refused(call.permission, refusal.message, hint if denied else refusal.hint, denied)


def policy(*, organisation: bool = False, role: str = "") -> dict[str, Any]:
    """What `aws check` needs, as an IAM policy: in each account `READ_CALLS`; with `organisation`
    or `role` (its name) also what the first account needs to read others.

    >>> [each["Sid"] for each in policy()["Statement"]]
    ['TrailhoundCheckReads']
    """
    apart = READ_CALLS["accounts"].permission
    statements: list[dict[str, Any]] = [
        {
            "Sid": "TrailhoundCheckReads",
            "Effect": "Allow",
            "Action": sorted({each.permission for each in READ_CALLS.values()} - {apart}),
            "Resource": "*",
        }
    ]
    if organisation:
        statements.append(
            {
                "Sid": "OnlyFromTheManagementAccount",
                "Effect": "Allow",
                "Action": [apart],
                "Resource": "*",
            }
        )
    if role:
        statements.append(
            {
                "Sid": "OnlyForOtherAccounts",
                "Effect": "Allow",
                "Action": ["sts:AssumeRole"],
                "Resource": f"arn:aws:iam::*:role/{role}",
            }
        )
    return {"Version": "2012-10-17", "Statement": statements}
