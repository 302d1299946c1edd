"""What is advised about an incident: what its events prove, in commands that a shell may get."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import Any

import pytest

from detections.incidents.containment import LeftCalls, containment

NOW = datetime(2025, 3, 4, tzinfo=UTC)
ACCOUNT = "111122223333"
USER = {
    "type": "IAMUser",
    "accountId": ACCOUNT,
    "userName": "ada",
    "accessKeyId": "AKIAIOSFODNN7EXAMPLE",
}
ISSUER = {
    "type": "Role",
    "arn": f"arn:aws:iam::{ACCOUNT}:role/Ops",
    "accountId": ACCOUNT,
    "userName": "Ops",
}
SESSION = {
    "type": "AssumedRole",
    "accountId": ACCOUNT,
    "accessKeyId": "ASIAIOSFODNN7EXAMPLE",
    "sessionContext": {"sessionIssuer": ISSUER},
}


def event(
    name: str,
    request: dict[str, Any] | None = None,
    response: dict[str, Any] | None = None,
    source: str = "iam",
    **more: Any,
) -> dict[str, Any]:
    return {
        "eventName": name,
        "eventSource": f"{source}.amazonaws.com",
        "eventTime": "2025-03-03T12:00:00Z",
        "awsRegion": "eu-west-1",
        "recipientAccountId": ACCOUNT,
        "readOnly": False,
        "userIdentity": USER,
        "requestParameters": request,
        "responseElements": response,
        **more,
    }


def used(identity: dict[str, Any]) -> dict[str, Any]:
    return event("GetCallerIdentity", source="sts", readOnly=True, userIdentity=identity)


def commands(*changes: dict[str, Any], by: tuple[dict[str, Any], ...] = ()) -> list[list[str]]:
    found = containment([used(each) for each in by], changes, LeftCalls(), NOW)
    return [shlex.split(each.command) for each in found.steps]


KEY = event(
    "CreateAccessKey",
    {"userName": "eve"},
    {"accessKey": {"userName": "eve", "accessKeyId": "AKIAI44QH8DHBEXAMPLE"}},
)


def test_credentials_come_first_and_holders_last() -> None:
    made = [
        event("CreateUser", {"userName": "eve"}),
        event(
            "AttachUserPolicy", {"userName": "eve", "policyArn": "arn:aws:iam::aws:policy/Admin"}
        ),
        KEY,
    ]
    assert [each[1:3] for each in commands(*made, by=(USER,))] == [
        ["iam", "update-access-key"],
        ["iam", "update-access-key"],
        ["iam", "detach-user-policy"],
        ["iam", "delete-user"],
    ]


def test_a_key_that_was_made_and_used_is_named_once() -> None:
    own = {**USER, "userName": "eve", "accessKeyId": "AKIAI44QH8DHBEXAMPLE"}
    (only,) = commands(KEY, by=(own,))
    assert only == shlex.split(
        "aws iam update-access-key --access-key-id AKIAI44QH8DHBEXAMPLE --user-name eve "
        "--status Inactive"
    )


def test_sessions_of_a_role_are_revoked_up_to_now() -> None:
    (words,) = commands(by=(SESSION,))
    assert words[:6] == ["aws", "iam", "put-role-policy", "--role-name", "Ops", "--policy-name"]
    assert '"aws:TokenIssueTime":"2025-03-04T00:00:00Z"' in words[-1]


def test_what_no_command_ends_is_said_without_one() -> None:
    path = "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0a1b"
    issuer = ISSUER | {"arn": f"arn:aws:iam::{ACCOUNT}:{path}"}
    sso = SESSION | {"sessionContext": {"sessionIssuer": issuer}}
    root = {"type": "Root", "accountId": ACCOUNT}
    others = LeftCalls({"TagRole": 2}, {"TagRole": ("Ops",)})
    found = containment([used(sso), used(root)], [event("StopLogging")], others, NOW)
    assert [each.command for each in found.steps] == ["", "", ""]
    assert "IAM Identity Center" in found.steps[0].what
    assert found.as_dict()["left"] == {"TagRole": 2, "StopLogging": 1}
    assert found.as_dict()["left_objects"] == {"TagRole": ["Ops"]}


def test_what_failed_was_read_or_is_gone_again_is_left_out() -> None:
    changes = (
        event("CreateUser", {"userName": "eve"}, errorCode="AccessDenied"),
        event("CreateRole", {"roleName": "r"}, readOnly=True),
        KEY,
        event("DeleteAccessKey", {"accessKeyId": "AKIAI44QH8DHBEXAMPLE"}),
        event("StopLogging", {"name": "trail"}, source="cloudtrail"),
        event("DeleteTrail", {"name": "trail"}, source="cloudtrail"),
        event("ConsoleLogin", source="signin", event={"outcome": "failure"}),
    )
    found = containment([], changes, LeftCalls(), NOW)
    assert [(each.event, each.command) for each in found.steps] == [("DeleteTrail", "")]
    assert found.left == {}


def test_the_deletion_of_a_person_of_another_directory_hides_no_user() -> None:
    """Two services have a `DeleteUser`."""
    gone = event("DeleteUser", {"userName": "eve", "userId": "eve"}, source="identitystore")
    (words,) = commands(event("CreateUser", {"userName": "eve"}), gone)
    assert words[:3] == ["aws", "iam", "delete-user"]


def test_an_old_event_that_does_not_say_whether_it_read_is_judged_by_its_name() -> None:
    old = [event(name, readOnly=None) for name in ("ListUsers", "DescribeClusters", "TagUser")]
    found = containment([], old, LeftCalls(), NOW)
    assert found.left == {"TagUser": 1}


def test_the_same_name_in_another_account_or_region_is_another_thing() -> None:
    """A role that every account of an organization has; and an intruder who, where it does not
    matter, takes away a user of that name, or starts a trail, hides nothing by it."""
    there = "444455556666"
    issuer = {**ISSUER, "accountId": there, "arn": f"arn:aws:iam::{there}:role/Ops"}
    other = {**SESSION, "accountId": there, "sessionContext": {"sessionIssuer": issuer}}
    user, stopped = {"userName": "eve"}, event("StopLogging", {"name": "main"}, source="cloudtrail")
    changes = (
        event("CreateUser", user),
        event("CreateUser", user, recipientAccountId=there),
        event("DeleteUser", user, recipientAccountId=there),
        stopped,
        {**stopped, "recipientAccountId": there},
        {**stopped, "eventName": "StartLogging", "awsRegion": "us-east-1"},
    )
    found = containment(map(used, (SESSION, other)), changes, LeftCalls(), NOW)
    assert [(each.account, each.event) for each in found.steps] == [
        *((account, "GetCallerIdentity") for account in (ACCOUNT, there)),
        *((account, "StopLogging") for account in (ACCOUNT, there)),
        (ACCOUNT, "CreateUser"),
    ]


def test_a_trail_that_logs_again_still_has_other_settings() -> None:
    name = {"name": "main"}
    calls = {
        "StopLogging": name,
        "UpdateTrail": {**name, "s3BucketName": "elsewhere"},
        "PutEventSelectors": {"trailName": "main"},
        "StartLogging": name,
    }
    changes = [event(call, given, source="cloudtrail") for call, given in calls.items()]
    found = containment([], changes, LeftCalls(), NOW).steps
    assert [each.event for each in found] == ["UpdateTrail", "PutEventSelectors"]


def test_a_snapshot_that_is_deleted_was_given_away_all_the_same() -> None:
    shared = {
        "snapshotId": "snap-0123456789abcdef0",
        "createVolumePermission": {"add": {"items": [{"userId": "999988887777"}]}},
    }
    changes = [
        event("ModifySnapshotAttribute", shared, source="ec2"),
        event("DeleteSnapshot", {"snapshotId": shared["snapshotId"]}, source="ec2"),
    ]
    found = containment([], changes, LeftCalls(), NOW).steps
    assert [each.event for each in found] == ["ModifySnapshotAttribute"]
    assert found[0].outsiders == ("999988887777",)


def test_the_resources_of_one_call_are_one_command() -> None:
    items = [{"instanceId": "i-0123456789abcdef0"}, {"instanceId": "i-0123456789abcdef1"}]
    (words,) = commands(
        event("RunInstances", response={"instancesSet": {"items": items}}, source="ec2")
    )
    assert words == [
        *("aws", "ec2", "stop-instances", "--instance-ids"),
        *("i-0123456789abcdef0", "i-0123456789abcdef1", "--region", "eu-west-1"),
    ]


@pytest.mark.parametrize(
    "name",
    ["a; rm -rf ~", "$(id)", "a\nb", "`id`", "'", "file:///etc/passwd", "a b", "\u202eeve", ""],
)
def test_a_name_that_aws_does_not_allow_is_in_no_command(name: str) -> None:
    hostile = [
        event("CreateUser", {"userName": name}),
        event("PutRolePolicy", {"roleName": "r", "policyName": name}),
        event("StopLogging", {"name": name}, source="cloudtrail"),
        event("StopLogging", {"name": "trail"}, source="cloudtrail", awsRegion=name),
    ]
    assert [each for each in commands(*hostile) if each] == []
    assert commands(by=({**USER, "userName": name},)) == [[]]


def test_a_name_that_begins_with_a_dash_is_no_option() -> None:
    (words,) = commands(event("CreateUser", {"userName": "--profile"}))
    assert words == ["aws", "iam", "delete-user", "--user-name=--profile"]


def test_the_steps_of_the_principals_with_the_most_severe_alerts_come_first() -> None:
    other = USER | {"userName": "bob", "accessKeyId": "AKIAIOSFODNN7EXAMPLF"}
    made = [
        event("CreateUser", {"userName": name}, userIdentity=identity)
        for name, identity in (("of-ada", USER), ("of-bob", other))
    ]
    order = {other["accessKeyId"]: 0, USER["accessKeyId"]: 1}
    found = containment([], made, LeftCalls(), NOW, order=order).steps
    assert [each.object for each in found] == ["of-bob", "of-ada"]
