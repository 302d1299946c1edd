"""SOC 2: common criteria of the Trust Services Criteria (2017, points of focus of 2022).

Source: https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
"""

from __future__ import annotations

from trailhound.report.compliance.control import Framework, Row

SOC2 = Framework(
    "SOC 2, Trust Services Criteria",
    (
        Row(
            "CC6.1",
            "Access to systems and data is limited",
            ("login", "login_no_mfa", "roles_assumed", "denied", "kms_change"),
            "Who signed in and how, roles assumed, calls refused, changes of keys.",
            "What each identity may do stands in its policies, not in the trail.",
        ),
        Row(
            "CC6.2",
            "Users are registered and removed by approval",
            ("accounts_changed", "credentials"),
            "Users, roles and credentials made, changed or removed.",
            "Approval, and the departure of people, stand in your own records.",
        ),
        Row(
            "CC6.3",
            "Permissions follow roles and least privilege",
            ("iam_policy", "admin_policy", "user_policy"),
            "Changes of policies, grants of full administration, policies of single users.",
            "Whether a grant was the least that serves is to be judged.",
        ),
        Row(
            "CC6.6",
            "Access from outside the boundary is limited",
            ("outside", "open_to_world", "gateway"),
            "Calls from outside AWS, groups opened to the world, changes of gateways.",
            "An address outside is often your own office: compare with its addresses.",
        ),
        Row(
            "CC6.7",
            "Movement of data is limited",
            ("data_read", "bucket_policy", "public_block"),
            "Reads of data, changes of buckets' access and of the block on public access.",
            "Without data events, reads of objects and items are not recorded. Bytes on the wire "
            "are not in it.",
        ),
        Row(
            "CC6.8",
            "Unwanted software is kept out",
            ("remote_shell",),
            "Shells and commands on machines, by which software can come in.",
            "What runs or is installed on a machine is not in the trail.",
        ),
        Row(
            "CC7.1",
            "Changes that open weaknesses are noticed",
            ("security_group", "network_acl", "config_change", "ebs_default"),
            "Changes of the network's controls, of Config and of encryption.",
            "Weaknesses of software are a scanner's business.",
        ),
        Row(
            "CC7.2",
            "Anomalies are watched for",
            ("alerts", "high_risk", "threats"),
            "Alerts, events of high risk, matches of threat lists.",
            "Only what the trail records can be watched.",
            "evidence",
        ),
        Row(
            "CC7.3",
            "Events are evaluated",
            ("alerts", "alerts_closed"),
            "Alerts, and those that somebody closed.",
            "How they were judged stands in your own records.",
            "evidence",
        ),
        Row(
            "CC7.4",
            "Incidents are responded to",
            ("alerts_closed",),
            "Alerts that somebody closed.",
            "The response itself is only partly made of calls to AWS.",
            "evidence",
        ),
        Row(
            "CC8.1",
            "Changes are authorized and recorded",
            ("writes", "iam_policy", "vpc"),
            "Every call that changes something, with who made it.",
            "Authorization, tests and approval stand in your change records.",
            "evidence",
        ),
        Row(
            "A1.2",
            "Backups and recovery are protected",
            ("backups_gone", "kms_loss"),
            "Backups and snapshots deleted, keys disabled or to be deleted.",
            "Old ones are deleted by schedule as well. Whether one can be restored no trail shows.",
        ),
    ),
)
"""By the criteria's numbers."""
