"""One account and region of the event history: two requests a second, fifty events each.

The quota is AWS's ("Quotas in AWS CloudTrail": LookupEvents, 2 per second, account and region), and
no client can raise it. Threads that share a lane take turns.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from ingest.lookup.errors import code_of, lookup_error
from ingest.lookup.windows import Choice, LookupWindow
from ingest.sources.aws_codes import FAILURES, THROTTLED
from trailhound.backoff import Backoff
from trailhound.errors import ObjectUnreadableError, SourceError, SourceUnreachableError

REQUESTS_A_SECOND: Final = 2.0
PAGE: Final = 50
_SPACING: Final = 1 / REQUESTS_A_SECOND
"""Seconds between two requests."""
_BACKOFF: Final = Backoff(first=1.0, longest=30.0)
_TRIES: Final = 10
_RESTARTS: Final = 5
"""How many tokens may expire in a row without one new event."""
_AGAIN: Final = frozenset(
    {
        *THROTTLED,
        "InternalFailure",
        "InternalServerError",
        "ServiceUnavailable",
        "500",
        "502",
        "504",
    }
)
_NO_TOKEN: Final = frozenset({"InvalidNextTokenException", "ExpiredNextTokenException"})
_TOO_OLD: Final = "InvalidTimeRangeException"


class LookupApi(Protocol):
    """The call of botocore's client that is used."""

    def lookup_events(self, **request: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """What the newest page shows: how many events it has, how many seconds they span, and whether
    there are older ones."""

    events: int
    seconds: float
    more: bool


class _TokenExpiredError(Exception):
    """The page token is no longer accepted. Internal: never shown."""


class _TooOldError(Exception):
    """The start is more than 90 days ago by now. Internal: `refusal` is shown where it is not."""

    def __init__(self, refusal: SourceError) -> None:
        super().__init__(refusal)
        self.refusal = refusal


class Lane:
    """One account and region; many threads may use it. `stop` is set when the run ends."""

    def __init__(
        self, api: LookupApi, account: str, region: str, stop: threading.Event | None = None
    ) -> None:
        self._api = api
        self.account, self.region = account, region
        self._stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._next = 0.0
        self.error: SourceError | None = None
        """Why nothing can be read here at all."""

    @property
    def place(self) -> str:
        """The account and region, for messages."""
        return f"event history of {self.account} in {self.region}"

    def check(self) -> None:
        """Make one request, to see whether anything may be read here; where not, `error` is set."""
        try:
            self._asked({"MaxResults": 1})
        except SourceError as error:
            self.error = error

    def events(self, window: LookupWindow, begun: datetime) -> Iterator[dict[str, Any]]:
        """The window's events as CloudTrail lists them, the newest first, each once.

        Where a page token has expired, or the start is past the 90 days meanwhile, the window
        continues from its last event. `begun`: when the run began. Raises errors that are a
        `SourceError`.
        """
        start, end = window.times(begun, datetime.now(UTC))
        request: dict[str, Any] = {"MaxResults": PAGE, "StartTime": start, "EndTime": end}
        request |= _condition(window.choice)
        seen: set[str] = set()
        restarts = 0
        oldest = end
        while start <= end:
            try:
                page = self._asked(request)
            except _TokenExpiredError:
                restarts += 1
                if restarts > _RESTARTS:
                    raise ObjectUnreadableError(
                        f"{self.place}: page tokens expire before they are used",
                        hint="run again: windows that are done are skipped",
                    ) from None
                request.pop("NextToken", None)
                request["EndTime"] = oldest  # included, so its other events come again
                continue
            except _TooOldError as error:
                later, _ = window.times(begun, datetime.now(UTC))
                if later <= start:  # not for its age
                    raise error.refusal from error
                request.pop("NextToken", None)
                start = request["StartTime"] = later
                end = request["EndTime"] = oldest
                continue
            for event in page.get("Events", ()):
                if event["EventId"] in seen:
                    continue
                seen.add(event["EventId"])
                restarts = 0
                oldest = min(oldest, event.get("EventTime") or oldest)
                yield event
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]

    def pace(self, choice: Choice, now: datetime) -> Pace:
        """How dense the newest events are, by one request. Raises what `events` raises."""
        page = self._asked({"MaxResults": PAGE, **_condition(choice)})
        times = [each["EventTime"] for each in page.get("Events", ())]
        span = (now - min(times)).total_seconds() if times else 0.0
        return Pace(len(times), max(1.0, span), bool(page.get("NextToken")))

    def _asked(self, request: dict[str, Any]) -> Any:
        """One page. The request is repeated while CloudTrail throttles or does not answer."""
        for failures in range(1, _TRIES + 1):
            self._take_turn()
            try:
                return self._api.lookup_events(**request)
            except FAILURES as error:
                if code_of(error) in _NO_TOKEN:
                    raise _TokenExpiredError from None
                failed = lookup_error(error, self.place)
                if code_of(error) == _TOO_OLD:
                    raise _TooOldError(failed) from error
                retried = not code_of(error) or code_of(error) in _AGAIN
                if not retried or failures == _TRIES or isinstance(failed, SourceUnreachableError):
                    raise failed from error
                self._pause(_BACKOFF.seconds(failures))
        raise AssertionError  # the last try returns or raises

    def _take_turn(self) -> None:
        """Wait until the quota allows this request. Raises a `SourceError` once the run ends."""
        with self._lock:
            at = max(time.monotonic(), self._next)
            self._next = at + _SPACING
        if self._stop.wait(max(0.0, at - time.monotonic())):
            raise ObjectUnreadableError(
                f"{self.place}: interrupted", hint="run the same command again to resume"
            )

    def _pause(self, seconds: float) -> None:
        """Let no thread make a request here for a while."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def _condition(choice: Choice) -> dict[str, Any]:
    if choice == "all":
        return {}
    return {"LookupAttributes": [{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]}
