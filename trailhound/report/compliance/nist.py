"""NIST SP 800-53, revision 5: controls on which a trail can say anything.

Source: https://csrc.nist.gov/pubs/sp/800/53/r5/upd1/final
"""

from __future__ import annotations

from trailhound.report.compliance.control import Framework, Row

NIST = Framework(
    "NIST SP 800-53 revision 5",
    (
        Row(
            "AC-2",
            "Accounts are managed",
            ("accounts_changed", "credentials"),
            "Users, roles, groups and credentials made, changed or removed.",
            "Need and approval stand in your own records.",
        ),
        Row(
            "AC-2(12)",
            "Accounts are watched for unusual use",
            ("high_risk", "alerts"),
            "Events of high risk, and alerts.",
            "What is usual is learned from the trail alone.",
            "evidence",
        ),
        Row(
            "AC-3",
            "Access is enforced",
            ("denied",),
            "Calls refused for want of permission.",
            "A refusal shows that enforcement works, not that it is complete.",
            "evidence",
        ),
        Row(
            "AC-4",
            "Flow of information is enforced",
            ("open_to_world", "route_table", "bucket_policy"),
            "Groups opened to the world, changes of routes and of buckets' access.",
            "Traffic on the network is not in the trail.",
        ),
        Row(
            "AC-5, AC-6",
            "Duties are apart, privileges the least",
            ("admin_policy", "user_policy", "root"),
            "Grants of full administration, policies of single users, use of root.",
            "Whether a grant was needed is to be judged.",
        ),
        Row(
            "AC-6(9)",
            "Use of privileged functions is logged",
            ("root", "iam_policy", "trail_change"),
            "Calls by root, changes of policies and of trails.",
            "Which functions count as privileged is yours to say.",
            "evidence",
        ),
        Row(
            "AC-7",
            "Failed sign-ins are limited",
            ("login_failed",),
            "Sign-ins to the console that failed.",
            "AWS locks no account by itself: the identity provider may.",
        ),
        Row(
            "AC-17",
            "Remote access is controlled",
            ("outside", "remote_shell"),
            "Calls from outside AWS, and shells through Systems Manager.",
            "SSH and RDP straight to a machine are not in the trail.",
        ),
        Row(
            "AU-2, AU-12",
            "Events are logged",
            ("events", "data_read", "data_write"),
            "Events recorded, and those on data among them.",
            "Only calls of AWS: systems and applications log elsewhere.",
            "evidence",
        ),
        Row(
            "AU-3",
            "Records say enough",
            ("principals", "events"),
            "Events that name who acted; time, call, origin and outcome are in every one.",
            "Calls that nobody signed name no one.",
            "evidence",
        ),
        Row(
            "AU-5",
            "Failures of logging are responded to",
            ("trail_stop", "log_groups_gone"),
            "Attempts to stop a trail, log groups deleted.",
            "Logging that fails by itself makes no call: see the gaps of this report.",
        ),
        Row(
            "AU-6",
            "Records are reviewed",
            ("alerts", "alerts_closed"),
            "Alerts, and those that somebody closed.",
            "That a person read them stands in the alerts' states alone.",
            "evidence",
        ),
        Row(
            "AU-9",
            "Records are protected",
            ("trail_change", "verified", "tampered"),
            "Changes of trails; events from files proved genuine, or changed.",
            "Files that were not verified are not proved either way.",
        ),
        Row(
            "CM-3, CM-5",
            "Changes are controlled",
            ("writes", "security_group", "vpc"),
            "Every call that changes something, those on the network apart.",
            "Approval stands in your change records.",
            "evidence",
        ),
        Row(
            "CM-6",
            "Settings are kept",
            ("config_change", "public_block", "old_imds"),
            "Changes of Config, of the block on public access, of the metadata service.",
            "A trail shows changes, not the present state.",
        ),
        Row(
            "CP-9",
            "Backups are made and protected",
            ("backups_gone",),
            "Backups and snapshots deleted.",
            "Old ones are deleted by schedule as well. Whether one can be restored no trail shows.",
        ),
        Row(
            "IA-2(1), IA-2(2)",
            "MFA for privileged accounts and others",
            ("login_no_mfa", "mfa_removed"),
            "Sign-ins that succeeded without MFA, and devices removed.",
            "Federated sign-ins may have had MFA at the identity provider.",
        ),
        Row(
            "IA-5",
            "Credentials are managed",
            ("credentials", "password_policy"),
            "Keys, passwords and devices made, changed or removed; the password policy changed.",
            "The age of keys in use stands in the credential report.",
        ),
        Row(
            "IR-4, IR-5",
            "Incidents are handled and tracked",
            ("alerts", "alerts_closed"),
            "Alerts, and those that somebody closed.",
            "The response is only partly made of calls to AWS.",
            "evidence",
        ),
        Row(
            "SC-7",
            "The boundary is protected",
            ("open_to_world", "network_acl", "gateway", "security_group"),
            "Changes of the network's controls, groups opened to the world apart.",
            "What was open before this time is not in it.",
        ),
        Row(
            "SC-12, SC-28",
            "Keys are managed, data encrypted",
            ("kms_change", "kms_loss", "ebs_default"),
            "Changes and loss of KMS keys, encryption of disks turned off.",
            "What is encrypted at present is configuration.",
        ),
        Row(
            "SI-4",
            "The system is monitored",
            ("alerts", "threats", "watch_off"),
            "Alerts, matches of threat lists, and watchers turned off or muted.",
            "Only what the trail records can be watched.",
        ),
    ),
)
"""By the catalogue's names."""
