"""Times on the command line: every form that is one, and one sentence for what is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from tests.helpers.clock import lasting_now
from trailhound.cli import dates
from trailhound.cli.main import app
from trailhound.errors import UsageError


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("7d", timedelta(days=7)),
        ("36h", timedelta(hours=36)),
        ("1d12h", timedelta(hours=36)),
        ("90m", timedelta(minutes=90)),
        ("90min", timedelta(minutes=90)),
        (" 2W ", timedelta(days=14)),
    ],
)
def test_a_duration_is_before_now(text: str, before: timedelta) -> None:
    earliest = datetime.now(UTC) - before
    assert earliest <= dates.time(text) <= datetime.now(UTC) - before


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-03-01", "2025-03-01T00:00:00+00:00"),
        ("2025-03-01T12:30", "2025-03-01T12:30:00+00:00"),
        ("2025-03-01 12:30:05", "2025-03-01T12:30:05+00:00"),
        ("2025-03-01T12:30:05.123z", "2025-03-01T12:30:05.123000+00:00"),
        ("2025-03-01T01:30:00+05:30", "2025-02-28T20:00:00+00:00"),
    ],
)
def test_a_date_and_an_instant_are_in_utc(text: str, moment: str) -> None:
    assert dates.time(text).isoformat() == moment
    assert dates.day(text).isoformat() == f"{moment[:10]}T00:00:00+00:00"


@pytest.mark.parametrize(
    "text", ["", "d", "7", "-7d", "soon", "1e9", "2025-13-01", "٧d", "99999d", "2025-03-01T25:00"]
)
def test_what_is_no_time_is_refused_with_the_forms_or_the_limits(text: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        dates.time(text)
    assert dates.FORMS in refused.value.message or "1970" in refused.value.message


def test_only_a_date_stands_for_its_whole_day() -> None:
    assert dates.end_of(dates.time("2025-03-01")).day == 2
    midnight = dates.time("2025-03-01T00:00:00Z")
    assert dates.end_of(midnight) == midnight


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30d", timedelta(days=30)),
        (" 2w ", timedelta(weeks=2)),
        ("1h", timedelta(hours=1)),
    ],
)
def test_a_duration_of_what_is_to_come_is_after_now(text: str, length: timedelta) -> None:
    before = datetime.now(UTC)
    found = dates.coming(text)
    after = datetime.now(UTC)
    # The clock is read twice in there.
    assert before + length - (after - before) <= found <= after + length


def test_what_is_to_come_is_a_plain_time_that_can_be_stored() -> None:
    for text in ("2198-03-01", "2198-03-01T23:00Z", "30d"):
        assert type(dates.coming(text)) is datetime
    today = f"{lasting_now(timedelta(seconds=5)):%Y-%m-%d}"
    assert dates.coming(today) == dates.end_of(dates.time(today))


@pytest.mark.parametrize("text", ["2025-03-01", "2025-03-01T10:00Z", "0d"])
def test_what_has_passed_is_not_to_come(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="has passed"):
        dates.coming(text)


def test_a_time_to_come_is_not_shown_as_now() -> None:
    now = datetime.now(UTC)
    assert dates.ago(now + timedelta(days=13, hours=1)) == "in 13 d"
    assert dates.ago(now + timedelta(hours=2, minutes=5)) == "in 2 h"
    assert dates.ago(dates.coming("13d")) == "in 13 d"
    assert dates.ago(now + timedelta(seconds=9)) == "0 s ago"
    later = now + timedelta(days=90)
    assert dates.ago(later.isoformat()) == f"{later:%Y-%m-%d}"


@pytest.mark.parametrize(
    "command",
    [("aws", "logs-query", "fields @message", "--log-group", "x"), ("hunt", "--log-group", "x")],
)
def test_what_begins_after_now_is_refused(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*command, "--since", "2190-01-01"])
    assert isinstance(done.exception, UsageError)
    assert "--since 2190-01-01 is after now" in done.exception.message
