"""`trailhound aws setup` against AWS's APIs as moto speaks them: plan, apply, again, and remove."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from tests.helpers.aws_api import AwsApi
from tests.helpers.namespaces import new_name
from tests.helpers.schemas import require_listing
from trailhound.aws.names import TAG
from trailhound.cli.main import app
from trailhound.errors import AwsError, SettingsError, UsageError

ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"

OF_THE_TESTS = {
    "sts:GetCallerIdentity",  # needs no permission
    "s3:ListAllMyBuckets",
    "cloudtrail:StopLogging",
    "s3:PutObject",
    "sqs:ReceiveMessage",
}
"""Calls that the tests make themselves, or that nobody has to be granted."""

pytestmark = pytest.mark.integration


Setup = Callable[..., Result]


def setup_of(name: str) -> Setup:
    return lambda *more: CliRunner().invoke(app, ["aws", "setup", "--name", name, *more])


@pytest.fixture(scope="module")
def set_up(aws_api: AwsApi) -> tuple[str, Result]:
    """One that is applied, and what was said then."""
    name = new_name()
    assert set(actions(setup_of(name)("--plan", "--json")).values()) == {"create"}
    assert "s3:CreateBucket" not in aws_api.calls
    return name, setup_of(name)("--apply")


@pytest.fixture
def name(aws_api: AwsApi) -> Iterator[str]:
    yield new_name()
    aws_api.refusals.clear()


@pytest.fixture
def setup(name: str) -> Setup:
    return setup_of(name)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))


def bucket_of(name: str) -> str:
    return f"{name}-logs-{ACCOUNT}-us-east-1"


def actions(done: Result) -> dict[str, str]:
    """Part → what is to be done, of a plan."""
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    found = json.loads(done.stdout)
    require_listing(found, "aws setup")
    return {each["part"]: each["action"] for each in found["parts"]}


def test_what_is_planned_is_made_and_a_second_time_nothing_changes(
    set_up: tuple[str, Result],
) -> None:
    name, made = set_up
    setup = setup_of(name)
    assert made.exit_code == 0, f"{made.output}{made.exception}"
    assert made.output.splitlines()[-2:] == [
        f"trailhound run --queue arn:aws:sqs:us-east-1:{ACCOUNT}:{name}-trail-files",
        f"trailhound backfill s3://{bucket_of(name)}/cloudtrail-logs/",
    ]
    again = setup("--apply", "--json")
    assert set(actions(again).values()) == {"unchanged"}
    assert json.loads(again.stdout)["logging"] is True

    s3, bucket = boto3.client("s3"), bucket_of(name)
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (rule["ID"], rule["Filter"]["And"]["Prefix"]) == (
        "CloudTrailLogRetention",
        "cloudtrail-logs/",
    )
    assert [(each["Days"], each["StorageClass"]) for each in rule["Transitions"]] == [
        (30, "STANDARD_IA"),
        (90, "GLACIER"),
        (2_555, "DEEP_ARCHIVE"),
    ]
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    sids = {each["Sid"] for each in policy_of(bucket)["Statement"]}
    assert sids == {"AWSCloudTrailAclCheck", "AWSCloudTrailWrite", "TrailhoundOnlyTls"}
    trail = boto3.client("cloudtrail").get_trail(Name=name)["Trail"]
    assert trail["S3KeyPrefix"] == "cloudtrail-logs"
    assert trail["IncludeGlobalServiceEvents"]
    assert trail["IsMultiRegionTrail"]
    assert trail["LogFileValidationEnabled"]
    assert boto3.client("cloudtrail").get_trail_status(Name=name)["IsLogging"]
    assert log_group(name)["retentionInDays"] == 90


def test_a_plan_says_that_nothing_was_changed_and_how_to_apply_it(
    name: str, setup: Setup, aws_api: AwsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--no-insights", "--data-bucket", "one-bucket", "--data-bucket", "two"]
    monkeypatch.setenv("TRAILHOUND_AWS__ENDPOINT_URL", "http://127.0.0.1:9")
    done = setup("--plan", *flags, "--files-a-day", "7")
    assert done.exit_code == 0, f"{done.output}{done.exception}"
    lines = done.stderr.splitlines()
    assert "AWS_ENDPOINT_URL" in lines[0]
    parts = len(done.stdout.splitlines()) - 1
    assert f"{parts} parts to create, 0 to change, 0 as they are to be" in lines[1]
    assert "nothing was changed" in lines[1]
    assert "new: bucket 1, topic 2, queue 2, subscription 1, log group 1, role 2, trail 1" in lines
    words = lines[-1].split()
    assert words[:4] == ["trailhound", "aws", "setup", "--apply"]
    assert sorted(words[4:]) == sorted(["--name", name, *flags])
    assert "trailhound run" not in done.output
    found = json.loads(setup("--json", *flags, "--files-a-day", "7").stdout)
    assert found["applied"] is False
    assert found["apply"] == lines[-1]
    # 1,100,000 events of 350 bytes, in 7 files.
    assert "7 files a day of 55,000,000 bytes" in found["costs"][-1]["of"]
    assert found["assumed"] == ["--data-events-a-day", "--management-events-a-day", "--file-bytes"]


def policy_of(bucket: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        boto3.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]
    )
    return found


def without_tls(bucket: str) -> None:
    """Let this test put files into a bucket: moto obeys the policy, and has no TLS."""
    policy = policy_of(bucket)
    policy["Statement"] = [each for each in policy["Statement"] if "OnlyTls" not in each["Sid"]]
    boto3.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def log_group(name: str) -> dict[str, Any]:
    groups = boto3.client("logs").describe_log_groups(logGroupNamePrefix=f"/{name}/")
    (found,) = groups["logGroups"]
    return dict(found)


def test_a_file_in_the_bucket_is_a_message_in_the_queue(
    set_up: tuple[str, Result],
) -> None:
    name, _ = set_up
    with pytest.raises(ClientError):  # moto is spoken to without TLS
        boto3.client("s3").put_object(Bucket=bucket_of(name), Key="x", Body=b"x")
    without_tls(bucket_of(name))
    key = f"cloudtrail-logs/AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2025/03/01/x.json.gz"
    for each in (key, "cloudtrail-logs/notes.txt"):
        boto3.client("s3").put_object(Bucket=bucket_of(name), Key=each, Body=b"x")
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{name}-trail-files")["QueueUrl"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    bodies = [json.loads(each["Body"]) for each in received]
    assert [each.get("Event") for each in bodies].count("s3:TestEvent") == len(bodies) - 1
    ((event,),) = (each["Records"] for each in bodies if "Records" in each)
    assert unquote(event["s3"]["object"]["key"]) == key


def test_data_events_leave_out_the_log_bucket_and_the_daemon(
    set_up: tuple[str, Result],
) -> None:
    name, _ = set_up
    setup = setup_of(name)
    selectors = boto3.client("cloudtrail").get_event_selectors(TrailName=name)
    by_type = {
        field["Equals"][0]: {each["Field"]: each for each in selector["FieldSelectors"]}
        for selector in selectors["AdvancedEventSelectors"]
        for field in selector["FieldSelectors"]
        if field["Field"] in ("resources.type", "eventCategory")
    }
    assert {"Management", "AWS::S3::Object", "AWS::Lambda::Function"} <= set(by_type)
    objects = by_type["AWS::S3::Object"]
    assert objects["resources.ARN"]["NotStartsWith"] == [f"arn:aws:s3:::{bucket_of(name)}/"]
    assert objects["userIdentity.arn"]["NotStartsWith"] == [
        f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}-daemon/"
    ]
    assert isinstance(setup("--data-bucket", bucket_of(name)).exception, UsageError)


def test_what_others_set_stays_and_what_is_by_hand_is_shown_and_put_right(
    set_up: tuple[str, Result],
) -> None:
    name, _ = set_up
    setup = setup_of(name)
    s3, cloudtrail, bucket = boto3.client("s3"), boto3.client("cloudtrail"), bucket_of(name)
    policy = policy_of(bucket)
    foreign = {
        "Sid": "Auditors",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    policy["Statement"] = [foreign, *policy["Statement"][1:]]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    cloudtrail.update_trail(Name=name, EnableLogFileValidation=False)
    cloudtrail.stop_logging(Name=name)
    own = {"Name": "Theirs", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}
    cloudtrail.put_event_selectors(TrailName=name, AdvancedEventSelectors=[own])
    planned = setup("--plan", "--json")
    assert {part for part, action in actions(planned).items() if action != "unchanged"} == {
        f"bucket {bucket}: policy",
        f"trail {name}",
        f"trail {name}: event selectors",
        f"trail {name}: logging",
    }
    lines = [line for each in json.loads(planned.stdout)["parts"] for line in each["difference"]]
    assert "- LogFileValidationEnabled: false" in lines
    assert "+ LogFileValidationEnabled: true" in lines
    assert setup("--apply").exit_code == 0
    assert foreign in policy_of(bucket)["Statement"]
    assert len(policy_of(bucket)["Statement"]) == 4
    names = [
        each["Name"]
        for each in cloudtrail.get_event_selectors(TrailName=name)["AdvancedEventSelectors"]
    ]
    assert names[0] == "Theirs"
    assert len(names) == 4
    assert set(actions(setup("--json")).values()) == {"unchanged"}


def test_a_half_failed_apply_lists_what_it_did_goes_on_and_locked_files_stay(
    setup: Setup, name: str, aws_api: AwsApi
) -> None:
    aws_api.refusals["iam:CreateRole"] = "AccessDenied"
    failed = setup("--apply", "--object-lock", "30")
    assert isinstance(failed.exception, AwsError)
    said = failed.exception.message
    assert f"role {name}-cloudtrail-logs: CreateRole is denied" in said
    assert re.search(r"^written: bucket .*, queue ", said, re.MULTILINE)
    assert f"not written: role {name}-cloudtrail-logs" in said
    assert "testing" not in said
    aws_api.refusals.clear()
    assert setup("--apply", "--object-lock", "30").exit_code == 0
    assert set(actions(setup("--json", "--object-lock", "30")).values()) == {"unchanged"}
    refused = setup("--destroy", "--yes", "--delete-bucket", bucket_of(name))
    assert isinstance(refused.exception, UsageError)
    assert "object lock" in refused.exception.message
    assert boto3.client("cloudtrail").get_trail(Name=name)


def test_only_what_is_tagged_is_removed_and_the_bucket_only_by_its_name(
    setup: Setup, name: str
) -> None:
    assert setup("--apply", "--kms", "--subscribe", "ada@example.com").exit_code == 0
    assert set(actions(setup("--kms", "--json", "--subscribe", "ada@example.com")).values()) == {
        "unchanged"
    }
    bucket = bucket_of(name)
    s3, cloudtrail = boto3.client("s3"), boto3.client("cloudtrail")
    without_tls(bucket)
    s3.put_object(Bucket=bucket, Key="cloudtrail-logs/a", Body=b"x")
    unasked = setup("--destroy")
    assert isinstance(unasked.exception, UsageError)
    wrong = setup("--destroy", "--yes", "--delete-bucket", "another")
    assert isinstance(wrong.exception, UsageError)
    assert cloudtrail.get_trail(Name=name)
    removed = json.loads(setup("--destroy", "--yes", "--json").stdout)
    require_listing(removed, "aws setup --destroy")
    kept = {each["what"] for each in removed["removals"] if each["action"] == "keep"}
    assert kept == {f"bucket {bucket}", f"key alias/{name}-trail"}
    assert (
        s3.get_bucket_notification_configuration(Bucket=bucket).get("TopicConfigurations") is None
    )
    gone = setup("--destroy", "--yes", "--delete-bucket", bucket)
    assert gone.exit_code == 0, f"{gone.output}{gone.exception}"
    assert bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}


def test_what_is_not_ours_is_refused_or_adopted_and_then_kept(setup: Setup, name: str) -> None:
    sqs = boto3.client("sqs")
    sqs.create_queue(QueueName=f"{name}-trail-files", Attributes={"VisibilityTimeout": "7"})
    boto3.client("s3").create_bucket(Bucket=bucket_of(name))
    refused = setup("--apply")
    assert isinstance(refused.exception, AwsError)
    assert f"bucket {bucket_of(name)} exists already" in refused.exception.message
    assert TAG in refused.exception.message
    assert setup("--apply", "--adopt").exit_code == 0
    deleting = setup("--destroy", "--yes", "--delete-bucket", bucket_of(name))
    assert isinstance(deleting.exception, UsageError)
    assert setup("--destroy", "--yes").exit_code == 0
    assert sqs.get_queue_url(QueueName=f"{name}-trail-files")
    assert boto3.client("s3").head_bucket(Bucket=bucket_of(name))


def test_a_bucket_of_another_account_is_refused(setup: Setup, name: str, aws_api: AwsApi) -> None:
    before = set(aws_api.calls)
    aws_api.calls.clear()
    aws_api.refusals["s3:ListBucket"] = "403"
    refused = setup("--apply")
    assert isinstance(refused.exception, AwsError)
    assert "belongs to another account" in refused.exception.message
    assert not aws_api.calls & {"s3:CreateBucket", "sns:CreateTopic"}
    aws_api.calls |= before


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredToken", "renew the credentials"),
        ("InvalidClientTokenId", "does not know the access key"),
        ("SignatureDoesNotMatch", "clock"),
    ],
)
def test_credentials_that_are_refused(setup: Setup, aws_api: AwsApi, code: str, said: str) -> None:
    aws_api.refusals["sts:GetCallerIdentity"] = code
    refused = setup()
    assert isinstance(refused.exception, AwsError)
    assert said in refused.exception.hint


def test_without_a_region_it_asks_for_one(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert isinstance(setup().exception, SettingsError)


def test_the_documented_policy_allows_every_call_so_far(
    set_up: tuple[str, Result], aws_api: AwsApi
) -> None:
    document = json.loads((ROOT / "docs/deploy/setup-policy.json").read_text("utf-8"))
    allowed = {action for each in document["Statement"] for action in each["Action"]}
    assert "*" not in "".join(allowed)
    assert aws_api.calls - allowed <= OF_THE_TESTS
