"""`detect` and `rules backtest` over history: what was looked at, and what could not be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from opensearchpy import OpenSearch
from typer.testing import CliRunner, Result

from detections.history import survey
from detections.span import Span
from tests.faults.proxy import DROP, Proxy, Request
from tests.helpers.read_blocks import while_unreadable
from tests.helpers.trails import backfill, own_settings, reached_at, record, write_trail
from trailhound.app.detection.detection import History, rules_in_force
from trailhound.cli.exit_codes import exit_code
from trailhound.cli.main import app
from trailhound.cli.options import history_span_of
from trailhound.cluster.templates import Names
from trailhound.errors import NoEventsIndexError, UsageError
from trailhound.settings import Settings

DAYS = 4
PLAIN = """\
title: A plain rule
id: 00000000-0000-4000-8000-000000000001
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: CreateUser}, condition: s}
level: high
"""
CORRELATION = """\
title: A part
name: a_part
id: 00000000-0000-4000-8000-000000000002
logsource: {product: aws, service: cloudtrail}
detection: {s: {eventName: NeverAnswered}, condition: s}
---
title: A correlation
id: 00000000-0000-4000-8000-000000000003
correlation: {type: event_count, rules: [a_part], timespan: 1h, condition: {gte: 1}}
level: high
"""


def run(settings: Settings, *arguments: str | Path) -> Result:
    common = ["--url", settings.hosts[0], "--namespace", settings.namespace]
    return CliRunner().invoke(app, [*map(str, arguments), *common], catch_exceptions=False)


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(engine, namespace, tmp_path)


@pytest.fixture
def days(client: OpenSearch, settings: Settings, tmp_path: Path) -> list[str]:
    """The indices of a few days, with an event each."""
    events = [record(eventTime=f"2025-03-0{day + 1}T10:00:00Z") for day in range(DAYS)]
    backfill(settings, write_trail(tmp_path / "in", events))
    return [Names(settings.prefix).day(f"2025.03.0{day + 1}") for day in range(DAYS)]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "plain.yml").write_text(PLAIN, "utf-8")
    return folder


@pytest.mark.parametrize("command", [("detect",), ("rules", "backtest")])
def test_without_an_index_nothing_can_be_said(command: tuple[str, ...], settings: Settings) -> None:
    done = CliRunner().invoke(
        app, [*command, "--url", settings.hosts[0], "--namespace", settings.namespace]
    )
    assert isinstance(done.exception, NoEventsIndexError)
    assert exit_code(done.exception) == 2
    said = str(done.exception)
    assert f"no index {Names(settings.prefix).days}" in said
    assert "found nothing" not in done.output


def test_an_empty_index_is_no_fault_and_is_named(client: OpenSearch, settings: Settings) -> None:
    client.indices.create(index=Names(settings.prefix).day("2025.03.01"))
    done = run(settings, "detect")
    assert "0 events searched" in done.stdout
    assert done.exit_code == 0
    assert "over 0 events" in run(settings, "rules", "backtest").stderr


def test_how_many_events_were_looked_at_is_said(days: list[str], settings: Settings) -> None:
    assert f"{DAYS} events searched" in run(settings, "detect", "--dry-run").stdout
    done = run(settings, "detect", "--dry-run", "--json", "--since", "2025-03-02")
    assert json.loads(done.stdout)["events"] == DAYS - 1
    assert len(days) == DAYS


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "index.blocks.read"])
def test_a_day_that_cannot_be_read_is_named_and_counted(
    closed: bool,
    days: list[str],
    client: OpenSearch,
    settings: Settings,
    rules: Path,
) -> None:
    if closed:
        client.indices.close(index=days[1])

    def without_a_day(*arguments: str) -> Result:
        def attempt() -> Result:
            return run(settings, *arguments, "--rules", rules)

        return attempt() if closed else while_unreadable(client, days[1], attempt)

    done = without_a_day("detect", "--dry-run")
    assert done.exit_code == 1
    assert f"{DAYS - 1} events searched" in done.stdout
    assert "1 day not searched" in done.stderr
    assert days[1] in done.stderr
    reported = json.loads(without_a_day("detect", "--dry-run", "--json").stdout)
    assert [each["index"] for each in reported["skipped_days"]] == [days[1]]
    assert {each["title"]: each["errors"] for each in reported["rules"]}["A plain rule"] == []

    done = without_a_day("rules", "backtest", "--only")
    assert done.exit_code == 1
    assert days[1] in done.stderr
    assert f"over {DAYS - 1} events" in done.stderr
    later = without_a_day("rules", "backtest", "--only", "--since", "2025-03-03")
    assert later.exit_code == 0, "the day lies outside of what was asked for"
    assert days[1] not in later.stderr


def test_a_mounted_copy_that_cannot_be_read_is_named_for_its_day_alone(
    days: list[str], client: OpenSearch, settings: Settings
) -> None:
    copy = f"{days[1]}_remote"
    client.indices.create(index=copy)
    client.indices.close(index=copy)
    assert copy in run(settings, "detect", "--dry-run").stderr
    later = run(settings, "detect", "--dry-run", "--since", "2025-03-03")
    assert later.exit_code == 0, "the day lies outside of what was asked for"
    assert copy not in later.stderr


@pytest.mark.parametrize("command", [("detect", "--dry-run"), ("rules", "backtest")])
def test_a_time_without_events_is_told_as_that(
    command: tuple[str, ...], days: list[str], settings: Settings
) -> None:
    done = run(settings, *command, "--since", "2030-01-01")
    assert done.exit_code == 0
    assert "0 events" in done.output
    assert "swap" not in done.output
    if command[0] == "detect":
        assert "from 2025-03-01 to 2025-03-04" in done.stdout
    wrong = CliRunner().invoke(app, [*command, "--since", "2030-01-01", "--until", "2029-01-01"])
    assert isinstance(wrong.exception, UsageError)
    assert wrong.exception.hint.startswith("swap the two")
    assert len(days) == DAYS


def test_work_goes_by_the_data_and_not_by_the_span(
    client: OpenSearch, settings: Settings, tmp_path: Path
) -> None:
    begin = datetime(2025, 3, 1, 10, tzinfo=UTC)
    times = [begin + timedelta(days=day) for day in range(30)] + [datetime(2015, 5, 5, tzinfo=UTC)]
    events = [record(eventTime=f"{time:%Y-%m-%dT%H:%M:%SZ}") for time in times]
    backfill(settings, write_trail(tmp_path / "in", events))
    pack = rules_in_force(settings)
    with _counted(settings) as proxy:
        own = reached_at(settings, proxy.url)
        done = run(own, "detect", "--since", "2000-01-01", "--until", "2090-01-01", "--dry-run")
        assert done.exit_code == 0, done.output
        assert "31 events searched" in done.stdout
        assert len(proxy.seen) < 5 * len(pack.alerting), "requests for rules, not for days"
    history = History(client, settings, pack, history_span_of(None, None))
    assert [piece.events for piece in history.survey.pieces] == [31]
    # Progress says where it is from before the first request on, and which rule has begun.
    seen: list[tuple[int, int, str]] = []
    list(history.run(record=False, watch=lambda _piece, *where: seen.append(where)))
    every = len(pack.alerting)
    assert (seen[0], seen[-1][:2]) == ((0, every, ""), (every, every))
    assert "" != seen[-1][2] in {rule.title for rule in pack.alerting}
    few = survey(client, settings, Span(begin, begin + timedelta(days=9)), piece_events=2)
    assert [piece.events for piece in few.pieces] == [2, 2, 2, 2, 1]
    assert few.pieces[0].span.since == begin
    assert few.pieces[-1].span.until == datetime(2025, 3, 10, tzinfo=UTC)


def _counted(settings: Settings) -> Proxy:
    return Proxy(settings.hosts[0], lambda _: None)


@pytest.fixture
def never_answered(settings: Settings) -> Iterator[Settings]:
    """Settings of a cluster that gives no answer to what asks for one call."""

    def script(request: Request) -> object:
        search = "_search" in request.path or "_msearch" in request.path
        return DROP if search and b"NeverAnswered" in request.body else None

    with Proxy(settings.hosts[0], script) as proxy:  # type: ignore[arg-type]
        yield reached_at(settings, proxy.url)


def test_a_rule_without_an_answer_is_named_and_the_others_go_on(
    days: list[str], settings: Settings, never_answered: Settings, rules: Path, tmp_path: Path
) -> None:
    # A rule about a call that nobody made is not asked at all.
    made = record(eventTime="2025-03-01T10:00:00Z", eventName="NeverAnswered")
    backfill(settings, write_trail(tmp_path / "in", [made], "b"))
    (rules / "correlation.yml").write_text(CORRELATION, "utf-8")
    common = ("--rules", rules)
    done = run(never_answered, "rules", "backtest", "--only", "--json", *common)
    assert json.loads(done.stdout) == {"00000000-0000-4000-8000-000000000001": len(days)}
    assert done.exit_code == 1
    assert "A correlation" in done.stderr
    done = run(never_answered, "detect", "--dry-run", "--json", *common)
    reported = {each["title"]: each for each in json.loads(done.stdout)["rules"]}
    assert reported["A plain rule"]["findings"] == len(days)
    assert reported["A correlation"]["errors"]
    assert done.exit_code == 1
