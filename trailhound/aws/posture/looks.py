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
class Look:
    """A call. `member` is the part of the reply that is wanted, the whole where it is empty;
    of a paginated call all pages are joined. Codes of `absent` mean that there is no such thing."""

    permission: str
    service: str
    operation: str
    member: str = ""
    absent: tuple[str, ...] = ()


LOOKS: Final[Mapping[str, Look]] = {
    "regions": Look("ec2:DescribeRegions", "ec2", "describe_regions", "Regions"),
    "trails": Look("cloudtrail:DescribeTrails", "cloudtrail", "describe_trails", "trailList"),
    "status": Look("cloudtrail:GetTrailStatus", "cloudtrail", "get_trail_status"),
    "selectors": Look("cloudtrail:GetEventSelectors", "cloudtrail", "get_event_selectors"),
    "insights": Look(
        "cloudtrail:GetInsightSelectors",
        "cloudtrail",
        "get_insight_selectors",
        "InsightSelectors",
        ("InsightNotEnabledException",),
    ),
    "key": Look("kms:DescribeKey", "kms", "describe_key", "KeyMetadata", ("NotFoundException",)),
    "rotation": Look(
        "kms:GetKeyRotationStatus",
        "kms",
        "get_key_rotation_status",
        "KeyRotationEnabled",
        ("NotFoundException",),
    ),
    "buckets": Look("s3:ListAllMyBuckets", "s3", "list_buckets", "Buckets"),
    "public access": Look(
        "s3:GetBucketPublicAccessBlock",
        "s3",
        "get_public_access_block",
        "PublicAccessBlockConfiguration",
        ("NoSuchPublicAccessBlockConfiguration",),
    ),
    "account block": Look(
        "s3:GetAccountPublicAccessBlock",
        "s3control",
        "get_public_access_block",
        "PublicAccessBlockConfiguration",
        ("NoSuchPublicAccessBlockConfiguration",),
    ),
    "policy": Look(
        "s3:GetBucketPolicy", "s3", "get_bucket_policy", "Policy", ("NoSuchBucketPolicy",)
    ),
    "policy status": Look(
        "s3:GetBucketPolicyStatus",
        "s3",
        "get_bucket_policy_status",
        "PolicyStatus",
        ("NoSuchBucketPolicy",),
    ),
    "grants": Look("s3:GetBucketAcl", "s3", "get_bucket_acl", "Grants"),
    "versioning": Look("s3:GetBucketVersioning", "s3", "get_bucket_versioning"),
    "bucket there": Look(
        "s3:GetBucketVersioning", "s3", "get_bucket_versioning", absent=("NoSuchBucket",)
    ),
    "lock": Look(
        "s3:GetBucketObjectLockConfiguration",
        "s3",
        "get_object_lock_configuration",
        "ObjectLockConfiguration",
        ("ObjectLockConfigurationNotFoundError",),
    ),
    "access log": Look("s3:GetBucketLogging", "s3", "get_bucket_logging", "LoggingEnabled"),
    "lifecycle": Look(
        "s3:GetLifecycleConfiguration",
        "s3",
        "get_bucket_lifecycle_configuration",
        "Rules",
        ("NoSuchLifecycleConfiguration",),
    ),
    "encryption": Look(
        "s3:GetEncryptionConfiguration",
        "s3",
        "get_bucket_encryption",
        "ServerSideEncryptionConfiguration",
        ("ServerSideEncryptionConfigurationNotFoundError",),
    ),
    "log groups": Look("logs:DescribeLogGroups", "logs", "describe_log_groups", "logGroups"),
    "filters": Look(
        "logs:DescribeMetricFilters",
        "logs",
        "describe_metric_filters",
        "metricFilters",
        ("ResourceNotFoundException",),
    ),
    "resource policies": Look(
        "logs:DescribeResourcePolicies", "logs", "describe_resource_policies", "resourcePolicies"
    ),
    "test filter": Look("logs:TestMetricFilter", "logs", "test_metric_filter", "matches"),
    "alarms": Look("cloudwatch:DescribeAlarms", "cloudwatch", "describe_alarms", "MetricAlarms"),
    "subscriptions": Look(
        "sns:ListSubscriptionsByTopic",
        "sns",
        "list_subscriptions_by_topic",
        "Subscriptions",
        ("NotFound", "NotFoundException"),
    ),
    "organisation": Look(
        "organizations:DescribeOrganization",
        "organizations",
        "describe_organization",
        "Organization",
        ("AWSOrganizationsNotInUseException",),
    ),
    "delegated": Look(
        "organizations:ListDelegatedAdministrators",
        "organizations",
        "list_delegated_administrators",
        "DelegatedAdministrators",
    ),
    "accounts": Look("organizations:ListAccounts", "organizations", "list_accounts", "Accounts"),
    "sharing role": Look("iam:GetRole", "iam", "get_role", "Role", ("NoSuchEntity",)),
    "recorders": Look(
        "config:DescribeConfigurationRecorderStatus",
        "config",
        "describe_configuration_recorder_status",
        "ConfigurationRecordersStatus",
    ),
    "vpcs": Look("ec2:DescribeVpcs", "ec2", "describe_vpcs", "Vpcs"),
    "flow logs": Look("ec2:DescribeFlowLogs", "ec2", "describe_flow_logs", "FlowLogs"),
    "hub": Look(
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
        """The result of a request (`Look.member`), None if there is no such object, or a `Refused`.
        `what` is the object of the request."""
        look = LOOKS[name]
        try:
            client = self.account.client(look.service, region)
            if look.member and client.can_paginate(look.operation):
                pages = client.get_paginator(look.operation).paginate(**arguments)
                return [each for page in pages for each in page.get(look.member) or ()]
            reply = getattr(client, look.operation)(**arguments)
        except FAILURES as error:
            if isinstance(error, ClientError) and code_of(error) in look.absent:
                return None
            return _refused(look, error, what)
        return reply.get(look.member) if look.member else dict(reply)


def _refused(look: Look, error: Exception, what: str) -> Refused:
    refusal = refused(error, what)
    denied = is_denied(error)
    hint = f"grant {look.permission} (`trailhound aws check --policy` is the whole policy)"
    return Refused(look.permission, refusal.message, hint if denied else refusal.hint, denied)


def policy(*, organisation: bool = False, role: str = "") -> dict[str, Any]:
    """What `aws check` needs, as an IAM policy: in each account the looks; with `organisation` or
    `role` (its name) also what the first account needs to read others.

    >>> [each["Sid"] for each in policy()["Statement"]]
    ['TrailhoundCheckReads']
    """
    apart = LOOKS["accounts"].permission
    statements: list[dict[str, Any]] = [
        {
            "Sid": "TrailhoundCheckReads",
            "Effect": "Allow",
            "Action": sorted({each.permission for each in LOOKS.values()} - {apart}),
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
