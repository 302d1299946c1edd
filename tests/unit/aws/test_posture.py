"""What the checks of `aws check` make of the facts of an account."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.postures import (
    ACCOUNT,
    GROUP,
    LATELY,
    NOW,
    SETUP,
    TOPIC,
    account,
    alarm,
    bucket,
    found,
    group,
    posture,
    region,
    trail,
)
from tests.helpers.schemas import require_listing
from trailhound.aws.posture import monitored
from trailhound.aws.posture.catalogue import CHECKS
from trailhound.aws.posture.evaluation import EVALUATORS
from trailhound.aws.posture.facts import AccountFacts, Key, MetricFilterFacts, Refused, Requirements
from trailhound.aws.posture.read_calls import READ_CALLS, policy
from trailhound.errors import UsageError
from trailhound.posture import PostureFinding, read_posture
from trailhound.report.collect.gaps import unchecked

ROOT = Path(__file__).parents[3]
NO = Refused("service:Look", "the look is denied", "grant service:Look", denied=True)
EVERYBODY = {"Grantee": {"URI": "http://acs.amazonaws.com/groups/global/AllUsers"}}


def of(
    check: str, *accounts: AccountFacts, wanted: Requirements | None = None
) -> list[PostureFinding]:
    return [each for each in found(*accounts, wanted=wanted) if each.check == check]


def test_the_catalogue_has_every_control_and_an_evaluator_for_each_check() -> None:
    assert [each.id for each in CHECKS] == list(dict.fromkeys(each.id for each in CHECKS))
    assert {each.id for each in CHECKS} == EVALUATORS.keys()
    controls = {control for each in CHECKS for control in each.cis}
    assert {f"3.{n}" for n in range(1, 10)} | {f"4.{n}" for n in range(1, 17)} <= controls
    page = (ROOT / "docs/aws-check.md").read_text("utf-8")
    assert [each.id for each in CHECKS if f"`{each.id}`" not in page] == []


def test_all_is_well_in_an_account_as_it_should_be() -> None:
    verdicts = {each.check: each.verdict for each in found(account())}
    assert verdicts == dict.fromkeys(verdicts, "pass")
    assert verdicts.keys() == EVALUATORS.keys()


def test_an_account_without_a_trail_fails_and_one_that_cannot_be_listed_is_not_known() -> None:
    nothing: dict[str, Any] = {"trails": [], "buckets": {}, "groups": {}}
    bare = account(
        **nothing, regions=[region(name="us-east-1", trails=frozenset())], organisation=None
    )
    failed = [each for each in found(bare) if each.verdict == "fail"]
    assert (
        len(failed) == len(EVALUATORS) - 5
    )  # organisation, sharing, Config, flow logs, Security Hub
    assert all("no trail" in each.evidence for each in failed)
    dark = account(**nothing, regions=[region(name="us-east-1", trails=NO)])
    judged = {each.check: each.verdict for each in found(dark)}
    assert {"pass", "fail"} & {
        judged[each] for each in EVALUATORS if each.startswith("trail")
    } == set()


SPOILT: list[tuple[str, str, str, AccountFacts]] = [
    ("trail-every-region", "fail", "no trail logs us-east-1", account(trail=trail(
        IsMultiRegionTrail=False))),
    ("trail-every-region", "unknown", "whether a trail logs", account(trail=trail(status=NO))),
    ("trail-logging", "fail", "it does not log", account(trail=trail(
        status={"IsLogging": False}))),
    ("trail-management-events", "fail", "reads of iam", account(trail=trail(
        selectors=[{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}]))),
    ("trail-management-events", "fail", "kms.amazonaws.com", account(trail=trail(selectors=[
        {"ReadWriteType": "All", "IncludeManagementEvents": True,
         "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]))),
    ("trail-global-events", "fail", "no trail", account(trail=trail(
        IncludeGlobalServiceEvents=False))),
    ("trail-delivery", "fail", "AccessDenied", account(trail=trail(
        status={"IsLogging": True, "LatestDeliveryTime": LATELY,
                "LatestDeliveryError": "AccessDenied"}))),
    ("trail-delivery", "fail", "over 24 h ago", account(trail=trail(
        status={"IsLogging": True, "LatestDeliveryTime": NOW - timedelta(days=2)}))),
    ("trail-delivery", "unknown", "nothing was delivered", account(trail=trail(
        status={"IsLogging": True, "StartLoggingTime": LATELY}))),
    ("trail-delivery", "fail", "never delivered", account(trail=trail(
        status={"IsLogging": True, "StartLoggingTime": NOW - timedelta(days=9)}))),
    ("trail-validation", "fail", "false", account(trail=trail(LogFileValidationEnabled=False))),
    ("trail-digests", "not_applicable", "off", account(trail=trail(
        LogFileValidationEnabled=False))),
    ("trail-kms", "fail", "no KMS key", account(trail=trail(key=None))),
    ("trail-kms", "fail", "PendingDeletion", account(trail=trail(
        key=Key(described={"KeyState": "PendingDeletion"}, rotates=True)))),
    ("key-rotation", "fail", "off", account(trail=trail(
        key=Key(described={"KeyState": "Enabled"}, rotates=False)))),
    ("bucket-public-access", "fail", "BlockPublicAcls", account(bucket=bucket(
        public_access=None))),
    ("bucket-public-access", "pass", "on the account", account(
        bucket=bucket(public_access=None), account_block=bucket().public_access)),
    ("bucket-not-public", "fail", "READ to AllUsers", account(bucket=bucket(
        grants=[{**EVERYBODY, "Permission": "READ"}]))),
    ("bucket-not-public", "fail", "policy is public", account(bucket=bucket(is_public=True))),
    ("bucket-policy", "fail", "no statement", account(bucket=bucket(policy=None))),
    ("bucket-tls", "fail", "no statement", account(bucket=bucket(policy=None))),
    ("bucket-versioning", "fail", "suspended", account(bucket=bucket(
        versioning={"Status": "Suspended", "MFADelete": "Enabled"}))),
    ("bucket-delete-protection", "fail", "neither", account(bucket=bucket(
        versioning={"Status": "Enabled"}))),
    ("bucket-delete-protection", "pass", "COMPLIANCE for 30 days", account(bucket=bucket(
        versioning={}, lock={"Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 30}}}))),
    ("bucket-encrypted", "fail", "no default", account(bucket=bucket(encryption=None))),
    ("bucket-access-log", "fail", "off", account(bucket=bucket(access_log=None))),
    ("bucket-access-log", "fail", "itself", account(bucket=bucket(
        access_log={"TargetBucket": SETUP.bucket_name}))),
    ("bucket-retention", "fail", "after 30 days", account(bucket=bucket(lifecycle=[
        {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}}]))),
    ("bucket-retention", "pass", "for ever", account(bucket=bucket(lifecycle=[
        {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "tmp/"},
         "Expiration": {"Days": 1}}]))),
    ("bucket-lifecycle", "fail", "no rule", account(bucket=bucket(lifecycle=[]))),
    ("data-events-read", "fail", "reads", account(trail=trail(selectors=[{
        "ReadWriteType": "WriteOnly", "IncludeManagementEvents": True,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]))),
    ("data-events-write", "pass", "by trail", account(trail=trail(selectors=[{
        "ReadWriteType": "WriteOnly", "IncludeManagementEvents": True,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]}]))),
    ("trail-insights", "fail", "ApiErrorRateInsight", account(trail=trail(
        insights=frozenset({"ApiCallRateInsight"})))),
    ("organisation-trail", "fail", "no trail is", account(trail=trail(
        IsOrganizationTrail=False))),
    ("organisation-trail", "not_applicable", "no organisation", account(organisation=None)),
    ("trail-cloudwatch", "fail", "no log group", account(trail=trail(
        CloudWatchLogsLogGroupArn=""))),
    ("log-group-retention", "fail", "30 days", account(group=group(
        described={"retentionInDays": 30}))),
    ("log-group-encrypted", "fail", "no KMS key", account(group=group(described={}))),
    ("log-group-not-public", "fail", "open", account(group=group(policies=[
        {"policyName": "open", "policyDocument": json.dumps({"Statement": {
            "Effect": "Allow", "Principal": "*", "Action": "logs:*", "Resource": "*"}})}]))),
    ("cloudwatch-sharing", "fail", "999988887777", account(sharing_role={
        "AssumeRolePolicyDocument": {"Statement": [
            {"Principal": {"AWS": "arn:aws:iam::999988887777:root"}}]}})),
    ("alarm-root-use", "fail", "no metric filter matches", account(group=group(filters=[]))),
    ("alarm-root-use", "fail", "no alarm on its metric", account(group=group(alarms=[]))),
    ("alarm-root-use", "fail", "no action", account(group=group(alarms=[
        alarm(AlarmActions=[])]))),
    ("alarm-root-use", "fail", "disabled", account(group=group(alarms=[
        alarm(ActionsEnabled=False)]))),
    ("alarm-root-use", "fail", "does not rise", account(group=group(alarms=[
        alarm(ComparisonOperator="LessThanThreshold")]))),
    ("alarm-root-use", "fail", "confirmed subscription", account(group=group(
        topics={TOPIC: [{"SubscriptionArn": "PendingConfirmation"}]}))),
    ("alarm-root-use", "pass", "from 5 in 300 s", account(group=group(alarms=[
        alarm(Threshold=5.0)]))),
    ("alarm-root-use", "fail", "ordinary events", account(group=group(filters=[
        replace(group().filters[0], counts_all=True)]))),  # type: ignore[index]
    ("config-every-region", "fail", "no recorder in eu-west-1", account(region=region(
        recorders=[]))),
    ("flow-logs", "fail", "1 VPC without", account(region=region(flow_logs=frozenset()))),
    ("security-hub", "fail", "off in eu-west-1", account(region=region(hub=False))),
]  # fmt: skip


@pytest.mark.parametrize(("check", "verdict", "said", "spoilt"), SPOILT)
def test_what_is_spoilt_is_found(check: str, verdict: str, said: str, spoilt: AccountFacts) -> None:
    (finding,) = of(check, spoilt)
    assert finding.verdict == verdict
    assert said in finding.evidence
    assert bool(finding.fix) == (verdict in ("fail", "unknown"))


LOOKED: list[AccountFacts] = [
    *(account(trail=trail(**{name: NO})) for name in (
        "status", "selectors", "insights")),
    account(trail=trail(key=Key(described=NO, rotates=NO))),
    *(account(bucket=bucket(**{each.name: NO}))
      for each in fields(bucket()) if each.name not in ("name", "lock")),
    *(account(group=group(**{name: NO})) for name in (
        "described", "filters", "policies", "alarms")),
    account(group=group(topics={TOPIC: NO})),
    account(group=group(filters=[MetricFilterFacts(
        name="f", metrics=(("N", "M"),), matches=NO)])),
    *(account(region=region(**{name: NO})) for name in (
        "recorders", "vpcs", "flow_logs", "hub")),
    *(account(**{name: NO}) for name in (
        "organisation", "sharing_role", "enabled")),
]  # fmt: skip


@pytest.mark.parametrize("seen", LOOKED)
def test_a_look_that_fails_is_never_a_pass(seen: AccountFacts) -> None:
    findings = found(seen)
    assert {each.verdict for each in findings} <= {"pass", "unknown"}
    unknown = [each for each in findings if each.verdict == "unknown"]
    assert unknown
    assert {each.permission for each in unknown} == {"service:Look"}
    assert all(each.fix for each in unknown)


def test_a_trail_of_all_regions_covers_those_that_could_not_be_listed() -> None:
    for unseen in (account(region=region(trails=NO)), account(enabled=NO)):
        verdicts = {each.check: each.verdict for each in found(unseen)}
        assert verdicts["trail-every-region"] == verdicts["trail-management-events"] == "pass"
    one = trail(IsMultiRegionTrail=False)
    for unseen in (
        account(trail=one, regions=[region()], enabled=NO),
        account(trail=one, regions=[region(), region(name="eu-north-1", trails=NO)]),
    ):
        verdicts = {each.check: each.verdict for each in found(unseen)}
        assert verdicts["trail-every-region"] == verdicts["trail-management-events"] == "unknown"
    chosen = account(trail=one, regions=[region()], enabled=NO, chosen=True)
    verdicts = {each.check: each.verdict for each in found(chosen)}
    assert verdicts["trail-every-region"] == verdicts["trail-management-events"] == "pass"


def test_an_account_block_counts_where_it_is_known_and_else_nothing_is() -> None:
    (finding,) = of(
        "bucket-public-access", account(bucket=bucket(public_access=None), account_block=NO)
    )
    assert finding.verdict == "unknown"


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ({"StringEquals": {"aws:SourceArn": SETUP.trail_arn}}, "pass"),
        ({"ArnLike": {"AWS:SourceArn": [SETUP.trail_arn]}}, "pass"),
        ({"StringEquals": {"aws:SourceAccount": ACCOUNT}}, "pass"),
        ({"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}, "fail"),
        ({"StringLike": {"aws:SourceArn": "*"}}, "fail"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:cloudtrail:*:*:trail/*"}}, "fail"),
        ({"StringEquals": {"aws:SourceOrgID": "o-abcdefghij"}}, "pass"),
        ({"StringNotEquals": {"aws:SourceArn": "x"}}, "fail"),
        ({"StringEqualsIfExists": {"aws:SourceArn": SETUP.trail_arn}}, "fail"),
    ],
)
def test_a_bucket_policy_names_the_trail(condition: dict[str, Any], verdict: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["cloudtrail.amazonaws.com"]},
        "Action": ["s3:Put*"],
        "Resource": "*",
        "Condition": condition,
    }
    (finding,) = of("bucket-policy", account(bucket=bucket(policy={"Statement": statement})))
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "pass"),
        ({"Action": "*"}, "pass"),
        ({"Resource": [f"arn:aws:s3:::{SETUP.bucket_name}*"]}, "pass"),
        ({"Principal": {"AWS": "*"}}, "pass"),
        ({"Action": "s3:GetObject"}, "fail"),
        ({"Resource": f"arn:aws:s3:::{SETUP.bucket_name}/*"}, "fail"),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, "fail"),
        ({"Effect": "Allow"}, "fail"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, "fail"),
        (
            {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "IpAddress": {"x": "y"}}},
            "fail",
        ),
    ],
)
def test_a_bucket_without_tls_is_denied_to_all(change: dict[str, Any], verdict: str) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{SETUP.bucket_name}", f"arn:aws:s3:::{SETUP.bucket_name}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": ["false"]}},
        **change,
    }
    (finding,) = of("bucket-tls", account(bucket=bucket(policy={"Statement": [statement]})))
    assert finding.verdict == verdict


def test_data_events_are_asked_of_the_buckets_that_matter() -> None:
    narrow = trail(
        selectors=[
            {
                "Name": "x",
                "FieldSelectors": [
                    {"Field": "eventCategory", "Equals": ["Data"]},
                    {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                    {"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::payroll/"]},
                ],
            }
        ]
    )
    (every,) = of("data-events-read", account(trail=narrow))
    assert (every.verdict, every.resource) == ("fail", "bucket payroll")
    both = account(trail=narrow, own_buckets=frozenset({"a", "payroll"}))
    some = of("data-events-read", both, wanted=Requirements(buckets=("a", "payroll")))
    assert [each.verdict for each in some] == ["pass", "fail"]
    assert "--data-bucket payroll" in some[1].fix


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({"elsewhere": {"x": False}}, "unknown", "there is no such bucket"),
        ({"elsewhere": {"x": NO}}, "unknown", "belongs to another account"),
        ({"elsewhere": {"x": True}}, "unknown", "belongs to another account"),
        ({"elsewhere": {"x": replace(NO, denied=False)}}, "unknown", NO.reason),
        ({"own_buckets": NO, "elsewhere": {"x": NO}}, "unknown", NO.reason),
        ({"own_buckets": NO, "elsewhere": {"x": False}}, "unknown", "there is no such bucket"),
        ({"own_buckets": NO, "elsewhere": {"x": True}}, "pass", "by trail"),
        ({"own_buckets": frozenset({"x"})}, "pass", "by trail"),
    ],
)
def test_a_bucket_that_is_not_there_or_not_ours_is_no_pass(
    changes: dict[str, Any], verdict: str, said: str
) -> None:
    for check in ("data-events-read", "data-events-write"):
        (finding,) = of(check, account(**changes), wanted=Requirements(buckets=("x",)))
        assert (finding.verdict, finding.resource) == (verdict, "bucket x")
        assert said in finding.evidence


def test_a_bucket_of_another_account_that_is_read_is_judged_there() -> None:
    wanted = Requirements(buckets=("theirs",))
    other = replace(member(), own_buckets=frozenset({"theirs"}))
    first, second = of("data-events-read", account(), other, wanted=wanted)
    assert (first.verdict, "444455556666" in first.evidence) == ("not_applicable", True)
    assert second.verdict == "pass"


def test_several_filters_together_cover_a_control() -> None:
    calls = sorted(f"4.5 {call}" for call in monitored.MONITORED[4].calls)
    one = MetricFilterFacts(name="a", metrics=(("N", "A"),), matches=frozenset(calls[:2]))
    other = MetricFilterFacts(name="b", metrics=(("N", "B"),), matches=frozenset(calls[2:]))
    alarms = [alarm(MetricName="A"), alarm(MetricName="B", AlarmName="second")]
    both = account(group=group(filters=[one, other], alarms=alarms))
    assert of("alarm-trail-changes", both)[0].verdict == "pass"
    (half,) = of("alarm-trail-changes", account(group=group(filters=[one], alarms=alarms)))
    assert (half.verdict, "StopLogging" in half.evidence) == ("fail", True)
    assert half.fix == "trailhound aws alarms --plan --region eu-west-1"
    math = alarm(
        MetricName=None,
        Namespace=None,
        Metrics=[{"MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}}}],
    )
    assert of("alarm-root-use", account(group=group(alarms=[math])))[0].verdict == "pass"


def test_an_unconfirmed_subscription_is_one_cause_of_all_alarms_that_fail() -> None:
    topic = SETUP.alarm_topic_arn
    silent = account(group=group(topics={topic: [{"SubscriptionArn": "PendingConfirmation"}]}))
    failed = [each for each in found(silent) if each.verdict == "fail"]
    assert len(failed) > 10
    (same,) = {(each.resource, each.evidence, each.fix) for each in failed}
    assert same[2].startswith("trailhound aws setup --plan --region eu-west-1")
    assert "--subscribe ADDRESS" in same[2]


def member(**changes: Any) -> AccountFacts:
    """A member that shows the organisation's trail, and owns none of its things."""
    return account(
        id="444455556666",
        bucket=bucket(**{each.name: NO for each in fields(bucket()) if each.name != "name"}),
        own_buckets=frozenset({"payroll"}),
        groups={},
        **changes,
    )


def test_an_organisations_trail_is_judged_once_and_by_its_owner() -> None:
    owner, other = account(), member()
    findings = found(other, owner)
    assert {each.verdict for each in findings} == {"pass"}
    judged = [each.account for each in findings if each.check == "bucket-tls"]
    assert judged == [ACCOUNT]
    assert {each.account for each in findings if each.check == "alarm-root-use"} == {
        ACCOUNT,
        "444455556666",
    }


def test_a_member_alone_does_not_know_what_belongs_to_others() -> None:
    findings = {each.check: each for each in found(member())}
    assert findings["trail-every-region"].verdict == "pass"
    assert findings["organisation-trail"].verdict == "pass"
    assert findings["bucket-tls"].verdict == "unknown"
    assert "another account" in findings["bucket-tls"].evidence
    assert findings["alarm-root-use"].verdict == "unknown"
    assert f"--account {GROUP.split(':')[4]}" in findings["alarm-root-use"].fix


def test_the_fix_of_another_trail_is_a_command_of_the_aws_cli() -> None:
    theirs = trail(S3KeyPrefix="", LogFileValidationEnabled=False, Name="theirs")
    (finding,) = of("trail-validation", account(trail=theirs))
    assert finding.fix == (
        f"aws cloudtrail update-trail --name {SETUP.trail_arn} --enable-log-file-validation "
        "--region eu-west-1"
    )
    (ours,) = of("trail-validation", account(trail=trail(LogFileValidationEnabled=False)))
    assert ours.fix == (
        "trailhound aws setup --plan --region eu-west-1 --organisation o-abcdefghij --kms"
    )


def test_the_json_is_as_the_schema_says_and_is_read_again(tmp_path: Path) -> None:
    made = posture()
    require_listing(made.as_dict(), "aws check")
    file = tmp_path / "posture.json"
    file.write_text(json.dumps(made.as_dict()))
    assert read_posture(file) == made
    assert made.as_dict()["totals"]["fail"] == made.count()["fail"] == 1
    assert [each.check for each in made.open("medium")] == ["trail-kms"]
    assert {each.check for each in made.open()} == {"trail-kms", "security-hub"}


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"version": 2}', '{"version": 1}',
        '{"version":1,"taken":"","accounts":[],"checks":[],"unreached":[],"findings":[{}]}',
        ('{"version":1,"taken":"","accounts":[],"checks":[],"unreached":[],"findings":['
         '{"check":"x","verdict":"pass","account":"1","resource":"","evidence":""}]}'),
    ],
)  # fmt: skip
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "posture.json"
    file.write_text(text)
    with pytest.raises(UsageError):
        read_posture(file)
    with pytest.raises(UsageError):
        read_posture(tmp_path / "missing.json")


def test_the_policy_names_each_permission_once() -> None:
    (statement,) = policy()["Statement"]
    actions = statement["Action"]
    assert sorted(set(actions)) == actions
    assert "*" not in "".join(actions)
    every = policy(organisation=True, role="check")["Statement"]
    assert {action for each in every for action in each["Action"]} == {
        *(each.permission for each in READ_CALLS.values()),
        "sts:AssumeRole",
    }


def test_accounts_with_events_that_were_not_checked_are_a_gap() -> None:
    assert unchecked(posture(), [ACCOUNT]) == []
    (gap,) = unchecked(posture(), [ACCOUNT, "444455556666"])
    assert "444455556666" in gap.detail
    assert posture().of_accounts([]) == posture()
    assert posture().of_accounts(["444455556666"]).findings == ()
