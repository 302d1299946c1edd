"""CloudWatch Logs Insights as AWS documents it: StartQuery, GetQueryResults, StopQuery and
DescribeLogGroups over events that a test puts in. moto's takes no notice of `filter` and `stats`.

Of the query language it knows `fields`, `filter FIELD = "text"`, `filter FIELD like /…/`, `sort`,
`limit` and `stats count(*) as NAME by FIELD`; any other command is malformed.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Row = dict[str, str]
ACTIONS = ("logs:StartQuery", "logs:GetQueryResults", "logs:StopQuery", "logs:DescribeLogGroups")


class ApiError(Exception):
    """A refusal, by AWS's code."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


@dataclass
class Group:
    """`events` are (milliseconds, message). `states` come before an answer, one for each poll; one
    that ends the query is its last. `days` of retention."""

    events: list[tuple[int, str]]
    states: list[str] = field(default_factory=list)
    partial: int = 0
    """Rows that come with a state that is not Complete."""
    created: int = 0
    days: int | None = None


@dataclass
class Running:
    group: Group
    rows: list[list[dict[str, str]]]
    matched: int
    scanned: int
    states: list[str]
    ended: str = ""


class LogsInsightsApi:
    """`groups` by region and name. `cap` is AWS's row limit. `whole_seconds`: how the last second
    of a query counts, whole or as its first instant. `busy`: so many requests of each operation are
    throttled first; `at_once`: queries that may run at the same time."""

    def __init__(self) -> None:
        self.groups: dict[tuple[str, str], Group] = {}
        self.cap = 10_000
        self.whole_seconds = False
        self.busy: Counter[str] = Counter()
        self.at_once = 30
        self.started: list[dict[str, Any]] = []
        self.stopped: list[str] = []
        self.most = 0
        self.queries: dict[str, Running] = {}
        self._lock = threading.Lock()

    def answer(self, action: str, region: str, asked: dict[str, Any]) -> tuple[int, bytes]:
        """Status and body."""
        operation = action.partition(":")[2]
        with self._lock:
            try:
                if self.busy[operation] > 0:
                    self.busy[operation] -= 1
                    raise ApiError("ThrottlingException", "Rate exceeded")
                found = {
                    "StartQuery": self._start,
                    "GetQueryResults": self._results,
                    "StopQuery": self._stop,
                    "DescribeLogGroups": self._describe,
                }[operation](region, asked)
            except ApiError as error:
                return 400, json.dumps({"__type": error.code, "message": str(error)}).encode()
        return 200, json.dumps(found).encode()

    def _describe(self, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Two on a page, so that there are pages."""
        prefix = asked.get("logGroupNamePrefix", "")
        names = sorted(n for r, n in self.groups if r == region and n.startswith(prefix))
        start = int(asked.get("nextToken", 0))
        made = []
        for name in names[start : start + 2]:
            group = self.groups[region, name]
            each: dict[str, Any] = {
                "logGroupName": name,
                "creationTime": group.created,
                "storedBytes": sum(len(message) for _, message in group.events),
            }
            made.append(each | ({"retentionInDays": group.days} if group.days else {}))
        more = {"nextToken": str(start + 2)} if start + 2 < len(names) else {}
        return {"logGroups": made} | more

    def _start(self, region: str, asked: dict[str, Any]) -> dict[str, Any]:
        group = self.groups.get((region, asked["logGroupName"]))
        if group is None:
            raise ApiError("ResourceNotFoundException", "Log group does not exist")
        if asked["endTime"] < asked["startTime"] or asked.get("limit", 1) > 10_000:
            raise ApiError("InvalidParameterException", "out of range")
        running = sum(not each.ended for each in self.queries.values())
        if running >= self.at_once:
            raise ApiError("LimitExceededException", "too many concurrent queries")
        self.most = max(self.most, running + 1)
        end = asked["endTime"] * 1000 + (999 if self.whole_seconds else 0)
        within = [
            (moment, number, message)
            for number, (moment, message) in enumerate(group.events)
            if asked["startTime"] * 1000 <= moment <= end
        ]
        name = str(uuid.uuid4())
        rows, matched = evaluated(asked["queryString"], within, asked["logGroupName"])
        limit = min(asked.get("limit", self.cap), self.cap)
        scanned = sum(len(message) for *_, message in within)
        self.queries[name] = Running(group, rows[:limit], matched, scanned, list(group.states))
        self.started.append({**asked, "region": region})
        return {"queryId": name}

    def _results(self, _region: str, asked: dict[str, Any]) -> dict[str, Any]:
        query = self.queries.get(asked["queryId"])
        if query is None:
            raise ApiError("ResourceNotFoundException", "no such query")
        state = query.ended
        if not state:
            last = query.states[0] == "Forever" if query.states else False
            state = "Running" if last else query.states.pop(0) if query.states else "Complete"
            if state not in ("Scheduled", "Running", "Unknown"):
                query.ended = state
        whole = state == "Complete"
        return {
            "status": state,
            "results": query.rows if whole else query.rows[: query.group.partial],
            "statistics": {
                "recordsMatched": float(query.matched),
                "recordsScanned": float(query.matched),
                "bytesScanned": float(query.scanned),
            },
        }

    def _stop(self, _region: str, asked: dict[str, Any]) -> dict[str, Any]:
        query = self.queries[asked["queryId"]]
        if query.ended:
            raise ApiError("InvalidParameterException", "the query is not running")
        query.ended = "Cancelled"
        self.stopped.append(asked["queryId"])
        return {"success": True}


def evaluated(
    text: str, events: list[tuple[int, int, str]], group: str
) -> tuple[list[list[dict[str, str]]], int]:
    """The rows as GetQueryResults has them, and how many events matched."""
    rows = [_row(moment, number, message, group) for moment, number, message in events]
    rows.sort(key=lambda row: row["@timestamp"], reverse=True)
    shown, limit = ["@timestamp", "@message"], len(rows)
    matched = len(rows)
    for command in map(str.strip, text.split("|")):
        verb, _, rest = command.partition(" ")
        if verb in ("fields", "display"):
            shown = [each.strip() for each in rest.split(",")]
        elif verb == "filter":
            rows = [row for row in rows if _passes(rest, row)]
            matched = len(rows)
        elif verb == "sort":
            name, _, way = rest.partition(" ")
            rows.sort(key=_by(name), reverse=way == "desc")
        elif verb == "limit":
            limit = int(rest)
        elif verb == "stats":
            rows, shown = _counted(rest, rows)
        else:
            raise ApiError("MalformedQueryException", f"unexpected symbol found {verb}")
    made = [
        [{"field": name, "value": row[name]} for name in (*shown, "@ptr") if name in row]
        for row in rows[:limit]
    ]
    return made, matched


def _row(moment: int, number: int, message: str, group: str) -> Row:
    seconds, rest = divmod(moment, 1000)
    day = datetime.fromtimestamp(seconds, UTC)
    row = {
        "@timestamp": f"{day:%Y-%m-%d %H:%M:%S}.{rest:03}",
        "@message": message,
        "@ptr": f"{group}:{number}",
    }
    try:
        record = json.loads(message)
    except ValueError:
        return row
    if isinstance(record, dict):
        row |= {name: str(value) for name, value in record.items() if not name.startswith("@")}
    return row


def _by(name: str) -> Callable[[Row], str]:
    return lambda row: row.get(name, "")


def _passes(rest: str, row: Row) -> bool:
    if found := re.fullmatch(r'(\S+)\s*=\s*"([^"]*)"', rest):
        return row.get(found[1]) == found[2]
    if found := re.fullmatch(r"(\S+)\s+like\s+/(.*)/", rest):
        return re.search(found[2], row.get(found[1], "")) is not None
    raise ApiError("MalformedQueryException", f"unexpected filter {rest}")


def _counted(rest: str, rows: list[Row]) -> tuple[list[Row], list[str]]:
    found = re.fullmatch(r"count\(\*\) as (\w+) by (\w+)", rest)
    if found is None:
        raise ApiError("MalformedQueryException", f"unexpected stats {rest}")
    counts = Counter(row.get(found[2], "") for row in rows)
    made = [{found[2]: value, found[1]: str(count)} for value, count in counts.items()]
    return made, [found[2], found[1]]
