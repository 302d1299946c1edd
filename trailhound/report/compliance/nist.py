"""NIST SP 800-53, revision 5: the controls for which a trail has evidence.

Source: https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final
"""

from __future__ import annotations

from trailhound.report.compliance.control import ControlRow, Framework

NIST = Framework(
    "NIST SP 800-53 revision 5",
    (
        ControlRow(
            "AC-2",
            "Accounts are managed",
            ("accounts_changed", "credentials"),
            "Users, roles, groups and credentials created, changed or deleted.",
            "Need and approval are documented in your own records.",
        ),
        ControlRow(
            "AC-2(12)",
            "Accounts are monitored for unusual use",
            ("high_risk", "alerts"),
            "Events of high risk, and alerts.",
            "Usual behaviour is learned from the trail only.",
            "evidence",
        ),
        ControlRow(
            "AC-3",
            "Access is enforced",
            ("denied",),
            "Calls denied for missing permissions.",
            "A denied call shows that enforcement works, not that it is complete.",
            "evidence",
        ),
        ControlRow(
            "AC-4",
            "Flow of information is enforced",
            ("open_to_world", "route_table", "bucket_policy"),
            "Security groups opened to every address, changes of routes and of buckets' access.",
            "Network traffic is not in the trail.",
        ),
        ControlRow(
            "AC-5, AC-6",
            "Separation of duties, least privilege",
            ("admin_policy", "user_policy", "root"),
            "Grants of full administration, policies attached to users, use of root.",
            "Whether a grant was needed requires review.",
        ),
        ControlRow(
            "AC-6(9)",
            "Use of privileged functions is logged",
            ("root", "iam_policy", "trail_change"),
            "Calls by root, changes of policies and of trails.",
            "Which functions count as privileged is your decision.",
            "evidence",
        ),
        ControlRow(
            "AC-7",
            "Failed sign-ins are limited",
            ("login_failed",),
            "Sign-ins to the console that failed.",
            "AWS itself does not lock accounts; an identity provider may.",
        ),
        ControlRow(
            "AC-17",
            "Remote access is controlled",
            ("outside", "remote_shell"),
            "Calls from outside AWS, and sessions through Systems Manager.",
            "Direct SSH and RDP connections are not in the trail.",
        ),
        ControlRow(
            "AU-2, AU-12",
            "Events are logged",
            ("events", "data_read", "data_write"),
            "Events recorded, including data events.",
            "Only AWS API calls: systems and applications log elsewhere.",
            "evidence",
        ),
        ControlRow(
            "AU-3",
            "Content of audit records",
            ("principals", "events"),
            "Events that name the caller; time, call, origin and outcome are in every one.",
            "Unsigned (anonymous) calls name no caller.",
            "evidence",
        ),
        ControlRow(
            "AU-5",
            "Logging failures are responded to",
            ("trail_stop", "log_groups_gone"),
            "Attempts to stop a trail, log groups deleted.",
            "Logging that fails without an API call is not recorded: see the gaps of this report.",
        ),
        ControlRow(
            "AU-6",
            "Records are reviewed",
            ("alerts", "alerts_closed"),
            "Alerts, and closed alerts.",
            "Only the alerts' states show that a person reviewed them.",
            "evidence",
        ),
        ControlRow(
            "AU-9",
            "Records are protected",
            ("trail_change", "verified", "tampered"),
            "Changes of trails; events from files proved genuine, or changed.",
            "For files that were not verified, neither is proved.",
        ),
        ControlRow(
            "CM-3, CM-5",
            "Changes are controlled",
            ("writes", "security_group", "vpc"),
            "Every call that changes something, network changes separately.",
            "Approval is documented in your change records.",
            "evidence",
        ),
        ControlRow(
            "CM-6",
            "Configuration settings are maintained",
            ("config_change", "public_block", "old_imds"),
            "Changes of Config, of the block on public access, of the metadata service.",
            "A trail shows changes, not the present state.",
        ),
        ControlRow(
            "CP-9",
            "Backups are made and protected",
            ("backups_gone",),
            "Backups and snapshots deleted.",
            "Scheduled deletions are included. Whether a backup can be restored is not shown.",
        ),
        ControlRow(
            "IA-2(1), IA-2(2)",
            "MFA for privileged accounts and others",
            ("login_no_mfa", "mfa_removed"),
            "Sign-ins that succeeded without MFA, and devices removed.",
            "Federated sign-ins may have had MFA at the identity provider.",
        ),
        ControlRow(
            "IA-5",
            "Credentials are managed",
            ("credentials", "password_policy"),
            "Keys, passwords and devices created, changed or deleted; the password policy.",
            "The age of keys in use is shown by the credential report.",
        ),
        ControlRow(
            "IR-4, IR-5",
            "Incidents are handled and tracked",
            ("alerts", "alerts_closed"),
            "Alerts, and closed alerts.",
            "Only the part of the response made by AWS API calls is recorded.",
            "evidence",
        ),
        ControlRow(
            "SC-7",
            "The boundary is protected",
            ("open_to_world", "network_acl", "gateway", "security_group"),
            "Changes of network controls; security groups opened to every address separately.",
            "What was already open before this time is not shown.",
        ),
        ControlRow(
            "SC-12, SC-28",
            "Keys are managed, data encrypted",
            ("kms_change", "kms_loss", "ebs_default"),
            "Changes, disabling and deletion of KMS keys; disk encryption turned off.",
            "What is encrypted at present is configuration, which a trail does not show.",
        ),
        ControlRow(
            "SI-4",
            "The system is monitored",
            ("alerts", "threats", "watch_off"),
            "Alerts, threat list matches, and monitoring services turned off or suppressed.",
            "Only what the trail records can be monitored.",
        ),
    ),
)
"""By the catalogue's names."""
