"""What an ARN names is the same whichever way it is found."""

from __future__ import annotations

import pytest

from enrich.arn import arn_parts, known_arns

ASSUMED = "arn:aws:sts::123456789012:assumed-role"


@pytest.mark.parametrize(
    "arn",
    [
        f"{ASSUMED}/Ops/alice",
        f"{ASSUMED}/Ops/alice/more",
        f"{ASSUMED}/Ops/",
        f"{ASSUMED}/Ops",
        f"{ASSUMED}//alice",
        f"{ASSUMED}/a:b/alice",
        f"{ASSUMED}/",
        ASSUMED,
        "arn:aws:sts::12:456789012:assumed-role/Ops/alice",
        "arn:aws:sts:eu-west-1:123456789012:assumed-role/Ops/alice",
        "arn:aws-cn:sts::123456789012:assumed-role/Ops/alice",
        "arn:aws:iam::123456789012:assumed-role/Ops/alice",
        "arn:aws:sts::123456789012:federated-user/bob",
    ],
)
def test_an_assumed_role_is_named_as_by_the_whole_arn(arn: str) -> None:
    pairs = arn_parts(arn)
    assert pairs == known_arns[arn]


def test_the_sessions_of_a_role_share_one_entry() -> None:
    known_arns.clear()
    for session in range(100):
        assert arn_parts(f"{ASSUMED}/Ops/session-{session}") == (("role", "Ops"),)
    assert len(known_arns) == 1


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("lambda:eu-west-1:123456789012:layer:tools:7", "tools"),
        ("lambda:eu-west-1:123456789012:layer:tools", "tools"),
        ("ecs:eu-west-1:123456789012:task-definition/web:86", "web"),
        ("batch:eu-west-1:123456789012:job-definition/nightly:3", "nightly"),
        ("cloudformation:eu-west-1:123456789012:stack/web/45ec7bc9-5486-47db-a7ac-8c14", "web"),
        ("cloudformation:eu-west-1:123456789012:stackset/web:45ec7bc9-5486-47db", "web"),
        ("states:eu-west-1:123456789012:stateMachine:orders", "orders"),
        ("states:eu-west-1:123456789012:stateMachine:orders:PROD", "orders"),
        ("elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/9a8355ca2be00000", "web"),
        ("elasticloadbalancing:eu-west-1:123456789012:loadbalancer/net/web/84dc5457e450", "web"),
        ("elasticloadbalancing:eu-west-1:123456789012:loadbalancer/web", "web"),
        ("imagebuilder:eu-west-1:123456789012:image/base/1.0.2/1", "base"),
        ("imagebuilder:eu-west-1:123456789012:image-recipe/base/1.0.2", "base"),
        ("bedrock:eu-west-1::foundation-model/maker.model-v1:0", "maker.model-v1:0"),
        ("ssm:eu-west-1:123456789012:automation-definition/Patch:$DEFAULT", "Patch"),
        ("eks:eu-west-1:123456789012:addon/main/vpc-cni/70163307-4c36", "vpc-cni"),
        ("kinesis:eu-west-1:123456789012:stream/mail/consumer/app:1530000000", "app"),
        ("events:eu-west-1:123456789012:rule/bus/nightly", "nightly"),
        ("events:eu-west-1:123456789012:rule/nightly", "nightly"),
        ("sqs:eu-west-1:123456789012:mail", "mail"),
    ],
)
def test_a_version_is_not_the_name_of_a_resource(resource: str, name: str) -> None:
    assert arn_parts(f"arn:aws:{resource}") == (("id", name),)


@pytest.mark.parametrize(
    ("resource", "leaf"),
    [
        ("lambda:eu-west-1:123456789012:function:web:PROD", ("function", "web")),
        ("logs:eu-west-1:123456789012:log-group:/aws/web:*", ("log_group", "/aws/web")),
        ("secretsmanager:eu-west-1:123456789012:secret:a/b-C4VYDT", ("secret", "a/b")),
    ],
)
def test_a_leaf_of_its_own_has_no_qualifier(resource: str, leaf: tuple[str, str]) -> None:
    assert arn_parts(f"arn:aws:{resource}") == (leaf,)
