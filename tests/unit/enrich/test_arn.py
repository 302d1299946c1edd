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
