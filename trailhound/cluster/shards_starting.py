"""Searches of an `_msearch` whose shards are not there yet are sent again.

A day's index is visible before its shard has started. A search in this moment fails with 503, and
in an `_msearch` that is the status of the one search and not of the reply: nothing else repeats it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

_PAUSES: Final = (0.5, 1.0, 2.0)
"""Seconds before each further try; a shard that is away for longer is a fault."""
_UNAVAILABLE: Final = 503

Reply = TypeVar("Reply")


def with_started_shards(
    replies: Sequence[Reply], send: Callable[[Sequence[int]], Sequence[Reply]]
) -> list[Reply]:
    """The replies; for those with status 503 the reply of a later try. `send(numbers)` sends some
    of the searches again, by their place, and returns their replies."""
    made = list(replies)
    for pause in _PAUSES:
        waiting = [number for number, reply in enumerate(made) if _is_waiting(reply)]
        if not waiting:
            break
        time.sleep(pause)
        for number, reply in zip(waiting, send(waiting), strict=True):
            made[number] = reply
    return made


def _is_waiting(reply: Any) -> bool:
    return isinstance(reply, Mapping) and reply.get("status") == _UNAVAILABLE
