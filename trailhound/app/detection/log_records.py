"""CloudTrail records of log groups, as a source that the reader of trail files takes.

CloudTrail writes each record as one log event. It does not send events over 256 KB, and CloudWatch
cuts a message that is longer than a log event may be ("Sending events to CloudWatch Logs",
"CloudWatch Logs quotas"). Messages that are cut or hold no record are counted and named.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from enrich.view import loads
from ingest.objects import Selection, TrailObject
from trailhound.plural import plural

MESSAGE: Final = "@message"
TIME: Final = "@timestamp"
LONGEST: Final = 256 * 1024 - 26
"""Bytes of a log event's message ("PutLogEvents": 256 KB with 26 bytes of overhead)."""
_NAMED: Final = 1_000
_PART: Final = 5_000
"""Records that make up one object."""
_NEEDED: Final = ("eventTime", "eventName", "eventSource")


@dataclass(frozen=True, slots=True)
class NoRecord:
    """A log event that is not used. `kind`: `cut`, `not JSON` or `no CloudTrail record`."""

    region: str
    group: str
    time: str
    kind: str

    def as_dict(self) -> dict[str, str]:
        """As `--json` prints it."""
        return {
            "region": self.region,
            "log_group": self.group,
            "time": self.time,
            "kind": self.kind,
        }


@dataclass
class LogRecords:
    """A `Source`. `left_out` counts unused log events by kind, `named` has the first thousand."""

    left_out: dict[str, int] = field(default_factory=dict)
    named: list[NoRecord] = field(default_factory=list)
    records: int = 0
    _objects: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def ignored(self) -> Mapping[str, int]:
        """Always empty: unused log events are in `left_out`."""
        return {}

    def add(self, region: str, group: str, rows: Iterable[Mapping[str, str]]) -> None:
        """Add the rows of a query for `@timestamp` and `@message`."""
        for row in rows:
            message = row.get(MESSAGE, "").encode("utf-8", "replace")
            if kind := _fault(message):
                self.left_out[kind] = self.left_out.get(kind, 0) + 1
                if len(self.named) < _NAMED:
                    self.named.append(NoRecord(region, group, row.get(TIME, ""), kind))
                continue
            uri = f"logs://{region}/{group}/{self.records // _PART}"
            self._objects.setdefault(uri, []).append(message)
            self.records += 1

    def objects(self, selection: Selection) -> Iterator[TrailObject]:  # noqa: ARG002 - all of it
        """An object for each few thousand records."""
        for uri, messages in self._objects.items():
            yield TrailObject(uri, "", sum(map(len, messages)))

    def open(self, item: TrailObject) -> BinaryIO:
        """The records, in the form of a trail file."""
        return io.BytesIO(b'{"Records":[' + b",".join(self._objects[item.uri]) + b"]}")

    def head(self, item: TrailObject, size: int) -> bytes:
        """The first `size` bytes of that."""
        return self.open(item).read(size)


def _fault(message: bytes) -> str:
    """Why a message can't be used as a record; empty if it can."""
    try:
        found: Any = loads(message)
    except (ValueError, RecursionError):
        return "cut" if len(message) >= LONGEST and message[:1] == b"{" else "not JSON"
    if not isinstance(found, dict) or not all(found.get(name) for name in _NEEDED):
        return "no CloudTrail record"
    return ""


def sentences_of(records: LogRecords) -> Sequence[str]:
    """A sentence for each kind of unused log event."""
    return [
        f"{plural(number, 'log event')} left out: {kind}, the first {_first(records, kind)}"
        for kind, number in sorted(records.left_out.items())
    ]


def _first(records: LogRecords, kind: str) -> str:
    each = next(each for each in records.named if each.kind == kind)
    return f"of {each.time} in {each.group}, {each.region}"
