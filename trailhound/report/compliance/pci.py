"""PCI DSS 4.0: requirements on which a trail can say anything, requirement 10 above all.

Version 4.0.1, which replaced it at the end of 2024, has the same numbers.
Source: https://www.pcisecuritystandards.org/document_library/ (PCI DSS v4.0.1)
"""

from __future__ import annotations

from trailhound.report.compliance.control import Framework, Row

_CARDS = "Which buckets, tables and machines hold cardholder data the trail does not know."
_AWS = "Only calls of AWS are in the trail: operating systems and applications log elsewhere."

PCI = Framework(
    "PCI DSS 4.0",
    (
        Row(
            "1.2.2",
            "Changes of network controls are approved",
            ("security_group", "network_acl", "route_table", "gateway"),
            "Every change of the network's controls, to be held against approved changes.",
            "Approval stands in your change records.",
        ),
        Row(
            "1.3.1, 1.4.2",
            "No more traffic comes in than is needed",
            ("open_to_world",),
            "Security groups that were opened to every address.",
            f"What was open before this time is not in it. {_CARDS}",
        ),
        Row(
            "3.7",
            "Keys are managed",
            ("kms_change", "kms_loss"),
            "Changes of KMS keys, and keys disabled or to be deleted.",
            "Which keys protect account data, keys outside KMS, and who holds them, are not seen.",
        ),
        Row(
            "7.2",
            "Access is granted by need",
            ("iam_policy", "admin_policy", "user_policy"),
            "Changes of policies, grants of full administration, policies of single users.",
            "Whether a grant was needed is to be judged.",
        ),
        Row(
            "8.2.2",
            "Shared identities are the exception",
            ("root", "root_login"),
            "Use of root, which is nobody's own identity.",
            "A user or role shared by several people looks like one.",
        ),
        Row(
            "8.2.4",
            "Identities and their credentials are changed by approval",
            ("accounts_changed", "credentials"),
            "Users, roles, groups, keys, passwords and MFA devices made, changed or removed.",
            "Approval stands in your change records.",
        ),
        Row(
            "8.3.4",
            "Who fails to sign in is locked out",
            ("login_failed",),
            "Sign-ins to the console that failed.",
            "AWS locks out no IAM user by itself: an identity provider may, and logs it.",
        ),
        Row(
            "8.4",
            "MFA for access to the environment",
            ("login_no_mfa", "mfa_removed"),
            "Sign-ins that succeeded without MFA, and devices removed.",
            "Federated sign-ins may have had MFA at the identity provider.",
        ),
        Row(
            "8.6.3",
            "Passwords and keys of applications are protected",
            ("credentials", "secrets_read"),
            "Keys made and removed, and secrets read.",
            "Where a key lies once it is made is not seen.",
        ),
        Row(
            "10.2.1",
            "Audit logs are on",
            ("events", "trail_stop"),
            "That events are recorded, and attempts to stop that.",
            _AWS,
            "evidence",
        ),
        Row(
            "10.2.1.1",
            "Access to cardholder data is recorded",
            ("data_read", "data_write"),
            "Reads and writes of data that are recorded object by object.",
            _CARDS,
            "evidence",
        ),
        Row(
            "10.2.1.2",
            "What administrators do is recorded",
            ("root", "iam_policy", "remote_shell"),
            "Calls by root, changes of policies, shells on machines.",
            "What is typed in a session is logged by Systems Manager, not by the trail.",
            "evidence",
        ),
        Row(
            "10.2.1.3",
            "Access to audit logs is recorded",
            ("data_read",),
            "Reads of objects, those of the trail's own bucket among them if it is recorded.",
            "Narrow it to the trail's bucket: resource.bucket.",
            "evidence",
        ),
        Row(
            "10.2.1.4",
            "Invalid attempts at access are recorded",
            ("denied", "login_failed"),
            "Calls refused, and sign-ins that failed.",
            _AWS,
            "evidence",
        ),
        Row(
            "10.2.1.5",
            "Changes of credentials are recorded",
            ("credentials", "accounts_changed", "iam_policy"),
            "Keys, passwords, MFA devices, users, roles and their permissions.",
            _AWS,
            "evidence",
        ),
        Row(
            "10.2.1.6",
            "Starting and stopping of logs is recorded",
            ("trail_change", "log_groups_gone", "flow_logs_off"),
            "Changes of trails, log groups and flow logs.",
            _AWS,
            "evidence",
        ),
        Row(
            "10.2.1.7",
            "Making and removing of objects is recorded",
            ("objects_made",),
            "Resources made or removed.",
            _AWS,
            "evidence",
        ),
        Row(
            "10.2.2",
            "Records say who, what, when, where",
            ("principals", "events"),
            "Events that name who acted; time, call, origin and outcome are in every one.",
            "Calls that nobody signed name no one.",
            "evidence",
        ),
        Row(
            "10.3.2",
            "Audit logs are protected from change",
            ("trail_change", "bucket_policy"),
            "Changes of trails, and of the policies of buckets.",
            "Whether a change touched the trail's own bucket is to be seen in the events.",
        ),
        Row(
            "10.3.4",
            "Changed audit logs are noticed",
            ("verified", "tampered"),
            "Events from files that CloudTrail's digests proved genuine, or changed.",
            "Files that were not verified are not proved either way.",
            "evidence",
        ),
        Row(
            "10.4.1",
            "Audit logs are reviewed daily",
            ("alerts", "alerts_closed"),
            "Alerts that the detections raised, and those that somebody closed.",
            "That a person read them stands in the alerts' states alone.",
            "evidence",
        ),
        Row(
            "10.4.1.1",
            "Reviews of audit logs are automated",
            ("alerts",),
            "Alerts that the detections raised.",
            "Whether rules ran at all stands in the gaps of this report.",
            "evidence",
        ),
        Row(
            "10.4.3",
            "Anomalies that a review finds are dealt with",
            ("alerts_closed",),
            "Alerts that somebody closed.",
            "How they were dealt with stands in your own records.",
            "evidence",
        ),
        Row(
            "10.7.2",
            "Failures of security controls are noticed",
            ("trail_stop", "config_change", "watch_off"),
            "Attempts to stop trails, Config, GuardDuty and their like.",
            "A control that fails by itself makes no call.",
        ),
        Row(
            "11.5.1",
            "Intrusions into the network are detected",
            ("threats", "watch_off"),
            "Calls from addresses on threat lists; GuardDuty and its like turned off or changed.",
            "Traffic on the network is not in the trail: what watches it is another tool.",
        ),
        Row(
            "12.10.5",
            "Alerts of monitoring are responded to",
            ("alerts", "alerts_closed"),
            "Alerts, and those that somebody closed.",
            "Only alerts of this trail: the plan has to name other monitoring too.",
            "evidence",
        ),
    ),
)
"""By the standard's numbers."""
