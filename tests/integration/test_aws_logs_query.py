"""`trailhound aws logs-query` against Logs Insights as a stand-in speaks it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.helpers.aws_api import AwsApi
from tests.helpers.logs_insights import Group, LogsInsightsApi
from tests.helpers.queues import until
from tests.helpers.schemas import require_listing
from trailhound.cli.main import app
from trailhound.errors import AwsError, UsageError

NOON = int(datetime(2025, 3, 1, 12, tzinfo=UTC).timestamp()) * 1_000
DAY = ("--since", "2025-03-01", "--until", "2025-03-01", "--yes")


@pytest.fixture
def api(
    aws_api: AwsApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LogsInsightsApi]:
    monkeypatch.setenv("TRAILHOUND_HOME", str(tmp_path / "home"))
    aws_api.insights = LogsInsightsApi()
    yield aws_api.insights
    aws_api.insights = LogsInsightsApi()


def events(number: int, *, of: str = "GetObject", every: int = 100) -> list[tuple[int, str]]:
    """Events, `every` milliseconds from noon on."""
    return [
        (NOON + each * every, json.dumps({"eventName": of, "n": each})) for each in range(number)
    ]


def run(query: str, groups: list[str], *more: str, regions: tuple[str, ...] = ()) -> Result:
    named = [*(f"--log-group={each}" for each in groups), *(f"--region={each}" for each in regions)]
    return CliRunner().invoke(app, ["aws", "logs-query", query, *named, *DAY, *more])


def printed(done: Result, code: int = 0) -> dict[str, Any]:
    assert done.exit_code == code, f"{done.output}{done.exception}"
    found: dict[str, Any] = json.loads(done.stdout)
    require_listing(found, "aws logs-query")
    return found


def test_many_groups_and_regions_answer_as_one_and_a_cut_answer_is_asked_for_in_parts(
    api: LogsInsightsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailhound.aws.query_spans.ROWS", 40)
    api.cap, api.at_once = 40, 3
    api.busy.update({"StartQuery": 2, "GetQueryResults": 1})
    crowded = [(NOON + 500, json.dumps({"n": each})) for each in range(41)]
    api.groups = {
        ("us-east-1", "trail"): Group(events(150)),
        ("eu-west-1", "trail"): Group(events(30, every=1_000), ["Scheduled", "Running"]),
        ("us-east-1", "crowded"): Group(crowded),
    }
    done = run("fields @timestamp, n", ["trail", "crowded"], "--json",
               regions=("us-east-1", "eu-west-1"))  # fmt: skip
    found = printed(done, 1)
    of = [(each["region"], each["log_group"], each["fields"]["n"]) for each in found["rows"]]
    assert len(of) == len(set(of)) == 150 + 30 + 40
    times = [each["fields"]["@timestamp"] for each in found["rows"]]
    assert times == sorted(times, reverse=True)
    (cut,) = found["cut"]
    assert (cut["log_group"], cut["since"], cut["until"]) == (
        "crowded", "2025-03-01T12:00:00Z", "2025-03-01T12:00:01Z")  # fmt: skip
    assert cut["reason"] == "one second has 41 rows, of which AWS gives 40"
    assert found["failed"] == []
    assert api.most <= 3
    assert "there is no log group crowded in eu-west-1" in done.stderr
    assert found["scanned_bytes"] > found["estimate"]["bytes"] == 0  # made in 1970, it says


def test_what_fails_is_named_and_ends_no_other(api: LogsInsightsApi) -> None:
    ends = ("Failed", "Cancelled", "Timeout")
    api.groups = {
        ("us-east-1", each.lower()): Group(events(5), states=[each], partial=2) for each in ends
    } | {
        ("us-east-1", "late"): Group(events(5), states=["Forever"], partial=1),
        ("us-east-1", "unknown"): Group(events(5), states=["Unknown"] * 1_000),
        ("us-east-1", "good"): Group(events(5)),
    }
    names = [name for _, name in api.groups]
    done = run("fields n", names, "--timeout=4", "--json")
    found = printed(done, 1)
    states = {each["log_group"]: (each["state"], each["rows"]) for each in found["failed"]}
    assert states == {
        "failed": ("Failed", 2),
        "cancelled": ("Cancelled", 2),
        "timeout": ("Timeout", 2),
        "late": ("Late", 1),
        "unknown": ("Unknown", 0),
    }
    assert len(found["rows"]) == 2 + 2 + 2 + 1 + 5
    assert found["ordered"] is False
    assert len(api.stopped) == 2
    assert (
        "Failed: failed in us-east-1, 2025-03-01T00:00:00Z to 2025-03-02T00:00:00Z" in done.stderr
    )


def test_aggregates_are_of_each_log_group_and_never_divided(
    api: LogsInsightsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trailhound.aws.query_spans.ROWS", 20)
    api.cap = 20
    api.groups = {("us-east-1", name): Group(events(30, of=name)) for name in ("a", "b")}
    query = "stats count(*) as calls by eventName"
    done = run(query, ["a", "b"])
    assert done.stdout.splitlines() == [
        "region\tlog_group\teventName\tcalls",
        "us-east-1\ta\ta\t30",
        "us-east-1\tb\tb\t30",
    ]
    assert "nothing is added up across them" in done.stderr
    assert len(api.started) == 2
    found = printed(run("stats count(*) as calls by n", ["a"], "--json"), 1)
    assert (len(found["rows"]), len(found["cut"]), len(api.started)) == (20, 1, 3)
    assert "can't be applied to parts of the time" in found["cut"][0]["reason"]


def test_a_limit_is_of_all_groups_and_the_forms_are_of_the_fields(api: LogsInsightsApi) -> None:
    api.groups = {("us-east-1", name): Group(events(9, every=5_000 + each))
                  for each, name in enumerate(("a", "b"))}  # fmt: skip
    done = run("fields @timestamp, n | sort @timestamp asc | limit 4", ["a", "b"], "--output=csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["log_group"], row["n"]) for row in rows] == [
        ("a", "0"), ("b", "0"), ("a", "1"), ("b", "1")]  # fmt: skip
    assert "the query's limit left 4 rows of other log groups out" in done.stderr
    lines = run("fields n | limit 1", ["a"], "--output=ndjson").stdout.splitlines()
    assert json.loads(lines[0]) == {"region": "us-east-1", "log_group": "a", "fields": {"n": "8"}}


def test_the_cost_is_said_first_and_nobody_is_charged_unasked(
    api: LogsInsightsApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group(events(10), created=NOON - 43_200_000, days=None)
    api.groups = {("us-east-1", "a"): group}
    asked = ["aws", "logs-query", "fields n", "--log-group=a", "--since=2025-03-01"]
    done = CliRunner().invoke(app, [*asked, "--price=5e6"])
    assert isinstance(done.exception, UsageError)
    assert "--yes" in done.exception.hint
    assert "about 340 B to scan" in done.stderr.replace("\n", " ")
    assert "$5e+06 a GB" in done.stderr.replace("\n", " ")
    assert not api.started
    for query, error in (("fields n | frobnicate", UsageError), ("", UsageError)):
        assert isinstance(run(query, ["a"]).exception, error)
    assert isinstance(run("fields n", ["nowhere"]).exception, UsageError)
    monkeypatch.setattr("tests.helpers.logs_insights.LogsInsightsApi._describe", _denied)
    assert isinstance(run("fields n", ["a"]).exception, AwsError)


def _denied(*_: object) -> dict[str, Any]:
    from tests.helpers.logs_insights import ApiError

    raise ApiError("AccessDeniedException", "not authorized")


def test_a_signal_stops_the_queries_and_what_came_is_shown(api: LogsInsightsApi) -> None:
    api.groups = {
        ("us-east-1", "good"): Group(events(3)),
        ("us-east-1", "slow"): Group(events(3), states=["Forever"]),
    }

    def one_of_two_is_done() -> bool:
        ends = [each.ended for each in list(api.queries.values())]
        return len(ends) == 2 and "Complete" in ends

    def interrupt() -> None:
        until(one_of_two_is_done, "the good one's answer")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    found = printed(run("fields n", ["good", "slow"], "--json"), 1)
    assert len(found["rows"]) == 3
    assert [(each["log_group"], each["state"]) for each in found["failed"]] == [("slow", "Stopped")]
    assert len(api.stopped) == 1
