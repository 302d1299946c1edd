"""Two years of days on a small heap are named before searches of them are refused."""

from __future__ import annotations

from trailhound.app.doctor.heap_check import MIB, heap_check


def test_a_heap_that_is_small_for_its_days_is_named() -> None:
    (check,) = heap_check(732, 1_024 * MIB)
    assert check.verdict == "warning"
    assert "732 shards on a node hold about 264 MiB of its 1,024 MiB of heap" in check.fact
    assert "give it 1,056 MiB" in check.advice
    assert heap_check(732, 1_056 * MIB) == []
