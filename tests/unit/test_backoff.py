"""Waits double after each failure, up to a limit, and are not the same for all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trailhound.backoff import Backoff


@given(st.floats(0.001, 100), st.floats(100, 10_000), st.integers(1, 10_000))
def test_a_wait_is_between_half_and_all_of_its_limit(
    first: float, longest: float, failures: int
) -> None:
    backoff = Backoff(first, longest)
    assert backoff.at_most(1) == first
    assert backoff.at_most(failures) <= backoff.at_most(failures + 1) <= longest
    assert backoff.at_most(failures) / 2 <= backoff.seconds(failures) <= backoff.at_most(failures)


def test_the_first_failures_double_the_wait() -> None:
    backoff = Backoff(0.5, 30.0)
    assert [backoff.at_most(failures) for failures in range(1, 9)] == [
        0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0,
    ]  # fmt: skip
    assert backoff.at_most(0) == 0.5
    assert len({backoff.seconds(3) for _ in range(20)}) > 1
