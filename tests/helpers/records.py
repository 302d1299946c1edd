"""Records by hand, one of every shape that enrichment must take, each with what must come out.

`RECORDS` maps a name to a `Sample`: the record, and the added fields it must get (a field that is
`None` must be absent; others may be there as well). All names and ids are invented.

| names | shape |
|---|---|
| `version-1.0` … `version-1.11` | one record of each schema version, with the fields that came with it |
| `iam-user`, `root`, `assumed-role`, `federated`, `saml`, `web-identity`, `directory`, `other-account` | kinds of `userIdentity` |
| `center-*` | people of IAM Identity Center: named by `userName`, at sign-in, by the principal, not at all |
| `service`, `service-event`, `service-event-account`, `insight` | AWS itself |
| `login-*` | console sign-ins that say their result in the body |
| `code-*` | error codes: statuses as text and number, empty, null |
| `address-*` | addresses with ports, brackets, zones, several, service names of each partition, none |
| `machine-*` | machines named in targets, parameters, deep within |
| `time-*` | spellings of `eventTime` |
| `odd-*` | nulls, wrong types, shortened by hand, deep, huge, unreadable characters |
"""  # noqa: E501 - a table's row is one line

from __future__ import annotations

from typing import Any, NamedTuple

ACCOUNT = "111122223333"
PERSON = "94482488-3041-7055-8e7a-abcdef012345"
MACHINE = "i-0aaaaaaaaaaaaaaa1"
Fields = dict[str, Any]


class Sample(NamedTuple):
    """A record, and the fields that must be added to it, by dotted path; None means absent."""

    record: Fields
    expected: Fields


def _record(**changes: Any) -> Fields:
    made: Fields = {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/ada",
            "accountId": ACCOUNT,
            "userName": "ada",
        },
        "eventTime": "2025-03-01T12:00:00Z",
        "eventSource": "iam.amazonaws.com",
        "eventName": "GetUser",
        "awsRegion": "us-east-1",
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.0",
        "requestParameters": None,
        "responseElements": None,
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    }
    return made | changes


def _by(identity: Any, expected: Fields, **changes: Any) -> Sample:
    return Sample(_record(userIdentity=identity, **changes), expected)


def _who(user_type: str, name: str | None) -> Fields:
    return {"user_type": user_type, "user.name": name}


def _center(name: str, identity: Fields, entered: Any = None) -> Sample:
    """At the sign-in of Identity Center, which writes an empty ARN."""
    caller = {"type": "IdentityCenterUser", "arn": "", "accountId": ACCOUNT, "accessKeyId": ""}
    return _by(
        caller | {"onBehalfOf": {"userId": PERSON}} | identity,
        _who("identity_center_user", name)
        | {"event.outcome": "success", "event_category": "authentication"},
        eventSource="signin.amazonaws.com",
        eventName="UserAuthentication",
        eventType="AwsServiceEvent",
        additionalEventData=entered,
        serviceEventDetails={"UserAuthentication": "Success"},
    )


def _login(body: Any, outcome: str, **changes: Any) -> Sample:
    record = _record(eventSource="signin.amazonaws.com", eventName="ConsoleLogin", **changes)
    return Sample(record | {"responseElements": body}, {"event.outcome": outcome})


def _code(code: Any, outcome: str, score: int) -> Sample:
    return Sample(_record(errorCode=code), {"event.outcome": outcome, "risk_score": score})


def _from(address: Any, ip: str | None, score: int) -> Sample:
    return Sample(_record(sourceIPAddress=address), {"source.ip": ip, "risk_score": score})


def _machine(source: str, name: str, parameters: Fields) -> Sample:
    record = _record(eventSource=f"{source}.amazonaws.com", eventName=name)
    return Sample(record | {"requestParameters": parameters}, {"resource.instance": [MACHINE]})


def _at(moment: Any, timestamp: str) -> Sample:
    return Sample(_record(eventTime=moment), {"@timestamp": timestamp})


_SINCE: dict[str, Fields] = {
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    "1.0": {},
    "1.01": {"requestID": "r", "eventID": "11111111-0000-4000-8000-000000000001"},
    "1.02": {"eventType": "AwsApiCall", "recipientAccountId": ACCOUNT},
    "1.03": {"resources": [{"ARN": f"arn:aws:iam::{ACCOUNT}:role/Ops", "accountId": ACCOUNT}]},
    "1.04": {"apiVersion": "2010-05-08"},
    "1.05": {"readOnly": True, "sharedEventID": "s"},
    "1.06": {"managementEvent": True, "vpcEndpointId": "vpce-0a1b2c3d"},
    "1.07": {"eventCategory": "Management", "addendum": {"reason": "DELIVERY_DELAY"}},
    "1.08": {"tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "x"}},
    "1.09": {"sessionCredentialFromConsole": "true"},
    "1.10": {"edgeDeviceDetails": {"x": {"y": 1}}},
    "1.11": {"vpcEndpointAccountId": ACCOUNT},
}


def _versions() -> dict[str, Sample]:
    found, gained = {}, Fields()
    for version, fields in _SINCE.items():
        gained |= fields
        expected = _who("iam_user", "ada") | {"risk_score": 3, "event.outcome": "success"}
        if "resources" in gained:
            expected["resource.role"] = ["Ops"]
        found[f"version-{version}"] = Sample(_record(**gained, eventVersion=version), expected)
    return found


def _deep(levels: int) -> Fields:
    body: Fields = {"leaf": "x"}
    for _ in range(levels):
        body = {"a": body}
    return body


_ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/Ops/grace"

RECORDS: dict[str, Sample] = {
    **_versions(),
    "iam-user": _by({"type": "IAMUser", "userName": "ada"}, _who("iam_user", "ada")),
    "root": _by(
        {"type": "Root", "arn": f"arn:aws:iam::{ACCOUNT}:root"},
        _who("root_user", "root") | {"risk_score": 10},
    ),
    "assumed-role": _by({"type": "AssumedRole", "arn": _ROLE}, _who("assumed_role", "Ops/grace")),
    "federated": _by(
        {"type": "FederatedUser", "arn": f"arn:aws:sts::{ACCOUNT}:federated-user/alan"},
        _who("federated_user", "alan"),
    ),
    "saml": _by(
        {"type": "SAMLUser", "principalId": "x:alan@example.com"},
        _who("saml_user", "alan@example.com"),
    ),
    "web-identity": _by(
        {"type": "WebIdentityUser", "principalId": "accounts.google.com:app:7"},
        _who("web_identity_user", "7"),
    ),
    "directory": _by({"type": "Directory", "userName": "alan"}, _who("directory", "alan")),
    "other-account": _by(
        {"type": "AWSAccount", "accountId": "444455556666"}, _who("aws_account", "444455556666")
    ),
    "center-user-name": _center("grace", {"userName": "grace"}),
    "center-sign-in": _center("grace@example.com", {}, {"UserName": "grace@example.com"}),
    "center-principal": _center("grace", {"principalId": f"{PERSON}:grace"}),
    "center-id-as-name": _center("grace", {"userName": PERSON}, {"UserName": "grace"}),
    "center-nameless": _center(PERSON, {"credentialId": "c"}, {"CredentialType": "PASSWORD"}),
    "service": _by(
        {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
        _who("aws_service", "ec2.amazonaws.com") | {"source.ip": None, "risk_score": 1},
        sourceIPAddress="ec2.amazonaws.com",
    ),
    "service-event": _by(
        {"accountId": ACCOUNT, "invokedBy": "kms.amazonaws.com"},
        _who("aws_service", "kms.amazonaws.com"),
        eventType="AwsServiceEvent",
    ),
    "service-event-account": _by(
        {"accountId": ACCOUNT}, _who("unknown", ACCOUNT), eventType="AwsServiceEvent"
    ),
    "insight": Sample(
        {
            "eventVersion": "1.07",
            "eventTime": "2025-03-01T12:00:00Z",
            "awsRegion": "us-east-1",
            "eventID": "11111111-0000-4000-8000-000000000002",
            "eventType": "AwsCloudTrailInsight",
            "recipientAccountId": ACCOUNT,
            "sharedEventID": "s",
            "eventCategory": "Insight",
            "insightDetails": {
                "state": "Start",
                "eventSource": "iam.amazonaws.com",
                "eventName": "GetUser",
                "insightType": "ApiCallRateInsight",
                "insightContext": {"statistics": {"baseline": {"average": 0.5}}},
            },
        },
        _who("unknown", None) | {"event_category": "other", "risk_score": 1},
    ),
    "login-success": _login({"ConsoleLogin": "Success"}, "success"),
    "login-failure": _login({"ConsoleLogin": "Failure"}, "failure"),
    "login-message": _login(None, "failure", errorMessage="Failed authentication"),
    "code-none": _code(None, "success", 3),
    "code-empty": _code("", "success", 3),
    "code-text": _code("AccessDenied", "failure", 6),
    "code-200": _code("200", "success", 6),
    "code-number-204": _code(204, "success", 6),
    "code-number-403": _code(403, "failure", 6),
    "address-port": _from("203.0.113.7:443", "203.0.113.7", 3),
    "address-brackets": _from("[2001:db8::1]", "2001:db8::1", 3),
    "address-brackets-port": _from("[2001:db8::1]:443", "2001:db8::1", 3),
    "address-zone": _from("fe80::1%eth0", "fe80::1", 1),
    "address-mapped": _from("::ffff:10.0.0.1", "10.0.0.1", 1),
    "address-several": _from("10.0.0.1, 203.0.113.7", "203.0.113.7", 3),
    "address-china": _from("ec2.amazonaws.com.cn", None, 1),
    "address-isolated": _from("ec2.c2s.ic.gov", None, 1),
    "address-internal": _from("AWS Internal", None, 1),
    "address-redacted": _from("redacted", None, 1),
    "address-empty": _from("", None, 1),
    "address-number": _from(3405803783, None, 1),
    "machine-targets": _machine(
        "ssm", "SendCommand", {"targets": [{"key": "InstanceIds", "values": [MACHINE]}]}
    ),
    "machine-automation": _machine(
        "ssm", "StartAutomationExecution", {"parameters": {"InstanceId": [MACHINE]}}
    ),
    "machine-session": _machine("ssm", "StartSession", {"target": MACHINE}),
    "machine-deep": _machine("budgets", "CreateBudgetAction", {"a": {"b": [{"c": [MACHINE]}]}}),
    "machine-wrapped": _machine(
        "ec2", "ModifyInstanceMetadataOptions",
        {"ModifyInstanceMetadataOptionsRequest": {"InstanceId": MACHINE}},
    ),
    "time-plain": _at("2025-03-01T12:00:00Z", "2025-03-01T12:00:00Z"),
    "time-fraction": _at("2025-03-01T12:00:00.123456Z", "2025-03-01T12:00:00.123Z"),
    "time-blank": _at("2025-03-01 12:00:00", "2025-03-01T12:00:00Z"),
    "time-offset": _at("2025-03-01T13:00:00+01:00", "2025-03-01T12:00:00Z"),
    "time-utc": _at("2025-03-01 12:00:00.000000000 UTC", "2025-03-01T12:00:00.000Z"),
    "time-epoch": _at(1740830400, "2025-03-01T12:00:00Z"),
    "time-epoch-milliseconds": _at("1740830400000", "2025-03-01T12:00:00Z"),
    "odd-nulls": Sample(
        dict.fromkeys(_record()) | {"eventTime": "2025-03-01T12:00:00Z"},
        _who("unknown", None) | {"event.outcome": "success", "risk_score": 1},
    ),
    "odd-shortened": Sample(
        {"eventTime": "2025-03-01T12:00:00Z", "eventName": "CreateUser"},
        _who("unknown", None) | {"risk_score": 6},
    ),
    "odd-types": Sample(
        {name: [{"a": 1}] for name in _record()} | {"eventTime": "2025-03-01T12:00:00Z"},
        _who("unknown", None) | {"event.outcome": "success", "risk_score": 1},
    ),
    "odd-deep": Sample(_record(requestParameters=_deep(300)), _who("iam_user", "ada")),
    "odd-huge": Sample(
        _record(requestParameters={"userName": "x" * 1_000_000}),
        {"resource": None, "resource_incomplete": ["user"]},
    ),
    "odd-characters": Sample(
        _record(userIdentity={"type": "IAMUser", "userName": "a\u0000\u202e\U0001f431\ud83d"}),
        _who("iam_user", "a\u0000\u202e\U0001f431\ufffd"),
    ),
}  # fmt: skip


def value_at(fields: Any, path: str) -> Any:
    """The value at a dotted path of nested objects; None where there is none."""
    for name in path.split("."):
        fields = fields.get(name) if isinstance(fields, dict) else None
    return fields
