"""Searches of an `_msearch` that a node could not do at that moment are sent again.

A day's index is visible before its shard has started, and a search in this moment fails with 503. A
node that has too little memory for a search, beside others, refuses it. In an `_msearch` that is
the status of the one search and not of the reply: nothing else repeats it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from trailhound.cluster.refusals import lacks_memory
from trailhound.cluster.retry_policy import BUSY_SECONDS, log_wait
from trailhound.errors import ClusterBusyError

_PAUSES: Final = (0.5, 1.0, 2.0)
"""Seconds before each further try; a shard that is away for longer is a fault."""
_BUSY_PAUSES: Final = (*_PAUSES, 4.0, 8.0, 14.0)
"""The same for a node that is busy: in sum as long as other requests wait for one."""
_UNAVAILABLE: Final = 503
_REJECTED: Final = 429

Reply = TypeVar("Reply")


def with_started_shards(
    replies: Sequence[Reply],
    send: Callable[[Sequence[int]], Sequence[Reply]],
    *,
    busy_seconds: float = BUSY_SECONDS,
) -> list[Reply]:
    """The replies; for those with status 503, and those that a busy node refused, the reply of a
    later try. `send(numbers)` sends some of the searches again, by their place, and returns their
    replies, each of which may be an error. `busy_seconds`: for which a busy node is asked again."""
    made = list(replies)
    waited = 0.0
    for number, pause in enumerate(_BUSY_PAUSES):
        starting, patient = number < len(_PAUSES), waited < busy_seconds
        waiting = [
            place
            for place, reply in enumerate(made)
            if (starting and _is_starting(reply)) or (patient and _is_refused(reply))
        ]
        if not waiting:
            break
        if any(_is_refused(made[place]) for place in waiting):
            log_wait(pause, "it is too busy for some searches")
        time.sleep(pause)
        waited += pause
        for place, reply in zip(waiting, send(waiting), strict=True):
            made[place] = reply
    return made


def _is_starting(reply: Any) -> bool:
    return isinstance(reply, Mapping) and reply.get("status") == _UNAVAILABLE


def _is_refused(reply: Any) -> bool:
    if isinstance(reply, Mapping):
        return reply.get("status") == _REJECTED or lacks_memory(reply)
    return isinstance(reply, ClusterBusyError)
