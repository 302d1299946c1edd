"""What the organisation's own programs and pipelines do, Terraform's changes included."""

from __future__ import annotations

import json

from trailhound.sample.activity import Activity, reads
from trailhound.sample.calls import (
    IAM_READS,
    LAMBDA_CONTEXT,
    ROLE,
    bucket_reads,
    ec2_reads,
    iam_reads,
    kms,
    lists,
    s3_object,
)
from trailhound.sample.sessions import Actor
from trailhound.sample.shapes import CallError, Shape

WORKLOAD, PIPELINE, ROBOT = Actor.WORKLOAD, Actor.PIPELINE, Actor.ROBOT

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Objects",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": "arn:aws:s3:::<bucket>/*",
            },
            {
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "arn:aws:kms:<region>:<account>:key/<kms_key>",
            },
        ],
    }
)
BUCKET_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::<bucket>", "arn:aws:s3:::<bucket>/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}
_POLICY_ARN = "arn:aws:iam::<account>:policy/app-<hex8>"


def change(
    weight: float,
    actor: Actor,
    source: str,
    name: str,
    request: dict[str, object],
    response: dict[str, object] | None = None,
    fault: CallError | None = None,
) -> Activity:
    """A call that changes something."""
    faults = (fault,) if fault else ()
    shape = Shape(source, name, request=request, response=response, read_only=False, faults=faults)
    return Activity(weight, actor, source, shape)


def _denied(action: str) -> CallError:
    message = (
        f"User: <caller> is not authorized to perform: {action} because no identity-based policy "
        f"allows the {action} action"
    )
    return CallError(0.02, "AccessDenied", message)


def create_role(weight: float, actor: Actor) -> Activity:
    """`CreateRole` with a service's trust policy."""
    return change(
        weight,
        actor,
        "iam",
        "CreateRole",
        {
            "roleName": "app-<hex8>-role",
            "assumeRolePolicyDocument": TRUST,
            "path": "/",
            "description": "managed by terraform",
            "maxSessionDuration": 3600,
            "tags": [{"key": "Owner", "value": "platform"}],
        },
        {
            "role": {
                "path": "/",
                "roleName": "app-<hex8>-role",
                "roleId": "<new_role_id>",
                "arn": "arn:aws:iam::<account>:role/app-<hex8>-role",
                "createDate": "<now_text>",
                "maxSessionDuration": 3600,
            }
        },
        CallError(
            0.05, "EntityAlreadyExistsException", "Role with name app-<hex8>-role already exists."
        ),
    )


def attach_role_policy(weight: float, actor: Actor) -> Activity:
    """`AttachRolePolicy` of one of the organisation's own policies."""
    request: dict[str, object] = {"roleName": "<any_role>", "policyArn": _POLICY_ARN}
    return change(weight, actor, "iam", "AttachRolePolicy", request)


def ingress(weight: float, actor: Actor, name: str, cidr: str) -> Activity:
    """A change of a security group's inbound rules."""
    return change(
        weight,
        actor,
        "ec2",
        name,
        {
            "groupId": "<group>",
            "ipPermissions": {
                "items": [
                    {
                        "ipProtocol": "tcp",
                        "fromPort": "<#port>",
                        "toPort": "<#port>",
                        "groups": {},
                        "ipRanges": {"items": [{"cidrIp": cidr}]},
                        "ipv6Ranges": {},
                        "prefixListIds": {},
                    }
                ]
            },
        },
        {"requestId": "<uuid>", "_return": True},
        CallError(0.04, "Client.InvalidPermission.Duplicate", "the specified rule already exists"),
    )


def put_bucket_policy(weight: float, actor: Actor) -> Activity:
    """`PutBucketPolicy` that demands TLS."""
    return change(
        weight,
        actor,
        "s3",
        "PutBucketPolicy",
        {
            "bucketName": "<bucket>",
            "Host": "<bucket>.s3.<region>.amazonaws.com",
            "policy": "",
            "bucketPolicy": dict(BUCKET_POLICY),
        },
    )


_FEDERATED = Shape(
    "sts",
    "AssumeRoleWithWebIdentity",
    request={
        "roleArn": "<own_arn>",
        "roleSessionName": "<own_session>",
        "durationSeconds": 3600,
    },
    response={
        "credentials": {
            "accessKeyId": "<temporary_key>",
            "sessionToken": "<token>",
            "expiration": "<later_text>",
        },
        "subjectFromWebIdentityToken": "<caller_name>",
        "assumedRoleUser": {"assumedRoleId": "<own_id>:<own_session>", "arn": "<own_assumed>"},
        "provider": "arn:aws:iam::<account>:oidc-provider/token.actions.githubusercontent.com",
        "audience": "sts.amazonaws.com",
    },
    resources=(("AWS::IAM::Role", "<own_arn>"),),
    faults=(
        CallError(0.03, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
    ),
)

_CREDENTIALS = "arn:aws:secretsmanager:<region>:<account>:secret:<secret>"
GET_SECRET = Shape(
    "secretsmanager",
    "GetSecretValue",
    request={"secretId": _CREDENTIALS, "versionStage": "AWSCURRENT"},
    faults=(
        CallError(
            0.02,
            "AccessDenied",
            "User: <caller> is not authorized to perform: secretsmanager:GetSecretValue on "
            f"resource: {_CREDENTIALS} because no identity-based policy allows the "
            "secretsmanager:GetSecretValue action",
        ),
    ),
)
_PARAMETERS = Shape(
    "ssm",
    "GetParameters",
    request={"names": ["/app/<table>/url", "/app/<table>/password"], "withDecryption": True},
    faults=(CallError(0.02, "ParameterNotFound"),),
)
_LOG_STREAM = Shape(
    "logs",
    "CreateLogStream",
    request={
        "logGroupName": "/aws/lambda/<function>",
        "logStreamName": "<day>/[$LATEST]<hex32>",
    },
    read_only=False,
    faults=(
        CallError(
            0.05, "ResourceAlreadyExistsException", "The specified log stream already exists"
        ),
    ),
)
_ITEM = Shape(
    "dynamodb",
    "GetItem",
    request={
        "tableName": "<table>",
        "key": {"id": "HIDDEN_DUE_TO_SECURITY_REASONS"},
        "consistentRead": False,
    },
    resources=(("AWS::DynamoDB::Table", "arn:aws:dynamodb:<region>:<account>:table/<table>"),),
    data=True,
)
_INVOKE = Shape(
    "lambda",
    "Invoke",
    request={
        "functionName": "arn:aws:lambda:<region>:<account>:function:<function>",
        "invocationType": "RequestResponse",
    },
    additional={"functionVersion": "arn:aws:lambda:<region>:<account>:function:<function>:$LATEST"},
    resources=(("AWS::Lambda::Function", "arn:aws:lambda:<region>:<account>:function:<function>"),),
    read_only=False,
    data=True,
)
STEP_INTO = Shape(
    "sts",
    "AssumeRole",
    request={"roleArn": "<role_arn>", "roleSessionName": "<role_session>"},
    response={
        "credentials": {
            "accessKeyId": "<temporary_key>",
            "sessionToken": "<token>",
            "expiration": "<later_text>",
        },
        "assumedRoleUser": {"assumedRoleId": "<role_id>:<role_session>", "arn": "<assumed_arn>"},
    },
    resources=(ROLE,),
    shared=True,
    faults=(CallError(0.03, "AccessDenied", "User: <caller> is not authorized to perform: "
                  "sts:AssumeRole on resource: <role_arn>"),),
)  # fmt: skip
WHO_AM_I = Shape("sts", "GetCallerIdentity")

WORKLOADS: tuple[Activity, ...] = (
    Activity(2000, WORKLOAD, "lambda", s3_object("GetObject")),
    Activity(1100, WORKLOAD, "ecs-tasks", s3_object("PutObject")),
    Activity(300, WORKLOAD, "glue", s3_object("HeadObject")),
    Activity(120, WORKLOAD, "glue", s3_object("DeleteObject")),
    Activity(700, WORKLOAD, "ecs-tasks", GET_SECRET),
    Activity(700, WORKLOAD, "lambda", _PARAMETERS),
    Activity(900, WORKLOAD, "ssm", Shape("ssm", "UpdateInstanceInformation", request={
        "agentVersion": "3.3.1611.0", "agentStatus": "Active", "platformType": "Linux",
        "platformName": "Amazon Linux", "platformVersion": "2023", "instanceId": "<instance>",
        "iPAddress": "10.1.<octet>.<octet>", "computerName": "ip-10-1-<octet>-<octet>.internal",
        "agentName": "amazon-ssm-agent", "sSMConnectionChannel": "ssmmessages"},
        read_only=False)),
    Activity(500, WORKLOAD, "ec2", kms("Decrypt", LAMBDA_CONTEXT)),
    Activity(600, WORKLOAD, "lambda", _LOG_STREAM),
    Activity(500, WORKLOAD, "ecs-tasks", _ITEM),
    Activity(400, WORKLOAD, "states", _INVOKE),
    *reads(400, WORKLOAD, "eks", "ecr", "BatchGetImage", "GetDownloadUrlForLayer",
           request={"registryId": "<account>", "repositoryName": "<table>",
                    "imageIds": [{"imageDigest": "sha256:<sha>"}]}),
    *ec2_reads(330, WORKLOAD, "ec2", "DescribeInstances", "DescribeTags"),
    Activity(150, WORKLOAD, "ec2", WHO_AM_I),
    Activity(400, WORKLOAD, "ec2", STEP_INTO),
    Activity(110, ROBOT, "s3", s3_object("PutObject")),
    Activity(110, ROBOT, "s3", s3_object("GetObject")),
    *ec2_reads(80, ROBOT, "ec2", "DescribeInstances", "DescribeVolumes"),
)  # fmt: skip

PIPELINES: tuple[Activity, ...] = (
    Activity(120, Actor.WEB_IDENTITY, "web", _FEDERATED),
    *iam_reads(500, PIPELINE, "iam", *IAM_READS),
    *ec2_reads(280, PIPELINE, "ec2", "DescribeSecurityGroups", "DescribeVpcs", "DescribeSubnets"),
    *bucket_reads(250, PIPELINE, "s3"),
    *lists(300, PIPELINE, "lists"),
    Activity(80, PIPELINE, "sts", WHO_AM_I),
    *reads(120, PIPELINE, "ecr", "ecr", "InitiateLayerUpload", "PutImage",
           request={"registryId": "<account>", "repositoryName": "<table>"}, read_only=False),
    change(50, PIPELINE, "lambda", "UpdateFunctionCode20150331v2",
           {"functionName": "<function>", "dryRun": False, "publish": True},
           {"functionName": "<function>", "runtime": "python3.12", "codeSize": "<#size>",
            "functionArn": "arn:aws:lambda:<region>:<account>:function:<function>",
            "codeSha256": "<sha>", "version": "<count>"}),
    change(50, PIPELINE, "ecs", "RegisterTaskDefinition",
           {"family": "<table>", "networkMode": "awsvpc", "cpu": "512", "memory": "1024"},
           {"taskDefinition": {"family": "<table>", "revision": "<#count>",
            "taskDefinitionArn":
                "arn:aws:ecs:<region>:<account>:task-definition/<table>:<count>"}}),
    change(40, PIPELINE, "ecs", "UpdateService",
           {"cluster": "main", "service": "<table>", "forceNewDeployment": True}),
    create_role(7, PIPELINE),
    attach_role_policy(9, PIPELINE),
    change(7, PIPELINE, "iam", "PutRolePolicy",
           {"roleName": "<any_role>", "policyName": "inline-<hex8>", "policyDocument": POLICY},
           fault=_denied("iam:PutRolePolicy")),
    change(4, PIPELINE, "iam", "CreatePolicy",
           {"policyName": "app-<hex8>", "policyDocument": POLICY, "path": "/"},
           {"policy": {"policyName": "app-<hex8>", "policyId": "<new_policy_id>",
            "arn": _POLICY_ARN, "path": "/", "defaultVersionId": "v1",
            "createDate": "<now_text>"}}),
    change(6, PIPELINE, "iam", "CreatePolicyVersion",
           {"policyArn": _POLICY_ARN, "policyDocument": POLICY, "setAsDefault": True},
           {"policyVersion": {"versionId": "v<count>", "isDefaultVersion": True,
            "createDate": "<now_text>"}}),
    change(2, PIPELINE, "iam", "UpdateAssumeRolePolicy",
           {"roleName": "<any_role>", "policyDocument": TRUST}),
    change(2, PIPELINE, "iam", "DetachRolePolicy",
           {"roleName": "<any_role>", "policyArn": _POLICY_ARN}),
    change(2, PIPELINE, "iam", "DeleteRole", {"roleName": "<any_role>"},
           fault=CallError(0.2, "DeleteConflictException",
                       "Cannot delete entity, must detach all policies first.")),
    put_bucket_policy(5, PIPELINE),
    change(1, PIPELINE, "s3", "DeleteBucketPolicy",
           {"bucketName": "<bucket>", "policy": "", "Host": "s3.<region>.amazonaws.com"}),
    ingress(7, PIPELINE, "AuthorizeSecurityGroupIngress", "10.<octet>.0.0/16"),
    ingress(5, PIPELINE, "RevokeSecurityGroupIngress", "10.<octet>.0.0/16"),
    change(3, PIPELINE, "ec2", "CreateSecurityGroup",
           {"groupName": "app-<hex8>", "groupDescription": "managed", "vpcId": "<vpc>"},
           {"requestId": "<uuid>", "_return": True, "groupId": "<group>"}),
    change(0.5, PIPELINE, "ec2", "CreateNetworkAclEntry",
           {"networkAclId": "acl-<hex17>", "ruleNumber": 110, "egress": False,
            "ruleAction": "allow", "cidrBlock": "10.<octet>.0.0/16"},
           {"requestId": "<uuid>", "_return": True}),
    change(1, PIPELINE, "kms", "PutKeyPolicy",
           {"keyId": "<kms_key>", "policyName": "default", "policy": POLICY}),
    change(0.3, PIPELINE, "cloudtrail", "UpdateTrail",
           {"name": "<trail>", "isMultiRegionTrail": True, "enableLogFileValidation": True},
           {"name": "<trail>", "s3BucketName": "<trail_bucket>",
            "trailARN": "arn:aws:cloudtrail:<region>:<account>:trail/<trail>"}),
    change(0.5, PIPELINE, "cloudtrail", "PutEventSelectors",
           {"trailName": "<trail>", "eventSelectors": [
               {"readWriteType": "All", "includeManagementEvents": True}]}),
)  # fmt: skip
"""Terraform and deployments, from hosted runners."""
