"""The attacks in a sample: who calls what, in which order, with which result.

Techniques are those of MITRE ATT&CK for Enterprise (Cloud), by id.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from trailhound.sample import agents
from trailhound.sample.calls import s3_object
from trailhound.sample.incident import DENIED, UNAUTHORIZED, Incident
from trailhound.sample.sessions import Session

DISCOVERY, ESCALATION = "discovery", "privilege-escalation"
PERSISTENCE, EVASION = "persistence", "defense-evasion"
CREDENTIALS, ACCESS = "credential-access", "initial-access"
COLLECTION, EXFILTRATION, IMPACT = "collection", "exfiltration", "impact"

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
OUTSIDER = "210987654321"
"""The attacker's own account."""

Json = dict[str, Any]
_QUICK = (1, 4)


def _open_trust(principal: Json) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


_ALLOW_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)


def _object(
    at: Incident, who: Session, tactic: str, technique: str, name: str, bucket: str, key: str
) -> None:
    """A data event on one object, one of many: a second or two after the last."""
    like = s3_object(name)

    def named(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("<bucket>", bucket).replace("<key>", key)
        if isinstance(value, dict):
            return {name: named(inner) for name, inner in value.items()}
        return value

    at.call(
        who,
        tactic,
        technique,
        "s3",
        name,
        named(like.request),
        named(like.response),
        pause=(0, 1),
        additional=like.additional,
        resources=tuple((kind, named(arn)) for kind, arn in like.resources),
        data=True,
    )


def _create_user(at: Incident, who: Session, name: str, user_id: str) -> None:
    at.call(
        who,
        PERSISTENCE,
        "T1136.003",
        "iam",
        "CreateUser",
        {"userName": name},
        {
            "user": {
                "path": "/",
                "userName": name,
                "userId": user_id,
                "arn": f"arn:aws:iam::{at.account.id}:user/{name}",
                "createDate": "<now_text>",
            }
        },
    )


def _create_key(at: Incident, who: Session, name: str, key: str) -> None:
    made = {"userName": name, "accessKeyId": key, "status": "Active", "createDate": "<now_text>"}
    at.call(
        who, PERSISTENCE, "T1098.001", "iam", "CreateAccessKey", {"userName": name},
        {"accessKey": made},
    )  # fmt: skip


def stolen_key(at: Incident) -> None:
    """A robot's leaked key: reconnaissance, escalation, persistence, evasion, exfiltration."""
    robot = at.account.robots[0]
    thief = at.key_session(robot, at.documentation_address(), agents.ATTACK_DISTRIBUTION)
    call = at.call
    call(thief, DISCOVERY, "T1087.004", "sts", "GetCallerIdentity", pause=(0, 0))
    for source, name, request, error in (
        ("iam", "ListUsers", {"maxItems": 1000}, ""),
        ("iam", "ListRoles", {"maxItems": 1000}, ""),
        ("iam", "ListPolicies", {"scope": "Local", "onlyAttached": True}, DENIED),
        ("iam", "GetAccountSummary", None, DENIED),
        ("iam", "GetAccountAuthorizationDetails", {"maxItems": 1000}, DENIED),
        ("iam", "ListAttachedUserPolicies", {"userName": robot.name}, ""),
        ("iam", "ListUserPolicies", {"userName": robot.name}, ""),
        ("s3", "ListBuckets", {"Host": f"s3.{at.bucket.region}.amazonaws.com"}, ""),
        ("secretsmanager", "ListSecrets", {"maxResults": 100}, DENIED),
        ("organizations", "ListAccounts", None, DENIED),
        ("ses", "GetSendQuota", None, DENIED),
        ("lambda", "ListFunctions20150331", {"maxItems": 50}, DENIED),
    ):
        call(thief, DISCOVERY, "T1580" if source != "iam" else "T1087.004", source, name, request,
             error=error, pause=(3, 40))  # fmt: skip
    call(thief, DISCOVERY, "T1580", "ec2", "DescribeInstances",
         {"instancesSet": {}, "filterSet": {}}, error=UNAUTHORIZED)  # fmt: skip
    call(thief, ESCALATION, "T1098.003", "iam", "AttachUserPolicy",
         {"userName": robot.name, "policyArn": ADMINISTRATOR}, error=DENIED)  # fmt: skip
    call(thief, ESCALATION, "T1098.003", "iam", "PutUserPolicy",
         {"userName": robot.name, "policyName": "s3-maintenance", "policyDocument": _ALLOW_ALL},
         pause=(120, 600))  # fmt: skip
    call(thief, ESCALATION, "T1098.003", "iam", "AttachUserPolicy",
         {"userName": robot.name, "policyArn": ADMINISTRATOR})  # fmt: skip
    trust = _open_trust({"AWS": f"arn:aws:iam::{OUTSIDER}:root"})
    call(thief, ESCALATION, "T1098.003", "iam", "CreateRole",
         {"roleName": "aws-support-audit", "assumeRolePolicyDocument": trust},
         {"role": {"path": "/", "roleName": "aws-support-audit", "roleId": "<new_role_id>",
                   "arn": f"arn:aws:iam::{at.account.id}:role/aws-support-audit",
                   "createDate": "<now_text>"}})  # fmt: skip
    call(thief, ESCALATION, "T1098.003", "iam", "AttachRolePolicy",
         {"roleName": "aws-support-audit", "policyArn": ADMINISTRATOR})  # fmt: skip
    own = at.new_user("backup-operator")
    _create_user(at, thief, own.name, own.id)
    _create_key(at, thief, own.name, own.access_key)
    call(thief, PERSISTENCE, "T1098", "iam", "CreateLoginProfile",
         {"userName": own.name, "passwordResetRequired": False},
         {"loginProfile": {"userName": own.name, "createDate": "<now_text>",
                           "passwordResetRequired": False}})  # fmt: skip
    call(thief, PERSISTENCE, "T1098.003", "iam", "AttachUserPolicy",
         {"userName": own.name, "policyArn": ADMINISTRATOR})  # fmt: skip
    ghost = at.key_session(own, at.hostile_address(), agents.ATTACK_FRAMEWORK)
    trail = "management-events"
    call(ghost, DISCOVERY, "T1526", "cloudtrail", "DescribeTrails", {"trailNameList": []},
         pause=(300, 900))  # fmt: skip
    call(ghost, EVASION, "T1562.008", "cloudtrail", "StopLogging", {"name": trail})
    call(ghost, EVASION, "T1562.008", "cloudtrail", "PutEventSelectors",
         {"trailName": trail, "eventSelectors": [
             {"readWriteType": "ReadOnly", "includeManagementEvents": False}]})  # fmt: skip
    call(ghost, EVASION, "T1562.008", "cloudtrail", "UpdateTrail",
         {"name": trail, "s3BucketName": "logs-mirror-7713"})  # fmt: skip
    call(ghost, EVASION, "T1562.008", "cloudtrail", "DeleteTrail", {"name": at.account.trail},
         error="InsufficientDependencyServiceAccessPermissionException",
         message="The trail belongs to the organization.")  # fmt: skip
    call(ghost, EVASION, "T1562.008", "cloudtrail", "DeleteTrail", {"name": trail})
    call(ghost, EVASION, "T1562.001", "guardduty", "DeleteDetector", {"detectorId": "<hex32>"})
    loot = at.account.buckets[0]
    call(ghost, EXFILTRATION, "T1537", "s3", "PutBucketPolicy",
         {"bucketName": loot, "Host": f"{loot}.s3.<region>.amazonaws.com", "policy": "",
          "bucketPolicy": {"Version": "2012-10-17", "Statement": [
              {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
               "Resource": [f"arn:aws:s3:::{loot}", f"arn:aws:s3:::{loot}/*"]}]}})  # fmt: skip
    call(ghost, COLLECTION, "T1530", "s3", "ListObjects",
         {"bucketName": loot, "list-type": "2", "Host": f"{loot}.s3.<region>.amazonaws.com"},
         resources=(("AWS::S3::Bucket", f"arn:aws:s3:::{loot}"),), data=True)  # fmt: skip
    for number in range(at.bulk):
        key = f"exports/customers/part-{number:05d}.parquet"
        _object(at, ghost, EXFILTRATION, "T1048", "GetObject", loot, key)
    call(ghost, EXFILTRATION, "T1537", "ec2", "ModifySnapshotAttribute",
         {"snapshotId": "snap-<hex17>", "createVolumePermission": {
             "add": {"items": [{"userId": OUTSIDER}]}},
          "attributeType": "CREATE_VOLUME_PERMISSION"},
         {"requestId": "<uuid>", "_return": True})  # fmt: skip


def crypto_mining(at: Incident) -> None:
    """An instance's credentials taken through its metadata service, used to rent machines."""
    miner = at.instance_session(at.hostile_address(), agents.ATTACK_SDK)
    call = at.call
    call(miner, ACCESS, "T1078.004", "sts", "GetCallerIdentity", pause=(0, 0))
    call(miner, DISCOVERY, "T1580", "ec2", "DescribeRegions", {"regionSet": {}},
         pause=_QUICK)  # fmt: skip
    call(miner, DISCOVERY, "T1580", "servicequotas", "GetServiceQuota",
         {"serviceCode": "ec2", "quotaCode": "L-1216C47A"}, error=DENIED)  # fmt: skip
    call(miner, DISCOVERY, "T1580", "ec2", "DescribeInstanceTypes", {"instanceTypeSet": {}},
         error=UNAUTHORIZED)  # fmt: skip
    call(miner, PERSISTENCE, "T1098.004", "ec2", "CreateKeyPair", {"keyName": "node-key"},
         {"requestId": "<uuid>", "keyName": "node-key", "keyPairId": "key-<hex17>"})  # fmt: skip
    call(miner, EVASION, "T1562.007", "ec2", "CreateSecurityGroup",
         {"groupName": "launch-wizard-9", "groupDescription": "ssh", "vpcId": at.home.vpcs[0]},
         {"requestId": "<uuid>", "_return": True, "groupId": at.home.groups[0]})  # fmt: skip
    call(miner, EVASION, "T1562.007", "ec2", "AuthorizeSecurityGroupIngress",
         {"groupId": at.home.groups[0], "ipPermissions": {"items": [
             {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "groups": {},
              "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}]}},
         {"requestId": "<uuid>", "_return": True})  # fmt: skip
    call(miner, IMPACT, "T1496", "ec2", "RunInstances", _machines("p3.16xlarge", 8),
         error="Client.VcpuLimitExceeded", message="You have requested more vCPU capacity than "
         "your current vCPU limit of 64 allows for the instance bucket.")  # fmt: skip
    for number in range(9):
        kind = ("c5.4xlarge", "c5.2xlarge", "g4dn.xlarge")[number % 3]
        response = {
            "requestId": "<uuid>",
            "reservationId": "r-<hex17>",
            "ownerId": at.account.id,
            "instancesSet": {
                "items": [
                    {
                        "instanceId": "i-<hex17>",
                        "imageId": at.home.images[0],
                        "instanceType": kind,
                        "instanceState": {"code": 0, "name": "pending"},
                    }
                ]
            },
        }
        call(miner, IMPACT, "T1496", "ec2", "RunInstances", _machines(kind, 1 + number % 4),
             response, pause=(8, 25))  # fmt: skip
    call(miner, EVASION, "T1578.005", "ec2", "ModifyInstanceAttribute",
         {"instanceId": "i-<hex17>", "disableApiTermination": {"value": True}},
         {"requestId": "<uuid>", "_return": True})  # fmt: skip


def _machines(kind: str, count: int) -> Json:
    return {
        "instancesSet": {
            "items": [
                {
                    "imageId": "<image>",
                    "minCount": count,
                    "maxCount": count,
                    "keyName": "node-key",
                }
            ]
        },
        "groupSet": {"items": [{"groupId": "<group>"}]},
        "userData": "<sensitiveDataRemoved>",
        "instanceType": kind,
        "blockDeviceMapping": {},
        "monitoring": {"enabled": False},
        "disableApiTermination": False,
        "instanceMarketOptions": {"marketType": "spot"},
    }


def console_brute_force(at: Incident) -> None:
    """Passwords are tried at the sign-in page until one works for an account without a second
    factor."""
    address = at.documentation_address()
    first, victim = at.account.users[0], at.account.users[1]
    form = {
        "LoginTo": "https://console.aws.amazon.com/console/home",
        "MobileVersion": "No",
        "MFAUsed": "No",
    }
    sign_in: Json = {
        "additional": form,
        "event_type": "AwsConsoleSignIn",
        "read_only": False,
        "pause": (4, 14),
    }
    tries = [at.sign_in_session(user, address, agents.ATTACK_BROWSER)
             for user in (first, victim, None)]  # fmt: skip
    for number in range(27):
        unknown = number % 3 == 2
        at.call(tries[number % 3], CREDENTIALS, "T1110.003", "signin", "ConsoleLogin",
                message="No username found in supplied account" if unknown
                else "Failed authentication", **sign_in)  # fmt: skip
    at.call(tries[1], ACCESS, "T1078.004", "signin", "ConsoleLogin", None,
            {"ConsoleLogin": "Success"}, **sign_in)  # fmt: skip
    intruder = at.console_session(victim, address, agents.ATTACK_BROWSER)
    for name, request, error in (
        ("ListUsers", {"maxItems": 100}, ""),
        ("ListAccountAliases", None, ""),
        ("GetAccountSummary", None, ""),
        ("ListRoles", {"maxItems": 100}, DENIED),
        ("ListPolicies", {"maxItems": 100}, DENIED),
        ("ListMFADevices", {"userName": victim.name}, ""),
    ):
        at.call(intruder, DISCOVERY, "T1087.004", "iam", name, request, error=error,
                pause=(2, 20))  # fmt: skip
    _create_key(at, intruder, victim.name, "<new_key>")
    at.call(intruder, PERSISTENCE, "T1556.006", "iam", "DeactivateMFADevice",
            {"userName": first.name, "serialNumber":
             f"arn:aws:iam::{at.account.id}:mfa/{first.name}"}, error=DENIED)  # fmt: skip
    at.call(intruder, PERSISTENCE, "T1098", "iam", "UpdateLoginProfile",
            {"userName": first.name})  # fmt: skip
    at.call(intruder, CREDENTIALS, "T1555.006", "secretsmanager", "GetSecretValue",
            {"secretId": "prod/database/master"}, error=DENIED)  # fmt: skip


def s3_ransomware(at: Incident) -> None:
    """An administrator's key: backups disabled, objects taken, re-encrypted and deleted."""
    admin = at.account.users[2]
    thief = at.key_session(admin, at.hostile_address(), agents.ATTACK_SCANNER)
    hostage = at.account.buckets[1]
    host = f"{hostage}.s3.<region>.amazonaws.com"
    shown: Json = {"resources": (("AWS::S3::Bucket", f"arn:aws:s3:::{hostage}"),)}
    call = at.call
    call(thief, DISCOVERY, "T1087.004", "sts", "GetCallerIdentity", pause=(0, 0))
    call(thief, DISCOVERY, "T1619", "s3", "ListBuckets", {"Host": "s3.<region>.amazonaws.com"})
    for name, part, error, message in (
        ("GetBucketVersioning", "versioning", "", ""),
        ("GetBucketPolicy", "policy", "NoSuchBucketPolicy", "The bucket policy does not exist"),
        ("GetBucketObjectLockConfiguration", "object-lock",
         "ObjectLockConfigurationNotFoundError",
         "Object Lock configuration does not exist for this bucket"),
        ("GetBucketReplication", "replication", "ReplicationConfigurationNotFoundError",
         "The replication configuration was not found"),
    ):  # fmt: skip
        call(thief, DISCOVERY, "T1619", "s3", name, {"bucketName": hostage, "Host": host, part: ""},
             error=error, message=message, pause=_QUICK, **shown)  # fmt: skip
    call(thief, IMPACT, "T1490", "s3", "PutBucketVersioning",
         {"bucketName": hostage, "Host": host, "versioning": "", "VersioningConfiguration": {
             "Status": "Suspended", "xmlns": "http://s3.amazonaws.com/doc/2006-03-01/"}},
         **shown)  # fmt: skip
    call(thief, IMPACT, "T1485", "s3", "PutBucketLifecycle",
         {"bucketName": hostage, "Host": host, "lifecycle": "", "LifecycleConfiguration": {
             "Rule": {"ID": "cleanup", "Status": "Enabled", "Expiration": {"Days": 7}}}},
         **shown)  # fmt: skip
    keys = [f"curated/2025/ledger-{number:05d}.csv" for number in range(max(1, at.bulk // 3))]
    for key in keys:
        _object(at, thief, EXFILTRATION, "T1048", "GetObject", hostage, key)
    for key in keys:
        call(thief, IMPACT, "T1486", "s3", "CopyObject",
             {"bucketName": hostage, "Host": host, "key": key,
              "x-amz-copy-source": f"{hostage}/{key}",
              "x-amz-server-side-encryption-customer-algorithm": "AES256"},
             {"x-amz-server-side-encryption-customer-algorithm": "AES256"},
             pause=(0, 1), data=True, resources=(
                 ("AWS::S3::Object", f"arn:aws:s3:::{hostage}/{key}"),
                 ("AWS::S3::Bucket", f"arn:aws:s3:::{hostage}")),
             additional={"SSEApplied": "SSE_C", "x-amz-id-2": "<extended_id>"})  # fmt: skip
    for key in keys:
        _object(at, thief, IMPACT, "T1485", "DeleteObject", hostage, key)
    _object(at, thief, IMPACT, "T1491.001", "PutObject", hostage, "HOW-TO-RESTORE.txt")
    call(thief, IMPACT, "T1485", "kms", "ScheduleKeyDeletion",
         {"keyId": at.home.keys[0], "pendingWindowInDays": 7}, error=DENIED)  # fmt: skip
    call(thief, IMPACT, "T1490", "backup", "DeleteRecoveryPoint",
         {"backupVaultName": "Default", "recoveryPointArn":
          f"arn:aws:backup:<region>:{at.account.id}:recovery-point:<uuid>"},
         error="AccessDeniedException")  # fmt: skip


ATTACKS: dict[str, Callable[[Incident], None]] = {
    "stolen-key": stolen_key,
    "crypto-mining": crypto_mining,
    "console-brute-force": console_brute_force,
    "s3-ransomware": s3_ransomware,
}
"""Every attack by its name in the labels, in the order in which a small sample has room for it."""
