"""The counting identity, and the moment an object is done."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.counts import Counts
from ingest.object_progress import ObjectProgress, Term
from ingest.objects import TrailObject
from trailhound.errors import AccountingError

numbers = st.integers(0, 10**9)
TERMS: tuple[Term, ...] = ("indexed", "duplicates", "dead_lettered", "filtered")


@given(numbers, numbers, numbers, numbers)
def test_it_holds_for_exactly_one_number_read(a: int, b: int, c: int, d: int) -> None:
    for off in (-1, 0, 1):
        counts = Counts(a + b + c + d + off, a, b, c, d)
        assert counts.holds is (off == 0)


def test_a_broken_identity_names_what_it_is_of() -> None:
    with pytest.raises(AccountingError, match=r"the run: 3 records read, but 2 accounted for"):
        Counts(read=3, indexed=2).check("the run")
    Counts(read=2, indexed=2).check("the run")


@given(st.lists(st.tuples(numbers, numbers, numbers, numbers)))
def test_sums_of_what_holds_hold(each: list[tuple[int, int, int, int]]) -> None:
    total = Counts()
    for terms in each:
        total.add(Counts(sum(terms), *terms))
    assert total.holds
    assert total.read == sum(map(sum, each))


def test_an_object_is_done_once_when_all_is_settled_and_read() -> None:
    done: list[ObjectProgress] = []
    run = ObjectProgress(TrailObject("a", "", 0), done.append)
    run.read(3)
    run.record("indexed", 3)
    assert done == []  # reading may go on
    run.read(1)
    run.finish_reading("it broke off")
    assert done == []
    run.record("duplicates")
    assert done == [run]
    assert run.fault == "it broke off"
    assert run.counts == Counts(4, 3, 1)


def test_an_empty_object_is_done_at_the_end_of_reading() -> None:
    done: list[ObjectProgress] = []
    ObjectProgress(TrailObject("a", "", 0), done.append).finish_reading()
    assert len(done) == 1


def test_many_threads_settle_one_object_once() -> None:
    done: list[ObjectProgress] = []
    run = ObjectProgress(TrailObject("a", "", 0), done.append)
    run.read(8 * 500)
    run.finish_reading()

    def settle(term: Term) -> None:
        for _ in range(500):
            run.record(term)

    threads = [threading.Thread(target=settle, args=(term,)) for term in TERMS * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [run]
    assert run.counts == Counts(4000, 1000, 1000, 1000, 1000)
