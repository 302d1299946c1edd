"""When a job counts as working, by its last runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from trailhound.state.jobs import RELAPSE, SHOWN, JobState

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def succeeded(job: JobState) -> JobState:
    return replace(job, last_error="")


def test_a_job_that_fails_again_and_again_does_not_work_between_two_failures() -> None:
    once = JobState(name="detections").failed("KeyError", NOW)
    assert once.fails(NOW) == "KeyError"
    assert succeeded(once).fails(NOW + SECOND) == ""
    again = succeeded(once).failed("TypeError", NOW + 60 * SECOND)
    since = NOW + 60 * SECOND
    said = "again and again, last at 2025-03-01T12:01:00: TypeError"
    assert succeeded(again).fails(since + SECOND) == said
    assert succeeded(again).fails(since + RELAPSE + SECOND) == ""
    assert again.failures == 2


def test_failures_in_a_row_are_one_and_so_are_those_far_apart() -> None:
    job = JobState(name="detections")
    for number in range(12):  # the cluster is away for a minute
        job = job.failed("no answer", NOW + 5 * number * SECOND)
    assert succeeded(job).fails(NOW + 61 * SECOND) == ""
    later = succeeded(job).failed("no answer", NOW + timedelta(hours=2))
    assert succeeded(later).fails(NOW + timedelta(hours=2) + SECOND) == ""


def test_the_last_failure_is_shown_for_a_while() -> None:
    job = succeeded(JobState(name="detections").failed("TypeError", NOW))
    assert job.last_failure(NOW + SHOWN) == "at 2025-03-01T12:00:00: TypeError"
    assert job.last_failure(NOW + SHOWN + SECOND) == ""
    assert JobState(name="x", last_error="refused").last_failure(NOW) == "refused"
