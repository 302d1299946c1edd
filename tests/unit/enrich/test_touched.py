"""What a call touches is kept, and is the same as worked out anew."""

from __future__ import annotations

from typing import Any

import pytest

from enrich.resources import has_ids, members, plan, resources
from enrich.touched import OF_A_CALL, PAUSE, Room, Touched
from enrich.view import RecordView, view_from

IAM, EC2 = "iam.amazonaws.com", "ec2.amazonaws.com"


def record(source: str, name: str, **parts: Any) -> RecordView:
    return view_from({"eventSource": source, "eventName": name, **parts})


def anew(view: RecordView) -> bytes:
    source, name = view.eventSource or "", view.eventName or ""
    return members(resources(view, plan(source, name), ids=has_ids(source)))


def touched(source: str, name: str, room: Room | None = None) -> Touched:
    return Touched(plan(source, name), room or Room(), ids=has_ids(source))


BODIES: list[dict[str, Any]] = [
    {},
    {"requestParameters": None},
    {"requestParameters": {"userName": "a"}},
    {"requestParameters": {"userName": "b"}},
    {"responseElements": {"userName": "a"}},
    {"requestParameters": {}, "responseElements": {"userName": "a"}},
    {"requestParameters": {"userName": "a"}, "responseElements": {}},
    {"requestParameters": 1, "responseElements": 23},
    {"requestParameters": 12, "responseElements": 3},
    {"resources": [{"ARN": "arn:aws:iam::123456789012:user/c"}]},
    {"resources": [{"arn": "arn:aws:iam::123456789012:user/d"}]},
    {"resources": [{"ARN": "arn:aws:iam::123456789012:user/c"}, {"ARN": "no ARN"}, {}]},
    {"requestParameters": {"userName": "a"}, "resources": [{"ARN": "arn:aws:iam::1:role/e"}]},
    {"requestParameters": {"userName": "a"}, "resources": []},
    {"requestParameters": {"userName": "a" * 2_000}},
    {"resources": [{"ARN": "arn:aws:iam::123456789012:user/" + "f" * 4_000}]},
]


@pytest.mark.parametrize("name", ["CreateUser", "Unknown"])
@pytest.mark.parametrize("source", [IAM, EC2, "a-service-to-come.amazonaws.com", ""])
def test_every_record_gives_its_own_members_the_first_and_the_second_time(
    source: str, name: str
) -> None:
    kept = touched(source, name)
    views = [record(source, name, **body) for body in BODIES]
    expected = [anew(view) for view in views]
    assert [kept.of(view) for view in views] == expected
    assert [kept.of(view) for view in reversed(views)] == expected[::-1]


def test_a_repeated_record_is_worked_out_once() -> None:
    kept = touched(IAM, "GetUser")
    body = {"requestParameters": {"userName": "a"}}
    first, second = record(IAM, "GetUser", **body), record(IAM, "GetUser", **body)
    assert kept.of(first) is kept.of(second)


def test_a_call_that_never_repeats_is_worked_out_each_time_and_tried_again_later() -> None:
    kept = touched(IAM, "GetUser")
    same = record(IAM, "GetUser", requestParameters={"userName": "a"})
    for number in range(OF_A_CALL + 1):
        kept.of(record(IAM, "GetUser", requestParameters={"userName": f"new-{number}"}))
    assert kept.of(same) == anew(same)
    assert kept.of(same) is not kept.of(same)
    for _ in range(PAUSE):
        kept.of(same)
    assert kept.of(same) is kept.of(same)


def test_a_call_that_repeats_is_still_kept_after_many_records() -> None:
    kept = touched(IAM, "GetUser")
    same = record(IAM, "GetUser", requestParameters={"userName": "a"})
    for number in range(3 * OF_A_CALL):
        kept.of(record(IAM, "GetUser", requestParameters={"userName": f"new-{number}"}))
        kept.of(same)
    assert kept.of(same) is kept.of(same)


def test_at_the_limit_the_entries_of_all_calls_are_dropped() -> None:
    room = Room(limit=3)
    view = record(IAM, "GetUser", requestParameters={"userName": "a"})
    first, second, third, fourth = (touched(IAM, f"Call{number}", room) for number in range(4))
    written = [kept.of(view) for kept in (first, second, third)]
    assert [kept.of(view) for kept in (first, second, third)] == written
    assert all(
        kept.of(view) is old for kept, old in zip((first, second, third), written, strict=True)
    )
    assert fourth.of(view) == anew(view)
    assert first.of(view) == written[0]
    assert first.of(view) is not written[0]


@pytest.mark.parametrize(
    "body",
    [
        {"resources": [{"ARN": "arn:aws:iam::1:user/" + "a" * 5_000}]},
        {"resources": [{"ARN": "arn:aws:iam::1:user/a"}, {"ARN": "a" * 5_000}]},
        {"resources": [{"ARN": "arn:aws:iam::1:user/a"}, *([{}] * 10_000)]},
        {"requestParameters": {"x": "a" * 5_000, "userName": "a"}},
    ],
)
def test_large_records_are_not_kept(body: dict[str, Any]) -> None:
    kept, view = touched(IAM, "GetUser"), record(IAM, "GetUser", **body)
    assert kept.of(view) == kept.of(view) == anew(view)
    assert kept.of(view) is not kept.of(view)
