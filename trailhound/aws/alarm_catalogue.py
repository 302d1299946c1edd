"""The twelve alarms and the three narrow filters, as CloudWatch takes them.

What each matches, its threshold and its names are fixed: users rely on them. Patterns are in the
language of "Filter pattern syntax for metric filters" (CloudWatch Logs user guide): texts are
compared case-sensitively, `*` in quotes is any text, an element of an array is named by its index,
a regular expression between `%` has neither parentheses nor quotes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

PERIOD: Final = 300
"""Seconds."""
MOST_FILTERS: Final = 100
"""Most metric filters of a log group (CloudWatch Logs quotas)."""
MOST_REGEX_FILTERS: Final = 5
"""Most filters of a log group with a regular expression in their pattern."""
MOST_REGEX: Final = 2
"""Most regular expressions in a pattern."""
LONGEST: Final = 1_024
"""Most characters of a pattern."""

EVERY_ALARM: Final = (
    "texts are compared case-sensitively; rules ignore case",
    "events over 256 KB do not reach CloudWatch Logs; rules cover them",
)
"""How every alarm differs from its rule."""
_WINDOW: Final = "the sum is over fixed 5 minutes; the rule's window slides"


@dataclass(frozen=True)
class MetricFilter:
    """A pattern, and the metric that counts its events."""

    name: str
    pattern: str
    metric: str
    namespace: str


@dataclass(frozen=True)
class Alarm:
    """One of the twelve alarms, or a further one for `cis`, a control of the CIS benchmark without
    a rule. `differs` lists the differences between the pattern and the rule."""

    name: str
    severity: Literal["critical", "high", "medium"]
    threshold: int
    pattern: str
    rule: str = ""
    """The file of its rule in `detections/rules/alarms/`, without the ending."""
    second_half: bool = False
    excepted: str = ""
    """What the rule's default exceptions leave out, and the pattern does not."""
    narrower: str = ""
    cis: str = ""

    @property
    def kind(self) -> str:
        return "ThreatAlert" if self.second_half else "SecurityAlert"

    @property
    def alarm_name(self) -> str:
        return f"{'Threat' if self.second_half else 'CloudTrail'}-{self.name}"

    @property
    def filter(self) -> MetricFilter:
        return MetricFilter(
            f"{self.kind}-{self.name}", self.pattern, self.name, f"CloudTrail/{self.kind}s"
        )

    @property
    def differs(self) -> list[str]:
        found = [f"counts {self.excepted} too"] if self.excepted else []
        found += [self.narrower] if self.narrower else []
        return [*found, *([_WINDOW] if self.threshold > 1 else [])]


def calls_pattern(calls: Sequence[str], before: str = "") -> str:
    """A pattern of calls by their names; `before` is a further condition, which must be true
    too."""
    any_of = " || ".join(f'($.eventName = "{call}")' for call in calls)
    return f"{{ {before} && ({any_of}) }}" if before else f"{{ {any_of} }}"


_MINING: Final = "%^c[3-8]|^g[2-6]|^gr6|^p[2-6]|^f[12]|^hpc|^inf|^trn|^dl[12]|^vt1%"
_GIVEN: Final = "$.responseElements.instancesSet.items[0].instanceType"
_TRUST: Final = "$.requestParameters.assumeRolePolicyDocument"
_ANYBODY: Final = r"%AWS.:.{1,3}\*|Principal.:.{1,2}\*%"

ALARMS: Final = (
    Alarm(
        "RootAccountUsage", "critical", 1, '{ $.userIdentity.type = "Root" }', "root_account_usage"
    ),
    Alarm(
        "UnauthorizedAPICalls",
        "high",
        5,
        '{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }',
        "unauthorized_api_calls",
        excepted="refused calls of AWS services",
    ),
    Alarm(
        "ConsoleLoginWithoutMFA",
        "high",
        1,
        '{ ($.eventName = "ConsoleLogin") && (($.additionalEventData.MFAUsed != "Yes") || '
        "($.additionalEventData.MFAUsed NOT EXISTS)) }",
        "console_login_without_mfa",
        excepted="sign-ins through Identity Center",
    ),
    Alarm(
        "IAMPolicyChanges",
        "medium",
        1,
        calls_pattern(
            (
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
            )
        ),
        "iam_policy_changes",
    ),
    Alarm(
        "NetworkACLChanges",
        "medium",
        1,
        calls_pattern(
            (
                "CreateNetworkAcl",
                "CreateNetworkAclEntry",
                "DeleteNetworkAcl",
                "DeleteNetworkAclEntry",
                "ReplaceNetworkAclEntry",
                "ReplaceNetworkAclAssociation",
            )
        ),
        "network_acl_changes",
    ),
    Alarm(
        "SecurityGroupChanges",
        "medium",
        1,
        calls_pattern(
            (
                "AuthorizeSecurityGroupIngress",
                "AuthorizeSecurityGroupEgress",
                "RevokeSecurityGroupIngress",
                "RevokeSecurityGroupEgress",
                "CreateSecurityGroup",
                "DeleteSecurityGroup",
            )
        ),
        "security_group_changes",
    ),
    Alarm(
        "CloudTrailChanges",
        "critical",
        1,
        calls_pattern(("CreateTrail", "UpdateTrail", "DeleteTrail", "StartLogging", "StopLogging")),
        "cloudtrail_changes",
    ),
    Alarm(
        "S3BucketPolicyChanges",
        "high",
        1,
        calls_pattern(
            (
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
            '($.eventSource = "s3.amazonaws.com")',
        ),
        "s3_bucket_policy_changes",
    ),
    Alarm(
        "PotentialCryptoMining",
        "high",
        3,
        f'{{ ($.eventName = "RunInstances") && (($.requestParameters.instanceType = {_MINING}) || '
        f"({_GIVEN} = {_MINING})) }}",
        "potential_crypto_mining",
        second_half=True,
        narrower="checks only the first instance that was started; the rule checks each",
    ),
    Alarm(
        "SuspiciousRoleCreation",
        "medium",
        1,
        rf'{{ ($.eventName = "CreateRole") && (({_TRUST} = %\*:\*%) || ({_TRUST} = {_ANYBODY})) }}',
        "suspicious_role_creation",
        second_half=True,
        narrower="a principal of * is found within three characters after its key, since a "
        "pattern has no quotes; the rule compares the text itself",
    ),
    Alarm(
        "DataExfiltrationPattern",
        "high",
        100,
        '{ ($.eventName = "GetObject") && ($.requestParameters.bucketName = "*") }',
        "data_exfiltration_pattern",
        second_half=True,
    ),
    Alarm(
        "MultipleFailedLogins",
        "medium",
        5,
        '{ ($.eventName = "ConsoleLogin") && ($.responseElements.ConsoleLogin = "Failure") }',
        "multiple_failed_logins",
        second_half=True,
    ),
)

NARROW: Final = (
    MetricFilter(
        "HighValueTargets",
        calls_pattern(("CreateRole", "AttachRolePolicy", "CreateUser", "AssumeRole")),
        "HighValueEvents",
        "CloudTrail/Optimized",
    ),
    MetricFilter(
        "AuthenticationEvents",
        calls_pattern(("ConsoleLogin", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity")),
        "AuthenticationEvents",
        "CloudTrail/Optimized",
    ),
    MetricFilter(
        "DataAccessEvents",
        calls_pattern(
            ("GetObject", "PutObject", "DeleteObject"), '($.eventSource = "s3.amazonaws.com")'
        ),
        "DataAccessEvents",
        "CloudTrail/Optimized",
    ),
)
"""Metrics without an alarm."""


def filters(alarms: Sequence[Alarm] = ALARMS) -> list[MetricFilter]:
    """One filter for each metric: a filter has one metric, so this is the smallest number."""
    return [*(each.filter for each in alarms), *NARROW]


def regexes(pattern: str) -> int:
    """How many regular expressions a pattern has.

    >>> [regexes(each.pattern) for each in ALARMS if "%" in each.pattern]
    [2, 2]
    """
    return pattern.count("%") // 2
