"""The formats that trail files come in, written from plain records with the standard library."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

from ingest.reading import Chunk, ReadLimits, TrailReader
from trailhound.errors import TrailFileError

Record = dict[str, Any]

TINY = ReadLimits(slice_whole=10, window=64)
"""Nothing is sliced whole, and the window slides all the time."""


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as a socket may."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__()
        self._inner = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1, /) -> bytes:
        return self._inner.read(min(size, self._most) if size >= 0 else self._most)


class Reading:
    """Everything that reading some bytes gave."""

    def __init__(
        self,
        data: bytes,
        limits: ReadLimits | None = None,
        *,
        most: int = 1 << 20,
        begun: bool = False,
    ) -> None:
        stream = Trickle(data, most)
        self.reader = TrailReader(stream, limits or ReadLimits(), name="a-file")  # type: ignore[arg-type]
        self.chunks: list[Chunk] = []
        self.error: TrailFileError | None = None
        if begun:
            self.reader.begin()
        try:
            self.chunks.extend(self.reader.chunks())
        except TrailFileError as error:
            self.error = error
        self.texts = [bytes(text) for chunk in self.chunks for text in chunk.records]
        self.faults = [fault for chunk in self.chunks for fault in chunk.faults]
        self.suspects = [
            (bytes(chunk.records[index]), why)
            for chunk in self.chunks
            for index, why in chunk.suspects.items()
        ]
        self.positions = [position for chunk in self.chunks for position in chunk.positions]

    @property
    def records(self) -> list[Record]:
        return [json.loads(text) for text in self.texts]

    @property
    def reasons(self) -> list[str]:
        return [fault.reason.partition(":")[0] for fault in self.faults]


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _lines(values: list[object]) -> str:
    return "".join(compact(value) + "\n" for value in values)


def _looked_up(records: list[Record]) -> list[object]:
    return [
        {"EventId": "e", "Resources": [], "CloudTrailEvent": json.dumps(one)} for one in records
    ]


def _bridged(records: list[Record]) -> list[object]:
    return [
        {"version": "0", "detail-type": "AWS API Call via CloudTrail", "detail": one}
        for one in records
    ]


def _logged(records: list[Record]) -> list[object]:
    return [{"timestamp": 1, "message": compact(one), "eventId": "3"} for one in records]


def _stamped(stamp: str, records: list[Record]) -> str:
    return "".join(f"{stamp} {compact(one)}\n" for one in records)


def _payload(records: list[Record]) -> object:
    return {
        "messageType": "DATA_MESSAGE",
        "owner": "111122223333",
        "logGroup": "CloudTrail/Logs",
        "logEvents": [
            {"id": str(number), "timestamp": 1, "message": compact(one)}
            for number, one in enumerate(records)
        ],
    }


def _encoded(value: object, *, zipped: bool = True) -> str:
    text = compact(value).encode()
    return base64.b64encode(gzip.compress(text, mtime=0) if zipped else text).decode()


_CONTROL = {"messageType": "CONTROL_MESSAGE", "logEvents": [{"id": "", "message": "probing"}]}

FORMATS: dict[str, tuple[str, Callable[[list[Record]], str]]] = {
    "records": ("records", lambda all_: compact({"Records": all_})),
    "records spaced": ("records", lambda all_: json.dumps({"Records": all_})),
    "records pretty": ("records", lambda all_: json.dumps({"Records": all_}, indent=2)),
    "records crlf": (
        "records",
        lambda all_: json.dumps({"Records": all_}, indent="\t").replace("\n", "\r\n") + "\r\n",
    ),
    "records among keys": (
        "records",
        lambda all_: compact({"a": {"Records": [1]}, "Records": all_, "z": [{}]}),
    ),
    "records twice": (
        "records",
        lambda all_: f'{{"Records":{compact(all_[:1])},"Records":{compact(all_[1:])}}}',
    ),
    "lines": ("objects", _lines),  # type: ignore[dict-item]
    "concatenated": ("objects", lambda all_: "".join(map(compact, all_))),
    "pretty objects": ("objects", lambda all_: "\n".join(json.dumps(x, indent=1) for x in all_)),
    "array": ("array", compact),
    "array pretty": ("array", lambda all_: json.dumps(all_, indent=4)),
    "lookup events": ("lookup_events", lambda all_: json.dumps({"Events": _looked_up(all_)})),
    "lookup events, parsed": (
        "lookup_events",
        lambda all_: compact({"Events": [{"EventId": "e", "CloudTrailEvent": x} for x in all_]}),
    ),
    "lookup query": ("array", lambda all_: compact([json.dumps(x) for x in all_])),
    "lookup query, lines": ("objects", lambda all_: _lines([json.dumps(x) for x in all_])),
    "lookup query, rows": ("array", lambda all_: compact([["e", json.dumps(x)] for x in all_])),
    "lookup query, own names": (
        "array",
        lambda all_: compact([{"id": "e", "event": json.dumps(x)} for x in all_]),
    ),
    "lookup query, members": ("lookup_events", lambda all_: compact(_looked_up(all_))),
    "lookup lines": ("lookup_events", lambda all_: _lines(_looked_up(all_))),
    "subscription": ("cloudwatch_logs", lambda all_: compact(_payload(all_))),
    "firehose": (
        "cloudwatch_logs",
        lambda all_: "".join(
            map(compact, [_payload(all_[:2]), _CONTROL, _payload(all_[2:]), _payload([])])
        ),
    ),
    "firehose lines": (
        "cloudwatch_logs",
        lambda all_: _lines([_CONTROL, _payload(all_[:1]), _payload(all_[1:])]),
    ),
    "filter-log-events": (
        "cloudwatch_logs",
        lambda all_: json.dumps({"events": _logged(all_), "searchedLogStreams": []}, indent=4),
    ),
    "get-log-events": (
        "cloudwatch_logs",
        lambda all_: compact({"events": _logged(all_), "nextForwardToken": "f/1"}),
    ),
    "filter-log-events query": ("cloudwatch_logs", lambda all_: compact(_logged(all_))),
    "filter-log-events lines": ("cloudwatch_logs", lambda all_: _lines(_logged(all_))),
    "cloudwatch export": ("objects", lambda all_: _stamped("2024-03-01T10:05:00.000Z", all_)),
    "logs tail": ("objects", lambda all_: _stamped("2024-03-01T10:05:00+00:00 a/stream", all_)),
    "payload array": ("cloudwatch_logs", lambda all_: compact([_payload(all_), _payload([])])),
    "bridge lines": ("eventbridge", lambda all_: _lines(_bridged(all_))),
    "bridge array": ("eventbridge", lambda all_: json.dumps(_bridged(all_), indent=2)),
    "bridge in SNS": (
        "eventbridge",
        lambda all_: _lines(
            [{"Type": "Notification", "Message": compact(each)} for each in _bridged(all_)]
        ),
    ),
    "logs get-query-results": (
        "objects",
        lambda all_: compact(
            {"results": [[{"field": "@message", "value": compact(x)}] for x in all_], "status": "x"}
        ),
    ),
    "cloudtrail get-query-results": (
        "objects",
        lambda all_: json.dumps({"QueryResultRows": [[{"eventJson": compact(x)}] for x in all_]}),
    ),
    "function's input": (
        "cloudwatch_logs",
        lambda all_: compact({"awslogs": {"data": _encoded(_payload(all_))}}),
    ),
    "function's output": (
        "objects",
        lambda all_: json.dumps(
            {"records": [{"recordId": "1", "data": _encoded(x, zipped=False)} for x in all_]}
        ),
    ),
    "firehose failed": (
        "cloudwatch_logs",
        lambda all_: _lines(
            [
                {"attemptsMade": 4, "rawData": _encoded(_payload(all_[:1]))},
                {"attemptsMade": 4, "rawData": _encoded(_payload(all_[1:]))},
            ]
        ),
    ),
}
"""By name: the kind that a reader reports, and the text."""


def gzipped(text: str | bytes) -> bytes:
    return gzip.compress(text.encode() if isinstance(text, str) else text, mtime=0)
