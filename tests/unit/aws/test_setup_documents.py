"""A set-up's documents, its template from the same source, its costs, and how parts are merged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.parsers import ResponseParserError
from typer.testing import CliRunner

from trailhound.aws import documents
from trailhound.aws.cost import event_costs, storage_costs
from trailhound.aws.names import TrailSetup
from trailhound.aws.parts import Part, applied, by, difference, planned, same, statements
from trailhound.aws.refusals import refusals, refused
from trailhound.aws.template import for_a_stack, template
from trailhound.cli.main import app
from trailhound.errors import AwsError, UsageError

SETUP = TrailSetup(account="111122223333", region="eu-west-1")
VARIANTS = {
    "plain": [],
    "whole": ["--kms", "--object-lock", "30", "--subscribe", "ada@example.com"],
    "narrow": ["--data-bucket", "data", "--data-writes-only", "--no-insights", "--move-small"],
    "organisation": ["--organisation", "o-abcdefghij", "--no-data-events"],
}


def test_the_template_is_one_that_cloudformation_takes(tmp_path: Path) -> None:
    for variant, given in VARIANTS.items():
        done = CliRunner().invoke(app, ["aws", "setup", "--format", "cloudformation", *given])
        assert done.exit_code == 0, f"{done.output}{done.exception}"
        (tmp_path / f"{variant}.json").write_text(done.stdout, "utf-8")
    lint = Path(sys.executable).parent / "cfn-lint"  # comes with moto
    judged = subprocess.run(
        [lint, *sorted(tmp_path.glob("*.json"))], capture_output=True, text=True, check=False
    )
    assert (judged.returncode, judged.stdout) == (0, "")


def in_account(value: Any) -> Any:
    """What CloudFormation makes of a template's texts in the account of `SETUP`."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Sub"}:
            text = str(value["Fn::Sub"])
            for place, meant in (
                ("AWS::AccountId", SETUP.account),
                ("AWS::Region", SETUP.region),
                ("AWS::Partition", SETUP.partition),
            ):
                text = text.replace(f"${{{place}}}", meant)
            return text
        return {name: in_account(each) for name, each in value.items()}
    return [in_account(each) for each in value] if isinstance(value, list) else value


def test_the_template_has_the_same_documents_as_the_calls() -> None:
    made = in_account(template(for_a_stack(SETUP)))["Resources"]
    properties = {name: each["Properties"] for name, each in made.items()}
    bucket, trail = properties["TrailBucket"], properties["Trail"]
    assert bucket["BucketName"] == SETUP.bucket_name
    assert properties["TrailBucketPolicy"]["PolicyDocument"] == documents.bucket_policy(SETUP)
    assert properties["TrailFilesQueuePolicy"]["PolicyDocument"] == documents.queue_policy(SETUP)
    assert properties["TrailFilesTopicPolicy"]["PolicyDocument"] == documents.topic_policy(SETUP)
    assert properties["DaemonRole"]["Policies"][0][
        "PolicyDocument"
    ] == documents.daemon_permissions(SETUP)
    assert trail["AdvancedEventSelectors"] == documents.event_selectors(SETUP)
    assert properties["LogGroup"]["RetentionInDays"] == 90
    assert made["TrailBucket"]["DeletionPolicy"] == "Retain"


def test_digests_stay_in_standard_also_where_small_files_move() -> None:
    plain = documents.lifecycle_rule(SETUP)["Filter"]["And"]
    assert plain == {"Prefix": "cloudtrail-logs/", "ObjectSizeGreaterThan": 131_072}
    small = TrailSetup(account=SETUP.account, region=SETUP.region, move_small=True)
    prefix = documents.lifecycle_rule(small)["Filter"]["And"]["Prefix"]
    digest = f"cloudtrail-logs/AWSLogs/{SETUP.account}/CloudTrail-Digest/eu-west-1/x.json.gz"
    trail_file = f"cloudtrail-logs/AWSLogs/{SETUP.account}/CloudTrail/eu-west-1/x.json.gz"
    assert trail_file.startswith(prefix)
    assert not digest.startswith(prefix)


def test_moving_small_files_costs_more_than_it_saves_and_large_ones_less() -> None:
    for years in (1, 5, 10):
        small = storage_costs(files_a_day=1_500, file_bytes=10_000, years=years)
        still, moved = (each.total for each in small)
        assert moved > 2 * still
        assert small[0].monthly == pytest.approx(still / (12 * years))
    large = storage_costs(files_a_day=10, file_bytes=100_000_000, years=10)
    assert large[0].total == large[1].total


def test_a_file_that_stays_costs_by_its_days() -> None:
    """1 GB a day for a year: on average half a year each, at Standard's price a month."""
    (still, _) = storage_costs(files_a_day=2**30 // 2**16, file_bytes=2**16, years=1)
    assert still.total == pytest.approx(0.023 * 12 / 365 * 365 * 366 / 2)


def test_costs_of_events_are_of_the_same_time() -> None:
    asked = {"data_events_a_day": 1_000_000, "management_events_a_day": 0}
    (data, *_) = event_costs(**asked, insights=2, data=True, years=3)
    assert data.total == pytest.approx(3 * 365)
    assert data.monthly == pytest.approx(365 / 12)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ({"a": 1, "b": ["x", "y"]}, {"b": ["y", "x"], "a": 1.0}, True),
        ([{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 1}], False),
        (True, 1, False),
        ("1", 1, False),
        (None, [], False),
    ],
)
def test_what_aws_gives_back_in_another_order_is_no_difference(
    one: Any, other: Any, alike: bool
) -> None:
    assert same(one, other) is alike
    assert bool(list(difference(one, other))) is not alike


def test_a_merge_keeps_what_is_not_ours() -> None:
    now = {"Version": "2008-10-17", "Id": "x", "Statement": [{"Sid": "a"}, {"Effect": "Deny"}]}
    then = statements(now, {"Version": "2012-10-17", "Statement": [{"Sid": "b"}]})
    assert then["Statement"] == [{"Sid": "a"}, {"Effect": "Deny"}, {"Sid": "b"}]
    assert then["Id"] == "x"
    assert by("ID")(None, [{"ID": "a"}]) == [{"ID": "a"}]


def test_what_somebody_changed_since_the_plan_is_not_written() -> None:
    there = {"one": 1, "two": 1}
    parts = [
        Part(name, 2, lambda name=name: there[name], lambda then, _: there.update(one=then))  # type: ignore[misc]
        for name in there
    ]
    changes = planned(parts)
    there["two"] = 3
    with pytest.raises(AwsError) as error:
        applied(changes, lambda *_: None)
    assert "two: somebody changed it" in error.value.message
    assert "written: one\nnot written: two" in error.value.message
    assert there == {"one": 2, "two": 3}


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("AccessDenied", "docs/aws.md"),
        ("ExpiredTokenException", "renew"),
        ("ThrottlingException", "wait a minute"),
        ("RequestTimeTooSkewed", "clock"),
        ("BucketAlreadyExists", "--bucket"),
        ("SomethingNew", "what AWS says"),
    ],
)
def test_a_refusal_says_what_to_do_and_no_secret(code: str, hint: str) -> None:
    said = "no https://u:secret@x/?X-Amz-Signature=secret \x1b[2J"
    reply: Any = {"Error": {"Code": code, "Message": said}}
    error = refused(ClientError(reply, "CreateTrail"), "trail x")
    assert hint in error.hint
    assert "trail x" in error.message
    assert code in error.message
    assert "secret" not in error.message
    assert "\x1b" not in error.message


def test_no_answer_and_no_credentials_are_sentences() -> None:
    unreachable = EndpointConnectionError(endpoint_url="https://u:secret@x")
    assert "secret" not in refused(unreachable, "x").message
    portal = ResponseParserError("invalid XML received: <html>secret")
    with pytest.raises(AwsError, match="did not answer") as error, refusals("x"):
        raise portal
    assert "secret" not in error.value.message
    assert "aws.profile" in refused(NoCredentialsError(), "x").hint


@pytest.mark.parametrize(
    "arguments",
    [
        ["--plan", "--apply"],
        ["--delete-bucket", "x"],
        ["--name", "Ä"],
        ["--bucket", "UPPER"],
        ["--organisation", "acme"],
        ["--subscribe", "ada"],
        ["--no-data-events", "--data-bucket", "data"],
        ["--move-small", "--organisation", "o-abcdefghij"],
    ],
)
def test_what_contradicts_itself_is_refused_before_aws_is_asked(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["aws", "setup", *arguments], env={"AWS_REGION": "x"})
    assert isinstance(done.exception, UsageError)


def test_the_shipped_policy_of_the_daemon_allows_the_same() -> None:
    shipped = json.loads(
        (Path(__file__).parents[3] / "docs/deploy/iam-policy.json").read_text("utf-8")
    )
    ours = documents.daemon_permissions(SETUP)
    follow = {each["Sid"]: each["Action"] for each in shipped["Statement"]}["FollowTheQueue"]
    assert ours["Statement"][0]["Action"] == follow
