"""A server on loopback that answers `LookupEvents` as AWS documents it; moto has none.

JSON 1.1; pages of at most 50 events, the newest first; a token belongs to its own request and
expires; start and end are included; 90 days; `ReadOnly` as the only condition; throttling beyond a
quota for each account and region. ("LookupEvents", AWS CloudTrail API Reference.)
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.helpers.local_servers import LocalServer

Record = dict[str, Any]
_TARGET = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"


class EventHistory(LocalServer):
    """The history of any accounts and regions. Without a `quota` nothing is throttled."""

    def __init__(self, account_of: Callable[[str], str] = lambda _key: "123456789012") -> None:
        """`account_of` an access key id."""
        super().__init__(_Handler)
        self.account_of = account_of
        self.events: dict[tuple[str, str], list[Record]] = defaultdict(list)
        self.refused: dict[str, str] = {}
        """Region → the error that every request there gets."""
        self.faults: list[str] = []
        """Errors for the next requests, one each."""
        self.quota: float | None = None
        self.token_uses: int | None = None
        """How many pages a chain of tokens has before it expires."""
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.before: Callable[[int], None] = lambda _number: None
        """Called with the number of each request before it is answered."""
        self._tokens: dict[str, tuple[dict[str, Any], int, int]] = {}
        self._last: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def add(self, *records: Record, account: str = "123456789012") -> None:
        """Events, each in the history of its region."""
        for each in records:
            self.events[account, each["awsRegion"]].append(each)

    def answer(self, account: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        """A page. Raises `Refused`."""
        with self._lock:
            self.asked.append((account, region, request))
            number = len(self.asked)
            self._throttle(account, region)
            if self.faults:
                raise Refused(self.faults.pop(0))
        self.before(number)
        if region in self.refused:
            raise Refused(self.refused[region])
        return self._page(account, region, request)

    def _throttle(self, account: str, region: str) -> None:
        now, last = time.monotonic(), self._last.get((account, region), 0.0)
        if self.quota is not None and now - last < 0.9 / self.quota:
            raise Refused("ThrottlingException")
        self._last[account, region] = now

    def _page(self, account: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        asked = {name: value for name, value in request.items() if name != "NextToken"}
        place, uses = 0, 0
        if token := request.get("NextToken"):
            known = self._tokens.get(token)
            if known is None or known[0] != asked:
                raise Refused("InvalidNextTokenException")
            _, place, uses = known
            if self.token_uses is not None and uses > self.token_uses:
                raise Refused("InvalidNextTokenException")
        size = asked.get("MaxResults", 50)
        now = datetime.now(UTC)
        start, end = asked.get("StartTime"), asked.get("EndTime")
        if not 1 <= size <= 50:
            raise Refused("InvalidMaxResultsException")
        if start is not None and (
            (end is not None and start > end)
            or datetime.fromtimestamp(start, UTC) < now - timedelta(days=90)
        ):
            raise Refused("InvalidTimeRangeException")
        found = [each for each in self.events[account, region] if _within(each, start, end)]
        for condition in asked.get("LookupAttributes", ()):
            if condition["AttributeKey"] != "ReadOnly":
                raise Refused("InvalidLookupAttributesException")
            found = [each for each in found if _read_only(each) == condition["AttributeValue"]]
        found.sort(key=_time, reverse=True)
        page: dict[str, Any] = {"Events": list(map(_event, found[place : place + size]))}
        if place + size < len(found):
            token = uuid.uuid4().hex
            self._tokens[token] = (asked, place + size, uses + 1)
            page["NextToken"] = token
        return page


class Refused(Exception):
    """An error of the service, by its code."""


def _time(record: Record) -> float:
    return datetime.fromisoformat(record["eventTime"]).timestamp()


def _within(record: Record, start: float | None, end: float | None) -> bool:
    moment = _time(record)
    oldest = (datetime.now(UTC) - timedelta(days=90)).timestamp()
    return moment >= max(start or 0.0, oldest) and (end is None or moment <= end)


def _read_only(record: Record) -> str | None:
    value = record.get("readOnly")
    return None if value is None else str(value).lower()


def _event(record: Record) -> dict[str, Any]:
    made = {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "EventSource": record["eventSource"],
        "EventTime": _time(record),
        "Resources": [],
        "CloudTrailEvent": json.dumps(record),
    }
    return made | ({"ReadOnly": value} if (value := _read_only(record)) else {})


class _Handler(BaseHTTPRequestHandler):
    server: EventHistory
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        scope = self.headers["Authorization"].split("Credential=")[1].split(",")[0].split("/")
        try:
            if self.headers["X-Amz-Target"] != _TARGET:
                raise Refused("UnknownOperationException")
            status, said = 200, self.server.answer(self.server.account_of(scope[0]), scope[2], body)
        except Refused as error:
            status, said = 400, {"__type": str(error), "message": f"{error} of the stand-in"}
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""
