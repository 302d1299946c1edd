"""Pieces of evidence: their names, and the query for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trailhound.cluster.queries import Query, both
from trailhound.report.compliance.clauses import (
    ADMINISTRATOR_ACCESS,
    DATA,
    FAILED,
    FROM_ANYWHERE,
    HIGH_RISK,
    IMDS,
    LOGIN,
    READS,
    ROOT,
    SUCCEEDED,
    WRITES,
    call,
    either,
    source,
    term,
)


@dataclass(frozen=True, slots=True)
class EvidenceQuery:
    """A query, and what it finds: `what` follows a number, as in "12 calls by root"."""

    what: str
    query: Query


EVIDENCE: Mapping[str, EvidenceQuery] = {
    "events": EvidenceQuery("events recorded", {"match_all": {}}),
    "principals": EvidenceQuery("events that name the caller", {"exists": {"field": "user.name"}}),
    "root": EvidenceQuery("calls by root", ROOT),
    "root_login": EvidenceQuery("console sign-ins by root", both(ROOT, LOGIN)),
    "root_key": EvidenceQuery(
        "access keys that root created for itself", both(ROOT, call("CreateAccessKey"), SUCCEEDED)
    ),
    "login": EvidenceQuery("console sign-ins", both(LOGIN, SUCCEEDED)),
    "login_no_mfa": EvidenceQuery(
        "console sign-ins without MFA",
        both(LOGIN, SUCCEEDED, term("additionalEventData.MFAUsed", "No")),
    ),
    "login_failed": EvidenceQuery("console sign-ins that failed", both(LOGIN, FAILED)),
    "denied": EvidenceQuery(
        "calls denied for missing permissions",
        either(
            {"prefix": {"errorCode": {"value": "AccessDenied", "case_insensitive": True}}},
            {"wildcard": {"errorCode": {"value": "*Unauthorized*", "case_insensitive": True}}},
        ),
    ),
    "iam_policy": EvidenceQuery(
        "changes of IAM policies",
        call(
            "DeleteGroupPolicy",
            "DeleteRolePolicy",
            "DeleteUserPolicy",
            "PutGroupPolicy",
            "PutRolePolicy",
            "PutUserPolicy",
            "CreatePolicy",
            "DeletePolicy",
            "CreatePolicyVersion",
            "DeletePolicyVersion",
            "AttachRolePolicy",
            "DetachRolePolicy",
            "AttachUserPolicy",
            "DetachUserPolicy",
            "AttachGroupPolicy",
            "DetachGroupPolicy",
        ),
    ),
    "admin_policy": EvidenceQuery(
        "grants of AdministratorAccess",
        both(
            call("AttachRolePolicy", "AttachUserPolicy", "AttachGroupPolicy"),
            {"terms": {"requestParameters.policyArn": ADMINISTRATOR_ACCESS}},
        ),
    ),
    "user_policy": EvidenceQuery(
        "policies attached to users directly", call("AttachUserPolicy", "PutUserPolicy")
    ),
    "accounts_changed": EvidenceQuery(
        "users, roles and groups created, changed or deleted",
        both(
            source("iam"),
            call(
                "CreateUser",
                "UpdateUser",
                "DeleteUser",
                "CreateRole",
                "UpdateRole",
                "DeleteRole",
                "UpdateAssumeRolePolicy",
                "CreateGroup",
                "DeleteGroup",
                "AddUserToGroup",
                "RemoveUserFromGroup",
            ),
        ),
    ),
    "credentials": EvidenceQuery(
        "access keys, passwords and MFA devices created, changed or deleted",
        call(
            "CreateAccessKey",
            "UpdateAccessKey",
            "DeleteAccessKey",
            "CreateLoginProfile",
            "UpdateLoginProfile",
            "DeleteLoginProfile",
            "ChangePassword",
            "PasswordUpdated",
            "CreateVirtualMFADevice",
            "EnableMFADevice",
            "DeactivateMFADevice",
            "DeleteVirtualMFADevice",
            "UploadSSHPublicKey",
            "CreateServiceSpecificCredential",
        ),
    ),
    "mfa_removed": EvidenceQuery(
        "MFA devices removed", call("DeactivateMFADevice", "DeleteVirtualMFADevice")
    ),
    "password_policy": EvidenceQuery(
        "changes of the password policy",
        call("UpdateAccountPasswordPolicy", "DeleteAccountPasswordPolicy"),
    ),
    "roles_assumed": EvidenceQuery(
        "role sessions started",
        call("AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"),
    ),
    "trail_change": EvidenceQuery(
        "changes of trails",
        both(
            source("cloudtrail"),
            call(
                "CreateTrail",
                "UpdateTrail",
                "DeleteTrail",
                "StartLogging",
                "StopLogging",
                "PutEventSelectors",
            ),
        ),
    ),
    "trail_stop": EvidenceQuery(
        "attempts to stop or delete a trail",
        both(source("cloudtrail"), call("StopLogging", "DeleteTrail")),
    ),
    "verified": EvidenceQuery(
        "events from files proved genuine", term("trail.integrity", "verified")
    ),
    "tampered": EvidenceQuery("events from changed files", term("trail.integrity", "tampered")),
    "config_change": EvidenceQuery(
        "changes of AWS Config",
        both(
            source("config"),
            call(
                "StopConfigurationRecorder",
                "DeleteConfigurationRecorder",
                "DeleteDeliveryChannel",
                "PutDeliveryChannel",
                "PutConfigurationRecorder",
                "DeleteConfigRule",
            ),
        ),
    ),
    "watch_off": EvidenceQuery(
        "GuardDuty, Security Hub, Macie or Inspector turned off, suppressed or changed",
        both(
            source("guardduty", "securityhub", "macie2", "inspector2"),
            call(
                "DeleteDetector",
                "UpdateDetector",
                "CreateFilter",
                "DisassociateMembers",
                "DeleteMembers",
                "StopMonitoringMembers",
                "DisassociateFromMasterAccount",
                "DisassociateFromAdministratorAccount",
                "DisableSecurityHub",
                "BatchDisableStandards",
                "DisableMacie",
                "Disable",
            ),
        ),
    ),
    "kms_loss": EvidenceQuery(
        "KMS keys disabled or scheduled for deletion",
        both(source("kms"), call("DisableKey", "ScheduleKeyDeletion")),
    ),
    "kms_change": EvidenceQuery(
        "changes of KMS keys and their policies",
        both(
            source("kms"),
            call(
                "CreateKey",
                "PutKeyPolicy",
                "CreateGrant",
                "DisableKey",
                "EnableKey",
                "DisableKeyRotation",
                "EnableKeyRotation",
                "ScheduleKeyDeletion",
            ),
        ),
    ),
    "rotation_off": EvidenceQuery(
        "KMS keys whose rotation was disabled", call("DisableKeyRotation")
    ),
    "bucket_policy": EvidenceQuery(
        "changes of S3 buckets' policies and access",
        both(
            source("s3"),
            call(
                "PutBucketAcl",
                "PutBucketPolicy",
                "PutBucketCors",
                "PutBucketLifecycle",
                "PutBucketReplication",
                "DeleteBucketPolicy",
                "DeleteBucketCors",
                "DeleteBucketLifecycle",
                "DeleteBucketReplication",
            ),
        ),
    ),
    "public_block": EvidenceQuery(
        "changes of the block on public access",
        call(
            "PutBucketPublicAccessBlock",
            "PutAccountPublicAccessBlock",
            "DeleteBucketPublicAccessBlock",
            "DeleteAccountPublicAccessBlock",
        ),
    ),
    "ebs_default": EvidenceQuery(
        "encryption of new disks turned off", call("DisableEbsEncryptionByDefault")
    ),
    "backups_gone": EvidenceQuery(
        "backups and snapshots deleted",
        call(
            "DeleteBackupPlan",
            "DeleteBackupVault",
            "DeleteRecoveryPoint",
            "DeleteBackup",
            "DeleteSnapshot",
            "DeleteDBSnapshot",
            "DeleteDBClusterSnapshot",
            "DeleteClusterSnapshot",
        ),
    ),
    "flow_logs_off": EvidenceQuery("VPC flow logs deleted", call("DeleteFlowLogs")),
    "log_groups_gone": EvidenceQuery(
        "log groups deleted, or their retention changed",
        both(source("logs"), call("DeleteLogGroup", "DeleteLogStream", "PutRetentionPolicy")),
    ),
    "security_group": EvidenceQuery(
        "changes of security groups",
        call(
            "AuthorizeSecurityGroupIngress",
            "AuthorizeSecurityGroupEgress",
            "RevokeSecurityGroupIngress",
            "RevokeSecurityGroupEgress",
            "CreateSecurityGroup",
            "DeleteSecurityGroup",
            "ModifySecurityGroupRules",
        ),
    ),
    "open_to_world": EvidenceQuery(
        "security groups opened to every address",
        both(call("AuthorizeSecurityGroupIngress"), FROM_ANYWHERE),
    ),
    "network_acl": EvidenceQuery(
        "changes of network ACLs",
        call(
            "CreateNetworkAcl",
            "CreateNetworkAclEntry",
            "DeleteNetworkAcl",
            "DeleteNetworkAclEntry",
            "ReplaceNetworkAclEntry",
            "ReplaceNetworkAclAssociation",
        ),
    ),
    "acl_open": EvidenceQuery(
        "network ACL entries that allow every address",
        both(
            call("CreateNetworkAclEntry", "ReplaceNetworkAclEntry"),
            term("requestParameters.ruleAction", "allow"),
            term("requestParameters.egress", "false"),
            either(
                term("requestParameters.cidrBlock", "0.0.0.0/0"),
                term("requestParameters.ipv6CidrBlock", "::/0"),
            ),
        ),
    ),
    "gateway": EvidenceQuery(
        "changes of network gateways",
        call(
            "CreateCustomerGateway",
            "DeleteCustomerGateway",
            "AttachInternetGateway",
            "CreateInternetGateway",
            "DeleteInternetGateway",
            "DetachInternetGateway",
        ),
    ),
    "route_table": EvidenceQuery(
        "changes of route tables",
        call(
            "CreateRoute",
            "CreateRouteTable",
            "ReplaceRoute",
            "ReplaceRouteTableAssociation",
            "DeleteRouteTable",
            "DeleteRoute",
            "DisassociateRouteTable",
        ),
    ),
    "vpc": EvidenceQuery(
        "changes of VPCs and their peerings",
        call(
            "CreateVpc",
            "DeleteVpc",
            "ModifyVpcAttribute",
            "AcceptVpcPeeringConnection",
            "CreateVpcPeeringConnection",
            "DeleteVpcPeeringConnection",
            "RejectVpcPeeringConnection",
        ),
    ),
    "organization": EvidenceQuery(
        "changes of the organization", both(source("organizations"), {"bool": {"must_not": READS}})
    ),
    "old_imds": EvidenceQuery(
        "instances allowed version 1 of the metadata service",
        both(
            call("ModifyInstanceMetadataOptions"),
            either(
                term(IMDS, "optional"),
                term("requestParameters.httpTokens", "optional"),
            ),
        ),
    ),
    "data_read": EvidenceQuery("reads of single objects (data events)", both(DATA, READS)),
    "data_write": EvidenceQuery("writes of single objects (data events)", both(DATA, WRITES)),
    "secrets_read": EvidenceQuery(
        "secrets read", call("GetSecretValue", "BatchGetSecretValue", "GetParametersByPath")
    ),
    "writes": EvidenceQuery("calls that change something", WRITES),
    "objects_made": EvidenceQuery(
        "resources created or deleted",
        both(
            WRITES,
            either(
                {"prefix": {"eventName": "Create"}},
                {"prefix": {"eventName": "Delete"}},
                call("RunInstances", "TerminateInstances"),
            ),
        ),
    ),
    "outside": EvidenceQuery(
        "calls from addresses outside AWS", term("risk_reasons", "external_address")
    ),
    "high_risk": EvidenceQuery("events with a risk score of 8 or more", HIGH_RISK),
    "threats": EvidenceQuery(
        "events that match a threat list", {"exists": {"field": "threat.indicator.type"}}
    ),
    "remote_shell": EvidenceQuery(
        "sessions and commands on instances through Systems Manager",
        both(source("ssm"), call("StartSession", "SendCommand")),
    ),
}
