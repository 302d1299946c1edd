"""Makes the text of a record fit for a bulk body without changing its values."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator

import msgspec

_RAW = msgspec.json.Decoder(msgspec.Raw)
_Utf8 = codecs.getincrementaldecoder("utf-8")
_BLOCK = 1024 * 1024
_LINES = 16 * 1024
_BREAK = re.compile(rb"[\r\n]")
_TOKEN = re.compile(
    rb'("[^"\\]*+(?:\\.[^"\\]*+)*+")'
    rb"|(?<![\w.+-])(-?Infinity|-?NaN|nan|-?inf)(?![\w.])",
    re.DOTALL,
)
# A pair is matched first, so that the second branch matches only single ones.
_SURROGATE = re.compile(
    rb"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
    rb"|(\\[^u])",
)


def single_line(text: bytes) -> bytes:
    r"""A JSON text without its line breaks and the blanks round them.

    In JSON a raw CR or LF occurs between tokens only, so nothing within a string and no number
    changes. The text must be JSON already: `end_of_value` has seen to that.

    >>> single_line(b'{\n  "a": 1.0,\r\n  "b": "x  y"\n}')
    b'{"a": 1.0,"b": "x  y"}'
    """
    return b"".join(
        b"".join([line.strip() for line in block.splitlines()]) for block in _whole_lines(text)
    )


def _whole_lines(text: bytes) -> Iterator[bytes]:
    """Blocks of lines: all at once, millions of lines take a hundred times their size."""
    start = 0
    while found := _BREAK.search(text, start + _LINES):
        yield text[start : found.end()]
        start = found.end()
    yield text[start:] if start else text


def sanitize(text: bytes) -> bytes:
    r"""A suspect record as valid JSON in valid UTF-8.

    Bytes that aren't UTF-8 and surrogates without their other half become U+FFFD; NaN and the
    infinities, which JSON doesn't have, become strings of that name. All else stays as it is.

    >>> sanitize(b'{"a": NaN, "b": "\\ud800", "c": "\\ud83d\\ude00"}')
    b'{"a": "NaN", "b": "\\ufffd", "c": "\\ud83d\\ude00"}'
    """
    valid = text if text.isascii() else text.decode("utf-8", "replace").encode()
    return _replaced(_TOKEN, _sanitized_token, valid)


def diagnose(text: bytes) -> str:
    """Why the engine would refuse this text though its structure is valid; empty if it would not.

    `invalid_utf8`, `lone_surrogate` or `not_a_number`; `unrepairable` where it isn't JSON for
    another reason.
    """
    try:
        _RAW.decode(text)
    except RecursionError:
        return "unrepairable"
    except msgspec.DecodeError:
        sanitized = sanitize(text)
        try:
            _RAW.decode(sanitized)
        except (msgspec.DecodeError, RecursionError):
            return "unrepairable"
        return (
            "lone_surrogate"
            if any(not (each[1] or each[2]) for each in _SURROGATE.finditer(text))
            else "not_a_number"
        )
    return "" if is_utf8(text) else "invalid_utf8"


def is_utf8(text: bytes) -> bool:
    """Whether these bytes are UTF-8 as RFC 3629 has it (so no encoded surrogates)."""
    if text.isascii():
        return True
    # Block by block: decoded whole, a file of 64 MiB would take four times that.
    decoder = _Utf8()
    try:
        for start in range(0, len(text), _BLOCK):
            decoder.decode(text[start : start + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _replaced(
    pattern: re.Pattern[bytes], replace: Callable[[re.Match[bytes]], bytes], text: bytes
) -> bytes:
    """As `pattern.sub`, whose list of pieces takes fifty times as much as a text of many."""
    made, done = bytearray(), 0
    for found in pattern.finditer(text):
        piece = replace(found)
        if piece != found[0]:
            made += text[done : found.start()]
            made += piece
            done = found.end()
    return bytes(made) + text[done:] if done else text


def _sanitized_token(token: re.Match[bytes]) -> bytes:
    if token[1] is not None:
        text = token[1]
        return _replaced(_SURROGATE, _sanitized_surrogate, text) if b"\\u" in text else text
    return b'"%s"' % token[2]


def _sanitized_surrogate(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] or escape[2] else b"\\ufffd"
