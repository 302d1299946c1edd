"""What each part of Sigma means, one line a case."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from sigma.rule import SigmaRule

from detections.matcher import SigmaMatcher
from trailhound.errors import RuleError, TrailhoundError

RECORD: dict[str, Any] = {
    "eventTime": "2023-03-07T23:45:10Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateUser",
    "eventVersion": "1.08",
    "sourceIPAddress": "203.0.113.9",
    "userAgent": "S3 Browser/11.6.7 (https://s3browser.com)\n",
    "readOnly": False,
    "recipientAccountId": "111122223333",
    "managementEvent": "true",
    "isDelegated": True,
    "errorMessage": "",
    "errorCode": None,
    "userIdentity": {
        "type": "IAMUser",
        "userName": "alice",
        "arn": "arn:aws:iam::111122223333:user/alice",
        "sessionContext": {"attributes": {"mfaAuthenticated": "false"}},
    },
    "requestParameters": {
        "userName": "Alice",
        "path": "C:\\temp\\*",
        "maxResults": 50,
        "size": "149893",
        "ratio": 0.5,
        "tags": [{"key": "team", "value": "red"}, {"key": "cost", "value": 7}],
        "ids": ["i-1", ["i-2"]],
        "tag.name": "dotted",
        "nothing": {},
        "none": [],
        "cidr": "2001:db8::7",
        "mapped": "::ffff:10.1.2.3",
        "encoded": "eA==" + base64.b64encode(b"ping foo pong").decode(),
        "command": "cmd \u2013enc zz",
    },
    "aws.dotted": {"deep.key": "found"},
    "responseElements": {"ConsoleLogin": "Failure"},
}

MATCHING: list[tuple[str, Any]] = [
    # strings: no regard to case, wildcards, escapes
    ("eventName", "createuser"),
    ("eventName", ["DeleteUser", "CREATEUSER"]),
    ("eventName", "Create*"),
    ("eventName", "*user"),
    ("eventName", "c?eate*"),
    ("eventName", "??????????"),
    ("eventName", "*"),
    ("eventName|contains", "TEUS"),
    ("eventName|startswith", ["Delete", "create"]),
    ("eventName|endswith", "USER"),
    ("eventName|contains|all", ["create", "user"]),
    ("eventName|cased", "CreateUser"),
    ("eventName|cased|contains", "teU"),
    ("eventName|contains|cased", "teU"),
    ("eventName|cased", ["x", "Create*"]),
    ("requestParameters.path", r"C:\temp\\*"),
    ("requestParameters.path", "c:\\temp\\\\\\*"),
    ("requestParameters.path|endswith", r"\*"),
    ("errorMessage", ""),
    # null, absent, exists
    ("errorCode", None),
    ("sharedEventID", None),
    ("requestParameters.nothing", None),
    ("requestParameters.none", None),
    ("errorCode", ["AccessDenied", None]),
    ("errorCode|exists", False),
    ("eventName|exists", True),
    ("errorMessage|exists", True),
    ("userIdentity|exists", True),
    ("requestParameters.nothing|exists", False),
    ("sharedEventID", []),
    # numbers and booleans as text
    ("requestParameters.maxResults", 50),
    ("requestParameters.maxResults", "50"),
    ("requestParameters.maxResults", "5*"),
    ("requestParameters.size", 149893),
    ("requestParameters.ratio", 0.5),
    ("requestParameters.ratio", "0.5"),
    ("readOnly", False),
    ("readOnly", "False"),
    ("managementEvent", True),
    ("isDelegated|cased", "true"),
    ("userIdentity.sessionContext.attributes.mfaAuthenticated", False),
    # comparisons, also of numbers written as strings
    ("requestParameters.maxResults|gt", 9),
    ("requestParameters.maxResults|gte", 50),
    ("requestParameters.size|gt", 9.5),
    ("requestParameters.size|lte", 149893),
    ("requestParameters.ratio|lt", 1),
    ("eventVersion|gte", 1.08),
    # neq, also of a field that isn't there
    ("eventName|neq", "DeleteUser"),
    ("eventName|neq", ["DeleteUser", "GetUser"]),
    ("sharedEventID|neq", "x"),
    ("eventName|contains|neq", "delete"),
    # regular expressions: searched for, case counts
    ("eventName|re", "eateU"),
    ("eventName|re", "^Create(User|Role)$"),
    ("eventName|re|i", "^createuser$"),
    ("eventName|re", r"^Create(?!Role)"),
    ("eventName|re", r"(?i)^CREATE"),
    ("userAgent|re|m", r"\)$"),
    ("userAgent|re|s", r"browser.*\n"),
    ("userAgent|re|i|s", r"BROWSER.com..$"),
    ("eventName|re|startswith", "Cr|Del"),
    ("eventName|re|endswith", "User|Role"),
    ("eventName|re|endswith", "(?=U)User"),
    ("eventName|re|contains", "eat"),
    ("requestParameters.maxResults|re", "^5\\d$"),
    # addresses
    ("sourceIPAddress|cidr", "203.0.113.0/24"),
    ("sourceIPAddress|cidr", ["10.0.0.0/8", "203.0.113.9/32"]),
    ("requestParameters.cidr|cidr", "2001:db8::/32"),
    ("requestParameters.mapped|cidr", "10.0.0.0/8"),
    # other fields
    ("userIdentity.userName|fieldref", "requestParameters.userName"),
    ("userIdentity.arn|fieldref|endswith", "requestParameters.userName"),
    ("userIdentity.arn|fieldref|lastpart", "requestParameters.userName"),
    ("userIdentity.arn|fieldref|accountpart", "recipientAccountId"),
    ("userIdentity.arn|fieldref|contains", "userIdentity.userName"),
    ("eventName|fieldref|startswith", "eventName"),
    # encodings and dashes
    ("requestParameters.encoded|base64offset|contains", "foo"),
    ("requestParameters.command|windash|contains", " -enc"),
    # times
    ("eventTime|hour", 23),
    ("eventTime|minute", 45),
    ("eventTime|day", 7),
    ("eventTime|week", 10),
    ("eventTime|month", [1, 3]),
    ("eventTime|year", 2023),
    ("eventTime|hour|gte", 20),
    # arrays, dotted keys, objects
    ("requestParameters.tags.key", "cost"),
    ("requestParameters.tags.value", 7),
    ("requestParameters.tags.key|all", ["team", "cost"]),
    ("requestParameters.ids", "i-2"),
    ("requestParameters.tag.name", "dotted"),
    ("aws.dotted.deep.key", "found"),
    ("responseElements|contains", "fail"),
    ("requestParameters", "red"),
    ("requestParameters|contains|all", ["RED", "i-2", "dotted"]),
    # keywords: anywhere, inside any value
    ("|contains", "s3browser.COM"),
    ("|all", ["alice", "S3 Browser"]),
    ("|startswith", "arn:aws:iam::1111"),
    ("|re", "^i-[12]$"),
]
OTHER: list[tuple[str, Any]] = [
    ("eventName", "CreateUse"),
    ("eventName", "reateUser"),
    ("eventName", "Create?"),
    ("eventName", "?CreateUser"),
    ("eventName", r"Create\*"),
    ("eventName", ""),
    ("eventName|cased", "createuser"),
    ("eventName|cased|contains", "USER"),
    ("eventName|contains|all", ["create", "role"]),
    ("eventName|startswith", "user"),
    ("eventName|endswith", "create"),
    ("eventname", "CreateUser"),
    ("requestParameters.path", r"C:\temp\x"),
    ("sharedEventID", "*"),
    ("sharedEventID", ""),
    ("errorCode", ""),
    ("errorMessage", None),
    ("eventName", None),
    ("eventName|exists", False),
    ("errorCode|exists", True),
    ("requestParameters.nothing|exists", True),
    ("userIdentity.userName.first|exists", True),
    ("requestParameters.maxResults", "5"),
    ("requestParameters.maxResults", 5),
    ("requestParameters.size", "149893.0"),
    ("readOnly", 0),
    ("readOnly", True),
    ("managementEvent", 1),
    ("requestParameters.size|lt", 9),
    ("requestParameters.maxResults|gt", 50),
    ("eventName|gt", 0),
    ("readOnly|lt", 5),
    ("sharedEventID|lt", 5),
    ("eventName|neq", "createuser"),
    ("eventName|neq", ["DeleteUser", "createuser"]),
    ("eventName|re", "createuser"),
    ("eventName|re", "^User"),
    ("userAgent|re", r"\).$"),
    ("eventName|re|startswith", "User|Role"),
    ("eventName|re|endswith", "Create"),
    ("sourceIPAddress|cidr", "203.0.112.0/24"),
    ("eventSource|cidr", "0.0.0.0/0"),
    ("sourceIPAddress|cidr", "::/0"),
    ("sharedEventID|fieldref", "errorCode"),
    ("userIdentity.userName|cased|fieldref", "requestParameters.userName"),
    ("userIdentity.arn|fieldref", "userIdentity.userName"),
    ("userIdentity.arn|fieldref|startswith", "userIdentity.userName"),
    ("requestParameters.encoded|base64|contains", "bar"),
    ("eventTime|hour", 22),
    ("eventName|hour", 0),
    ("requestParameters.tags.key|all", ["team", "red"]),
    ("requestParameters.tags", "team red"),
    ("requestParameters.tag", "dotted"),
    ("responseElements|contains", "ConsoleLogin"),
    ("|contains", "bob"),
    ("|all", ["alice", "bob"]),
    ("|endswith", "arn:aws"),
]


def of(field: str, value: Any) -> SigmaMatcher:
    return SigmaMatcher.from_detection({"selection": {field: value}})


@pytest.mark.parametrize(("field", "value"), MATCHING)
def test_matches(field: str, value: Any) -> None:
    assert of(field, value).matches(RECORD)


@pytest.mark.parametrize(("field", "value"), OTHER)
def test_does_not_match(field: str, value: Any) -> None:
    assert not of(field, value).matches(RECORD)


A, B, C = {"eventName": "CreateUser"}, {"eventName": "DeleteUser"}, {"readOnly": False}
CONDITIONS: list[tuple[dict[str, Any], bool]] = [
    ({"a": A}, True),
    ({"a": A, "b": B}, False),
    ({"a": A, "c": C}, True),
    ({"a": A, "b": B, "condition": "a or b"}, True),
    ({"a": A, "b": B, "condition": "a and not b"}, True),
    ({"a": A, "b": B, "condition": "not (a or b)"}, False),
    ({"a": A, "b": B, "c": C, "condition": "b or a and c"}, True),
    ({"sel_a": A, "sel_b": B, "condition": "1 of sel_*"}, True),
    ({"sel_a": A, "sel_b": B, "condition": "all of sel_*"}, False),
    ({"sel_a": A, "sel_b": B, "condition": "any of them"}, True),
    ({"sel_a": A, "x": C, "condition": "all of them"}, True),
    ({"sel_a": A, "_off": B, "condition": "all of them"}, True),
    ({"sel_a": A, "f_b": B, "condition": "sel_a and not 1 of f_*"}, True),
    ({"a": A, "b": B, "condition": ["b", "a"]}, True),
    ({"maps": [B, A]}, True),
    ({"maps": [B, {**A, "readOnly": True}]}, False),
    ({"nested": [B, [B, A]]}, True),
    ({"both": {**A, **C}}, True),
    ({"both": {**A, "readOnly": True}}, False),
    ({"words": ["nobody", "AWS:IAM"], "condition": "words"}, True),
    ({"words": ["nobody", "nothing"], "condition": "words"}, False),
    ({"words": "i-?", "condition": "words"}, True),
    ({"words": 149893, "condition": "words"}, True),
    ({"spoken of": A}, True),
]


@pytest.mark.parametrize(("detection", "expected"), CONDITIONS)
def test_conditions(detection: dict[str, Any], expected: bool) -> None:
    assert SigmaMatcher.from_detection(detection).matches(RECORD) is expected


FAULTY: list[tuple[dict[str, Any], str]] = [
    ({}, "empty"),
    ({"condition": "a"}, "empty"),
    ({"a": {}}, "empty"),
    ({"a": A, "condition": "b"}, "'b'"),
    ({"a": A, "condition": "a and"}, "Expected"),
    ({"a": A, "condition": "1 of b*"}, "fits no selection"),
    ({"a": A, "condition": "a | count() > 5"}, "pipe"),
    ({"_a": A}, "fits no selection"),
    ({"a": {"eventName|unknown": "x"}}, "unknown"),
    ({"a": {"eventName|re": "("}}, "Regular expression"),
    ({"a": {"eventName|gt": "many"}}, "SigmaGreaterThanModifier"),
    ({"a": {"eventName|contains": 5}}, "SigmaContainsModifier"),
    ({"a": {"sourceIPAddress|cidr": "10.0.0.1/8"}}, "CIDR"),
    ({"a": {"eventName|base64": "a*"}}, "Base64"),
    ({"a": {"eventName|expand": "%admins%"}}, "%admins%"),
    ({"a": {"eventName": {"nested": "map"}}}, "dict"),
    ({"a": {5: "x"}}, "not Sigma"),
    ({"a": [None], "condition": "a"}, "keyword"),
    ({"a": {"|fieldref": "eventName"}}, "keyword"),
]


@pytest.mark.parametrize(("detection", "names"), FAULTY)
def test_faults_are_named_when_compiled(detection: dict[str, Any], names: str) -> None:
    with pytest.raises(RuleError, match=names.replace("|", r"\|")) as caught:
        SigmaMatcher.from_detection(detection)
    assert caught.value.hint
    assert isinstance(caught.value, TrailhoundError)


def test_placeholders_stand_for_each_of_their_values() -> None:
    detection = {"a": {"userIdentity.arn|expand": "arn:aws:iam::%account%:user/%who%"}}
    lists = {"account": ["999999999999", "111122223333"], "who": ["bob", "ali*"]}
    assert SigmaMatcher.from_detection(detection, lists).matches(RECORD)
    assert not SigmaMatcher.from_detection(detection, {**lists, "who": ["bob"]}).matches(RECORD)
    assert not SigmaMatcher.from_detection(detection, {**lists, "who": []}).matches(RECORD)


def test_placeholders_in_regular_expressions_and_under_all() -> None:
    lists = {"verb": ["Delete", "Cre.te"]}
    for field, pattern in (("re|expand", "^%verb%User$"), ("re|i|expand", "^%verb%user$")):
        detection = {"a": {f"eventName|{field}": pattern}}
        assert SigmaMatcher.from_detection(detection, lists).matches(RECORD)
    every = {"a": {"eventName|expand|contains|all": ["%verb%", "user"]}}
    assert SigmaMatcher.from_detection(every, {"verb": ["Delete", "Create"]}).matches(RECORD)


def test_placeholders_that_multiply_beyond_measure_are_refused() -> None:
    many = {"x": [str(i) for i in range(1000)]}
    with pytest.raises(RuleError, match="1000000"):
        SigmaMatcher.from_detection({"a": {"eventName|expand": "%x%%x%"}}, many)


def test_a_rule_is_named_with_its_fault() -> None:
    rule = SigmaRule.from_yaml(
        """
title: Users made by name
id: 7a2b8f9c-41fd-4c3f-9d0e-0d8a3c2b1f00
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: CreateUser, requestParameters.userName|expand: '%names%'}
  condition: selection
"""
    )
    assert SigmaMatcher.from_rule(rule, {"names": ["ALICE"]}).matches(RECORD)
    with pytest.raises(RuleError, match=r"Users made by name.*7a2b8f9c.*%names%"):
        SigmaMatcher.from_rule(rule)


def test_a_rule_that_pysigma_found_faulty_is_refused() -> None:
    rule = SigmaRule.from_yaml("title: No detection\n", collect_errors=True)
    with pytest.raises(RuleError, match="No detection"):
        SigmaMatcher.from_rule(rule)


@pytest.mark.parametrize("name", [True, False, 1])
def test_a_selection_whose_name_is_no_text_is_refused(name: object) -> None:
    detection = {name: {"eventName": "x"}, "s": {"eventName": "y"}}
    for condition in ("s", "1 of them", "all of s*"):
        with pytest.raises(RuleError, match="read as"):
            SigmaMatcher.from_detection({**detection, "condition": condition})  # type: ignore[dict-item]


def test_fields_are_the_paths_asked_for() -> None:
    matcher = SigmaMatcher.from_detection(
        {
            "a": [{"eventName": "x"}, {"userIdentity.arn|fieldref": "requestParameters.userName"}],
            "b": {"errorCode|exists": False},
            "words": ["x"],
            "unused": {"readOnly": True},
            "condition": "a and not b or words",
        }
    )
    assert matcher.fields == {
        "eventName",
        "userIdentity.arn",
        "requestParameters.userName",
        "errorCode",
    }
