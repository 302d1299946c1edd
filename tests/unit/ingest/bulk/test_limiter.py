"""How many requests may be under way."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from ingest.bulk.limiter import AdaptiveLimiter


def test_a_refusal_halves_and_a_calm_stretch_adds_one() -> None:
    gate = AdaptiveLimiter(8)
    gate.refused()
    assert gate.limit == 4
    for _ in range(7):
        gate.accepted()
    assert gate.limit == 4
    gate.accepted()
    assert gate.limit == 5
    gate.refused()
    assert gate.limit == 2


@given(st.integers(1, 64), st.lists(st.booleans(), max_size=200))
def test_the_limit_stays_between_one_and_the_most(most: int, said: list[bool]) -> None:
    gate = AdaptiveLimiter(most)
    for fine in said:
        before = gate.limit
        if fine:
            gate.accepted()
            assert before <= gate.limit <= before + 1
        else:
            gate.refused()
            assert gate.limit <= before
        assert 1 <= gate.limit <= most


def test_it_never_lets_more_in_than_its_limit() -> None:
    gate = AdaptiveLimiter(3)
    lock = threading.Lock()
    inside, peak, rounds = 0, 0, 0

    def work() -> None:
        nonlocal inside, peak, rounds
        for _ in range(200):
            with gate:
                with lock:
                    inside += 1
                    peak = max(peak, inside)
                with lock:
                    inside -= 1
                    rounds += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (inside, rounds) == (0, 1600)
    assert 1 <= peak <= 3


def test_a_narrowed_gate_opens_again_for_who_waits() -> None:
    gate = AdaptiveLimiter(1)
    entered = threading.Event()

    def second() -> None:
        with gate:
            entered.set()

    with gate:
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.is_set()
    thread.join(120)
    assert entered.is_set()
