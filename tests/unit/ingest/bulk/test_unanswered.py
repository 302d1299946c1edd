"""Whose reply a copy waits for, and that nobody waits for ever."""

from __future__ import annotations

import threading

from ingest.bulk.batch import Batch
from ingest.bulk.unanswered import Unanswered

LONG = 240.0


def test_a_copy_waits_until_its_record_is_remembered() -> None:
    unanswered = Unanswered(LONG)
    first = Batch(digests=[1, 2])
    unanswered.add(first)
    remembered = threading.Event()
    found: list[tuple[bool, bool]] = []

    def wait() -> None:
        waited = unanswered.wait_for([2, 7])
        found.append((waited, remembered.is_set()))

    copy = threading.Thread(target=wait)
    copy.start()
    remembered.set()
    unanswered.discard(first)
    copy.join()
    assert found in ([(True, True)], [(False, True)])  # the thread may have begun only now
    assert not unanswered.wait_for([2])


def test_nobody_waits_for_other_records() -> None:
    unanswered = Unanswered(LONG)
    unanswered.add(Batch(digests=[1, 2]))
    assert not unanswered.wait_for([3])
    assert not unanswered.wait_for([])


def test_a_reply_that_does_not_come_is_not_waited_for_for_ever() -> None:
    unanswered = Unanswered(0.01)
    unanswered.add(Batch(digests=[1]))
    assert unanswered.wait_for([1])


def test_two_that_hold_copies_of_each_other_both_go_on() -> None:
    unanswered = Unanswered(LONG)
    batches = [Batch(digests=[1]), Batch(digests=[1])]
    for batch in batches:
        unanswered.add(batch)

    def work(batch: Batch) -> None:
        unanswered.discard(batch)
        unanswered.wait_for(batch.digests)

    threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
