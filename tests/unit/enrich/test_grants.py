"""Whom a policy in a request lets in: each statement by itself, wherever the policy is written."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from enrich.conditions import Own
from enrich.enricher import Enricher
from enrich.grants import LOG_DELIVERY

OWN, OTHER = "111122223333", "444455556666"
ROOT = f"arn:aws:iam::{OTHER}:root"
ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
ONLY_TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
CANONICAL = "0a" * 32
OUTSIDE = {"accounts": [OTHER], "principals": [ROOT]}
ENRICHER = Enricher()
OURS = Enricher(own=Own(["o-a1b2c3d4e5", "192.0.2.0/24", "vpce-0a1b2c3d", "0b" * 32]))


def allowing(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"} | more


def grants(
    request: dict[str, Any], name: str = "PutBucketPolicy", by: Enricher = ENRICHER, **more: Any
) -> Any:
    """The member of an event with this request."""
    event = {"eventTime": "2025-03-01T12:00:00Z", "eventSource": "x.amazonaws.com"}
    event |= {"eventName": name, "recipientAccountId": OWN} | more
    return by.document_fields(event | {"requestParameters": request}).get("grants", {})


def of(*statements: Any) -> Any:
    return grants({"bucketPolicy": {"Version": "2012-10-17", "Statement": list(statements)}})


@pytest.mark.parametrize(
    ("condition", "public"),
    [
        (None, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3"}}, False),
        ({"StringLike": {"AWS:SourceArn": "arn:aws:s3:::mine"}}, False),
        ({"ArnLike": {"aws:SourceArn": f"arn:aws:sns:*:{OWN}:*"}}, False),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-a1/*"]}}, False),
        ({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": ["o-a1/*"]}}, True),
        ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3"}}, True),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-a1b2c3"}}, True),
        ({"StringLike": {"aws:PrincipalArn": "*"}}, True),
        ({"StringLike": {"aws:PrincipalArn": ["arn:aws:iam::*", ROOT]}}, True),
        ({"StringLike": {"aws:userid": "AROAEXAMPLEID:*"}}, False),
        ({"StringLike": {"aws:userid": "A*"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWN}:role/*"}}, False),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, True),
        ({"StringLike": {"aws:SourceVpc": "vpc-*"}}, True),
        ({"IpAddress": {"aws:SourceIp": [f"{each}.0.0.0/8" for each in range(256)]}}, True),
        ({"IpAddress": {"aws:SourceIp": ["2001:db8::/32"]}}, False),
        ({"IpAddress": {"aws:SourceIp": ["2000::/8"]}}, True),
        ({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}, False),
        ({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/1"]}}, True),
        ({"IpAddress": {"aws:VpcSourceIp": "10.0.0.5/32"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}}, True),
        ({"StringEquals": {"sts:ExternalId": "42"}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "${aws:PrincipalAccount}"}}, True),
        ({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::${aws:PrincipalAccount}:*"}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "${aws:PrincipalOrgID}"}}, True),
        ({"StringLike": {"aws:userid": "${aws:userid}"}}, True),
        ({"StringLike": {"aws:PrincipalArn": f"{ROOT[:-4]}user/${{aws:username}}"}}, False),
        ("no condition", True),
    ],
)
def test_everybody(condition: Any, public: bool) -> None:
    statement = ANYBODY if condition is None else ANYBODY | {"Condition": condition}
    assert of(statement, ONLY_TLS).get("public", False) is public


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (allowing({"AWS": ROOT}), OUTSIDE),
        (allowing({"AWS": [ROOT, f"arn:aws:iam::{OWN}:root"]}), OUTSIDE),
        (allowing({"AWS": ROOT}, Sid=f"of{OWN}"), OUTSIDE),
        (allowing({"AWS": OTHER}), {"accounts": [OTHER], "principals": [OTHER]}),
        (allowing({"AWS": "AIDACKCEVSQ6C2EXAMPLE"}), {"unknown": ["AIDACKCEVSQ6C2EXAMPLE"]}),
        (allowing({"CanonicalUser": CANONICAL}), {"unknown": [CANONICAL]}),
        (allowing({"AWS": "*"}), {"public": True}),
        ({"Effect": "Allow", "NotPrincipal": {"AWS": ROOT}, "Action": "s3:Get*"}, {"public": True}),
        (
            ANYBODY | {"Condition": {"StringEquals": {"aws:PrincipalAccount": [OTHER, OWN]}}},
            {"accounts": [OTHER], "principals": [OTHER]},
        ),
        (
            ANYBODY | {"Condition": {"ArnEquals": {"aws:PrincipalArn": ROOT}}},
            OUTSIDE,
        ),
        (allowing({"AWS": f"arn:aws:sts::{OWN}:assumed-role/a/b"}), {}),
        (allowing({"AWS": "arn:aws:iam::cloudfront:user/Origin Access Identity E1"}), {}),
        (allowing({"Service": "ec2.amazonaws.com", "Federated": "arn:aws:iam::x"}), {}),
        (allowing({"AWS": ROOT}, Effect="Deny"), {}),
        ("no statement", {}),
    ],
)
def test_other_accounts(statement: Any, found: dict[str, Any]) -> None:
    assert of(statement) == found
    assert of(ONLY_TLS, statement, allowing({"AWS": OWN})) == found


@pytest.mark.parametrize(
    ("statement", "broad"),
    [
        ({"Action": "*"}, True),
        ({"Action": ["s3:GetObject", "**"]}, True),
        ({"Action": "*:*"}, True),
        ({"Action": "IAM:*"}, True),
        ({"Action": "i?m:put*"}, True),
        ({"Action": "sts:Assume*"}, True),
        ({"Action": ["iam:CreatePolicyV*", "iam:SetDefault*"]}, True),
        ({"Action": "iam:CreateAccessK*"}, True),
        ({"Action": ["iam:Get*", "iam:List*", "iam:CreateServiceLinkedRole*"]}, False),
        ({"NotAction": "s3:*"}, True),
        ({"NotAction": ["iam:*", "sts:*"]}, False),
        ({"Action": ["iam:PutUserPolicy", "iam:Get*", "s3:*"]}, False),
        ({"Action": "[*"}, False),
        ({"Action": "iam:*", "Resource": f"arn:aws:iam::{OWN}:role/*"}, True),
        ({"Action": "iam:*", "Resource": f"arn:aws:iam::{OWN}:role/app"}, False),
        ({"Action": "iam:*", "Resource": "arn:aws:iam::*:role/app"}, False),
        ({"Action": "iam:*", "Resource": "arn:aws:iam::*"}, True),
        ({"Action": "iam:*", "Resource": "arn:aws:iam::*:user/${aws:username}"}, True),
        ({"Action": "iam:*Key*", "Resource": "arn:aws:iam::*:user/${aws:username}"}, False),
        ({"Action": "sts:AssumeRole*", "Resource": f"arn:aws:iam::{OWN}:role/app-*"}, False),
        ({"NotAction": ["iam:*", "organizations:*", "account:*"]}, False),
        ({"NotAction": "s3:DeleteBucket", "Resource": "arn:aws:s3:::one/*"}, False),
        ({"NotResource": "arn:aws:s3:::one", "Action": "*"}, True),
        ({"Action": ["*a*" * 20_000, *(f"x{n}:*" for n in range(9_000))]}, False),
        ({"Effect": "Deny", "Action": "*"}, False),
    ],
)
def test_actions_that_give_all_others(statement: dict[str, Any], broad: bool) -> None:
    if "NotResource" not in statement:
        statement = {"Resource": "*"} | statement
    policy = json.dumps({"Statement": {"Effect": "Allow"} | statement})
    found = grants({"policyDocument": policy}, "PutUserPolicy")
    assert found.get("broad", False) is broad
    assert found.get("powers") or not broad


def test_actions_named_one_by_one_give_all_others_too() -> None:
    actions = ["iam:AttachUserPolicy", "iam:CreateAccessKey", "iam:GetUser", "sts:AssumeRole"]
    for resource, powers in (("*", ["iam:attachuserpolicy", "iam:createaccesskey"]), ("x", None)):
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        found = grants({"policyDocument": json.dumps({"Statement": statement})}, "CreatePolicy")
        assert found.get("powers") == powers
        assert "broad" not in found


@pytest.mark.parametrize(
    "request_parameters",
    [
        {"attributeName": "Policy", "attributeValue": json.dumps({"Statement": ANYBODY})},
        {"attributes": {"Policy": json.dumps({"Statement": [ANYBODY]}, indent=2)}},
        {"assumeRolePolicyDocument": '{"Statement":[{"Effect":"Allow","Principal" : "*"}]}'},
        {"policyDocument": quote(json.dumps({"Statement": [ANYBODY]}))},
        {"policyDocument": json.dumps({"Statement": [ANYBODY]}).replace("S", "\\u0053", 1)},
    ],
)
def test_a_policy_is_found_wherever_it_is(request_parameters: dict[str, Any]) -> None:
    assert grants(request_parameters, "SetQueueAttributes") == {"public": True}
    assert grants(request_parameters, "GetQueueAttributes") == {}


def test_replication_names_accounts() -> None:
    rules = [{"Destination": {"Account": each}} for each in (OWN, OTHER)]
    found = grants({"ReplicationConfiguration": {"Rule": rules}}, "PutBucketReplication")
    assert found == {"accounts": [OTHER]}


@pytest.mark.parametrize(
    "text",
    ['{"Statement":', '{"Statement":[1,null,{"Effect":"Allow","Principal":[7]}]}', "Statement"],
)
def test_what_is_no_policy_is_passed_over(text: str) -> None:
    assert grants({"policy": text, "Statement": text}) == {}


def test_without_an_own_account_none_is_another_one() -> None:
    request = {"bucketPolicy": {"Statement": [allowing({"AWS": ROOT}), ANYBODY]}}
    assert grants(request, recipientAccountId=None) == {"public": True}
    caller = {"type": "IAMUser", "accountId": OTHER}
    own = grants(request, recipientAccountId=None, userIdentity=caller)
    assert own == {"public": True}


@pytest.mark.parametrize(
    ("condition", "unknown"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": "o-zzzzzzzzzz"}}, ["o-zzzzzzzzzz"]),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, None),
        ({"StringLike": {"aws:PrincipalOrgPaths": "o-zzzzzzzzzz/r-1/*"}}, ["o-zzzzzzzzzz"]),
        ({"StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-1/*"}}, None),
        ({"IpAddress": {"aws:SourceIp": ["192.0.2.7", "203.0.113.7"]}}, ["203.0.113.7"]),
        ({"IpAddress": {"aws:SourceIp": ["192.0.2.0/25", "10.0.0.0/16"]}}, None),
        ({"StringEquals": {"aws:SourceVpce": "vpce-0a1b2c3e"}}, ["vpce-0a1b2c3e"]),
        ({"StringEquals": {"aws:SourceVpce": "vpce-0a1b2c3d"}}, None),
        ({"StringLike": {"aws:userid": "AROACKCEVSQ6C2EXAMPLE:*"}}, ["AROACKCEVSQ6C2EXAMPLE"]),
        (
            {
                "StringEquals": {"aws:PrincipalOrgID": "o-zzzzzzzzzz"},
                "IpAddress": {"aws:SourceIp": "203.0.113.7"},
            },
            ["o-zzzzzzzzzz"],
        ),
        (
            {
                "StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
                "IpAddress": {"aws:SourceIp": "203.0.113.7"},
            },
            None,
        ),
    ],
)
def test_whom_nothing_says_the_owner_of(condition: Any, unknown: list[str] | None) -> None:
    request = {"policy": json.dumps({"Statement": ANYBODY | {"Condition": condition}})}
    found = grants(request, "SetQueueAttributes", OURS)
    assert found.pop("unknown", None) == unknown
    assert found == {}


def test_accounts_of_ones_own_organization_are_none_of_others() -> None:
    condition = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}}
    request = {"bucketPolicy": {"Statement": allowing({"AWS": [ROOT, "*"]}, **condition)}}
    assert grants(request, by=OURS) == {}
    assert grants(request) == OUTSIDE | {"unknown": ["o-a1b2c3d4e5"]}


@pytest.mark.parametrize("ours", ["111122223333", "o-", "10.0.0.0/99", ""])
def test_what_is_ones_own_has_a_known_form(ours: str) -> None:
    with pytest.raises(ValueError, match="no network"):
        Own([ours])


@pytest.mark.parametrize(
    ("name", "request_parameters", "found"),
    [
        ("AddPermission", {"label": "x", "aWSAccountIds": [OTHER, OWN]}, OTHER),
        ("AddPermission", {"topicArn": "arn:…", "AWSAccountId": [OTHER]}, OTHER),
        ("AddPermission20150331v2", {"principal": "s3.amazonaws.com", "sourceArn": "a"}, None),
        ("AddPermission20150331v2", {"principal": ROOT}, ROOT),
        ("AddPermission20150331v2", {"principal": "*", "sourceAccount": OTHER}, OTHER),
        ("AddPermission20150331v2", {"principal": "*", "sourceAccount": OWN}, None),
        ("AddLayerVersionPermission20181031", {"principal": "*"}, "*"),
        ("AddLayerVersionPermission20181031", {"principal": OTHER}, OTHER),
        ("AddLayerVersionPermission20181031", {"principal": OWN}, None),
        ("PutPermission", {"principal": OTHER, "action": "events:PutEvents"}, OTHER),
        ("CreateGrant", {"granteePrincipal": f"arn:aws:iam::{OTHER}:role/{OWN}"}, "role"),
        ("CreateGrant", {"granteePrincipal": f"arn:aws:iam::{OWN}:role/{OTHER}"}, None),
        ("GrantPermissions", {"principal": {"dataLakePrincipalIdentifier": OTHER}}, OTHER),
        ("RemovePermission", {"principal": "*"}, None),
    ],
)
def test_calls_that_are_statements(
    name: str, request_parameters: dict[str, Any], found: str | None
) -> None:
    found = f"arn:aws:iam::{OTHER}:role/{OWN}" if found == "role" else found
    outside = {} if found is None else {"accounts": [OTHER], "principals": [found]}
    assert grants(request_parameters, name) == ({"public": True} if found == "*" else outside)


@pytest.mark.parametrize(
    ("name", "request_parameters"),
    [
        ("StartCopyJob", {"destinationBackupVaultArn": f"arn:aws:backup:x:{OTHER}:vault:{OWN}"}),
        ("PutSubscriptionFilter", {"destinationArn": f"arn:aws:logs:x:{OTHER}:destination:{OWN}"}),
        ("PutReplicationConfiguration", {"rules": [{"destinations": [{"registryId": OTHER}]}]}),
        ("PutTargets", {"targets": [{"arn": f"arn:aws:events:x:{OTHER}:event-bus/{OWN}"}]}),
        ("Subscribe", {"endpoint": f"arn:aws:sqs:x:{OTHER}:{OWN}"}),
        ("ModifyDBSnapshotAttribute", {"attributeName": "restore", "valuesToAdd": [OTHER]}),
        ("ModifyDBClusterSnapshotAttribute", {"valuesToAdd": [OTHER], "valuesToRemove": [OWN]}),
        ("AuthorizeSnapshotAccess", {"accountWithRestoreAccess": OTHER}),
        (
            "ModifySnapshotAttribute",
            {"createVolumePermission": {"add": {"items": [{"userId": OTHER}]}}},
        ),
        (
            "ModifyImageAttribute",
            {"launchPermission": {"add": {"items": [{"group": "all"}, {"userId": OTHER}]}}},
        ),
        ("CreateLink", {"sinkIdentifier": f"arn:aws:oam:x:{OTHER}:sink/{OWN}"}),
        (
            "CreateLifecyclePolicy",
            {"policyDetails": {"schedules": [{"shareRules": [{"targetAccounts": [OTHER]}]}]}},
        ),
        (
            "PutBucketNotification",
            {
                "NotificationConfiguration": {
                    "QueueConfiguration": {"Queue": f"arn:aws:sqs:x:{OTHER}:a"}
                }
            },
        ),
        (
            "PutBucketInventoryConfiguration",
            {
                "InventoryConfiguration": {
                    "Destination": {"S3BucketDestination": {"AccountId": OTHER}}
                }
            },
        ),
    ],
)
def test_what_is_sent_to_another_account(name: str, request_parameters: dict[str, Any]) -> None:
    assert grants(request_parameters, name)["accounts"] == [OTHER]
    ours = json.loads(json.dumps(request_parameters).replace(OTHER, OWN))
    assert grants(ours, name) == {}


def test_who_loses_a_snapshot_is_given_nothing() -> None:
    taken = {"createVolumePermission": {"remove": {"items": [{"userId": OTHER}]}}}
    assert grants(taken, "ModifySnapshotAttribute") == {}


def test_a_service_acts_for_the_account_of_its_source() -> None:
    """Whoever owns the distribution reads the bucket through it, whatever the principal says."""
    theirs = f"arn:aws:cloudfront::{OTHER}:distribution/{OWN}"
    mine = theirs.replace(OTHER, OWN)
    service = {"Service": "cloudfront.amazonaws.com"}

    def by(*sources: str, action: str = "s3:GetObject") -> Any:
        condition = {"StringEquals": {"AWS:SourceArn": list(sources)}}
        return of(allowing(service, Action=action, Condition=condition))

    outside = {"accounts": [OTHER], "principals": [theirs]}
    assert by(theirs) == by(mine, theirs) == outside
    assert by(mine) == by(theirs, action="s3:PutObject") == {}
    assert of(allowing(service)) == {}  # whose, nothing says
    permission = {"principal": "s3.amazonaws.com", "sourceAccount": OTHER}
    found = grants(permission, "AddPermission20150331v2")
    assert found == {"accounts": [OTHER], "principals": [OTHER]}
    assert grants(permission | {"sourceAccount": OWN}, "AddPermission20150331v2") == {}


def test_an_organization_limits_such_a_call() -> None:
    condition = {"type": "StringEquals", "key": "aws:PrincipalOrgID", "value": "o-zzzzzzzzzz"}
    for more in ({"organizationId": "o-zzzzzzzzzz"}, {"condition": condition}):
        found = grants({"principal": "*"} | more, "PutPermission")
        assert found == {"unknown": ["o-zzzzzzzzzz"]}


def test_access_lists_name_other_accounts() -> None:
    mine, logs = {"ID": "0c" * 32}, {"ID": LOG_DELIVERY}
    grant = [{"Grantee": each, "Permission": "READ"} for each in (mine, {"ID": CANONICAL}, logs)]
    acl = {"AccessControlList": {"Grant": grant}}
    owned = {"AccessControlPolicy": acl | {"Owner": mine}}
    assert grants(owned, "PutBucketAcl") == {"principals": [CANONICAL]}
    anonymous = {"AccessControlPolicy": acl}
    assert grants(anonymous, "PutBucketAcl") == {"unknown": ["0c" * 32, CANONICAL]}
    header = {"x-amz-grant-read": f'id="{CANONICAL}", id={"0b" * 32}, emailAddress="a@b.c"'}
    assert grants(header, "PutBucketAcl", OURS) == {"unknown": [CANONICAL, "a@b.c"]}


GITHUB = "token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("provider", "tests", "public"),
    [
        (
            f"arn:aws:iam::{OWN}:oidc-provider/{GITHUB}",
            {f"{GITHUB}:aud": "sts.amazonaws.com"},
            True,
        ),
        (f"arn:aws:iam::{OWN}:oidc-provider/{GITHUB}", {f"{GITHUB}:sub": "repo:*"}, True),
        (f"arn:aws:iam::{OWN}:oidc-provider/{GITHUB}", {f"{GITHUB}:sub": "repo:mine/*"}, False),
        (
            f"arn:aws:iam::{OWN}:oidc-provider/{GITHUB}",
            {f"{GITHUB}:sub": f"${{{GITHUB}:sub}}"},
            True,
        ),
        (f"arn:aws:iam::{OWN}:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/A", {}, False),
        (f"arn:aws:iam::{OWN}:saml-provider/corp", {}, False),
        ("accounts.google.com", {}, True),
        ("accounts.google.com", {"accounts.google.com:aud": "66677788899900pro0"}, False),
        ("cognito-identity.amazonaws.com", {"cognito-identity.amazonaws.com:amr": "*"}, True),
    ],
)
def test_identity_providers_that_all_may_use(
    provider: str, tests: dict[str, str], public: bool
) -> None:
    trust = allowing({"Federated": provider}, Condition={"StringLike": tests})
    found = grants({"policyDocument": json.dumps({"Statement": trust})}, "UpdateAssumeRolePolicy")
    assert found == ({"public": True} if public else {})


def test_networks_of_ones_own() -> None:
    own = Own(["10.0.0.0/8", "192.0.2.0/25", "192.0.2.128/25", "2001:db8::/32"])
    inside = ("192.0.2.0/24", "192.0.2.255", "10.1.2.3/32", "2001:db8:1::/48")
    assert all(map(own.has, inside))
    outside = ("192.0.3.0", "192.0.0.0/16", "9.255.255.255", "2001:db9::1", "o-a1b2c3d4e5", "")
    assert not any(map(own.has, outside))
