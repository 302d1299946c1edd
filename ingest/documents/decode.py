"""Decodes any record that the reader accepted, for code that needs all of it.

A decoder with limits of its own (numbers beyond a float, integers of thousands of digits, lone
surrogates, NaN, invalid UTF-8, depth) would fail on records that are indexed without error.
"""

from __future__ import annotations

from typing import Any

from enrich.view import loads
from ingest.repair.record import repair
from trailhound.errors import RecordError


def decode_record(record: bytes) -> dict[str, Any]:
    """A record's members; `None` for numbers that Python cannot hold, and for NaN.

    What is nested too deep to be decoded is left out, as it is of the document's own fields; what
    is no record at all is an empty one. Raises nothing for the content of a record.

    >>> decode_record(b'{"eventName":"GetKey","n":1e999}')
    {'eventName': 'GetKey', 'n': None}
    """
    try:
        decoded = loads(record)
    except (ValueError, RecursionError):
        try:
            decoded = loads(repair(record).record)
        except (ValueError, RecursionError, RecordError):
            return {}
    return decoded if isinstance(decoded, dict) else {}
