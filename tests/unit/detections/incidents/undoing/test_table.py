"""What each call leaves behind: its object, whom it lets in, what takes it away."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from detections.incidents.containment import LeftCalls, containment
from detections.incidents.step import Step
from enrich.enricher import Enricher
from tests.helpers.trails import record

ACCOUNT, OUT = "111122223333", "444455556666"
ROOT = f"arn:aws:iam::{OUT}:root"
NOW = datetime(2025, 3, 4, tzinfo=UTC)
POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"%s"},'
    '"Action":"sts:AssumeRole"}]}'
)
INSTANCE = "arn:aws:sso:::instance/ssoins-0123456789abcdef"
SET = "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef"
PERSON = "d4c8a4d8-50a1-7012-9a3e-0123456789ab"
UUID = "01234567-89ab-cdef-0123-456789abcdef"
SNAP, AMI, IID = "snap-0123456789abcdef0", "ami-0123456789abcdef0", "i-0123456789abcdef0"


class Case(NamedTuple):
    """`words`: the service and call of the command, empty for none, and more that is in it."""

    call: str
    request: dict[str, Any]
    response: dict[str, Any]
    object: str
    outsiders: tuple[str, ...]
    words: str


def case(
    call: str,
    request: dict[str, Any],
    response: dict[str, Any] | None = None,
    *,
    about: str,
    lets_in: tuple[str, ...] = (),
    command: str = "",
) -> Case:
    return Case(call, request, response or {}, about, lets_in, command)


CASES = [
    case(
        "iam UpdateAssumeRolePolicy",
        {"roleName": "Ops", "policyDocument": POLICY % ROOT},
        about="Ops",
        lets_in=(ROOT,),
    ),
    case(
        "iam CreateRole",
        {"roleName": "Ops", "assumeRolePolicyDocument": POLICY % OUT},
        about="Ops",
        lets_in=(OUT,),
        command="iam delete-role --role-name Ops",
    ),
    case(
        "iam CreateServiceSpecificCredential",
        {"userName": "ada", "serviceName": "bedrock.amazonaws.com"},
        {
            "serviceSpecificCredential": {
                "serviceSpecificCredentialId": "ACCAI44QH8DHBEXAMPLE",
                "userName": "ada",
            }
        },
        about="ACCAI44QH8DHBEXAMPLE",
        command="iam update-service-specific-credential "
        "--service-specific-credential-id ACCAI44QH8DHBEXAMPLE",
    ),
    case(
        "rolesanywhere CreateTrustAnchor",
        {"name": "x", "enabled": True},
        {"trustAnchor": {"trustAnchorId": UUID}},
        about=UUID,
        command=f"rolesanywhere disable-trust-anchor --trust-anchor-id {UUID}",
    ),
    case(
        "rolesanywhere CreateProfile",
        {"name": "x", "roleArns": [f"arn:aws:iam::{ACCOUNT}:role/Ops"]},
        {"profile": {"profileId": UUID}},
        about=UUID,
        command=f"rolesanywhere disable-profile --profile-id {UUID}",
    ),
    case(
        "kms CreateGrant",
        {"keyId": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{UUID}", "granteePrincipal": ROOT},
        {"grantId": "0f" * 32},
        about="0f" * 32,
        lets_in=(ROOT,),
        command=f"kms revoke-grant --grant-id {'0f' * 32} --key-id arn:aws:kms",
    ),
    case(
        "kms PutKeyPolicy",
        {"keyId": UUID, "policyName": "default", "policy": POLICY % ROOT},
        about=UUID,
        lets_in=(ROOT,),
    ),
    case(
        "ec2 ModifyImageAttribute",
        {"imageId": AMI, "launchPermission": {"add": {"items": [{"userId": OUT}]}}},
        about=AMI,
        lets_in=(OUT,),
        command=f"ec2 modify-image-attribute --image-id {AMI} --attribute launchPermission "
        f"--operation-type remove --user-ids {OUT}",
    ),
    case(
        "ec2 ModifySnapshotAttribute",
        {"snapshotId": SNAP, "createVolumePermission": {"add": {"items": [{"group": "all"}]}}},
        about=SNAP,
        lets_in=("everybody",),
        command="ec2 modify-snapshot-attribute --snapshot-id",
    ),
    case(
        "rds ModifyDBSnapshotAttribute",
        {"dBSnapshotIdentifier": "s1", "attributeName": "restore", "valuesToAdd": [OUT]},
        about="s1",
        lets_in=(OUT,),
        command="rds modify-db-snapshot-attribute --db-snapshot-identifier s1 "
        f"--attribute-name restore --values-to-remove {OUT}",
    ),
    case(
        "rds ModifyDBClusterSnapshotAttribute",
        {"dBClusterSnapshotIdentifier": "s1", "attributeName": "restore", "valuesToAdd": ["all"]},
        about="s1",
        lets_in=("everybody",),
        command="rds modify-db-cluster-snapshot-attribute --db-cluster-snapshot-identifier s1",
    ),
    case(
        "ec2 DisableSnapshotBlockPublicAccess",
        {},
        about="eu-west-1",
        command="ec2 enable-snapshot-block-public-access --state block-all-sharing",
    ),
    case(
        "lambda UpdateFunctionConfiguration20150331v2",
        {"functionName": "pay", "layers": [f"arn:aws:lambda:eu-west-1:{OUT}:layer:otel:3"]},
        about="pay",
        lets_in=(f"arn:aws:lambda:eu-west-1:{OUT}:layer:otel:3",),
        command="lambda put-function-concurrency --function-name pay",
    ),
    case(
        "lambda UpdateFunctionCode20150331v2",
        {"functionName": f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:pay"},
        about=f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:pay",
        command="lambda put-function-concurrency --function-name arn:aws:lambda",
    ),
    case(
        "lambda PublishLayerVersion20181031",
        {"layerName": "otel"},
        {"version": 3},
        about="otel",
        command="lambda delete-layer-version --layer-name otel --version-number 3",
    ),
    case(
        "lambda AddLayerVersionPermission20181031",
        {"layerName": "otel", "versionNumber": 3, "statementId": "x", "principal": "*"},
        about="otel",
        lets_in=("everybody",),
        command="lambda remove-layer-version-permission --layer-name otel --version-number 3",
    ),
    case(
        "lambda CreateFunctionUrlConfig",
        {"functionName": "pay", "authType": "NONE"},
        about="pay",
        lets_in=("everybody",),
        command="lambda delete-function-url-config --function-name pay",
    ),
    case(
        "lambda AddPermission20150331v2",
        {"functionName": "pay", "statementId": "x", "principal": OUT},
        about="pay",
        lets_in=(OUT,),
        command="lambda remove-permission --function-name pay --statement-id x",
    ),
    case(
        "lambda CreateEventSourceMapping20150331",
        {"functionName": "pay", "eventSourceArn": f"arn:aws:sqs:eu-west-1:{OUT}:q"},
        {"uUID": UUID},
        about=UUID,
        lets_in=(f"arn:aws:sqs:eu-west-1:{OUT}:q",),
        command=f"lambda delete-event-source-mapping --uuid {UUID}",
    ),
    case(
        "s3 PutBucketPolicy",
        {
            "bucketName": "logs-1",
            "bucketPolicy": {
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "s3:*"}]
            },
        },
        about="logs-1",
        lets_in=(ROOT,),
    ),
    case(
        "s3 PutBucketAcl",
        {"bucketName": "logs-1", "x-amz-grant-read": f'id="{"0f" * 32}"'},
        about="logs-1",
        lets_in=("0f" * 32,),
        command="s3api put-bucket-acl --bucket logs-1 --acl private",
    ),
    case(
        "s3 PutBucketLifecycle",
        {"bucketName": "logs-1", "LifecycleConfiguration": {"Rule": {"Expiration": {"Days": 1}}}},
        about="logs-1",
        command="s3api delete-bucket-lifecycle --bucket logs-1",
    ),
    case(
        "sso CreatePermissionSet",
        {"name": "x", "instanceArn": INSTANCE},
        {"permissionSet": {"permissionSetArn": SET}},
        about=SET,
        command=f"sso-admin delete-permission-set --permission-set-arn {SET}",
    ),
    case(
        "sso AttachManagedPolicyToPermissionSet",
        {
            "instanceArn": INSTANCE,
            "permissionSetArn": SET,
            "managedPolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
        },
        about=SET,
        command="sso-admin detach-managed-policy-from-permission-set",
    ),
    case(
        "sso PutInlinePolicyToPermissionSet",
        {"instanceArn": INSTANCE, "permissionSetArn": SET, "inlinePolicy": "{}"},
        about=SET,
    ),
    case(
        "sso CreateAccountAssignment",
        {
            "instanceArn": INSTANCE,
            "targetId": ACCOUNT,
            "targetType": "AWS_ACCOUNT",
            "permissionSetArn": SET,
            "principalType": "USER",
            "principalId": PERSON,
        },
        about=PERSON,
        command=f"sso-admin delete-account-assignment --principal-id {PERSON}",
    ),
    case(
        "sso-directory CreateUser",
        {"identityStoreId": "d-0123456789"},
        {"user": {"userId": PERSON, "identityStoreId": "d-0123456789"}},
        about=PERSON,
        command=f"identitystore delete-user --user-id {PERSON} --identity-store-id d-0123456789",
    ),
    case(
        "guardduty CreateIPSet",
        {"detectorId": "d1", "location": "https://s3.amazonaws.com/evil/ips.txt"},
        {"ipSetId": "ip1"},
        about="ip1",
        lets_in=("https://s3.amazonaws.com/evil/ips.txt",),
        command="guardduty delete-ip-set --ip-set-id ip1 --detector-id d1",
    ),
    case(
        "guardduty CreateFilter",
        {"detectorId": "d1", "name": "quiet", "action": "ARCHIVE"},
        about="quiet",
        command="guardduty delete-filter --filter-name quiet --detector-id d1",
    ),
    case(
        "rds StartExportTask",
        {"exportTaskIdentifier": "e1", "s3BucketName": "attacker-bucket"},
        about="e1",
        lets_in=("attacker-bucket",),
        command="rds cancel-export-task --export-task-identifier e1",
    ),
    case(
        "ec2-instance-connect SendSSHPublicKey",
        {"instanceId": IID, "instanceOSUser": "ec2-user"},
        about=IID,
    ),
    case(
        "events PutRule",
        {"name": "tick", "scheduleExpression": "rate(1 hour)"},
        about="tick",
        command="events disable-rule --name tick",
    ),
    case(
        "events PutRule",
        {"name": "tick", "eventBusName": "orders"},
        about="tick",
        command="events disable-rule --name tick --event-bus-name orders",
    ),
    case(
        "events DisableRule",
        {"name": "watch", "eventBusName": "default"},
        about="watch",
        command="events enable-rule --name watch --event-bus-name default",
    ),
    case(
        "events PutTargets",
        {"rule": "tick", "targets": [{"id": "a", "arn": f"arn:aws:lambda:eu-west-1:{OUT}:x"}]},
        about="tick",
        lets_in=(OUT, f"arn:aws:lambda:eu-west-1:{OUT}:x"),
        command="events remove-targets --rule tick --ids a",
    ),
    case(
        "ec2 CreateVpcPeeringConnection",
        {"vpcId": "vpc-01234567", "peerOwnerId": OUT},
        {"vpcPeeringConnection": {"vpcPeeringConnectionId": "pcx-0123456789abcdef0"}},
        about="pcx-0123456789abcdef0",
        lets_in=(OUT,),
        command="ec2 delete-vpc-peering-connection --vpc-peering-connection-id "
        "pcx-0123456789abcdef0",
    ),
    case(
        "ec2 ModifyInstanceAttribute",
        {"instanceId": IID, "userData": "<sensitiveDataRemoved>"},
        about=IID,
    ),
    case(
        "ec2 AuthorizeSecurityGroupIngress",
        {
            "groupId": "sg-0123456789abcdef0",
            "ipPermissions": {"items": [{"ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]},
        },
        {"securityGroupRuleSet": {"items": [{"securityGroupRuleId": "sgr-0123456789abcdef0"}]}},
        about="sg-0123456789abcdef0",
        lets_in=("0.0.0.0/0",),
        command="ec2 revoke-security-group-ingress --group-id sg-0123456789abcdef0",
    ),
    case(
        "cloudtrail PutEventSelectors",
        {"trailName": "main", "eventSelectors": []},
        about="main",
    ),
    case("cloudtrail DeleteTrail", {"name": "main"}, about="main"),
    case(
        "cloudtrail StopLogging",
        {"name": "main"},
        about="main",
        command="cloudtrail start-logging --name main",
    ),
]


def event(each: Case) -> dict[str, Any]:
    """A stored event: with what is read from its policies when it is ingested."""
    service, _, name = each.call.partition(" ")
    return record(
        eventName=name,
        eventSource=f"{service}.amazonaws.com",
        awsRegion="eu-west-1",
        recipientAccountId=ACCOUNT,
        readOnly=False,
        requestParameters=each.request,
        responseElements=each.response or None,
    )


ENRICHER = Enricher()


def steps(found: dict[str, Any]) -> tuple[Step, ...]:
    stored = found | ENRICHER.document_fields(found)
    return containment([], [stored], LeftCalls(), NOW).steps


@pytest.mark.parametrize("each", CASES, ids=lambda each: each.call.partition(" ")[2])
def test_a_call_is_listed_with_its_object_and_whom_it_lets_in(each: Case) -> None:
    (found,) = steps(event(each))
    assert (found.object, found.outsiders) == (each.object, each.outsiders)
    assert each.object in found.what or each.object == "eu-west-1"
    assert all(who in found.what or who == "everybody" for who in each.outsiders)
    if not each.words:
        assert found.command == ""
        return
    assert found.command.startswith(f"aws {each.words}")
    assert found.command.endswith("--region eu-west-1") or each.call.startswith("iam ")


HOSTILE = ["a; rm -rf ~", "$(id)", "a\nb", "`id`", "'", "file:///etc/passwd", "a b", "{0}", "--"]


def replaced(value: Any, by: str) -> Any:
    if isinstance(value, dict):
        return {name: replaced(each, by) for name, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, by) for each in value]
    return by


@pytest.mark.parametrize("name", HOSTILE)
def test_no_call_puts_what_a_caller_wrote_into_a_shell(name: str) -> None:
    """The name in place of every value. `--` alone is a name that AWS allows: it is no option."""
    for each in CASES:
        hostile = each._replace(
            request=replaced(each.request, name), response=replaced(each.response, name)
        )
        for found in steps(event(hostile)):
            words = shlex.split(found.command)
            assert name == "--" or name not in words
            assert "--" not in words, found.command
            if words and each.request:
                assert "{" not in found.command
