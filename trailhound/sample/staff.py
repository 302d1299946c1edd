"""What people do: sign in, look around, occasionally change something; also root, and visitors."""

from __future__ import annotations

from trailhound.sample.activity import Activity, reads
from trailhound.sample.calls import IAM_READS, bucket_reads, ec2_reads, iam_reads, lists, s3_object
from trailhound.sample.sessions import Actor
from trailhound.sample.shapes import CallError, Shape
from trailhound.sample.workloads import (
    GET_SECRET,
    POLICY,
    STEP_INTO,
    WHO_AM_I,
    attach_role_policy,
    change,
    create_role,
    ingress,
    put_bucket_policy,
)

PERSON, USER, SIGN_IN, ROOT = Actor.PERSON, Actor.USER, Actor.SIGN_IN, Actor.ROOT


def _login(mfa: str) -> Shape:
    return Shape(
        "signin",
        "ConsoleLogin",
        response={"ConsoleLogin": "Success"},
        additional={
            "LoginTo": "https://console.aws.amazon.com/console/home?hashArgs=%23&isauthcode=true",
            "MobileVersion": "No",
            "MFAUsed": mfa,
        },
        read_only=False,
        event_type="AwsConsoleSignIn",
    )


_FAILED_LOGIN = Shape(
    "signin",
    "ConsoleLogin",
    additional={
        "LoginTo": "https://console.aws.amazon.com/console/home",
        "MobileVersion": "No",
        "MFAUsed": "No",
    },
    read_only=False,
    event_type="AwsConsoleSignIn",
    faults=(CallError(1.0, "", "Failed authentication"),),
)
_SAML = Shape(
    "sts",
    "AssumeRoleWithSAML",
    request={
        "sAMLAssertionID": "_<uuid>",
        "roleSessionName": "<own_session>",
        "durationSeconds": 3600,
        "roleArn": "<own_arn>",
        "principalArn": "arn:aws:iam::<account>:saml-provider/corporate",
    },
    response={
        "subjectType": "persistent",
        "issuer": "https://idp.example.com/saml",
        "credentials": {
            "accessKeyId": "<temporary_key>",
            "sessionToken": "<token>",
            "expiration": "<later_text>",
        },
        "nameQualifier": "<extended_id>",
        "assumedRoleUser": {"assumedRoleId": "<own_id>:<own_session>", "arn": "<own_assumed>"},
        "subject": "<caller_name>",
        "audience": "https://signin.aws.amazon.com/saml",
    },
    resources=(
        ("AWS::IAM::Role", "<own_arn>"),
        ("AWS::IAM::SAMLProvider", "arn:aws:iam::<account>:saml-provider/corporate"),
    ),
)
_DENIED = CallError(
    0.03,
    "Client.UnauthorizedOperation",
    "You are not authorized to perform this operation. User: <caller> is not authorized to perform "
    "this action because no identity-based policy allows it. Encoded authorization failure "
    "message: <page>",
)


def _power(weight: float, name: str, before: str, after: str) -> Activity:
    item = {"instanceId": "<instance>", "currentState": {"name": after},
            "previousState": {"name": before}}  # fmt: skip
    return change(
        weight,
        PERSON,
        "ec2",
        name,
        {"instancesSet": {"items": [{"instanceId": "<instance>"}]}, "force": False},
        {"requestId": "<uuid>", "instancesSet": {"items": [item]}},
        _DENIED,
    )


PEOPLE: tuple[Activity, ...] = (
    Activity(24, PERSON, "console", _login("No")),
    Activity(32, SIGN_IN, "signin", _login("Yes")),
    Activity(4, SIGN_IN, "signin", _login("No")),
    Activity(5, SIGN_IN, "signin", _FAILED_LOGIN),
    Activity(30, Actor.SAML, "saml", _SAML),
    *reads(160, Actor.PORTAL, "sso", "sso", "ListAccounts", "ListAccountRoles", "Federate",
           "GetRoleCredentials", request={"accountId": "<account>", "roleName": "Developer"},
           details={"relayId": "<uuid>"}),
    *ec2_reads(750, PERSON, "ec2", "DescribeInstances", "DescribeInstanceStatus", "DescribeVolumes",
               "DescribeSecurityGroups", "DescribeVpcs", "DescribeSubnets", "DescribeTags",
               "DescribeAddresses", "DescribeAvailabilityZones", "DescribeNetworkAcls"),
    *lists(650, PERSON, "lists"),
    *bucket_reads(260, PERSON, "s3"),
    *iam_reads(180, PERSON, "iam", *IAM_READS),
    *reads(60, PERSON, "iam", "iam", "ListRoles", "ListUsers", "ListPolicies", "GetAccountSummary",
           request={"maxItems": 100}),
    Activity(70, PERSON, "s3", Shape("s3", "ListBuckets", request={
        "Host": "s3.<region>.amazonaws.com"}, additional={"SignatureVersion": "SigV4",
        "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": 0,
        "AuthenticationMethod": "AuthHeader", "x-amz-id-2": "<extended_id>",
        "bytesTransferredOut": "<#small>"})),
    *reads(90, PERSON, "logs", "logs", "StartQuery", "GetQueryResults", "FilterLogEvents",
           request={"logGroupName": "/aws/lambda/<function>", "queryId": "<uuid>", "limit": 1000},
           faults=(CallError(0.04, "ResourceNotFoundException",
                         "The specified log group does not exist."),)),
    *reads(60, PERSON, "ce", "ce", "GetCostAndUsage", "GetCostForecast",
           request={"granularity": "DAILY", "metrics": ["UnblendedCost"]},
           faults=(CallError(0.25, "AccessDenied", "User: <caller> is not authorized to perform: "
                         "ce:GetCostAndUsage because no identity-based policy allows the "
                         "ce:GetCostAndUsage action"),)),
    *reads(40, PERSON, "organizations", "organizations", "DescribeOrganization", "ListAccounts",
           faults=(CallError(0.3, "AccessDenied",
                         "You don't have permissions to access this resource."),)),
    *reads(30, PERSON, "cloudtrail", "cloudtrail", "LookupEvents",
           request={"maxResults": 50, "lookupAttributes": [
               {"attributeKey": "ReadOnly", "attributeValue": "false"}]}),
    Activity(60, PERSON, "s3", s3_object("GetObject")),
    Activity(40, PERSON, "sts", STEP_INTO),
    Activity(60, PERSON, "sts", WHO_AM_I),
    Activity(20, PERSON, "secretsmanager", GET_SECRET),
    change(15, PERSON, "ssm", "StartSession", {"target": "<instance>"},
           {"sessionId": "<caller_name>-<hex17>", "tokenValue": "Value hidden due to security "
            "reasons.", "streamUrl": "wss://ssmmessages.<region>.amazonaws.com/v1/data-channel"}),
    change(4, PERSON, "ssm", "SendCommand",
           {"documentName": "AWS-RunShellScript", "instanceIds": ["<instance>"],
            "parameters": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
    _power(5, "StopInstances", "running", "stopping"),
    _power(5, "StartInstances", "stopped", "pending"),
    _power(3, "TerminateInstances", "running", "shutting-down"),
    change(4, PERSON, "logs", "PutRetentionPolicy",
           {"logGroupName": "/aws/lambda/<function>", "retentionInDays": 30}),
    ingress(3, PERSON, "AuthorizeSecurityGroupIngress", "<caller_host>/32"),
    create_role(1, PERSON),
    attach_role_policy(1, PERSON),
    put_bucket_policy(1, PERSON),
    change(1, PERSON, "iam", "CreateUser", {"userName": "svc-<hex8>"},
           {"user": {"path": "/", "userName": "svc-<hex8>", "userId": "<new_user_id>",
            "arn": "arn:aws:iam::<account>:user/svc-<hex8>", "createDate": "<now_text>"}}),
    change(2, PERSON, "iam", "CreateAccessKey", {"userName": "<robot>"},
           {"accessKey": {"userName": "<robot>", "accessKeyId": "<new_key>", "status": "Active",
            "createDate": "<now_text>"}}),
    change(1.5, PERSON, "iam", "DeleteAccessKey",
           {"userName": "<robot>", "accessKeyId": "<new_key>"}),
    change(1, PERSON, "iam", "AttachUserPolicy",
           {"userName": "<robot>", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
    change(0.4, PERSON, "iam", "PutUserPolicy",
           {"userName": "<robot>", "policyName": "inline", "policyDocument": POLICY}),
    change(0.6, PERSON, "iam", "CreateLoginProfile",
           {"userName": "<user>", "passwordResetRequired": True},
           {"loginProfile": {"userName": "<user>", "createDate": "<now_text>",
            "passwordResetRequired": True}}),
    change(0.1, PERSON, "cloudtrail", "UpdateTrail",
           {"name": "<trail>", "includeGlobalServiceEvents": True}),
    change(0.1, PERSON, "cloudtrail", "StopLogging", {"name": "sandbox-trail-<hex8>"}),
    change(0.1, PERSON, "cloudtrail", "DeleteTrail", {"name": "sandbox-trail-<hex8>"}),
    *ec2_reads(150, USER, "ec2", "DescribeInstances", "DescribeVolumes", "DescribeSnapshots"),
    *lists(150, USER, "lists"),
    *bucket_reads(60, USER, "s3"),
    Activity(50, USER, "s3", s3_object("GetObject")),
    Activity(30, USER, "sts", WHO_AM_I),
    Activity(1.5, ROOT, "signin", _login("Yes")),
    *iam_reads(2, ROOT, "iam", "GetUser", "ListAccessKeys"),
    *lists(2.5, ROOT, "lists"),
    Activity(250, Actor.VISITOR, "s3", s3_object("GetObject")),
    Activity(40, Actor.PARTNER, "ec2", STEP_INTO),
)  # fmt: skip
"""People at work, root (0.006 %), anonymous readers of public objects, and a partner's account."""
