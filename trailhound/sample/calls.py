"""The calls that more than one kind of caller makes: STS, KMS, S3, EC2 and IAM, as data."""

from __future__ import annotations

from typing import Any

from trailhound.sample.activity import Activity
from trailhound.sample.sessions import Actor
from trailhound.sample.shapes import CallError, Shape

ROLE = ("AWS::IAM::Role", "<role_arn>")
KMS_KEY = ("AWS::KMS::Key", "arn:aws:kms:<region>:<account>:key/<kms_key>")


def assume(by: str) -> Shape:
    """`AssumeRole` by a service, as it is recorded in the role's account."""
    return Shape(
        "sts",
        "AssumeRole",
        request={
            "roleArn": "<role_arn>",
            "roleSessionName": "<role_session>",
            **({"durationSeconds": 3600} if by in ("lambda", "ecs-tasks", "glue") else {}),
            **(
                {"externalId": "<account>", "sourceIdentity": "<role_session>"}
                if by == "ssm"
                else {}
            ),
        },
        response={
            "credentials": {
                "accessKeyId": "<temporary_key>",
                "sessionToken": "<token>",
                "expiration": "<later_text>",
            },
            "assumedRoleUser": {
                "assumedRoleId": "<role_id>:<role_session>",
                "arn": "<assumed_arn>",
            },
        },
        resources=(ROLE,),
        read_only=True,
        shared=True,
        faults=(
            CallError(
                0.006,
                "AccessDenied",
                f"User: {by}.amazonaws.com is not authorized to perform: sts:AssumeRole on "
                "resource: <role_arn>",
            ),
        ),
    )


def kms(name: str, context: dict[str, str]) -> Shape:
    """A cryptographic call on a key, with its encryption context."""
    request: dict[str, object] = {
        "keyId": "arn:aws:kms:<region>:<account>:key/<kms_key>",
        "encryptionContext": context,
    }
    if name == "GenerateDataKey":
        request["keySpec"] = "AES_256"
    else:
        request["encryptionAlgorithm"] = "SYMMETRIC_DEFAULT"
    return Shape(
        "kms",
        name,
        request=request,
        additional={"keyMaterialId": "<sha>"},
        resources=(KMS_KEY,),
        faults=(
            CallError(
                0.008,
                "AccessDenied",
                "The ciphertext refers to a customer master key that does not exist, does not "
                "exist in this region, or you are not allowed to access.",
            ),
        ),
    )


S3_CONTEXT = {"aws:s3:arn": "arn:aws:s3:::<bucket>/<key>"}
S3_BUCKET_CONTEXT = {"aws:s3:arn": "arn:aws:s3:::<bucket>"}
EBS_CONTEXT = {"aws:ebs:id": "<volume>"}
SECRET_CONTEXT = {
    "SecretARN": "arn:aws:secretsmanager:<region>:<account>:secret:<secret>",
    "SecretVersionId": "<uuid>",
}
TABLE_CONTEXT = {
    "aws:dynamodb:tableName": "<table>",
    "aws:dynamodb:subscriberId": "<account>",
}
LAMBDA_CONTEXT = {"aws:lambda:FunctionArn": "arn:aws:lambda:<region>:<account>:function:<function>"}
LOGS_CONTEXT = {
    "aws:logs:arn": "arn:aws:logs:<region>:<account>:log-group:/aws/lambda/<function>:*"
}

S3_FAULTS = (
    CallError(0.05, "NoSuchKey", "The specified key does not exist."),
    CallError(0.012, "AccessDenied", "Access Denied"),
)


def s3_object(name: str, *, log: bool = False) -> Shape:
    """A data event on an object: bytes moved in `additionalEventData`."""
    bucket = "<trail_bucket>" if log else "<bucket>"
    key = "<log_key>" if log else "<key>"
    put = name in ("PutObject", "UploadPart")
    additional: dict[str, object] = {
        "SignatureVersion": "SigV4",
        "CipherSuite": "TLS_AES_128_GCM_SHA256",
        "bytesTransferredIn": "<#size>" if put else 0,
        "AuthenticationMethod": "AuthHeader",
        "x-amz-id-2": "<extended_id>",
        "bytesTransferredOut": "<#size>" if name == "GetObject" else 0,
    }
    if put:
        additional["SSEApplied"] = "SSE_KMS"
    request: dict[str, object] = {
        "bucketName": bucket,
        "Host": f"{bucket}.s3.<region>.amazonaws.com",
        "key": key,
    }
    if log:
        request["x-amz-acl"] = "bucket-owner-full-control"
    if put:
        request["x-amz-server-side-encryption"] = "aws:kms"
    response = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": (
            "arn:aws:kms:<region>:<account>:key/<kms_key>"
        ),
    }
    return Shape(
        "s3",
        name,
        request=request,
        response=response if put else None,
        additional=additional,
        resources=(
            ("AWS::S3::Object", f"arn:aws:s3:::{bucket}/{key}"),
            ("AWS::S3::Bucket", f"arn:aws:s3:::{bucket}"),
        ),
        read_only=not put and name != "DeleteObject",
        data=True,
        faults=() if log else S3_FAULTS,
    )


def bucket_read(name: str, subresource: str, *faults: CallError, bucket: str = "<bucket>") -> Shape:
    """A reading call on a bucket's configuration."""
    return Shape(
        "s3",
        name,
        request={
            "bucketName": bucket,
            "Host": f"{bucket}.s3.<region>.amazonaws.com",
            subresource: "",
        },
        additional={
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": 0,
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": "<extended_id>",
            "bytesTransferredOut": "<#small>",
        },
        resources=(("AWS::S3::Bucket", f"arn:aws:s3:::{bucket}"),),
        faults=faults,
    )


BUCKET_READS = (
    bucket_read("GetBucketPolicy", "policy",
                CallError(0.35, "NoSuchBucketPolicy", "The bucket policy does not exist")),
    bucket_read("GetBucketTagging", "tagging",
                CallError(0.2, "NoSuchTagSet", "The TagSet does not exist")),
    bucket_read("GetBucketLifecycle", "lifecycle",
                CallError(0.4, "NoSuchLifecycleConfiguration",
                      "The lifecycle configuration does not exist")),
    bucket_read("GetBucketReplication", "replication",
                CallError(0.8, "ReplicationConfigurationNotFoundError",
                      "The replication configuration was not found")),
    bucket_read("GetBucketWebsite", "website",
                CallError(0.8, "NoSuchWebsiteConfiguration",
                      "The specified bucket does not have a website configuration")),
    bucket_read("GetBucketPublicAccessBlock", "publicAccessBlock",
                CallError(0.05, "NoSuchPublicAccessBlockConfiguration",
                      "The public access block configuration was not found")),
    bucket_read("GetBucketAcl", "acl"),
    bucket_read("GetBucketEncryption", "encryption"),
    bucket_read("GetBucketVersioning", "versioning"),
    bucket_read("GetBucketLogging", "logging"),
    bucket_read("GetBucketLocation", "location"),
    bucket_read("GetBucketNotification", "notification"),
)  # fmt: skip


EC2_LISTS: dict[str, dict[str, Any]] = {
    "DescribeInstances": {"instancesSet": {"items": [{"instanceId": "<instance>"}]},
                          "filterSet": {}},
    "DescribeInstanceStatus": {"instancesSet": {"items": [{"instanceId": "<instance>"}]},
                               "filterSet": {}, "includeAllInstances": True},
    "DescribeVolumes": {"volumeSet": {"items": [{"volumeId": "<volume>"}]}, "filterSet": {}},
    "DescribeSecurityGroups": {"securityGroupSet": {},
                               "securityGroupIdSet": {"items": [{"groupId": "<group>"}]},
                               "filterSet": {}},
    "DescribeSubnets": {"subnetSet": {"items": [{"subnetId": "<subnet>"}]}, "filterSet": {}},
    "DescribeNetworkInterfaces": {"networkInterfaceIdSet": {
        "items": [{"networkInterfaceId": "<interface>"}]}, "filterSet": {}},
    "DescribeVpcs": {"vpcSet": {"items": [{"vpcId": "<vpc>"}]}, "filterSet": {}},
    "DescribeRouteTables": {"routeTableIdSet": {}, "filterSet": {"items": [
        {"name": "vpc-id", "valueSet": {"items": [{"value": "<vpc>"}]}}]}},
    "DescribeTags": {"filterSet": {"items": [
        {"name": "resource-id", "valueSet": {"items": [{"value": "<instance>"}]}}]}},
    "DescribeSnapshots": {"maxResults": 1000, "snapshotSet": {}, "ownersSet": {"items": [
        {"owner": "<account>"}]}, "sharedUsersSet": {}, "filterSet": {}},
    "DescribeAddresses": {"publicIpsSet": {}, "filterSet": {}, "allocationIdsSet": {}},
    "DescribeAvailabilityZones": {"availabilityZoneSet": {}, "availabilityZoneIdSet": {}},
    "DescribeNatGateways": {"DescribeNatGatewaysRequest": {"MaxResults": 1000}},
    "DescribeNetworkAcls": {"networkAclIdSet": {}, "filterSet": {}},
}  # fmt: skip
"""Requests of EC2's reading calls, in the shape in which CloudTrail renders EC2's XML."""

_EC2_FAULTS = {
    "DescribeInstances": (CallError(0.03, "Client.InvalidInstanceID.NotFound",
                                "The instance ID '<instance>' does not exist"),
                          CallError(0.02, "Client.RequestLimitExceeded",
                                    "Request limit exceeded.")),
    "DescribeVolumes": (CallError(0.03, "Client.InvalidVolume.NotFound",
                              "The volume '<volume>' does not exist."),),
    "DescribeTags": (CallError(0.02, "Client.UnauthorizedOperation",
                           "You are not authorized to perform this operation."),),
}  # fmt: skip


def ec2_reads(weight: float, actor: Actor, by: str, *names: str) -> list[Activity]:
    """Reading calls of EC2 that divide one weight."""
    return [
        Activity(
            weight / len(names),
            actor,
            by,
            Shape("ec2", name, request=EC2_LISTS[name], faults=_EC2_FAULTS.get(name, ())),
        )
        for name in names
    ]


IAM_READS: dict[str, dict[str, Any]] = {
    "GetRole": {"roleName": "<any_role>"},
    "ListAttachedRolePolicies": {"roleName": "<any_role>"},
    "ListRolePolicies": {"roleName": "<any_role>"},
    "GetUser": {"userName": "<user>"},
    "ListAccessKeys": {"userName": "<user>"},
    "ListGroupsForUser": {"userName": "<user>"},
    "GetAccessKeyLastUsed": {"accessKeyId": "<new_key>"},
    "GetPolicy": {"policyArn": "arn:aws:iam::<account>:policy/<any_role>"},
    "GetPolicyVersion": {
        "policyArn": "arn:aws:iam::<account>:policy/<any_role>",
        "versionId": "v1",
    },
    "GetInstanceProfile": {"instanceProfileName": "<any_role>"},
}
_IAM_FAULT = CallError(
    0.04, "NoSuchEntityException", "The role with name <any_role> cannot be found."
)


def iam_reads(weight: float, actor: Actor, by: str, *names: str) -> list[Activity]:
    """Reading calls of IAM that divide one weight."""
    return [
        Activity(
            weight / len(names),
            actor,
            by,
            Shape(
                "iam",
                name,
                request=IAM_READS[name],
                faults=(_IAM_FAULT,) if name == "GetRole" else (),
            ),
        )
        for name in names
    ]


LISTS: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
    ("lambda", "ListFunctions20150331", {"maxItems": 50, "functionVersion": "ALL"}),
    ("rds", "DescribeDBInstances", {"maxRecords": 100, "marker": "<page>"}),
    ("rds", "DescribeDBSnapshots", {"maxRecords": 100, "includeShared": False}),
    ("kms", "ListKeys", {"limit": 1000, "marker": "<page>"}),
    ("dynamodb", "DescribeTable", {"tableName": "<table>"}),
    ("elasticloadbalancing", "DescribeLoadBalancers", {"pageSize": 400}),
    ("autoscaling", "DescribeAutoScalingGroups", {"maxRecords": 100}),
    ("cloudtrail", "DescribeTrails", {"trailNameList": [], "includeShadowTrails": False}),
    ("cloudtrail", "GetTrailStatus", {"name": "<trail>"}),
    ("sns", "ListTopics", None),
    ("sqs", "ListQueues", {"maxResults": 1000}),
    ("logs", "DescribeLogGroups", {"limit": 50, "nextToken": "<page>"}),
    ("monitoring", "DescribeAlarms", {"maxRecords": 100}),
    ("secretsmanager", "ListSecrets", {"maxResults": 100}),
    ("guardduty", "ListDetectors", {"maxResults": 50}),
    ("ecs", "ListClusters", {"maxResults": 100}),
    ("eks", "ListClusters", {"maxResults": 100}),
    ("ecr", "DescribeRepositories", {"maxResults": 100}),
    ("acm", "ListCertificates", {"maxItems": 100}),
    ("backup", "ListBackupPlans", {"maxResults": 1000}),
)


def lists(weight: float, actor: Actor, by: str) -> list[Activity]:
    """The inventory calls of many services, which divide one weight."""
    each = weight / len(LISTS)
    slow = (CallError(0.03, "ThrottlingException", "Rate exceeded"),)
    return [
        Activity(each, actor, by, Shape(source, name, request=request, faults=slow))
        for source, name, request in LISTS
    ]


def bucket_reads(weight: float, actor: Actor, by: str) -> list[Activity]:
    """The reading calls on a bucket, which divide one weight."""
    each = weight / len(BUCKET_READS)
    return [Activity(each, actor, by, shape) for shape in BUCKET_READS]
