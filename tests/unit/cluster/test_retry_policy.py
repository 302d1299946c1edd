"""How long to wait for a cluster, and for which of its refusals."""

from __future__ import annotations

import threading
import time

import pytest
from opensearchpy.exceptions import (
    AuthorizationException,
    ConnectionTimeout,
    RequestError,
    SSLError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as NoConnection

from tests.unit.cluster.replies import NO_MEMORY
from trailhound.cluster.retry_policy import (
    BACKOFF,
    RetryPolicy,
    Stopped,
    is_transient,
    may_have_arrived,
)
from trailhound.errors import AccessDeniedError, ClusterUnreachableError, RequestFailedError

ERRORS: list[tuple[TransportError, bool, bool]] = [
    (TransportError(429, "busy", {}), True, False),
    (TransportError(502, "gateway", {}), True, True),
    (TransportError(503, "away", {}), True, True),
    (TransportError(504, "late", {}), True, True),
    (NoConnection("N/A", "refused", OSError()), True, True),
    (ConnectionTimeout("TIMEOUT", "late", OSError()), True, True),
    (SSLError("N/A", "certificate", OSError()), False, True),
    (RequestError(400, "parse", {}), False, False),
    (AuthorizationException(403, "no", {}), False, False),
    (TransportError(500, "fault", {}), False, False),
    (TransportError(500, "search_phase_execution_exception", NO_MEMORY), True, False),
]


@pytest.mark.parametrize(("error", "again", "arrived"), ERRORS)
def test_which_errors_pass_and_which_may_have_done_the_work(
    error: TransportError, again: bool, arrived: bool
) -> None:
    assert is_transient(error) is again
    assert may_have_arrived(error) is arrived


def waits(attempts: int) -> list[float]:
    reported: list[float] = []
    stop = threading.Event()
    stop.set()  # no test sleeps
    retry_policy = RetryPolicy(on_wait=lambda seconds, _: reported.append(seconds), stop=stop)
    for attempt in range(attempts):
        with pytest.raises(Stopped):
            retry_policy.wait(attempt, time.monotonic(), "busy")
    return reported


def test_waits_grow_with_jitter_up_to_a_ceiling() -> None:
    for _ in range(20):
        for attempt, seconds in enumerate(waits(12)):
            ceiling = min(BACKOFF.longest, BACKOFF.first * 2**attempt)
            assert 0.5 * ceiling <= seconds <= ceiling
    assert len({waits(1)[0] for _ in range(20)}) > 1


def test_it_gives_up_after_its_time_with_the_reason() -> None:
    retry_policy = RetryPolicy(5)
    with pytest.raises(
        ClusterUnreachableError, match=r"gave up after 5 s: the queue is full"
    ) as gave_up:
        retry_policy.wait(3, time.monotonic() - 6, "the queue is full")
    assert "to resume" in gave_up.value.hint


def test_a_call_is_tried_until_it_succeeds() -> None:
    answers: list[TransportError | str] = [TransportError(503, "away", {}), "fine"]

    def call() -> str:
        answer = answers.pop(0)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    reported: list[str] = []
    assert RetryPolicy(on_wait=lambda _, reason: reported.append(reason)).run(call) == "fine"
    assert answers == []
    assert len(reported) == 1
    assert "not ready" in reported[0]


def test_a_wait_that_nobody_else_shows_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    stop = threading.Event()
    stop.set()
    for attempt in (0, 6):
        with pytest.raises(Stopped):
            RetryPolicy(stop=stop).wait(attempt, time.monotonic(), "disk full")
    (said,) = caplog.messages  # the first is shorter than a second
    assert said.startswith("waiting ")
    assert said.endswith(" s for the cluster: disk full")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (AuthorizationException(403, "no", {}), AccessDeniedError),
        (RequestError(400, "parse", {}), RequestFailedError),
        (SSLError("N/A", "certificate", OSError()), ClusterUnreachableError),
    ],
)
def test_what_waiting_cannot_mend_is_raised_at_once(
    error: TransportError, raised: type[Exception]
) -> None:
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        raise error

    with pytest.raises(raised):
        RetryPolicy().run(call)
    assert calls == 1
