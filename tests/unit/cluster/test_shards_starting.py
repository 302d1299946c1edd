"""Searches of an `_msearch` that were refused at that moment are sent again, the others are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.cluster.replies import NO_MEMORY
from trailhound.cluster.shards_starting import with_started_shards
from trailhound.errors import ClusterBusyError

BUSY: Any = ClusterBusyError("too busy")
DONE = {"status": 200}


@pytest.mark.parametrize("refused", [NO_MEMORY, {"status": 429}, {"status": 503}, BUSY])
def test_what_a_busy_node_refused_is_asked_again(refused: Any) -> None:
    asked: list[Sequence[int]] = []

    def send(numbers: Sequence[int]) -> list[Any]:
        asked.append(numbers)
        return [DONE]

    wrong = {"status": 400}
    assert with_started_shards([DONE, refused, wrong], send) == [DONE, DONE, wrong]
    assert asked == [[1]]


def test_one_who_has_no_time_for_a_busy_node_gets_its_refusal() -> None:
    assert with_started_shards([NO_MEMORY], lambda _: [], busy_seconds=0) == [NO_MEMORY]
