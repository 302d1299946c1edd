from __future__ import annotations

from typing import Any

import pytest

from enrich.resource_paths import TABLE
from enrich.resources import LEAVES, LONGEST_VALUE, MOST_VALUES, READINGS
from tests.unit.enrich.enriched import touched

KEY = "arn:aws:kms:us-east-1:123456789012:key/0a1b"


@pytest.mark.parametrize(
    ("source", "name", "parts", "expected"),
    [
        (
            "rolesanywhere",
            "CreateSession",
            {
                "requestParameters": {
                    "roleArn": "arn:aws:iam::123456789012:role/Deploy",
                    "profileArn": "arn:aws:rolesanywhere:us-east-1:123456789012:profile/8f",
                },
                "responseElements": {
                    "credentialSet": [{"credentials": {"accessKeyId": "ASIAANYWHERE"}}]
                },
            },
            {
                "access_key": ["ASIAANYWHERE"],
                "role": ["Deploy"],
                "id": ["8f"],
                "arn": [
                    "arn:aws:iam::123456789012:role/Deploy",
                    "arn:aws:rolesanywhere:us-east-1:123456789012:profile/8f",
                ],
            },
        ),
        (
            "iam",
            "CreateUser",
            {
                "requestParameters": {"userName": "eve"},
                "responseElements": {
                    "user": {"userName": "eve", "arn": "arn:aws:iam::123456789012:user/x/eve"}
                },
            },
            {"user": ["eve"], "arn": ["arn:aws:iam::123456789012:user/x/eve"]},
        ),
        (
            "iam",
            "AttachRolePolicy",
            {
                "requestParameters": {
                    "roleName": "Ops",
                    "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
                }
            },
            {
                "role": ["Ops"],
                "policy": ["AdministratorAccess"],
                "arn": ["arn:aws:iam::aws:policy/AdministratorAccess"],
            },
        ),
        (
            "iam",
            "CreateAccessKey",
            {
                "requestParameters": {"userName": "eve"},
                "responseElements": {"accessKey": {"accessKeyId": "AKIAEXAMPLE"}},
            },
            {"user": ["eve"], "access_key": ["AKIAEXAMPLE"]},
        ),
        (
            "iam",
            "AddUserToGroup",
            {"requestParameters": {"userName": "eve", "groupName": "admins"}},
            {"user": ["eve"], "group": ["admins"]},
        ),
        (
            "sts",
            "AssumeRole",
            {
                "requestParameters": {"roleArn": "arn:aws:iam::123456789012:role/team/Ops"},
                "responseElements": {
                    "credentials": {"accessKeyId": "ASIAEXAMPLE"},
                    "assumedRoleUser": {"arn": "arn:aws:sts::123456789012:assumed-role/Ops/s"},
                },
            },
            {
                "role": ["Ops"],
                "access_key": ["ASIAEXAMPLE"],
                "arn": [
                    "arn:aws:iam::123456789012:role/team/Ops",
                    "arn:aws:sts::123456789012:assumed-role/Ops/s",
                ],
            },
        ),
        (
            "s3",
            "GetObject",
            {
                "requestParameters": {"bucketName": "b", "key": "x/y.json", "acl": ""},
                "resources": [
                    {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::b/x/y.json"},
                    {"type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"},
                ],
            },
            {
                "bucket": ["b"],
                "object_key": ["x/y.json"],
                "arn": ["arn:aws:s3:::b/x/y.json", "arn:aws:s3:::b"],
            },
        ),
        (
            "s3",
            "CopyObject",
            {
                "requestParameters": {
                    "bucketName": "to",
                    "key": "new",
                    "x-amz-copy-source": ["/from/old%20key?versionId=7"],
                }
            },
            {"bucket": ["to", "from"], "object_key": ["new", "old key"]},
        ),
        (
            "ec2",
            "RunInstances",
            {
                "requestParameters": {
                    "instancesSet": {"items": [{"imageId": "ami-1", "minCount": 1}]},
                    "groupSet": {"items": [{"groupId": "sg-1"}]},
                },
                "responseElements": {
                    "instancesSet": {
                        "items": [
                            {"instanceId": "i-1", "vpcId": "vpc-1"},
                            {"instanceId": "i-2", "vpcId": "vpc-1"},
                        ]
                    }
                },
            },
            {
                "instance": ["i-1", "i-2"],
                "image": ["ami-1"],
                "security_group": ["sg-1"],
                "vpc": ["vpc-1"],
            },
        ),
        (
            "ec2",
            "ModifySnapshotAttribute",
            {
                "requestParameters": {
                    "snapshotId": "snap-1",
                    "createVolumePermission": {
                        "add": {"items": [{"userId": "210987654321"}, {"group": "all"}]}
                    },
                }
            },
            {"snapshot": ["snap-1"], "account": ["210987654321"]},
        ),
        (
            "ec2",
            "AttachVolume",
            {"requestParameters": {"volumeId": "vol-1", "instanceId": "i-1", "device": "/dev/sdf"}},
            {"volume": ["vol-1"], "instance": ["i-1"]},
        ),
        (
            "ec2",
            "DeleteFlowLogs",
            {"requestParameters": {"DeleteFlowLogsRequest": {"FlowLogId": {"content": "fl-1"}}}},
            {"id": ["fl-1"]},
        ),
        (
            "lambda",
            "UpdateFunctionCode20150331v2",
            {
                "requestParameters": {
                    "functionName": "arn:aws:lambda:us-east-1:123456789012:function:pay:live"
                }
            },
            {
                "function": ["pay"],
                "arn": ["arn:aws:lambda:us-east-1:123456789012:function:pay:live"],
            },
        ),
        (
            "kms",
            "Decrypt",
            {
                "requestParameters": {"encryptionContext": {"aws:s3:arn": "arn:aws:s3:::b/k"}},
                "resources": [{"ARN": KEY, "type": "AWS::KMS::Key"}],
            },
            {
                "kms_key": ["0a1b"],
                "bucket": ["b"],
                "object_key": ["k"],
                "arn": ["arn:aws:s3:::b/k", KEY],
            },
        ),
        (
            "kms",
            "ScheduleKeyDeletion",
            {"requestParameters": {"keyId": "0a1b"}, "responseElements": {"keyId": KEY}},
            {"kms_key": ["0a1b"], "arn": [KEY]},
        ),
        (
            "secretsmanager",
            "GetSecretValue",
            {
                "requestParameters": {
                    "secretId": "arn:aws:secretsmanager:us-east-1:123456789012:secret:db/pw-AbC123"
                }
            },
            {
                "secret": ["db/pw"],
                "arn": ["arn:aws:secretsmanager:us-east-1:123456789012:secret:db/pw-AbC123"],
            },
        ),
        (
            "ssm",
            "GetParameters",
            {"requestParameters": {"names": ["/db/pw", "/db/user"], "withDecryption": True}},
            {"parameter": ["/db/pw", "/db/user"]},
        ),
        (
            "ssm",
            "SendCommand",
            {"requestParameters": {"instanceIds": ["i-1"], "documentName": "AWS-RunShellScript"}},
            {"instance": ["i-1"], "id": ["AWS-RunShellScript"]},
        ),
        (
            "cloudtrail",
            "StopLogging",
            {"requestParameters": {"name": "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"}},
            {
                "trail": ["main"],
                "arn": ["arn:aws:cloudtrail:us-east-1:123456789012:trail/main"],
            },
        ),
        (
            "organizations",
            "AttachPolicy",
            {"requestParameters": {"policyId": "p-1", "targetId": "210987654321"}},
            {"policy": ["p-1"], "account": ["210987654321"]},
        ),
        (
            "rds",
            "ModifyDBSnapshotAttribute",
            {"requestParameters": {"dBSnapshotIdentifier": "s", "valuesToAdd": ["all"]}},
            {"snapshot": ["s"]},
        ),
        (
            "rds",
            "DeleteDBInstance",
            {"requestParameters": {"dBInstanceIdentifier": "orders"}},
            {"database": ["orders"]},
        ),
        (
            "eks",
            "CreateAccessEntry",
            {
                "requestParameters": {
                    "name": "prod",
                    "principalArn": "arn:aws:iam::123456789012:user/eve",
                }
            },
            {"cluster": ["prod"], "user": ["eve"], "arn": ["arn:aws:iam::123456789012:user/eve"]},
        ),
        (
            "ecr",
            "PutImage",
            {"requestParameters": {"repositoryName": "team/app", "registryId": "123456789012"}},
            {"repository": ["team/app"], "account": ["123456789012"]},
        ),
        (
            "logs",
            "DeleteLogGroup",
            {"requestParameters": {"logGroupName": "/aws/lambda/pay"}},
            {"log_group": ["/aws/lambda/pay"]},
        ),
        ("monitoring", "DeleteAlarms", {"requestParameters": {"alarmNames": ["a"]}}, {"id": ["a"]}),
        (
            "route53",
            "ChangeResourceRecordSets",
            {"requestParameters": {"hostedZoneId": "/hostedzone/Z1"}},
            {"hosted_zone": ["Z1"]},
        ),
        (
            "sso",
            "CreateAccountAssignment",
            {"requestParameters": {"targetId": "210987654321", "principalId": "g-1"}},
            {"account": ["210987654321"], "id": ["g-1"]},
        ),
        (
            "bedrock",
            "InvokeModel",
            {"requestParameters": {"modelId": "anthropic.claude"}},
            {"id": ["anthropic.claude"]},
        ),
        (
            "cloudtrail",
            "PutResourcePolicy",
            {"requestParameters": {"resourceId": "no-arn", "eventDataStore": "arn:aws:x:::y/z"}},
            {"id": ["no-arn", "z"], "arn": ["arn:aws:x:::y/z"]},
        ),
        (
            "glue",
            "UnheardOf",
            {"resources": [{"arn": "arn:aws:glue:us-east-1:1:database/sales"}]},
            {"arn": ["arn:aws:glue:us-east-1:1:database/sales"], "id": ["sales"]},
        ),
    ],
)
def test_what_a_call_touches(
    source: str, name: str, parts: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    fields = touched(source, name, **parts)
    assert fields["resource"] == expected
    assert "resource_incomplete" not in fields


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"requestParameters": None, "responseElements": None, "resources": None},
        {"requestParameters": "", "resources": ""},
        {"requestParameters": [{"bucketName": "b"}]},
        {"requestParameters": {"bucketName": {"a": 1}, "key": 7}},
        {"requestParameters": {"bucketName": [["nested"]]}},
        {"requestParameters": {"reason": "requestParameters too large", "omitted": "true"}},
        {"requestParameters": {"bucketName": "HIDDEN_DUE_TO_SECURITY_REASONS"}},
        {"resources": [1, None, "x", {}, {"ARN": 5}, {"ARN": "no arn"}, [{"ARN": KEY}]]},
        {"resources": {"ARN": KEY}},
    ],
)
def test_nothing_in_odd_shapes(parts: dict[str, Any]) -> None:
    assert "resource" not in touched("s3", "GetObject", **parts)


def test_the_rest_is_read_where_one_part_is_odd() -> None:
    fields = touched(
        "s3",
        "PutBucketAcl",
        requestParameters={"bucketName": "b", "key": {"odd": 1}, "BucketLoggingStatus": ""},
        resources=[{"ARN": 5}, {"ARN": KEY}],
    )
    assert fields["resource"] == {"bucket": ["b"], "kms_key": ["0a1b"], "arn": [KEY]}


def test_a_thousand_values_are_kept_and_more_is_told() -> None:
    def ending(count: int) -> dict[str, Any]:
        items = [{"instanceId": f"i-{number}"} for number in range(count)] * 2
        return touched(
            "ec2", "TerminateInstances", requestParameters={"instancesSet": {"items": items}}
        )

    whole = ending(MOST_VALUES)
    assert len(whole["resource"]["instance"]) == MOST_VALUES
    assert "resource_incomplete" not in whole
    cut = ending(MOST_VALUES + 1)
    assert len(cut["resource"]["instance"]) == MOST_VALUES
    assert cut["resource_incomplete"] == ["instance"]


def test_a_value_too_long_is_left_out_and_told() -> None:
    key, over = "k" * LONGEST_VALUE, "k" * (LONGEST_VALUE + 1)
    kept = touched("s3", "GetObject", requestParameters={"bucketName": "b", "key": key})
    assert kept["resource"] == {"bucket": ["b"], "object_key": [key]}
    cut = touched("s3", "GetObject", requestParameters={"bucketName": "b", "key": over})
    assert cut["resource"] == {"bucket": ["b"]}
    assert cut["resource_incomplete"] == ["object_key"]
    alone = touched("s3", "GetObject", requestParameters={"key": over})
    assert "resource" not in alone
    assert alone["resource_incomplete"] == ["object_key"]


def test_text_in_a_name_stays_text() -> None:
    hostile = 'a"},"risk_score":1,"x":"\n\x00\u2028\U0001f600'
    fields = touched("s3", "GetObject", requestParameters={"bucketName": "b", "key": hostile})
    assert fields["resource"]["object_key"] == [hostile]
    assert "x" not in fields


def test_the_table_names_known_leaves_and_roots() -> None:
    for rows in TABLE.values():
        for row in rows.values():
            paths = " ".join(row.values()).split()
            assert set(row) <= LEAVES | set(READINGS)
            assert {path.partition(".")[0] for path in paths} <= {"request", "response"}
            assert len(paths) == len(set(paths))


def test_the_leaves_are_those_defined() -> None:
    defined = """arn id bucket object_key user group role policy access_key instance image volume
        snapshot vpc security_group function kms_key secret parameter trail log_group database
        cluster repository hosted_zone account"""
    assert set(defined.split()) == LEAVES
