"""PCI DSS 4.0: the requirements for which a trail has evidence, mainly requirement 10.

Version 4.0.1, which replaced it at the end of 2024, has the same numbers.
Source: https://www.pcisecuritystandards.org/document_library/ (PCI DSS v4.0.1)
"""

from __future__ import annotations

from trailhound.report.compliance.control import ControlRow, Framework

_CARDS = "The trail does not show which buckets, tables and instances hold cardholder data."
_AWS = "Only AWS API calls are in the trail: operating systems and applications log elsewhere."

PCI = Framework(
    "PCI DSS 4.0",
    (
        ControlRow(
            "1.2.2",
            "Changes of network controls are approved",
            ("security_group", "network_acl", "route_table", "gateway"),
            "Every change of network controls, to be compared with approved changes.",
            "Approval is documented in your change records.",
        ),
        ControlRow(
            "1.3.1, 1.4.2",
            "Inbound traffic is limited to what is needed",
            ("open_to_world",),
            "Security groups that were opened to every address.",
            f"What was already open before this time is not shown. {_CARDS}",
        ),
        ControlRow(
            "3.7",
            "Keys are managed",
            ("kms_change", "kms_loss"),
            "Changes of KMS keys, and keys disabled or scheduled for deletion.",
            "Which keys protect account data, keys outside KMS, and their holders are not shown.",
        ),
        ControlRow(
            "7.2",
            "Access is granted by need to know",
            ("iam_policy", "admin_policy", "user_policy"),
            "Changes of policies, grants of full administration, policies attached to users.",
            "Whether a grant was needed requires review.",
        ),
        ControlRow(
            "8.2.2",
            "Shared identities are the exception",
            ("root", "root_login"),
            "Use of root, which is nobody's own identity.",
            "A user or role shared by several people appears as one.",
        ),
        ControlRow(
            "8.2.4",
            "Changes of identities and credentials are approved",
            ("accounts_changed", "credentials"),
            "Users, roles, groups, keys, passwords and MFA devices created, changed or deleted.",
            "Approval is documented in your change records.",
        ),
        ControlRow(
            "8.3.4",
            "Accounts are locked out after failed sign-ins",
            ("login_failed",),
            "Sign-ins to the console that failed.",
            "AWS itself does not lock out IAM users; an identity provider may, and logs it.",
        ),
        ControlRow(
            "8.4",
            "MFA for access to the environment",
            ("login_no_mfa", "mfa_removed"),
            "Sign-ins that succeeded without MFA, and devices removed.",
            "Federated sign-ins may have had MFA at the identity provider.",
        ),
        ControlRow(
            "8.6.3",
            "Passwords and keys of applications are protected",
            ("credentials", "secrets_read"),
            "Keys created and deleted, and secrets read.",
            "Where a key is stored after its creation is not shown.",
        ),
        ControlRow(
            "10.2.1",
            "Audit logs are on",
            ("events", "trail_stop"),
            "Events recorded, and attempts to stop recording.",
            _AWS,
            "evidence",
        ),
        ControlRow(
            "10.2.1.1",
            "Access to cardholder data is recorded",
            ("data_read", "data_write"),
            "Reads and writes of single objects (data events).",
            _CARDS,
            "evidence",
        ),
        ControlRow(
            "10.2.1.2",
            "What administrators do is recorded",
            ("root", "iam_policy", "remote_shell"),
            "Calls by root, changes of policies, sessions on instances.",
            "Input in a session is logged by Systems Manager, not by the trail.",
            "evidence",
        ),
        ControlRow(
            "10.2.1.3",
            "Access to audit logs is recorded",
            ("data_read",),
            "Reads of objects, including the trail's own bucket if its data events are recorded.",
            "Filter by the trail's bucket with resource.bucket.",
            "evidence",
        ),
        ControlRow(
            "10.2.1.4",
            "Invalid attempts at access are recorded",
            ("denied", "login_failed"),
            "Denied calls, and failed sign-ins.",
            _AWS,
            "evidence",
        ),
        ControlRow(
            "10.2.1.5",
            "Changes of credentials are recorded",
            ("credentials", "accounts_changed", "iam_policy"),
            "Keys, passwords, MFA devices, users, roles and their permissions.",
            _AWS,
            "evidence",
        ),
        ControlRow(
            "10.2.1.6",
            "Starting and stopping of logs is recorded",
            ("trail_change", "log_groups_gone", "flow_logs_off"),
            "Changes of trails, log groups and flow logs.",
            _AWS,
            "evidence",
        ),
        ControlRow(
            "10.2.1.7",
            "Creation and deletion of objects is recorded",
            ("objects_made",),
            "Resources created or deleted.",
            _AWS,
            "evidence",
        ),
        ControlRow(
            "10.2.2",
            "Records say who, what, when, where",
            ("principals", "events"),
            "Events that name the caller; time, call, origin and outcome are in every one.",
            "Unsigned (anonymous) calls name no caller.",
            "evidence",
        ),
        ControlRow(
            "10.3.2",
            "Audit logs are protected from change",
            ("trail_change", "bucket_policy"),
            "Changes of trails, and of the policies of buckets.",
            "The events show whether a change affected the trail's own bucket.",
        ),
        ControlRow(
            "10.3.4",
            "Changes of audit logs are detected",
            ("verified", "tampered"),
            "Events from files that CloudTrail's digests proved genuine, or changed.",
            "For files that were not verified, neither is proved.",
            "evidence",
        ),
        ControlRow(
            "10.4.1",
            "Audit logs are reviewed daily",
            ("alerts", "alerts_closed"),
            "Alerts raised by the detections, and closed alerts.",
            "Only the alerts' states show that a person reviewed them.",
            "evidence",
        ),
        ControlRow(
            "10.4.1.1",
            "Reviews of audit logs are automated",
            ("alerts",),
            "Alerts raised by the detections.",
            "The gaps of this report show whether rules ran.",
            "evidence",
        ),
        ControlRow(
            "10.4.3",
            "Anomalies found in reviews are addressed",
            ("alerts_closed",),
            "Closed alerts.",
            "How they were addressed is documented in your own records.",
            "evidence",
        ),
        ControlRow(
            "10.7.2",
            "Failures of security controls are detected",
            ("trail_stop", "config_change", "watch_off"),
            "Attempts to stop trails, Config, GuardDuty and similar services.",
            "A control that fails without an API call is not recorded.",
        ),
        ControlRow(
            "11.5.1",
            "Intrusions into the network are detected",
            ("threats", "watch_off"),
            "Calls from addresses on threat lists; GuardDuty and others turned off or changed.",
            "Network traffic is not in the trail; it needs another tool.",
        ),
        ControlRow(
            "12.10.5",
            "Monitoring alerts are responded to",
            ("alerts", "alerts_closed"),
            "Alerts, and closed alerts.",
            "Only alerts on this trail: the response plan must cover other monitoring too.",
            "evidence",
        ),
    ),
)
"""By the standard's numbers."""
