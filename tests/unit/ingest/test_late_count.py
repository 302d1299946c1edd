"""Which events come too late for the scheduled rules: their own time decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from enrich.enricher import Enricher
from ingest.documents.assembler import Assembler
from ingest.late_count import LateCount
from ingest.late_events import LateEventsTotal
from ingest.object_progress import ObjectProgress
from ingest.objects import TrailObject
from ingest.reading import Chunk
from tests.helpers.trails import record
from tests.unit.ingest.reading.formats import compact

NOW = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
DAY = f"{NOW - timedelta(days=3):%Y-%m-%d}"


def event(hours: float, **more: Any) -> dict[str, Any]:
    """An event that happened so many hours before now."""
    return record(eventTime=f"{NOW - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}") | more


def assembled(*events: dict[str, Any]) -> ObjectProgress:
    """An object with these events, none of which is indexed yet."""
    run = ObjectProgress(TrailObject("export.json", "", 1), lambda _: None)
    run.late = LateCount(timedelta(hours=24), NOW)
    chunk = Chunk([compact(each).encode() for each in events], range(len(events)))
    run.read(len(events))
    list(Assembler(Enricher(), lambda day: f"cloudtrail-{day}").assemble(chunk, run))
    return run


@pytest.mark.parametrize(
    ("hours", "late"), [(0.1, 0), (9.5, 0), (23.5, 0), (23.9, 1), (30, 1), (70, 1)]
)
def test_an_event_is_late_by_its_own_time(hours: float, late: int) -> None:
    run = assembled(event(hours))
    assert run.late is not None
    assert run.late.events == late


@pytest.mark.parametrize(
    ("hours", "after", "late"),
    [(23.5, 0.2, 0), (23.5, 0.4, 0), (23.5, 0.6, 1), (1, 22, 0), (1, 24, 1), (30, 24, 1)],
)
def test_an_event_is_late_by_the_time_at_which_it_was_sent(
    hours: float, after: float, late: int
) -> None:
    """As where the cluster is away between the reading of an object and the sending of it."""
    first = NOW - timedelta(hours=hours)
    for when in (f"{first:%Y-%m-%dT%H:%M:%SZ}", f" {first:%Y-%m-%dT%H:%M:%S}", first.timestamp()):
        run = assembled(event(hours, eventTime=when), event(hours, trail="x", eventTime=when))
        assert run.late is not None
        run.late.settle(NOW + timedelta(hours=after))
        assert run.late.events == 2 * late
        assert not late or run.late.first.date() == run.late.last.date() == first.date()


def test_events_that_waited_for_the_cluster_are_added_up() -> None:
    began = datetime.now(UTC) - timedelta(hours=30)
    run = assembled(*(record(eventTime=f"{began:%Y-%m-%dT%H:%M:%SZ}") for _ in range(2)))
    run.late = LateCount(timedelta(hours=24), began)
    run.late.add(f"{began:%Y-%m-%dT%H:%M:%SZ}")
    run.record("indexed", 2)
    total = LateEventsTotal()
    total.add(run)
    late, _ = total.take()
    assert late is not None
    assert (late.events, late.days[0]) == (1, f"{began:%Y-%m-%d}")


def test_of_a_file_of_many_days_their_number_is_right_all_the_same() -> None:
    late = LateCount(timedelta(hours=24), NOW)
    for minute in range(12_000):
        late.add(f"{NOW + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}")
    late.settle(NOW + timedelta(days=30))
    assert late.events == 12_000


def test_any_form_of_a_record_counts() -> None:
    seconds = (NOW - timedelta(days=2)).timestamp()
    run = assembled(event(1), event(70, trail="a name of ours"), event(1, eventTime=seconds))
    assert run.late is not None
    assert run.late.events == 2
    assert (run.late.first, run.late.last) == (NOW - timedelta(hours=70), NOW - timedelta(days=2))


def test_what_an_unfinished_reading_indexed_is_added_up_by_the_next() -> None:
    """A process was killed before it recorded the late events of an object."""
    for resumed, late in ((True, 2), (False, 1)):
        total = LateEventsTotal()
        run = assembled(event(70), event(60), event(50))
        run.resumed = resumed
        run.share("another object")  # which counted it
        run.record("duplicates", 2)
        run.record("indexed", 1)
        total.add(run)
        found, _ = total.take()
        assert found is not None
        assert found.events == late


def test_only_what_was_indexed_now_is_added_up() -> None:
    total = LateEventsTotal()
    for indexed in (0, 2, 3):
        run = assembled(event(70), event(60), event(1))
        run.record("duplicates", 3 - indexed)
        run.record("indexed", indexed)
        total.add(run)
    late, _ = total.take()
    assert late is not None
    assert late.events == 4
    assert late.days == (DAY, DAY)
    assert total.take()[0] is None
    fresh = assembled(event(1))
    fresh.record("indexed")
    total.add(fresh)
    assert total.take()[0] is None


@pytest.mark.parametrize("begins_rules", [True, False])
def test_what_is_in_time_is_added_up_where_rules_may_not_have_begun(begins_rules: bool) -> None:
    total = LateEventsTotal(begins_rules=lambda: begins_rules)
    now = datetime.now(UTC).replace(microsecond=0)
    times = [now - timedelta(hours=hours) for hours in (60, 5, 3, 1)]
    run = assembled(*(record(eventTime=f"{each:%Y-%m-%dT%H:%M:%SZ}") for each in times))
    run.late = LateCount(timedelta(hours=24), now)
    for each in times:
        run.late.add(f"{each:%Y-%m-%dT%H:%M:%SZ}")
    run.record("duplicates", 1)
    run.record("indexed", 3)
    total.add(run)
    late, others = total.take()
    assert late is not None
    assert late.events == 1
    assert (others is None) == begins_rules
    if others is not None:
        assert (others.events, others.first) == (2, times[1].replace(second=0))
        assert others.last == times[3].replace(second=0)
    assert total.take() == (None, None)
