"""The checks: title, severity, risk and remediation of each.

Numbers are controls of "CIS Amazon Web Services Foundations Benchmark v3.0.0"; titles and texts are
ours. docs/aws-check.md compares the list with that of Prowler.
"""

from __future__ import annotations

from typing import Final

from trailhound.aws.posture.monitored import MONITORED, Monitored
from trailhound.posture import Check, Severity

_GRAVER: Final[dict[str, Severity]] = {"alarm-root-use": "high", "alarm-trail-changes": "high"}


def _alarm(control: Monitored) -> Check:
    return Check(
        id=control.check,
        title=f"Alarm on {control.of}",
        severity=_GRAVER.get(control.check, "medium"),
        cis=(control.cis,),
        risk=f"Nobody notices {control.of} without reading the log.",
        remediation="Put a metric filter on the trail's log group, an alarm on its metric, and a "
        "confirmed subscriber on the topic of the alarm.",
    )


CHECKS: Final[tuple[Check, ...]] = (
    Check(
        id="trail-every-region",
        title="Every region of the account is logged",
        severity="high",
        cis=("3.1",),
        risk="What is done in a region without a trail leaves no file; intruders prefer regions "
        "that nobody uses.",
        remediation="Use one trail of all regions; new regions belong to it without further work.",
    ),
    Check(
        id="trail-logging",
        title="Every trail is switched on",
        severity="high",
        cis=("3.1",),
        risk="A stopped trail still exists, but writes nothing.",
        remediation="Start logging, and find out who stopped it (StopLogging in the event history)",
    ),
    Check(
        id="trail-management-events",
        title="Management events are logged, reads and writes, of all services",
        severity="high",
        cis=("3.1",),
        risk="Without reads there is no trace of reconnaissance, without writes none of changes.",
        remediation="Let a trail of all regions have management events without exceptions.",
    ),
    Check(
        id="trail-global-events",
        title="Events of global services are logged",
        severity="high",
        cis=("3.1",),
        risk="IAM, STS and CloudFront are global: without them there is no trace of identities.",
        remediation="Include global service events in a trail of all regions.",
    ),
    Check(
        id="trail-delivery",
        title="Files arrive in the bucket",
        severity="high",
        risk="A trail that can't write to its bucket loses events while it seems to log.",
        remediation="Repair what CloudTrail names: the bucket's policy, the key's, or the bucket.",
    ),
    Check(
        id="trail-validation",
        title="Log file validation is on",
        severity="medium",
        cis=("3.2",),
        risk="Without digests nobody can show that a file is as CloudTrail wrote it.",
        remediation="Switch on log file validation, and run `trailhound verify` regularly.",
    ),
    Check(
        id="trail-digests",
        title="Digests arrive in the bucket",
        severity="medium",
        cis=("3.2",),
        risk="Validation that is on but can't deliver its digests proves nothing.",
        remediation="Repair what CloudTrail names, mostly the bucket's policy.",
    ),
    Check(
        id="trail-kms",
        title="Files are encrypted with a KMS key",
        severity="medium",
        cis=("3.5",),
        risk="With S3's own key, whoever may read the bucket reads the log; a KMS key is a second "
        "permission, and its use is logged.",
        remediation="Give the trail a KMS key whose policy lets CloudTrail encrypt.",
    ),
    Check(
        id="key-rotation",
        title="The trail's KMS key is rotated",
        severity="low",
        cis=("3.6",),
        risk="The longer a key is used, the more files one key can decrypt.",
        remediation="Switch on yearly rotation.",
    ),
    Check(
        id="bucket-public-access",
        title="Public access to the bucket is blocked",
        severity="critical",
        cis=("2.1.4",),
        risk="One wrong policy or ACL, and everybody can read the log.",
        remediation="Turn on all four settings of Block Public Access, of bucket or account.",
    ),
    Check(
        id="bucket-not-public",
        title="Neither policy nor ACL makes the bucket public",
        severity="critical",
        risk="Everybody can read who works in the account, and how.",
        remediation="Remove the public grant from the ACL, the public statement from the policy.",
    ),
    Check(
        id="bucket-policy",
        title="CloudTrail may write to the bucket for this trail alone",
        severity="medium",
        risk="Without a condition on aws:SourceArn, a trail of any account can write files that "
        "look like yours.",
        remediation="Confine CloudTrail's statements to the trail by aws:SourceArn.",
    ),
    Check(
        id="bucket-tls",
        title="The bucket refuses requests without TLS",
        severity="medium",
        cis=("2.1.1",),
        risk="The log can be read in transit.",
        remediation="Deny requests whose aws:SecureTransport is false.",
    ),
    Check(
        id="bucket-versioning",
        title="The bucket keeps versions",
        severity="medium",
        risk="A file that is overwritten or deleted is gone.",
        remediation="Enable versioning.",
    ),
    Check(
        id="bucket-delete-protection",
        title="Versions can't be deleted without MFA, or before their time",
        severity="medium",
        cis=("2.1.2",),
        risk="Whoever takes over the bucket's administrator can remove the evidence.",
        remediation="Object lock with a retention, or MFA delete (by the root user alone).",
    ),
    Check(
        id="bucket-encrypted",
        title="The bucket encrypts what it gets",
        severity="low",
        risk="Files that are put without encryption stay so.",
        remediation="Set the default encryption.",
    ),
    Check(
        id="bucket-access-log",
        title="Requests to the bucket are logged",
        severity="medium",
        cis=("3.4",),
        risk="Nobody sees who read or deleted the log.",
        remediation="Log server access to another bucket.",
    ),
    Check(
        id="bucket-retention",
        title="Files stay in the bucket as long as they are to",
        severity="medium",
        risk="An investigation often begins months later; what a lifecycle rule removed is gone.",
        remediation="Let no rule expire the trail's files earlier.",
    ),
    Check(
        id="bucket-lifecycle",
        title="Old files move to a colder class, or end",
        severity="low",
        risk="All files stay in the most expensive class without limit.",
        remediation="Add a lifecycle rule for the trail's prefix.",
    ),
    Check(
        id="data-events-write",
        title="Writes of S3 objects are logged",
        severity="medium",
        cis=("3.8",),
        risk="There is no trace of who replaced or deleted an object.",
        remediation="Log data events of S3 objects, writes at least, of the buckets that matter.",
    ),
    Check(
        id="data-events-read",
        title="Reads of S3 objects are logged",
        severity="medium",
        cis=("3.9",),
        risk="There is no trace of what was taken out of a bucket.",
        remediation="Log data events of S3 objects, reads too, of the buckets that matter.",
    ),
    Check(
        id="trail-insights",
        title="Insights watch the rates of calls and of errors",
        severity="low",
        risk="A sudden burst of calls or errors is not pointed out by AWS.",
        remediation="Switch on ApiCallRateInsight and ApiErrorRateInsight.",
    ),
    Check(
        id="organisation-trail",
        title="A trail of the organisation covers accounts to come",
        severity="high",
        risk="A new account is unlogged until somebody remembers it; a member can stop its own "
        "trail, not the organisation's.",
        remediation="Make a trail of the organisation, of all regions, in the management account "
        "or by its delegated administrator.",
    ),
    Check(
        id="trail-cloudwatch",
        title="Events reach CloudWatch Logs",
        severity="medium",
        risk="Without a log group there are no metrics for alarms.",
        remediation="Give the trail a log group and a role that may write it.",
    ),
    Check(
        id="log-group-retention",
        title="The log group keeps events long enough",
        severity="low",
        risk="Queries and alarms over the log group end with its retention.",
        remediation="Set its retention.",
    ),
    Check(
        id="log-group-encrypted",
        title="The log group is encrypted with a KMS key",
        severity="low",
        risk="Whoever may read log groups reads the trail; a KMS key is a second permission.",
        remediation="Associate a KMS key whose policy lets CloudWatch Logs use it.",
    ),
    Check(
        id="log-group-not-public",
        title="No log policy opens the log group to everybody",
        severity="high",
        risk="Any account can read or write the log group.",
        remediation="Name the principal in the resource policy, or delete it.",
    ),
    Check(
        id="cloudwatch-sharing",
        title="CloudWatch is not shared with other accounts",
        severity="low",
        risk="The accounts that the role names see metrics, dashboards and alarms, so when nobody "
        "is watching.",
        remediation="Delete the role, if nobody needs it.",
    ),
    *map(_alarm, MONITORED),
    Check(
        id="config-every-region",
        title="AWS Config records in every region",
        severity="medium",
        cis=("3.3",),
        risk="The trail says who changed what; only Config says how it was before.",
        remediation="Start a configuration recorder in each region.",
    ),
    Check(
        id="flow-logs",
        title="Every VPC has flow logs",
        severity="medium",
        cis=("3.7",),
        risk="CloudTrail knows calls of AWS, not connections: there is no trace of those.",
        remediation="Create a flow log for each VPC, of rejected traffic at least.",
    ),
    Check(
        id="security-hub",
        title="Security Hub is on in every region",
        severity="low",
        cis=("4.16",),
        risk="Findings of AWS's own services are not collected in one place.",
        remediation="Enable it in the regions that are used.",
    ),
)
