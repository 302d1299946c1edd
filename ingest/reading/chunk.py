"""What reading a trail file gives: chunks of record slices, and faults where a record should be."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

MIB = 1024 * 1024

FAULT_RAW = MIB
"""Bytes of a fault that are kept; its reason says when more was there."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much of one file is read, in bytes of uncompressed content.

    `max_uncompressed` is measured while inflating, since a gzip header can claim anything.
    Content up to `slice_whole` is held and sliced whole; beyond it a window slides over the
    content `window` bytes at a time, and memory stays flat. `max_record` is the longest single
    record; CloudTrail's own limit is 256 KB, or 1 MB for the enriched events of a data store.
    """

    max_uncompressed: int = 1024 * MIB
    slice_whole: int = 64 * MIB
    window: int = MIB
    max_record: int = 64 * MIB


@dataclass(slots=True)
class Fault:
    """Something where a record should be, that is not one.

    `position` counts among the file's records, `raw` is what was there (its first MiB), and
    `reason` a code and a sentence: `not_an_object: a list in the place of a record`.
    """

    position: int
    raw: bytes
    reason: str


@dataclass(slots=True)
class Chunk:
    """Some records of a file, in reading order.

    Each of `records` is the text of one complete JSON object without a raw CR or LF, so that it
    can be spliced into a bulk body, and `positions[i]` is its index in the file, faults included.
    `suspects` maps an index of `records` to why the engine would refuse that text as it is:
    `invalid_utf8`, `lone_surrogate` or `not_a_number`; `sanitize` makes it fit, every other record
    is valid UTF-8. `doubtful`: the gzip checksum over these bytes is wrong or missing, so a record
    that parses may still have been altered. Known in time for files sliced whole; for larger ones
    the error at the end says so.
    """

    records: list[msgspec.Raw | bytes]
    positions: range | list[int]
    faults: list[Fault] = field(default_factory=list)
    suspects: dict[int, str] = field(default_factory=dict)
    doubtful: bool = False
