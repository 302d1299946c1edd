"""The alarms and threat patterns that ship are those that were asked for, to the letter."""

from __future__ import annotations

import pytest

from detections.matcher import SigmaMatcher
from detections.rule import LEVELS
from enrich.enricher import Enricher
from tests.helpers.definitions import ALARMS
from tests.unit.detections.packs.shipped import Shipped, shipped
from trailhound.settings.detections import ChannelSettings

BY_TITLE = {rule.main["title"]: rule for rule in shipped()}

PATTERNS = {
    "privilege_escalation": (
        8,
        "CreateRole AttachRolePolicy PutRolePolicy CreateUser AttachUserPolicy",
    ),
    "reconnaissance": (5, "ListUsers ListRoles ListPolicies GetAccountSummary ListBuckets"),
    "data_exfiltration": (9, "GetObject ListObjects DownloadDBLogFilePortion"),
    "lateral_movement": (7, "AssumeRole CreateSession GetSessionToken"),
    "persistence": (8, "CreateAccessKey CreateLoginProfile CreateRole"),
    "defense_evasion": (10, "StopLogging DeleteTrail UpdateTrail PutBucketPolicy"),
}
CALLS = {
    "IAMPolicyChanges": (
        "DeleteGroupPolicy DeleteRolePolicy DeleteUserPolicy PutGroupPolicy PutRolePolicy "
        "PutUserPolicy CreatePolicy DeletePolicy CreatePolicyVersion DeletePolicyVersion "
        "AttachRolePolicy DetachRolePolicy AttachUserPolicy DetachUserPolicy"
    ),
    "NetworkACLChanges": (
        "CreateNetworkAcl CreateNetworkAclEntry DeleteNetworkAcl DeleteNetworkAclEntry "
        "ReplaceNetworkAclEntry ReplaceNetworkAclAssociation"
    ),
    "SecurityGroupChanges": (
        "AuthorizeSecurityGroupIngress AuthorizeSecurityGroupEgress RevokeSecurityGroupIngress "
        "RevokeSecurityGroupEgress CreateSecurityGroup DeleteSecurityGroup"
    ),
    "CloudTrailChanges": "CreateTrail UpdateTrail DeleteTrail StartLogging StopLogging",
    "S3BucketPolicyChanges": (
        "PutBucketAcl PutBucketPolicy PutBucketCors PutBucketLifecycle PutBucketReplication "
        "DeleteBucketPolicy DeleteBucketCors DeleteBucketLifecycle DeleteBucketReplication"
    ),
}


def _part(rule: Shipped) -> SigmaMatcher:
    (detection,) = rule.detections
    return SigmaMatcher.from_detection(detection)


@pytest.mark.parametrize("name", ALARMS)
def test_alarms_sum_over_everything_in_five_minutes(name: str) -> None:
    rule, (level, threshold) = BY_TITLE[name], ALARMS[name]
    assert rule.main["level"] == level
    correlation = rule.main["correlation"]
    assert correlation["type"] == "event_count"
    assert correlation["timespan"] == "5m"
    assert correlation["condition"] == {"gte": threshold}
    assert "group-by" not in correlation


@pytest.mark.parametrize("name", CALLS)
def test_alarms_on_calls_match_these_and_no_others(name: str) -> None:
    (detection,) = BY_TITLE[name].detections
    assert sorted(detection["change"]["eventName"]) == sorted(CALLS[name].split())
    matcher = _part(BY_TITLE[name])
    source = {"S3BucketPolicyChanges": "s3.amazonaws.com"}.get(name, "any.amazonaws.com")
    for call in CALLS[name].split():
        assert matcher.matches({"eventName": call, "eventSource": source})
    assert not matcher.matches({"eventName": "GetBucketPolicy", "eventSource": source})


def test_bucket_alarm_asks_for_the_source() -> None:
    event = {"eventName": "PutBucketPolicy", "eventSource": "s3-outposts.amazonaws.com"}
    assert not _part(BY_TITLE["S3BucketPolicyChanges"]).matches(event)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("Client.UnauthorizedOperation", True),
        ("UnauthorizedOperation", True),
        ("AccessDenied", True),
        ("AccessDeniedException", True),
        ("KMS.AccessDenied", False),
        ("Client.UnauthorizedOperation.More", False),
        ("NoSuchBucket", False),
        (None, False),
    ],
)
def test_unauthorized_calls(code: str | None, expected: bool) -> None:
    assert _part(BY_TITLE["UnauthorizedAPICalls"]).matches({"errorCode": code}) is expected


@pytest.mark.parametrize(("used", "expected"), [("Yes", False), ("No", True), (None, True)])
def test_a_login_without_mfa_is_any_that_does_not_say_yes(
    used: str | None,
    expected: bool,
) -> None:
    event = {"eventName": "ConsoleLogin", "additionalEventData": {"MFAUsed": used}}
    assert _part(BY_TITLE["ConsoleLoginWithoutMFA"]).matches(event) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("c5.xlarge", True), ("c5.2xlarge", True), ("c5.4xlarge", True), ("c7g.large", True),
     ("g5.xlarge", True), ("p4d.24xlarge", True), ("t3.micro", False), ("m6i.large", False),
     ("r5.xlarge", False)],
)  # fmt: skip
def test_mining_means_compute_and_accelerators(kind: str, expected: bool) -> None:
    event = {"eventName": "RunInstances", "requestParameters": {"instanceType": kind}}
    assert _part(BY_TITLE["PotentialCryptoMining"]).matches(event) is expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [('{"Action":"*:*"}', True), ('{"Principal":{"AWS":"*"}}', True), ('{"Principal":"*"}', True),
     ('{"Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:*"}', False)],
)  # fmt: skip
def test_stars_in_a_trust_policy_are_stars(document: str, expected: bool) -> None:
    event = {"eventName": "CreateRole", "requestParameters": {"assumeRolePolicyDocument": document}}
    assert _part(BY_TITLE["SuspiciousRoleCreation"]).matches(event) is expected


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_count_different_calls_by_user_and_by_address(name: str) -> None:
    severity, calls = PATTERNS[name]
    groups = {
        "user": ["recipientAccountId", "userIdentity.arn"],
        "address": ["source.ip"],
    }
    for by, group in groups.items():
        rule = BY_TITLE[f"{name} by {by}"]
        assert rule.main["name"] == f"{name}_by_{by}"
        assert rule.own["severity"] == severity
        correlation = rule.main["correlation"]
        assert correlation["type"] == "value_count"
        assert correlation["condition"] == {"field": "eventName", "gte": 3}
        assert correlation["group-by"] == group
        assert correlation["timespan"] == "1h"
        (detection,) = rule.detections
        assert detection == {"call": {"eventName": calls.split()}, "condition": "call"}


def test_an_anomaly_is_two_deviations_above_the_mean_of_all() -> None:
    rule = BY_TITLE["anomalous_activity"]
    assert rule.own["severity"] == 6
    # Below the level that channels take by default: by itself it is no message.
    default = ChannelSettings.model_fields["level"].default
    assert LEVELS.index(rule.main["level"]) < LEVELS.index(default)
    assert rule.own["anomaly"] == {
        "group_by": ["recipientAccountId", "userIdentity.arn"],
        "measure": "count",
        "baseline": "population",
        "deviations": 2,
        "minutes": 1440,
        "services": False,
    }


def test_root_is_told_by_the_identity() -> None:
    matcher = _part(BY_TITLE["RootAccountUsage"])
    record = {"eventTime": "2025-06-03T10:00:00Z", "userIdentity": {"type": "Root"}}
    assert matcher.matches({**record, **Enricher().document_fields(record)})
    assert not matcher.matches({"userIdentity": {"type": "IAMUser", "userName": "root"}})
