"""`trailhound hunt --log-group`: the threat report of log groups, the same as that of an index."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.aws_api import AwsApi
from tests.helpers.commands import command
from tests.helpers.logs_insights import Group, LogsInsightsApi
from tests.helpers.schemas import require_listing
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.errors import UsageError
from trailhound.sample import SampleSpec, write_sample
from trailhound.settings import Settings

GROUPS = ("--log-group=trail", "--log-group=other", "--region=us-east-1", "--yes")
WEEK = ("--since", "2025-03-03", "--until", "2025-03-09")
HOSTILE = {"type": "IAMUser", "arn": "arn:aws:iam::1:user/\ud800x", "userName": "\ud800x"}


@pytest.fixture
def api(aws_api: AwsApi) -> Iterator[LogsInsightsApi]:
    aws_api.insights = LogsInsightsApi()
    yield aws_api.insights
    aws_api.insights = LogsInsightsApi()


def events(folder: Path) -> list[tuple[int, str]]:
    """The records of a trail as CloudTrail sends them to a log group."""
    records = [
        each
        for file in sorted(folder.rglob("*.json.gz"))
        for each in json.loads(gzip.decompress(file.read_bytes()))["Records"]
    ]
    return [(millis(each), json.dumps(each)) for each in records]


def millis(each: dict[str, Any]) -> int:
    return int(datetime.fromisoformat(each["eventTime"]).timestamp() * 1000)


def report(settings: Settings, folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The report that a hunt writes."""
    folder.mkdir()
    done = command(settings, "hunt", *arguments, "--folder", str(folder), "--json")
    assert done.exit_code == code, f"{done.output}{done.exception}"
    require_listing(json.loads(done.stdout), "hunt")
    (file,) = folder.iterdir()
    found: dict[str, Any] = json.loads(file.read_text())
    return {name: value for name, value in found.items() if name != "analysis_timestamp"}


def test_the_report_is_that_of_an_index_of_the_same_events(
    engine: str, namespace: str, tmp_path: Path, api: LogsInsightsApi
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    prepared(settings)
    write_sample(tmp_path / "trail", SampleSpec(events=3_000, seed=4))
    write_trail(tmp_path / "trail", list(shared_address()))
    backfill(settings, tmp_path / "trail")
    there = events(tmp_path / "trail")
    # Two groups of one region, and an answer that has to be asked for in parts.
    api.groups = {("us-east-1", "trail"): Group(there[:2_000]),
                  ("us-east-1", "other"): Group(there[1_900:])}  # fmt: skip
    api.cap = 500
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trailhound.aws.query_spans.ROWS", 500)
        ours = report(settings, tmp_path / "logs", *GROUPS, *WEEK)
    theirs = report(settings, tmp_path / "index", "--report", *WEEK)
    assert ours["total_threats"] > 10
    assert {each["pattern"] for each in ours["threats"]} > {"anomalous_activity", "suspicious_ip"}
    assert ours == theirs


def shared_address() -> Iterator[dict[str, Any]]:
    """Users with an ARN, a person without one, a service and refusals, all from one address."""
    for number in range(14):
        name = f"user{number % 3}"
        who: dict[str, Any] = {
            "type": "IAMUser",
            "arn": f"arn:aws:iam::111122223333:user/{name}",
            "accountId": "111122223333",
            "userName": name,
        }
        if number % 7 == 5:
            who = {"type": "SAMLUser", "userName": "ada", "accountId": "111122223333"}
        if number % 7 == 6:
            who = {"type": "AWSService", "invokedBy": "ec2.amazonaws.com"}
        yield record(
            eventTime=f"2025-03-05T10:{number:02}:00Z",
            eventName="GetRole",
            userIdentity=who,
            sourceIPAddress="203.0.113.77",
            errorCode="AccessDenied" if number < 11 else "",
        )


def test_what_is_no_record_is_named_and_the_rest_is_used(
    tmp_path: Path, api: LogsInsightsApi
) -> None:
    settings = own_settings("http://127.0.0.1:1", "x", tmp_path / "home")  # no cluster is asked
    calls = ("ListUsers", "ListRoles", "ListPolicies")
    good = [record(eventName=each, eventTime="2025-03-04T12:00:00Z") for each in calls]
    now = millis(good[0])
    messages = [
        *map(json.dumps, good),
        json.dumps(record(eventTime="2025-03-04T12:00:00Z", userIdentity=HOSTILE)),
        '{"eventName": "PutObject", "requestParameters": {"x": "' + "y" * 262_200,
        "START RequestId",
        '{"level": "info"}',
        json.dumps(record(eventTime="tomorrow")),
    ]
    api.groups = {("us-east-1", "trail"): Group([(now, each) for each in messages])}
    arguments = ("hunt", "--log-group=trail", "--region=us-east-1", *WEEK, "--yes", "--json")
    done = command(settings, *arguments, "--folder", str(tmp_path))
    assert done.exit_code == 1, f"{done.output}{done.exception}"
    found = json.loads(done.stdout)
    require_listing(found, "hunt")
    assert [each["pattern"] for each in found["leads"]] == ["reconnaissance", "reconnaissance"]
    logs = found["logs"]
    assert logs["left_out"] == {"cut": 1, "no CloudTrail record": 1, "not JSON": 1}
    assert (logs["events"], logs["unreadable"]) == (4, 1)
    assert "1 log event left out: cut, the first of 2025-03-04 12:00:00.000" in done.stderr
    for wrong in (["--hours=3"], ["--log-group=trail", "--hours=3", "--since=1d", "--yes"]):
        assert isinstance(command(settings, "hunt", *wrong).exception, UsageError)
