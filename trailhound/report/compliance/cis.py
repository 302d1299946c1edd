"""CIS AWS Foundations Benchmark, version 3.0.0: controls on which a trail can say anything.

Its section 4 wants each kind of event watched by a metric filter and an alarm. What is shown is
the events that such an alarm is about; the alarms themselves stand in CloudWatch.
Source: https://docs.aws.amazon.com/securityhub/latest/userguide/cis-aws-foundations-benchmark.html
"""

from __future__ import annotations

from trailhound.report.compliance.control import Framework, Row

_ALARM = "Whether an alarm on them exists in CloudWatch is configuration, which no trail records."
_STATE = (
    "A trail shows changes, not the present state: what was set up before this time is not in it."
)
_FEDERATED = "Federated sign-ins may have had MFA at the identity provider."
_PORTS = "The ports are in each event; whether they serve administration is to be judged."

CIS = Framework(
    "CIS AWS Foundations Benchmark 3.0.0",
    (
        Row(
            "1.4",
            "Root has no access key",
            ("root_key",),
            "Keys that root made for itself in this time. None should be.",
            "A key that was made earlier is not seen, unless root uses it.",
        ),
        Row(
            "1.5",
            "Root signs in with MFA",
            ("root_login",),
            "Sign-ins by root, to be compared with their MFA (additionalEventData.MFAUsed).",
            "Whether a device is registered stands in the credential report.",
        ),
        Row(
            "1.7",
            "Root is not used for daily work",
            ("root", "root_login"),
            "Every call that root made. Each should have a reason that somebody can name.",
            "Some calls only root can make: the trail does not know which were meant.",
        ),
        Row(
            "1.8, 1.9",
            "Passwords are long and not used again",
            ("password_policy",),
            "Changes of the password policy, and its removal.",
            _STATE,
        ),
        Row(
            "1.10",
            "Users with a password sign in with MFA",
            ("login_no_mfa", "mfa_removed"),
            "Sign-ins that succeeded without MFA, and devices that were removed.",
            f"{_FEDERATED} Users who did not sign in are not seen.",
        ),
        Row(
            "1.14",
            "Access keys are rotated",
            ("credentials",),
            "Keys that were made, disabled or removed.",
            "The age of keys in use stands in the credential report.",
            "evidence",
        ),
        Row(
            "1.15",
            "Users get permissions through groups alone",
            ("user_policy",),
            "Policies that were given to a user directly.",
            _STATE,
        ),
        Row(
            "1.16",
            "Nobody is given full administration",
            ("admin_policy",),
            "Grants of the managed policy AdministratorAccess.",
            "A policy of one's own that allows everything is not told apart from others.",
        ),
        Row(
            "2.1.4",
            "S3 blocks public access",
            ("public_block", "bucket_policy"),
            "Changes of the block on public access, and of buckets' policies and ACLs.",
            _STATE,
        ),
        Row(
            "2.2.1",
            "New disks are encrypted",
            ("ebs_default",),
            "Encryption by default turned off.",
            _STATE,
        ),
        Row(
            "3.1",
            "Trails record in all regions",
            ("events", "trail_stop"),
            "That events are there, and attempts to stop or delete a trail.",
            "A region in which nothing happened looks like one that is not recorded.",
        ),
        Row(
            "3.2",
            "Log file validation is on",
            ("verified", "tampered"),
            "Events from files that CloudTrail's digests proved genuine, or changed.",
            "Files that were not verified here may have digests all the same.",
            "evidence",
        ),
        Row(
            "3.3",
            "AWS Config is on",
            ("config_change",),
            "Changes of the recorder and where it delivers to.",
            _STATE,
        ),
        Row(
            "3.6",
            "KMS keys are rotated",
            ("rotation_off",),
            "Keys that were taken out of rotation.",
            _STATE,
        ),
        Row("3.7", "VPC flow logs are on", ("flow_logs_off",), "Flow logs deleted.", _STATE),
        Row(
            "3.8",
            "Writes of S3 objects are recorded",
            ("data_write",),
            "Writes that are recorded object by object.",
            "Buckets whose data events are not recorded are silent here.",
            "evidence",
        ),
        Row(
            "3.9",
            "Reads of S3 objects are recorded",
            ("data_read",),
            "Reads that are recorded object by object.",
            "Buckets whose data events are not recorded are silent here.",
            "evidence",
        ),
        Row(
            "4.1",
            "Unauthorized calls are watched",
            ("denied",),
            "Calls refused for want of permission.",
            _ALARM,
        ),
        Row(
            "4.2",
            "Sign-ins without MFA are watched",
            ("login_no_mfa",),
            "Sign-ins to the console without MFA.",
            f"{_ALARM} {_FEDERATED}",
        ),
        Row("4.3", "Use of root is watched", ("root",), "Calls by root.", _ALARM),
        Row(
            "4.4",
            "IAM policy changes are watched",
            ("iam_policy",),
            "Changes of IAM policies.",
            _ALARM,
        ),
        Row("4.5", "Trail changes are watched", ("trail_change",), "Changes of trails.", _ALARM),
        Row(
            "4.6",
            "Failed sign-ins are watched",
            ("login_failed",),
            "Sign-ins to the console that failed.",
            _ALARM,
        ),
        Row(
            "4.7",
            "Loss of KMS keys is watched",
            ("kms_loss",),
            "Keys disabled or to be deleted.",
            _ALARM,
        ),
        Row(
            "4.8",
            "S3 bucket policy changes are watched",
            ("bucket_policy",),
            "Changes of buckets' policies and access.",
            _ALARM,
        ),
        Row(
            "4.9",
            "AWS Config changes are watched",
            ("config_change",),
            "Changes of AWS Config.",
            _ALARM,
        ),
        Row(
            "4.10",
            "Security group changes are watched",
            ("security_group",),
            "Changes of security groups.",
            _ALARM,
        ),
        Row(
            "4.11",
            "Network ACL changes are watched",
            ("network_acl",),
            "Changes of network ACLs.",
            _ALARM,
        ),
        Row(
            "4.12",
            "Network gateway changes are watched",
            ("gateway",),
            "Changes of gateways.",
            _ALARM,
        ),
        Row(
            "4.13",
            "Route table changes are watched",
            ("route_table",),
            "Changes of route tables.",
            _ALARM,
        ),
        Row("4.14", "VPC changes are watched", ("vpc",), "Changes of VPCs and peerings.", _ALARM),
        Row(
            "4.15",
            "Organization changes are watched",
            ("organization",),
            "Changes of the organization.",
            _ALARM,
        ),
        Row(
            "4.16",
            "Security Hub is on",
            ("watch_off",),
            "Security Hub and its like turned off, muted or changed.",
            _STATE,
        ),
        Row(
            "5.1",
            "Network ACLs keep the world off administration ports",
            ("acl_open",),
            "Entries that were made to let every address in, on any port.",
            f"{_STATE} {_PORTS}",
        ),
        Row(
            "5.2, 5.3",
            "Security groups keep the world off administration ports",
            ("open_to_world",),
            "Groups that were opened to every address, on any port.",
            f"{_STATE} {_PORTS}",
        ),
        Row(
            "5.6",
            "Instances use the newer metadata service",
            ("old_imds",),
            "Instances that were allowed the old one.",
            _STATE,
        ),
    ),
)
"""By the benchmark's numbers."""
