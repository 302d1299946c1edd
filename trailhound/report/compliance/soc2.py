"""SOC 2: common criteria of the Trust Services Criteria (2017, points of focus of 2022).

Source: https://www.aicpa-cima.com/resources/download/2017-trust-services-criteria-with-revised-points-of-focus-2022
"""

from __future__ import annotations

from trailhound.report.compliance.control import ControlRow, Framework

SOC2 = Framework(
    "SOC 2, Trust Services Criteria",
    (
        ControlRow(
            "CC6.1",
            "Access to systems and data is limited",
            ("login", "login_no_mfa", "roles_assumed", "denied", "kms_change"),
            "Sign-ins and their method, roles assumed, calls denied, changes of keys.",
            "The permissions of each identity are in its policies, not in the trail.",
        ),
        ControlRow(
            "CC6.2",
            "Users are registered and removed after approval",
            ("accounts_changed", "credentials"),
            "Users, roles and credentials created, changed or deleted.",
            "Approvals and departures are documented in your own records.",
        ),
        ControlRow(
            "CC6.3",
            "Permissions follow roles and least privilege",
            ("iam_policy", "admin_policy", "user_policy"),
            "Changes of policies, grants of full administration, policies attached to users.",
            "Whether a grant was the least privilege needed requires review.",
        ),
        ControlRow(
            "CC6.6",
            "Access from outside the boundary is limited",
            ("outside", "open_to_world", "gateway"),
            "Calls from outside AWS, security groups opened to every address, changes of gateways.",
            "An outside address is often your own office: compare with its addresses.",
        ),
        ControlRow(
            "CC6.7",
            "Transfer of data is restricted",
            ("data_read", "bucket_policy", "public_block"),
            "Reads of data, changes of buckets' access and of the block on public access.",
            "Without data events, reads of objects and items are not recorded. Network transfers "
            "are not in the trail.",
        ),
        ControlRow(
            "CC6.8",
            "Unauthorized software is prevented",
            ("remote_shell",),
            "Sessions and commands on instances, which can install software.",
            "Software on an instance is not in the trail.",
        ),
        ControlRow(
            "CC7.1",
            "Changes that introduce vulnerabilities are detected",
            ("security_group", "network_acl", "config_change", "ebs_default"),
            "Changes of network controls, of Config and of encryption.",
            "Software vulnerabilities need a scanner.",
        ),
        ControlRow(
            "CC7.2",
            "Anomalies are monitored",
            ("alerts", "high_risk", "threats"),
            "Alerts, events of high risk, threat list matches.",
            "Only what the trail records can be monitored.",
            "evidence",
        ),
        ControlRow(
            "CC7.3",
            "Events are evaluated",
            ("alerts", "alerts_closed"),
            "Alerts, and closed alerts.",
            "Their evaluation is documented in your own records.",
            "evidence",
        ),
        ControlRow(
            "CC7.4",
            "Incidents are responded to",
            ("alerts_closed",),
            "Closed alerts.",
            "Only the part of the response made by AWS API calls is recorded.",
            "evidence",
        ),
        ControlRow(
            "CC8.1",
            "Changes are authorized and recorded",
            ("writes", "iam_policy", "vpc"),
            "Every call that changes something, with its caller.",
            "Authorization, tests and approval are documented in your change records.",
            "evidence",
        ),
        ControlRow(
            "A1.2",
            "Backups and recovery are protected",
            ("backups_gone", "kms_loss"),
            "Backups and snapshots deleted, keys disabled or scheduled for deletion.",
            "Scheduled deletions are included. Whether a backup can be restored is not shown.",
        ),
    ),
)
"""By the criteria's numbers."""
