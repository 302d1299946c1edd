"""What may precede a document at the top of a file: a time stamp, a byte order mark."""

from __future__ import annotations

import re
from typing import Final

from ingest.reading.window import SlidingWindow

_STAMP: Final = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?[ \t]+"
    rb'(?:[^\s{\["]{1,512}[ \t]+)?(?=[{\["])'
)
"""What precedes each record in a CloudWatch Logs export to S3 (a time and a blank), and in
what `aws logs tail` prints (a time and the stream's name)."""
_LONGEST: Final = 600
"""Bytes of the longest stamp, and some more."""
_DIGITS: Final = frozenset(b"0123456789")
_BOM: Final = b"\xef\xbb\xbf"
_BOM_FIRST: Final = _BOM[0]


def skip_prefixes(window: SlidingWindow, byte: int) -> tuple[int, bool]:
    """Move the cursor past stamps and byte order marks: the byte that is there then (-1 at the end
    of the content), and whether there was a stamp. `byte` is the one at the cursor."""
    stamped = False
    while byte in _DIGITS or byte == _BOM_FIRST:
        while window.left < _LONGEST and window.more():
            pass
        if window.buffer.startswith(_BOM, window.at):
            window.at += len(_BOM)
        elif stamp := _STAMP.match(window.buffer, window.at):
            window.at = stamp.end()
            stamped = True
        else:
            break
        byte = window.peek()
    return byte, stamped


def without_stamp(line: bytes) -> bytes:
    """A line after the stamp that it begins with, if any.

    >>> without_stamp(b'2025-03-01T12:00:00.000Z {"eventVersion": "1.08"}')
    b'{"eventVersion": "1.08"}'
    """
    stamp = _STAMP.match(line)
    return line[stamp.end() :] if stamp else line
