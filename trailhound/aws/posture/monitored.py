"""The events for which the CIS benchmark requires an alarm, as CloudTrail writes them.

A metric filter covers a control if it matches these events, regardless of how its pattern is
written. The calls are those of "CIS Amazon Web Services Foundations Benchmark v3.0.0", section 4
(Monitoring).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Event = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Monitored:
    """A control of section 4: its number, the check's id, and the events that an alarm has to
    match.

    `calls` are names of calls of `source`; `forms` are further events: label → members that replace
    those of an ordinary event. `alarm`: the corresponding alarm of `trailhound aws alarms`.
    """

    cis: str
    check: str
    of: str
    source: str = ""
    calls: tuple[str, ...] = ()
    forms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    alarm: str = ""
    metric: str = ""
    """The metric of the further alarm of `--cis`, if the twelve do not match all events."""

    @property
    def events(self) -> dict[str, Event]:
        """Each event by its label."""
        made = {call: event(eventSource=self.source, eventName=call) for call in self.calls}
        return made | {label: event(**members) for label, members in self.forms.items()}


def event(**members: Any) -> Event:
    """An ordinary event (a successful call of an IAM user), with members replaced."""
    return {
        "eventVersion": "1.09",
        "userIdentity": {
            "type": "IAMUser",
            "principalId": "AIDAEXAMPLE",
            "arn": "arn:aws:iam::111122223333:user/posture-sample",
            "accountId": "111122223333",
            "userName": "posture-sample",
        },
        "eventTime": "2025-03-01T10:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "DescribeInstances",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.0",
        "requestParameters": None,
        "responseElements": None,
        "requestID": "8c3c1e9e-0000-4000-8000-000000000001",
        "eventID": "8c3c1e9e-0000-4000-8000-000000000002",
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
        **members,
    }


_SIGN_IN: Final = {
    "eventSource": "signin.amazonaws.com",
    "eventName": "ConsoleLogin",
    "eventType": "AwsConsoleSignIn",
}
_ROOT: Final = {
    "userIdentity": {
        "type": "Root",
        "principalId": "111122223333",
        "arn": "arn:aws:iam::111122223333:root",
        "accountId": "111122223333",
    }
}

ORDINARY: Final[tuple[Event, ...]] = (
    event(readOnly=True),
    event(eventSource="s3.amazonaws.com", eventName="ListBuckets", readOnly=True),
    event(eventSource="sts.amazonaws.com", eventName="GetCallerIdentity", readOnly=True),
)
"""Events that belong to no control: a filter that matches one of these is too wide."""

MONITORED: Final = (
    Monitored(
        cis="4.1",
        check="alarm-unauthorized-calls",
        of="unauthorised API calls",
        forms={
            "Client.UnauthorizedOperation": {
                "errorCode": "Client.UnauthorizedOperation",
            },
            "AccessDenied": {
                "eventSource": "dynamodb.amazonaws.com",
                "eventName": "DescribeTable",
                "errorCode": "AccessDenied",
            },
        },
        alarm="UnauthorizedAPICalls",
    ),
    Monitored(
        cis="4.2",
        check="alarm-sign-in-without-mfa",
        of="console sign-ins without MFA",
        forms={
            "ConsoleLogin with MFAUsed No": _SIGN_IN
            | {
                "additionalEventData": {"MFAUsed": "No", "MobileVersion": "No"},
                "responseElements": {"ConsoleLogin": "Success"},
            }
        },
        alarm="ConsoleLoginWithoutMFA",
    ),
    Monitored(
        cis="4.3",
        check="alarm-root-use",
        of="use of the root account",
        forms={
            "a call of Root": _ROOT,
            "a sign-in of Root": _ROOT
            | _SIGN_IN
            | {
                "additionalEventData": {"MFAUsed": "Yes"},
                "responseElements": {"ConsoleLogin": "Success"},
            },
        },
        alarm="RootAccountUsage",
    ),
    Monitored(
        cis="4.4",
        check="alarm-iam-policy-changes",
        of="changes of IAM policies",
        source="iam.amazonaws.com",
        calls=(
            *("DeleteGroupPolicy", "DeleteRolePolicy", "DeleteUserPolicy", "PutGroupPolicy"),
            *("PutRolePolicy", "PutUserPolicy", "CreatePolicy", "DeletePolicy"),
            *("CreatePolicyVersion", "DeletePolicyVersion", "AttachRolePolicy"),
            *("DetachRolePolicy", "AttachUserPolicy", "DetachUserPolicy"),
            *("AttachGroupPolicy", "DetachGroupPolicy"),
        ),
        alarm="IAMPolicyChanges",
        metric="IAMGroupPolicyChanges",
    ),
    Monitored(
        cis="4.5",
        check="alarm-trail-changes",
        of="changes of CloudTrail",
        source="cloudtrail.amazonaws.com",
        calls=("CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging"),
        alarm="CloudTrailChanges",
    ),
    Monitored(
        cis="4.6",
        check="alarm-failed-sign-ins",
        of="failed console sign-ins",
        forms={
            "a failed ConsoleLogin": _SIGN_IN
            | {
                "errorMessage": "Failed authentication",
                "additionalEventData": {"MFAUsed": "Yes"},
                "responseElements": {"ConsoleLogin": "Failure"},
            }
        },
        alarm="MultipleFailedLogins",
    ),
    Monitored(
        cis="4.7",
        check="alarm-kms-key-removal",
        of="KMS keys that are disabled or to be deleted",
        source="kms.amazonaws.com",
        calls=("DisableKey", "ScheduleKeyDeletion"),
        metric="KMSKeyRemoval",
    ),
    Monitored(
        cis="4.8",
        check="alarm-bucket-policy-changes",
        of="changes of S3 bucket policies",
        source="s3.amazonaws.com",
        calls=(
            *("PutBucketAcl", "PutBucketPolicy", "PutBucketCors", "PutBucketLifecycle"),
            *("PutBucketReplication", "DeleteBucketPolicy", "DeleteBucketCors"),
            *("DeleteBucketLifecycle", "DeleteBucketReplication"),
        ),
        alarm="S3BucketPolicyChanges",
    ),
    Monitored(
        cis="4.9",
        check="alarm-config-changes",
        of="changes of AWS Config",
        source="config.amazonaws.com",
        calls=(
            *("StopConfigurationRecorder", "DeleteDeliveryChannel"),
            *("PutDeliveryChannel", "PutConfigurationRecorder"),
        ),
        metric="AWSConfigChanges",
    ),
    Monitored(
        cis="4.10",
        check="alarm-security-group-changes",
        of="changes of security groups",
        source="ec2.amazonaws.com",
        calls=(
            *("AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroupEgress"),
            *("RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"),
            *("CreateSecurityGroup", "DeleteSecurityGroup"),
        ),
        alarm="SecurityGroupChanges",
    ),
    Monitored(
        cis="4.11",
        check="alarm-network-acl-changes",
        of="changes of network ACLs",
        source="ec2.amazonaws.com",
        calls=(
            *("CreateNetworkAcl", "CreateNetworkAclEntry", "DeleteNetworkAcl"),
            *("DeleteNetworkAclEntry", "ReplaceNetworkAclEntry"),
            "ReplaceNetworkAclAssociation",
        ),
        alarm="NetworkACLChanges",
    ),
    Monitored(
        cis="4.12",
        check="alarm-gateway-changes",
        of="changes of network gateways",
        source="ec2.amazonaws.com",
        calls=(
            *("CreateCustomerGateway", "DeleteCustomerGateway", "AttachInternetGateway"),
            *("CreateInternetGateway", "DeleteInternetGateway", "DetachInternetGateway"),
        ),
        metric="NetworkGatewayChanges",
    ),
    Monitored(
        cis="4.13",
        check="alarm-route-table-changes",
        of="changes of route tables",
        source="ec2.amazonaws.com",
        calls=(
            *("CreateRoute", "CreateRouteTable", "ReplaceRoute", "ReplaceRouteTableAssociation"),
            *("DeleteRouteTable", "DeleteRoute", "DisassociateRouteTable"),
        ),
        metric="RouteTableChanges",
    ),
    Monitored(
        cis="4.14",
        check="alarm-vpc-changes",
        of="changes of VPCs",
        source="ec2.amazonaws.com",
        calls=(
            *("CreateVpc", "DeleteVpc", "ModifyVpcAttribute", "AcceptVpcPeeringConnection"),
            *("CreateVpcPeeringConnection", "DeleteVpcPeeringConnection"),
            *("RejectVpcPeeringConnection", "AttachClassicLinkVpc", "DetachClassicLinkVpc"),
            *("DisableVpcClassicLink", "EnableVpcClassicLink"),
        ),
        metric="VPCChanges",
    ),
    Monitored(
        cis="4.15",
        check="alarm-organisation-changes",
        of="changes of the organisation",
        source="organizations.amazonaws.com",
        calls=(
            *("AcceptHandshake", "AttachPolicy", "CancelHandshake", "CreateAccount"),
            *("CreateOrganization", "CreateOrganizationalUnit", "CreatePolicy"),
            *("DeclineHandshake", "DeleteOrganization", "DeleteOrganizationalUnit"),
            *("DeletePolicy", "EnableAllFeatures", "EnablePolicyType"),
            *("InviteAccountToOrganization", "LeaveOrganization", "DetachPolicy"),
            *("DisablePolicyType", "MoveAccount", "RemoveAccountFromOrganization"),
            *("UpdateOrganizationalUnit", "UpdatePolicy"),
        ),
        metric="OrganizationChanges",
    ),
)


def events() -> Iterator[tuple[str, Event]]:
    """Every event of every control, by a name of its own: `4.5 DeleteTrail`."""
    for control in MONITORED:
        for label, made in control.events.items():
            yield f"{control.cis} {label}", made
