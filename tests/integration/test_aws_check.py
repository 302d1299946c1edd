"""`trailhound aws check` against AWS's APIs as moto and a stand-in speak them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from tests.helpers.aws_api import AwsApi
from tests.helpers.schemas import require_listing
from trailhound.cli.main import app
from trailhound.errors import AwsError, SettingsError, UsageError

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
REGIONS = ("--region", "us-east-1", "--region", "eu-west-1")
LEFT = {
    *("trail-kms", "bucket-delete-protection", "bucket-access-log", "log-group-encrypted"),
    *("config-every-region", "flow-logs", "security-hub"),
}
"""What fails still after a plain set-up: docs/aws-check.md."""

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws_api: AwsApi) -> Iterator[None]:
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))
    now = time.time() - 60
    aws_api.deliveries = {
        "LatestDeliveryTime": now,
        "LatestDigestDeliveryTime": now,
        "LatestCloudWatchLogsDeliveryTime": now,
    }
    yield
    aws_api.refusals.clear()


def aws(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["aws", *arguments])


def checked(*arguments: str, code: int = 1) -> dict[str, Any]:
    done = aws("check", "--json", *arguments)
    assert done.exit_code == code, f"{done.output}{done.exception}"
    found: dict[str, Any] = json.loads(done.stdout)
    require_listing(found, "aws check")
    return found


def verdicts(found: dict[str, Any], verdict: str) -> set[str]:
    return {each["check"] for each in found["findings"] if each["verdict"] == verdict}


@pytest.fixture(scope="module")
def set_up(aws_api: AwsApi) -> Iterator[str]:
    """A set-up with its alarms, that somebody subscribed to."""
    name = f"t{uuid.uuid4().hex[:10]}"
    for arguments in (
        ("setup", "--subscribe", "ada@example.com"),
        ("alarms", "--cis"),
    ):
        done = aws(*arguments, "--name", name, "--apply")
        assert done.exit_code == 0, f"{done.output}{done.exception}"
    yield name
    aws("setup", "--name", name, "--destroy", "--yes")


def test_what_was_set_up_passes_with_the_documented_permissions(
    set_up: str, aws_api: AwsApi
) -> None:
    aws_api.calls.clear()
    found = checked(*REGIONS)
    asked = set(aws_api.calls)
    bucket = f"{set_up}-logs-{ACCOUNT}-us-east-1"
    mine = [
        each
        for each in found["findings"]
        if each["resource"].endswith(f"trail/{set_up}")
        or each["resource"] in (bucket, f"/{set_up}/cloudtrail")
    ]
    assert {each["check"] for each in mine if each["verdict"] == "fail"} <= LEFT
    assert verdicts(found, "fail") <= LEFT
    assert len(verdicts(found, "pass")) > 30
    assert found["unreached"] == []
    assert {each["check"] for each in mine if each["check"].startswith("bucket-")}

    document = json.loads((ROOT / "docs/deploy/check-policy.json").read_text("utf-8"))
    printed = aws("check", "--policy")
    assert json.loads(printed.stdout) == document
    allowed = {action for each in document["Statement"] for action in each["Action"]}
    assert asked - {"sts:GetCallerIdentity"} <= allowed
    assert not [each for each in asked if not each.split(":")[1].startswith(
        ("Get", "List", "Describe"))]  # fmt: skip
    low = checked("--region", "us-east-1", "--fail-on", "high", code=0)
    assert verdicts(low, "fail") == verdicts(found, "fail")
    tried = aws("alarms", "--check", "--cis", "--name", set_up, "--json")
    assert tried.exit_code == 0, tried.output
    assert "samples of CIS 4.14" in tried.stdout


def test_what_is_denied_is_not_known_and_names_its_permission(set_up: str, aws_api: AwsApi) -> None:
    aws_api.refusals = {
        "s3:GetBucketPolicy": "AccessDenied",
        "logs:DescribeMetricFilters": "AccessDeniedException",
        "cloudtrail:GetTrailStatus": "AccessDeniedException",
    }
    found = checked("--region", "us-east-1")
    by = {each["check"]: each for each in found["findings"]}
    for check, permission in (
        ("bucket-tls", "s3:GetBucketPolicy"),
        ("alarm-root-use", "logs:DescribeMetricFilters"),
        ("trail-delivery", "cloudtrail:GetTrailStatus"),
    ):
        assert by[check]["verdict"] == "unknown"
        assert by[check]["permission"] == permission
        assert permission in by[check]["fix"]
    assert "GetBucketPolicy is denied" in by["bucket-tls"]["evidence"]
    assert "testing" not in json.dumps(found)


def test_a_bucket_that_does_not_exist_is_named_with_the_documented_permissions(
    set_up: str, aws_api: AwsApi
) -> None:
    aws_api.calls.clear()
    found = checked(
        *("--region", "us-east-1", "--bucket", "no-such-bucket-xyz"),
        *("--bucket", f"{set_up}-logs-{ACCOUNT}-us-east-1"),
    )
    document = json.loads((ROOT / "docs/deploy/check-policy.json").read_text("utf-8"))
    allowed = {action for each in document["Statement"] for action in each["Action"]}
    assert set(aws_api.calls) - {"sts:GetCallerIdentity"} <= allowed
    problems = {
        (each["verdict"], each["evidence"])
        for each in found["findings"]
        if each["resource"] == "bucket no-such-bucket-xyz"
    }
    assert problems == {("unknown", "there is no such bucket")}


def test_a_block_of_the_whole_account_counts(
    set_up: str, aws_api: AwsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3's control API has the account in its host name: it is reached by way of a proxy."""
    bucket = f"{set_up}-logs-{ACCOUNT}-us-east-1"
    boto3.client("s3").delete_public_access_block(Bucket=bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3_CONTROL", "http://s3-control.test")
    monkeypatch.setenv("HTTP_PROXY", aws_api.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for blocked in (False, True):
        aws_api.account_block = blocked
        found = checked("--region", "us-east-1")
        (finding,) = [
            each
            for each in found["findings"]
            if (each["check"], each["resource"]) == ("bucket-public-access", bucket)
        ]
        assert finding["verdict"] == ("pass" if blocked else "fail")
    assert "on the account" in finding["evidence"]


def test_a_pattern_that_is_none_of_ours_is_given_to_aws(set_up: str, aws_api: AwsApi) -> None:
    logs: Any = boto3.client("logs")
    logs.put_metric_filter(
        logGroupName=f"/{set_up}/cloudtrail",
        filterName="words",
        filterPattern="ERROR",
        metricTransformations=[{"metricName": "x", "metricNamespace": "x", "metricValue": "1"}],
    )
    aws_api.calls.clear()
    aws_api.refusals = {"logs:TestMetricFilter": "AccessDeniedException"}
    found = checked("--region", "us-east-1")
    assert "logs:TestMetricFilter" in aws_api.calls
    assert "alarm-root-use" in verdicts(found, "pass")  # another filter covers it


def test_accounts_of_an_organisation_are_read_and_those_that_fail_named(
    set_up: str, aws_api: AwsApi
) -> None:
    organizations: Any = boto3.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    ids = [
        organizations.create_account(AccountName=name, Email=f"{name}@example.com")[
            "CreateAccountStatus"
        ]["AccountId"]
        for name in ("dev", "old")
    ]
    organizations.close_account(AccountId=ids[1])
    nobody = aws("check", "--organisation")
    assert isinstance(nobody.exception, UsageError)
    assert "--role" in nobody.exception.hint
    stranger = aws("check", "--organisation", "--account", "000000000001", "--role", "x")
    assert isinstance(stranger.exception, UsageError)

    many = ("--organisation", "--role", "check", "--region", "us-east-1")
    aws_api.calls.clear()
    found = checked(*many)
    assert "sts:AssumeRole" in aws_api.calls
    policy = json.loads(aws("check", "--policy", "--organisation", "--role", "check").stdout)
    allowed = {action for each in policy["Statement"] for action in each["Action"]}
    assert aws_api.calls - {"sts:GetCallerIdentity"} <= allowed
    assert [(each["account"], each["name"]) for each in found["accounts"]][1:] == [(ids[0], "dev")]
    assert [(each["account"], each["closed"]) for each in found["unreached"]] == [(ids[1], True)]
    closed = checked(*many, "--account", ids[1])
    assert closed["accounts"] == closed["findings"] == []
    dev = {each["check"]: each for each in found["findings"] if each["account"] == ids[0]}
    assert dev["trail-every-region"]["verdict"] == "fail"
    assert dev["organisation-trail"]["verdict"] == "fail"

    aws_api.refusals = {"sts:AssumeRole": "AccessDenied"}
    partly = checked(*many, "--fail-on", "critical")
    assert [each["account"] for each in partly["accounts"]] == [ACCOUNT]
    reasons = {each["account"]: each["reason"] for each in partly["unreached"]}
    assert f"{ids[0]}:role/check: the role cannot be assumed" in reasons[ids[0]]
    assert {each["account"] for each in partly["findings"]} == {ACCOUNT}


@pytest.mark.parametrize(
    ("code", "said"),
    [("ExpiredToken", "renew the credentials"), ("SignatureDoesNotMatch", "clock")],
)
def test_credentials_that_are_refused(aws_api: AwsApi, code: str, said: str) -> None:
    aws_api.refusals["sts:GetCallerIdentity"] = code
    refused = aws("check")
    assert isinstance(refused.exception, AwsError)
    assert said in refused.exception.hint


def test_wrong_use(monkeypatch: pytest.MonkeyPatch, aws_api: AwsApi) -> None:
    assert isinstance(aws("check", "--account", "12").exception, UsageError)
    disabled = checked("--region", "us-east-1", "--region", "nowhere-1")
    (where,) = disabled["unreached"]
    assert (where["region"], where["closed"]) == ("nowhere-1", True)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert isinstance(aws("check").exception, SettingsError)
