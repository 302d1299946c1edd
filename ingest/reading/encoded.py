"""Content that an object carries in base64.

CloudWatch Logs gives a function its events so (`{"awslogs": {"data": …}}`), a function gives them
back to Firehose so (`{"records": [{"data": …}]}`), and Firehose keeps so what it could not process
(`rawData` below `processing-failed/`): https://docs.aws.amazon.com/firehose/latest/dev/retry.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.reading.gzip_layers import GzipDamage, inflated

_TEXT = re.compile(
    rb'"((?:H4sI|eyJ|ewo|ew0K|W3s)(?:[A-Za-z0-9+/]|\\/){20,}+(?:=|\\u003d){0,2})(?:"|\Z)'
)
"""A text that begins as gzip, an object or a list does; JSON allows an escape before a slash."""
_LOOKED_AT = 3


@dataclass(frozen=True, slots=True)
class Payload:
    """What a text holds, below its gzip layers. `damage` is why it ends early, if it does."""

    content: bytes
    damage: str = ""


def payloads(text: bytes, limit: int) -> Iterator[Payload]:
    """Each content in the JSON text; of all together the first `limit` bytes."""
    for found in _TEXT.finditer(text):
        try:
            data = base64.b64decode(_unescaped(found[1]), validate=True)
        except binascii.Error:
            continue
        payload = _inflated(data, limit)
        limit -= len(payload.content)
        yield payload


def beginnings(head: bytes) -> Iterator[bytes]:
    """The beginnings of the first contents in the beginning of a JSON text."""
    for number, found in enumerate(_TEXT.finditer(head)):
        if number == _LOOKED_AT:
            return
        code = _unescaped(found[1]).rstrip(b"=")
        yield _inflated(base64.b64decode(code[: len(code) // 4 * 4]), len(head)).content


def _unescaped(code: bytes) -> bytes:
    return code.replace(b"\\u003d", b"=").replace(b"\\", b"")


def _inflated(data: bytes, limit: int) -> Payload:
    parts: list[bytes] = []
    try:
        for piece in inflated(iter((data,)), limit, careful=True):
            if len(piece) > limit:
                return Payload(b"".join((*parts, piece[:limit])), "more than is read of one record")
            parts.append(piece)
            limit -= len(piece)
    except GzipDamage as error:
        return Payload(b"".join(parts), str(error))
    return Payload(b"".join(parts))
