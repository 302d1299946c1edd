"""Which alerts are joined by what one gave another to act with, from events written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from detections.incidents.acting import Functions, few, given
from detections.incidents.actors import Actor
from detections.incidents.facts import issued
from detections.incidents.links import links_of

ACCOUNT, OTHER = "111122223333", "999988887777"
INSTANCE = "i-0a1b2c3d4e5f60718"


def event(name: str, time: str = "12:00", **more: Any) -> dict[str, Any]:
    return {
        "@timestamp": f"2025-03-01T{time}:00Z",
        "eventName": name,
        "recipientAccountId": ACCOUNT,
        "userIdentity": {"type": "IAMUser", "accountId": ACCOUNT, "accessKeyId": "AKIA1"},
        "event": {"outcome": "success"},
        **more,
    }


def session(role: str, name: str, time: str = "12:00", key: str = "ASIA1") -> dict[str, Any]:
    return event(
        "ListUsers",
        time,
        userIdentity={
            "type": "AssumedRole",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}",
            "accessKeyId": key,
            "sessionContext": {
                "sessionIssuer": {"arn": f"arn:aws:iam::{ACCOUNT}:role/{role}"},
                "attributes": {"creationDate": "2025-03-01T11:00:00Z"},
            },
        },
    )


def changed(time: str, role: str = "") -> dict[str, Any]:
    named = {"function": ["helper"]} | ({"role": [role]} if role else {})
    return event("UpdateFunctionCode20150331v2", time, resource=named)


def test_an_instance_acts_as_what_its_launcher_created() -> None:
    launched = event("RunInstances", resource={"instance": [INSTANCE]})
    acting = f"acts:instance:{INSTANCE}"
    assert acting in links_of([launched], {}).created
    assert acting in links_of([session("Ops", INSTANCE)], {}).used
    failed = launched | {"event": {"outcome": "failure"}}
    assert acting not in links_of([failed], {}).created


def test_the_name_of_a_session_that_somebody_opened_says_nothing() -> None:
    mallory = Actor(
        "user:1:mallory", frozenset({"user:1:mallory", "key:AKIA2"}), "AKIA2", person=True
    )
    links = links_of([session("Ops", INSTANCE)], {"ASIA1": mallory})
    assert not any(each.startswith("acts:") for each in links.used)


def test_a_function_acts_as_what_its_latest_maker_created() -> None:
    first, second = changed("10:00", "lambda-admin"), changed("11:30")
    functions = Functions([second, first])
    (of_first,), (of_second,) = given(first), given(second)

    def used(role: str, time: str, name: str = "helper") -> set[str]:
        links = links_of([session(role, name, time)], {}, functions)
        return {each for each in links.used if each.startswith("acts:")}

    assert used("lambda-admin", "11:00") == {of_first}
    assert used("lambda-admin", "11:30") == {of_second}
    assert used("lambda-admin", "09:59") == set()
    assert used("Other", "11:30") == set(), "the function has another role"
    assert used("lambda-admin", "11:30", "helper2") == set()


def test_another_account_acts_as_what_let_it_in() -> None:
    trusts = event(
        "UpdateAssumeRolePolicy", resource={"role": ["reader"]}, grants={"accounts": [OTHER]}
    )
    reader = f"arn:aws:iam::{ACCOUNT}:role/team/reader"
    opened = event(
        "AssumeRole",
        userIdentity={"type": "AWSAccount", "accountId": OTHER, "principalId": "AIDAX"},
        resource={"arn": [reader], "access_key": ["ASIA1"]},
    )
    links = links_of([session("reader", "x")], dict(issued(opened)))
    assert given(trusts) <= links.used
    assert f"foreign:{OTHER}:AIDAX" in links.own
    of_own = opened | {"userIdentity": opened["userIdentity"] | {"accountId": ACCOUNT}}
    assert not given(trusts) & links_of([session("reader", "x")], dict(issued(of_own))).used


@pytest.mark.parametrize("kind", ["trust-anchor", "profile"])
def test_a_certificate_acts_as_what_its_anchor_and_profile_let_in(kind: str) -> None:
    arn = f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:{kind}/8f3c"
    made = event(
        f"Create{'Profile' if kind == 'profile' else 'TrustAnchor'}", resource={"arn": arn}
    )
    opened = event(
        "CreateSession",
        userIdentity={"type": "Unknown", "accountId": ACCOUNT},
        resource={"arn": [arn], "access_key": ["ASIA1"]},
    )
    issuers = dict(issued(opened))
    assert given(made) <= links_of([session("Deploy", "00ab")], issuers).used


def test_an_alert_that_gave_something_to_many_joins_none_of_them() -> None:
    launched = [event("RunInstances", resource={"instance": [f"i-{n:017x}" for n in range(11)]})]
    links = links_of(launched, {})
    assert {each.partition(":")[0] for each in links.created} == {"instance"}
    times = [f"acts:function:1:f@2025-03-01T12:{minute:02d}:00+00:00" for minute in range(60)]
    assert few(times) == times[10:]


def test_a_few_decoys_hide_no_instance() -> None:
    launched = [event("RunInstances", resource={"instance": [f"i-{n:017x}"]}) for n in range(5)]
    acting = {f"acts:instance:i-{n:017x}" for n in range(5)}
    assert acting <= links_of(launched, {}).created


def test_a_later_configuration_does_not_hide_who_made_the_code_nor_the_other_way_round() -> None:
    code, more_code = changed("10:00", "lambda-admin"), changed("12:00", "lambda-admin")
    configured = changed("11:00") | {"eventName": "UpdateFunctionConfiguration20150331v2"}
    functions = Functions([configured, code, more_code])

    def used(time: str) -> set[str]:
        links = links_of([session("lambda-admin", "helper", time)], {}, functions)
        return {each for each in links.used if each.startswith("acts:")}

    assert used("11:30") == given(code) | given(configured)
    assert used("12:30") == given(more_code) | given(configured)


def test_a_role_that_trusts_many_is_one_thing() -> None:
    """A vendor or two, and the intruder's account among them."""
    others = [f"{number:012d}" for number in range(1, 9)]
    trusts = event(
        "UpdateAssumeRolePolicy", resource={"role": ["reader"]}, grants={"accounts": others}
    )
    assert len([each for each in links_of([trusts], {}).created if "acts:" in each]) == len(others)


@pytest.mark.parametrize("name", ["*", "a*b", "f?", "x" * 65, "arn:aws:lambda:x"])
def test_a_forged_name_of_a_function_is_no_pattern(name: str) -> None:
    forged = event("UpdateFunctionCode20150331v2", resource={"function": [name]})
    assert all("*" not in each and "?" not in each for _, each in Functions([forged]).names())
    of_account = changed("10:00") | {"recipientAccountId": "*"}
    assert not Functions([of_account]).names()


def test_an_event_that_names_thousands_gives_nothing() -> None:
    names = [f"r{number}" for number in range(1_000)]
    forged = event("UpdateAssumeRolePolicy", resource={"role": names}, grants={"accounts": names})
    assert len(given(forged)) <= 200
    assert not [each for each in links_of([forged], {}).created if each.startswith("acts:")]
