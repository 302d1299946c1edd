"""CIS AWS Foundations Benchmark, version 3.0.0: the controls for which a trail has evidence.

Its section 4 requires a metric filter and an alarm for each kind of event. What is shown is
the events that such an alarm is about; the alarms themselves are in CloudWatch.
Source: https://docs.aws.amazon.com/securityhub/latest/userguide/cis-aws-foundations-benchmark.html
"""

from __future__ import annotations

from trailhound.report.compliance.control import ControlRow, Framework

_ALARM = "Whether an alarm on them exists in CloudWatch is configuration, which no trail records."
_STATE = (
    "A trail shows changes, not the present state: what was set up before this time is not in it."
)
_FEDERATED = "Federated sign-ins may have had MFA at the identity provider."
_PORTS = "The ports are in each event; whether they are administration ports needs review."

CIS = Framework(
    "CIS AWS Foundations Benchmark 3.0.0",
    (
        ControlRow(
            "1.4",
            "Root has no access key",
            ("root_key",),
            "Keys that root created for itself in this time. There should be none.",
            "A key that was created earlier is not seen, unless root uses it.",
        ),
        ControlRow(
            "1.5",
            "Root signs in with MFA",
            ("root_login",),
            "Sign-ins by root, to be compared with their MFA (additionalEventData.MFAUsed).",
            "Whether a device is registered is shown by the credential report.",
        ),
        ControlRow(
            "1.7",
            "Root is not used for daily work",
            ("root", "root_login"),
            "Every call that root made. Each should have a documented reason.",
            "Some calls only root can make: the trail does not show which were intended.",
        ),
        ControlRow(
            "1.8, 1.9",
            "Passwords are long and not reused",
            ("password_policy",),
            "Changes of the password policy, and its removal.",
            _STATE,
        ),
        ControlRow(
            "1.10",
            "Users with a password sign in with MFA",
            ("login_no_mfa", "mfa_removed"),
            "Sign-ins that succeeded without MFA, and devices that were removed.",
            f"{_FEDERATED} Users who did not sign in are not seen.",
        ),
        ControlRow(
            "1.14",
            "Access keys are rotated",
            ("credentials",),
            "Keys that were created, disabled or deleted.",
            "The age of keys in use is shown by the credential report.",
            "evidence",
        ),
        ControlRow(
            "1.15",
            "Users get permissions only through groups",
            ("user_policy",),
            "Policies that were attached to a user directly.",
            _STATE,
        ),
        ControlRow(
            "1.16",
            "No full administrative permissions are granted",
            ("admin_policy",),
            "Grants of the managed policy AdministratorAccess.",
            "Customer-managed policies that allow everything are not distinguished from others.",
        ),
        ControlRow(
            "2.1.4",
            "S3 blocks public access",
            ("public_block", "bucket_policy"),
            "Changes of the block on public access, and of buckets' policies and ACLs.",
            _STATE,
        ),
        ControlRow(
            "2.2.1",
            "New disks are encrypted",
            ("ebs_default",),
            "Encryption by default turned off.",
            _STATE,
        ),
        ControlRow(
            "3.1",
            "Trails record in all regions",
            ("events", "trail_stop"),
            "That events are there, and attempts to stop or delete a trail.",
            "A region in which nothing happened looks like one that is not recorded.",
        ),
        ControlRow(
            "3.2",
            "Log file validation is on",
            ("verified", "tampered"),
            "Events from files that CloudTrail's digests proved genuine, or changed.",
            "Files that were not verified here may have digests all the same.",
            "evidence",
        ),
        ControlRow(
            "3.3",
            "AWS Config is on",
            ("config_change",),
            "Changes of the recorder and its delivery channel.",
            _STATE,
        ),
        ControlRow(
            "3.6",
            "KMS keys are rotated",
            ("rotation_off",),
            "Keys whose rotation was disabled.",
            _STATE,
        ),
        ControlRow("3.7", "VPC flow logs are on", ("flow_logs_off",), "Flow logs deleted.", _STATE),
        ControlRow(
            "3.8",
            "Writes of S3 objects are recorded",
            ("data_write",),
            "Writes of single objects (data events).",
            "Buckets without data events do not appear here.",
            "evidence",
        ),
        ControlRow(
            "3.9",
            "Reads of S3 objects are recorded",
            ("data_read",),
            "Reads of single objects (data events).",
            "Buckets without data events do not appear here.",
            "evidence",
        ),
        ControlRow(
            "4.1",
            "Unauthorized calls are monitored",
            ("denied",),
            "Calls denied for missing permissions.",
            _ALARM,
        ),
        ControlRow(
            "4.2",
            "Sign-ins without MFA are monitored",
            ("login_no_mfa",),
            "Sign-ins to the console without MFA.",
            f"{_ALARM} {_FEDERATED}",
        ),
        ControlRow("4.3", "Use of root is monitored", ("root",), "Calls by root.", _ALARM),
        ControlRow(
            "4.4",
            "IAM policy changes are monitored",
            ("iam_policy",),
            "Changes of IAM policies.",
            _ALARM,
        ),
        ControlRow(
            "4.5", "Trail changes are monitored", ("trail_change",), "Changes of trails.", _ALARM
        ),
        ControlRow(
            "4.6",
            "Failed sign-ins are monitored",
            ("login_failed",),
            "Sign-ins to the console that failed.",
            _ALARM,
        ),
        ControlRow(
            "4.7",
            "Disabling and deletion of KMS keys is monitored",
            ("kms_loss",),
            "Keys disabled or scheduled for deletion.",
            _ALARM,
        ),
        ControlRow(
            "4.8",
            "S3 bucket policy changes are monitored",
            ("bucket_policy",),
            "Changes of buckets' policies and access.",
            _ALARM,
        ),
        ControlRow(
            "4.9",
            "AWS Config changes are monitored",
            ("config_change",),
            "Changes of AWS Config.",
            _ALARM,
        ),
        ControlRow(
            "4.10",
            "Security group changes are monitored",
            ("security_group",),
            "Changes of security groups.",
            _ALARM,
        ),
        ControlRow(
            "4.11",
            "Network ACL changes are monitored",
            ("network_acl",),
            "Changes of network ACLs.",
            _ALARM,
        ),
        ControlRow(
            "4.12",
            "Network gateway changes are monitored",
            ("gateway",),
            "Changes of gateways.",
            _ALARM,
        ),
        ControlRow(
            "4.13",
            "Route table changes are monitored",
            ("route_table",),
            "Changes of route tables.",
            _ALARM,
        ),
        ControlRow(
            "4.14", "VPC changes are monitored", ("vpc",), "Changes of VPCs and peerings.", _ALARM
        ),
        ControlRow(
            "4.15",
            "Organization changes are monitored",
            ("organization",),
            "Changes of the organization.",
            _ALARM,
        ),
        ControlRow(
            "4.16",
            "Security Hub is on",
            ("watch_off",),
            "Security Hub and similar services turned off, suppressed or changed.",
            _STATE,
        ),
        ControlRow(
            "5.1",
            "Network ACLs block public access to administration ports",
            ("acl_open",),
            "Entries that allow every address, on any port.",
            f"{_STATE} {_PORTS}",
        ),
        ControlRow(
            "5.2, 5.3",
            "Security groups block public access to administration ports",
            ("open_to_world",),
            "Groups that allow every address, on any port.",
            f"{_STATE} {_PORTS}",
        ),
        ControlRow(
            "5.6",
            "Instances use version 2 of the metadata service",
            ("old_imds",),
            "Instances that were allowed version 1.",
            _STATE,
        ),
    ),
)
"""By the benchmark's numbers."""
