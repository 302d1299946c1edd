"""Which links an alert has, from its events: recorded shapes, written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from detections.alerts.document import opened_by
from detections.incidents.actors import actor_of
from detections.incidents.links import issued_to, links_of

ACCOUNT = "111122223333"
OUTSIDE, OFFICE = "203.0.113.7", "198.51.100.4"
DAY = datetime(2025, 3, 1, tzinfo=UTC).date()
CENTER = "aws-reserved/sso.amazonaws.com/eu-west-1/"


def event(identity: dict[str, Any], name: str = "ListUsers", **more: Any) -> dict[str, Any]:
    return {
        "@timestamp": "2025-03-01T12:00:00Z",
        "eventName": name,
        "eventSource": "iam.amazonaws.com",
        "recipientAccountId": ACCOUNT,
        "userIdentity": {"accountId": ACCOUNT, **identity},
        "source": {"ip": OUTSIDE},
        "event": {"outcome": "success"},
        **more,
    }


def user(name: str, key: str = "") -> dict[str, Any]:
    arn = f"arn:aws:iam::{ACCOUNT}:user/team/{name}"
    return {"type": "IAMUser", "arn": arn, "userName": name, "accessKeyId": key}


def session(role: str, name: str, key: str, path: str = "", **context: Any) -> dict[str, Any]:
    return {
        "type": "AssumedRole",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}",
        "accessKeyId": key,
        "sessionContext": {
            "sessionIssuer": {"arn": f"arn:aws:iam::{ACCOUNT}:role/{path}{role}"},
            "attributes": {"creationDate": "2025-03-01T11:00:00Z"},
            **context,
        },
    }


def sign_in(name: str, *, failed: bool) -> dict[str, Any]:
    outcome = "failure" if failed else "success"
    return event(
        user(name), "ConsoleLogin", eventSource="signin.amazonaws.com", event={"outcome": outcome}
    )


def test_a_user_is_a_person_by_account_and_name_and_has_a_key() -> None:
    links = links_of([event(user("ada", "AKIA1"))], {})
    assert links.own == {f"user:{ACCOUNT}:ada", "key:AKIA1"}
    assert links.addresses == {(OUTSIDE, DAY)}


@pytest.mark.parametrize("name", ["<b>x</b>", "a:b", "see https://evil.example/login"])
def test_a_part_of_a_users_name_is_no_other_user(name: str) -> None:
    """Such a user does not exist; whoever forges or sends the name chooses it."""
    links = links_of([event(user(name, "AKIA1"))], {})
    document = {"links": {"own": sorted(links.own)}, "entity": {"principal": [name]}}
    assert opened_by(document) == []


def test_a_role_is_nobody_its_session_is_told_by_when_it_began() -> None:
    links = links_of([event(session("deploy", "GitHubActions", "ASIA1"))], {})
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/GitHubActions"
    assert links.own == {f"session:{arn}:2025-03-01T11:00:00Z", "key:ASIA1"}
    assert links.used == {f"role:{ACCOUNT}:deploy"}


def test_a_session_is_of_whoever_was_issued_its_key_however_many_roles_lie_between() -> None:
    robot = actor_of(event(user("robot", "AKIA1")))
    between = actor_of(event(session("Jump", "x", "ASIA1")))
    assert robot is not None
    assert between is not None
    issuers = issued_to({"ASIA1": robot, "ASIA2": between})
    links = links_of([event(session("Ops", "y", "ASIA2"))], issuers)
    assert {f"user:{ACCOUNT}:robot", "key:AKIA1", "key:ASIA1", "key:ASIA2"} <= links.own


def test_the_name_of_identity_centers_roles_makes_nobody_a_person() -> None:
    own_role = session("AWSReservedSSO_Admin_0a1b", "ada@example.com", "A")
    assert not any(each.startswith("person:") for each in links_of([event(own_role)], {}).own)


@pytest.mark.parametrize(
    ("identity", "person"),
    [
        (
            session("AWSReservedSSO_Admin_0a1b", "ada@example.com", "A", path=CENTER),
            "person:ada@example.com",
        ),
        (session("Ops", "x", "A", sourceIdentity="ada"), f"source:{ACCOUNT}:ada"),
        ({"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"}, f"root:{ACCOUNT}"),
        (
            {"type": "AWSAccount", "accountId": "9", "principalId": "AIDAX"},
            "foreign:9:AIDAX",
        ),
    ],
)
def test_people_of_other_kinds(identity: dict[str, Any], person: str) -> None:
    assert person in links_of([event(identity)], {}).own


@pytest.mark.parametrize(
    "source",
    [
        event({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}, user_type="aws_service"),
        event(session("AWSConfig", "x", "ASIA1", "aws-service-role/config.amazonaws.com/")),
        event({"type": "IAMUser", "arn": 5, "accessKeyId": ["x"]}),
        event({}, userIdentity="someone"),
    ],
)
def test_services_and_nonsense_are_nobody(source: dict[str, Any]) -> None:
    assert links_of([source], {}).own == frozenset()


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("AWSServiceRoleForConfig", ""),
        ("my-AWSServiceRoleForOps", ""),
        ("ops", "team/aws-service-role/x/"),
        ("ops", "x:role/aws-service-role/config.amazonaws.com/"),
        ("AWSReservedSSO_Admin", "x:role/aws-reserved/sso.amazonaws.com/"),
    ],
)
def test_a_role_that_is_named_like_one_of_aws_is_a_role(role: str, path: str) -> None:
    found = actor_of(event(session(role, "ada", "ASIA1", path)))
    assert found is not None
    assert (found.key, found.person) == ("ASIA1", False)


def test_what_a_successful_call_created_is_told_from_what_it_used() -> None:
    made = event(
        user("ada"), "CreateAccessKey", resource={"access_key": ["AKIA9"], "user": ["ghost"]}
    )
    links = links_of([made], {})
    assert links.created == {"key:AKIA9"}
    assert links.used == {f"user:{ACCOUNT}:ghost"}
    refused = {**made, "event": {"outcome": "failure"}}
    assert links_of([refused], {}).created == frozenset()


def test_an_alert_of_many_is_linked_by_who_made_the_most_of_its_events() -> None:
    reads = [event(user("thief", "AKIA1"))] * 12
    others = [event(user(f"other{number}")) for number in range(3)]
    assert links_of([*others, *reads], {}).own == {f"user:{ACCOUNT}:thief", "key:AKIA1"}
    assert links_of([event(user(f"u{number}")) for number in range(5)], {}).own == frozenset()


def test_sessions_of_a_role_from_one_address_are_one_where_none_has_the_most() -> None:
    sessions = [event(session("Ops", f"s{number}", f"ASIA{number}")) for number in range(6)]
    links = links_of(sessions, {})
    assert {f"key:ASIA{number}" for number in range(6)} <= links.own
    assert links.addresses == {(OUTSIDE, DAY)}
    addresses = [f"203.0.113.{number}" for number in range(6)]
    spread = [each | {"source": {"ip": ip}} for each, ip in zip(sessions, addresses, strict=True)]
    assert links_of(spread, {}).own == frozenset()
    reads = [event(user("thief", "AKIA1"))] * 5
    assert links_of([*sessions, *reads], {}).own == {f"user:{ACCOUNT}:thief", "key:AKIA1"}


def test_sessions_of_one_name_are_linked_by_all_people_who_opened_them() -> None:
    def acted(name: str, key: str, address: str) -> dict[str, Any]:
        who = session("Ops", name, key)
        return event(who, user={"name": f"Ops/{name}"}, source={"ip": address})

    openers = {
        f"ASIA{number}": actor
        for number, name in enumerate(("alexa", "alexb", "eve"))
        if (actor := actor_of(event(user(name, f"AKIA{number}"))))
    }
    colleague, intruder = acted("alex", "ASIA0", OFFICE), acted("alex", "ASIA1", OUTSIDE)
    others = [acted("eve", "ASIA2", "203.0.113.9"), acted("alex", "ASIA9", "203.0.113.8")]
    links = links_of([colleague, colleague, intruder, *others], openers)
    of_people = {each for each in links.own if each.startswith(("user:", "key:AKIA"))}
    assert of_people == {
        f"user:{ACCOUNT}:alexa",
        f"user:{ACCOUNT}:alexb",
        "key:AKIA0",
        "key:AKIA1",
    }
    assert links.addresses == {(OFFICE, DAY), (OUTSIDE, DAY)}


def test_failed_sign_ins_name_nobody_but_count_for_who_then_signs_in_from_there() -> None:
    failed = [sign_in(name, failed=True) for name in ("ada", "bob", "bob")]
    assert links_of(failed, {}).own == frozenset()
    assert links_of(failed, {}).addresses == {(OUTSIDE, DAY)}
    assert links_of([*failed, sign_in("bob", failed=False)], {}).own == {f"user:{ACCOUNT}:bob"}
    # Ada's own work elsewhere doesn't make the attempts hers.
    work = event(user("ada"), source={"ip": OFFICE})
    links = links_of([*failed, work], {})
    assert links.own == frozenset()
    assert links.addresses == {(OUTSIDE, DAY)}


def test_the_owner_of_a_stolen_key_adds_neither_addresses_nor_time() -> None:
    stolen = [event(user("ada", "AKIA1"))] * 3
    own = event(user("ada", "AKIA1"), source={"ip": OFFICE}) | {
        "@timestamp": "2025-03-02T12:00:00Z"
    }
    links = links_of([*stolen, own], {})
    assert links.addresses == {(OUTSIDE, DAY)}
    assert links.acted is not None
    assert links.acted[1].date() == DAY
    spread = [event(user("ada"), source={"ip": f"203.0.113.{number}"}) for number in range(3)]
    assert len(links_of(spread, {}).addresses) == 3


def test_private_and_service_addresses_are_no_link() -> None:
    assert not links_of([event(user("ada"), source={"ip": "10.0.0.1"})], {}).addresses
    assert not links_of([event(user("ada"), source={})], {}).addresses
