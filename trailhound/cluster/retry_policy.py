"""Waiting for a cluster that is busy or unreachable.

There is no time limit by default, so that a restarting node does not end a backfill overnight.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import SSLError, TransportError

from trailhound.backoff import Backoff
from trailhound.cluster.refusals import from_response, lacks_memory, reply_of
from trailhound.errors import ClusterUnreachableError

LOG = logging.getLogger("trailhound.cluster")
T = TypeVar("T")

TRANSIENT = frozenset({429, 502, 503, 504})
BACKOFF = Backoff(first=0.5, longest=30.0)
_LOOK_UP = 0.5
RESUME = "when the cluster works again, run the same command to resume"
BUSY_SECONDS = 30.0
"""Seconds for which requests to a busy cluster are retried before that is an error."""


class Stopped(Exception):
    """The run was asked to stop while it waited. Never shown to users."""


def is_transient(error: TransportError) -> bool:
    """Whether the same request may succeed later. After a rejected certificate it can't."""
    if isinstance(error, SSLError):
        return False
    return isinstance(error, NoConnection) or is_busy(error)


def is_busy(error: TransportError) -> bool:
    """Whether the cluster answered that it is busy; False if it did not answer. Too little memory
    for an aggregation comes with status 500."""
    return error.status_code in TRANSIENT or lacks_memory(reply_of(error))


def may_have_arrived(error: TransportError) -> bool:
    """Whether the request may have been carried out although its reply is lost.

    A 429 refuses a request before it is carried out. After a lost connection, a timeout or a
    gateway's 502 or 504 it is unknown what the node did, and a 503 can follow a partly completed
    request.
    """
    return isinstance(error, NoConnection) or error.status_code in {502, 503, 504}


def log_wait(seconds: float, reason: str) -> None:
    """Log a wait as a warning, which commands show; of less than a second, nothing."""
    if seconds >= 1:
        LOG.warning("waiting %.0f s for the cluster: %s", seconds, reason)


class RetryPolicy:
    """How long to retry, and how long to wait between two tries.

    `give_up_after` is in seconds since the first failure; None means without end.
    `on_wait(seconds, reason)` is called at every wait; without it the wait is logged.
    `retry` decides which errors are retried.
    """

    def __init__(
        self,
        give_up_after: float | None = None,
        *,
        on_wait: Callable[[float, str], None] | None = None,
        stop: threading.Event | None = None,
        retry: Callable[[TransportError], bool] = is_transient,
    ) -> None:
        self.give_up_after = give_up_after
        self._retry = retry
        self.stop = stop or threading.Event()
        self._on_wait = on_wait or log_wait
        self._deadline: float | None = None

    def set_deadline(self, seconds: float) -> None:
        """Stop waiting for the cluster a number of seconds from now."""
        self._deadline = time.monotonic() + seconds

    def wait(self, attempt: int, since: float, reason: str, hint: str = RESUME) -> None:
        """Sleep before try number `attempt` + 2; `since` is the monotonic time of the first
        failure.

        Raises `ClusterUnreachableError`, with the hint, when it is time to give up, and `Stopped`
        when `stop` is set.
        """
        if self.give_up_after is not None and time.monotonic() - since > self.give_up_after:
            raise ClusterUnreachableError(
                f"gave up after {self.give_up_after:.0f} s: {reason}",
                hint=hint,
            )
        seconds = BACKOFF.seconds(attempt + 1)
        self._on_wait(seconds, reason)
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._deadline is not None and time.monotonic() > self._deadline:
                raise ClusterUnreachableError(
                    f"stopped while waiting for the cluster: {reason}",
                    hint="what has no reply yet is not marked as done: run the same command again",
                )
            if self.stop.wait(min(left, _LOOK_UP)):
                raise Stopped

    def run(self, call: Callable[[], T]) -> T:
        """The result of `call()`, which must be idempotent: it is retried while the cluster is busy
        or unreachable.

        Raises `ClusterError` for any other refusal.
        """
        attempt = 0
        since = 0.0
        while True:
            try:
                return call()
            except TransportError as error:
                if not self._retry(error):
                    raise from_response(error) from error
                since = since or time.monotonic()
                meant = from_response(error)
                hint = meant.hint if lacks_memory(reply_of(error)) else RESUME
                self.wait(attempt, since, meant.message, hint)
                attempt += 1


def while_busy(call: Callable[[], T]) -> T:
    """The reply to an idempotent request, which is sent again while the cluster `is_busy`, for at
    most `BUSY_SECONDS`. Raises `ClusterError` for any other refusal: a 404 is a
    `RequestFailedError`.
    """
    return RetryPolicy(BUSY_SECONDS, retry=is_busy).run(call)
