"""One Logs Insights query over many log groups and regions at once.

Each log group of each region is a query of its own, so that a failed or late one is named and does
not affect the others. If the row limit cut an answer, the query is run again for parts of its time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import ClientError

from ingest.sources.aws_codes import FAILURES, THROTTLED
from ingest.sources.s3_errors import code_of
from trailhound.aws.insights_query import AT_ONCE, SECONDS, Query, Row, limited, ordered
from trailhound.aws.query_spans import QuerySpan, distinct, divisible, is_cut, parts
from trailhound.aws.refusals import refused
from trailhound.backoff import Backoff
from trailhound.errors import UsageError
from trailhound.plural import plural

_POLL: Final = Backoff(first=0.2, longest=2.0)
_BUSY: Final = Backoff(first=0.5, longest=10.0)
_LOOK: Final = 0.2
_TRY_AGAIN: Final = frozenset(
    {
        *THROTTLED,
        *("LimitExceededException", "ServiceUnavailableException", "ServiceUnavailable"),
    }
)
"""Error codes for which a query is started later: AWS is busy, or the account's quota is in use."""
_ENDED: Final = ("Complete", "Failed", "Cancelled", "Timeout")
_WHY: Final = {
    "Failed": "the query failed at AWS",
    "Cancelled": "somebody cancelled it",
    "Timeout": "it ran for longer than AWS allows: narrow the time",
    "Unknown": "AWS does not know its state",
    "Late": "it took longer than --timeout and was stopped",
    "Stopped": "it was stopped",
    "NotStarted": "it was not started",
    "Busy": "AWS accepted no further query within --timeout",
}


@dataclass(frozen=True)
class GroupQuery:
    """One query: a log group, and a time of it."""

    region: str
    group: str
    span: QuerySpan

    @property
    def text(self) -> str:
        return f"{self.group} in {self.region}, {self.span.text}"


@dataclass(frozen=True)
class GroupQueryResult:
    """`state`: Complete, or why it is not. Any state may have `rows`. `matched` is a number of
    rows, `scanned` of bytes."""

    piece: GroupQuery
    state: str
    rows: tuple[Row, ...] = ()
    matched: float = 0.0
    scanned: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class Fault:
    """A time of a log group without a complete answer; `rows` is the number of rows that it has."""

    piece: GroupQuery
    state: str
    reason: str
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """As `--json` prints it (docs/json.md)."""
        since, _, until = self.piece.span.text.partition(" to ")
        return {
            "region": self.piece.region,
            "log_group": self.piece.group,
            "since": since,
            "until": until,
            "state": self.state,
            "reason": self.reason,
            "rows": self.rows,
        }


@dataclass(frozen=True)
class FoundRow:
    """A row, and the log group that it is of."""

    region: str
    group: str
    fields: Row


@dataclass
class Result:
    """`rows` are in the query's order, unless `unordered` says why not. `failed`: times without a
    complete answer; `cut`: times with more rows than AWS returns. `scanned` is in bytes."""

    rows: list[FoundRow] = field(default_factory=list)
    failed: list[Fault] = field(default_factory=list)
    cut: list[Fault] = field(default_factory=list)
    queries: int = 0
    scanned: float = 0.0
    unordered: str = ""
    limited: int = 0
    """Rows that the query's own limit left out."""


Progress = Callable[[str, int, int], None]
"""Called with (a text on the progress, queries that are done, queries so far)."""


class LogsInsights:
    """Runs the query. `stop` may be called from a signal handler: what runs is stopped at AWS."""

    def __init__(
        self,
        clients: Mapping[str, Any],
        query: Query,
        *,
        at_once: int = AT_ONCE,
        seconds: float = SECONDS,
        progress: Progress = lambda _what, _done, _of: None,
    ) -> None:
        """`clients` of CloudWatch Logs, by region."""
        self._clients = clients
        self._query = query
        self._at_once = at_once
        self._seconds = seconds
        self._progress = progress
        self._stopping = threading.Event()

    def stop(self) -> None:
        self._stopping.set()

    def run(self, pieces: Iterable[GroupQuery]) -> Result:
        """The combined answers. Raises `UsageError` if AWS rejects the query as malformed."""
        result = Result()
        found: dict[tuple[str, str], list[Row]] = {}
        seen: dict[tuple[str, str], set[str]] = {}
        with ThreadPoolExecutor(self._at_once, "logs-query") as pool:
            running: set[Future[GroupQueryResult]] = {
                pool.submit(self._answer, each) for each in pieces
            }
            try:
                while running:
                    done, running = wait(running, _LOOK, FIRST_COMPLETED)
                    for future in done:
                        answer = future.result()
                        place = answer.piece.region, answer.piece.group
                        rows = found.setdefault(place, [])
                        rows += distinct(answer.rows, seen.setdefault(place, set()))
                        running |= {
                            pool.submit(self._answer, p) for p in self._take(answer, result)
                        }
                    number = sum(map(len, found.values()))
                    self._progress(
                        plural(number, "row"), result.queries, result.queries + len(running)
                    )
            except BaseException:
                self.stop()
                pool.shutdown(cancel_futures=True)
                raise
        self._put_together(found, result)
        return result

    def _take(self, answer: GroupQueryResult, result: Result) -> list[GroupQuery]:
        """Records what an answer lacks. Returns the parts for which the query is run again."""
        result.queries += answer.state not in ("NotStarted", "Busy")
        result.scanned += answer.scanned
        piece, rows = answer.piece, len(answer.rows)
        if answer.state != "Complete":
            reason = answer.reason or _WHY.get(answer.state, "")
            result.failed.append(Fault(piece, answer.state, reason, rows))
            return []
        if self._query.limit is not None and not self._query.can_split:
            return []  # as many as were asked for
        if not is_cut(rows, answer.matched):
            return []
        if self._query.can_split and divisible(piece.span, answer.rows):
            return [
                GroupQuery(piece.region, piece.group, each)
                for each in parts(piece.span, int(answer.matched))
            ]
        result.cut.append(Fault(piece, "Cut", self._why_cut(answer), rows))
        return []

    def _why_cut(self, answer: GroupQueryResult) -> str:
        if not self._query.can_split:
            return (
                "more rows than AWS gives for one query, and its commands can't be applied to "
                "parts of the time"
            )
        if answer.piece.span.seconds > 1:
            return "more rows than AWS gives for one query, and the rows do not name their events"
        return f"one second has {answer.matched:,.0f} rows, of which AWS gives {len(answer.rows):,}"

    def _put_together(self, found: Mapping[tuple[str, str], list[Row]], result: Result) -> None:
        owner = {id(row): place for place, rows in found.items() for row in rows}
        places = sorted(found)
        rows = [row for place in places for row in found[place]]
        rows, result.unordered = ordered(rows, self._query)
        kept = limited(rows, self._query)
        result.limited = len(rows) - len(kept)
        result.rows = [FoundRow(*owner[id(row)], row) for row in kept]
        result.failed.sort(key=lambda each: (each.piece.region, each.piece.group, each.piece.span))
        result.cut.sort(key=lambda each: (each.piece.region, each.piece.group, each.piece.span))

    # One query.

    def _answer(self, piece: GroupQuery) -> GroupQueryResult:
        client = self._clients[piece.region]
        ends = time.monotonic() + self._seconds
        try:
            name = self._start(client, piece, ends)
            if not name:
                return GroupQueryResult(piece, "NotStarted" if self._stopping.is_set() else "Busy")
            return self._followed(client, piece, name)
        except FAILURES as error:
            if isinstance(error, ClientError) and code_of(error) == "MalformedQueryException":
                message = error.response.get("Error", {}).get("Message", "")
                raise UsageError(
                    f"Logs Insights refuses the query: {message}",
                    hint='write it as in the console: "fields @timestamp, @message | limit 20"',
                ) from None
            why = refused(error, piece.group)
            return GroupQueryResult(piece, "Refused", reason=f"{why.message}; {why.hint}")

    def _start(self, client: Any, piece: GroupQuery, ends: float) -> str:
        """The query's id; empty where AWS was too busy until the end, or all is stopped."""
        since, until = piece.span.asked
        asked: dict[str, Any] = {
            "logGroupName": piece.group,
            "startTime": since,
            "endTime": until,
            "queryString": self._query.text,
        }
        if self._query.sent_limit is not None:
            asked["limit"] = self._query.sent_limit
        failures = 0
        while not self._stopping.is_set():
            try:
                return str(client.start_query(**asked)["queryId"])
            except ClientError as error:
                failures += 1
                left = ends - time.monotonic()
                if code_of(error) not in _TRY_AGAIN:
                    raise
                if left <= 0:
                    return ""
            self._stopping.wait(min(_BUSY.seconds(failures), left))
        return ""

    def _followed(self, client: Any, piece: GroupQuery, name: str) -> GroupQueryResult:
        """The complete answer; after the time limit, or a stop, the rows so far."""
        ends, asked, state = time.monotonic() + self._seconds, 0, "Scheduled"
        reply: dict[str, Any] = {}
        while True:
            try:
                asked += 1
                reply = client.get_query_results(queryId=name)
                state = str(reply.get("status") or "Unknown")
            except ClientError as error:
                if code_of(error) not in _TRY_AGAIN:
                    self._stop(client, name)
                    raise
            if state in _ENDED:
                return _answered(piece, state, reply)
            late = time.monotonic() >= ends
            if late or self._stopping.is_set():
                self._stop(client, name)
                ended = "Stopped" if not late else "Unknown" if state == "Unknown" else "Late"
                return _answered(piece, ended, reply)
            self._stopping.wait(min(_POLL.seconds(asked), max(0.0, ends - time.monotonic())))

    def _stop(self, client: Any, name: str) -> None:
        with suppress(*FAILURES):  # it has ended meanwhile
            client.stop_query(queryId=name)


def _answered(piece: GroupQuery, state: str, reply: Mapping[str, Any]) -> GroupQueryResult:
    rows = tuple(
        {each["field"]: each.get("value", "") for each in row if "field" in each}
        for row in reply.get("results") or ()
    )
    counted = reply.get("statistics") or {}
    return GroupQueryResult(
        piece,
        state,
        rows,
        float(counted.get("recordsMatched", 0)),
        float(counted.get("bytesScanned", 0)),
    )
