"""Where a JSON value ends, found by msgspec, and where a broken one probably does.

msgspec stops at the first byte after a value and names it, counting from 1 ("trailing characters
(byte N)"), and
on the way it checks all of the grammar except UTF-8: escapes, surrogate pairs, control characters,
numbers and nesting. (It refuses NaN and lone surrogates, takes any number of digits, and gives up
at Python's recursion limit, about 1,000 levels; OpenSearch's own limit is 1,000.)
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

import msgspec

_RAW = msgspec.json.Decoder(msgspec.Raw)
_STRING = msgspec.json.Decoder(str)
_ROW = msgspec.json.Decoder(list[msgspec.Raw])
_TRAILING = re.compile(r"trailing characters \(byte (\d+)\)")
_OFFSET = re.compile(r"\(byte (\d+)\)")
_CUT = "Input data was truncated"

REFUSED = (msgspec.MsgspecError, UnicodeDecodeError)
"""What msgspec raises for a string that it can't decode."""

BLANK = b" \t\r\n"
SPACE = re.compile(rb"[ \t\r\n]*+")
KEY = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

# Everything up to the next bracket that is outside strings.
_TO_BRACKET = re.compile(
    rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+',
    re.DOTALL,
)
_SCALAR = re.compile(rb'[^\s,"{}\[\]]++')
_TO_MARK = re.compile(rb'["{}\[\]]')
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_COMMA, _LIST_END, _OBJECT_END = b",]}"
_DECODED_AT_ONCE = 16 * 1024
_QUOTE, _OPENING, _CLOSING = ord('"'), b"{[", b"}]"


class Cut(Exception):
    """The value continues beyond the buffer."""


class Broken(Exception):
    """The value isn't JSON; `code` and the message say why, `offset` how far it was."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        offset = _OFFSET.search(message)
        self.offset = int(offset[1]) if offset else 0


def end_of_value(buffer: bytes | memoryview, at: int) -> int:
    """The index after the JSON value that starts at `at` (no blanks before it).

    Raises `Cut` or `Broken`. A number at the very end of the buffer counts as whole.

    >>> end_of_value(b'[{"a": [1]} , 2]', 1)
    11
    """
    view = memoryview(buffer)[at:]
    try:
        _RAW.decode(view)
    except msgspec.DecodeError as error:
        text = str(error)
        if found := _TRAILING.search(text):
            return _without_blanks(buffer, at + int(found[1]) - 1)
        broken = Broken("broken_json", text.removeprefix("JSON is malformed: "))
        # A number cut off, as in `1.`, is reported as malformed where the next digit is due.
        if text == _CUT or broken.offset >= len(view):
            raise Cut from None
        raise broken from None
    except RecursionError:
        raise Broken("too_deep", "nested too deeply to be read or indexed") from None
    return _without_blanks(buffer, len(buffer))


def balanced_end(buffer: bytes, at: int) -> int | None:
    """The index after the value at `at`, found by strings and brackets alone.

    0 where the buffer ends first, None where a bracket closes one of the other kind.

    >>> balanced_end(b'{"a": [NaN, "}"]} ...', 0)
    17
    """
    return balance(buffer, at)[0]


def balance(buffer: bytes, at: int) -> tuple[int | None, array[int]]:
    """`balanced_end`, and where there is none, the indices of the brackets that were open then:
    of a value that begins at one of them, it is the same.
    """
    opened = array("q")
    if buffer[at] not in _OPENING:
        scalar = KEY.match(buffer, at) or _SCALAR.match(buffer, at)
        return scalar.end() if scalar else None, opened
    due = bytearray()
    size = len(buffer)
    while True:
        step = _TO_BRACKET.match(buffer, at)
        at = step.end() if step else size
        if at == size or buffer[at] == _QUOTE:
            return 0, opened
        bracket = buffer[at]
        if bracket in _OPENING:
            due.append(bracket + 2)  # in ASCII a closing bracket is its opening one plus two
            opened.append(at)
        elif due.pop() != bracket:
            return None, opened
        else:
            opened.pop()
            if not due:
                return at + 1, opened
        at += 1


def elements(text: bytes) -> Iterator[bytes]:
    """The elements of a list that is valid JSON. Of a long one some are decoded at a time: millions
    of small ones take a hundred times its size.

    >>> list(elements(b'[1, "a,b", [2]]'))
    [b'1', b'"a,b"', b'[2]']
    """
    if len(text) <= _DECODED_AT_ONCE:
        yield from map(bytes, _ROW.decode(text))
        return
    at, singly_until = skip_space(text, 1), 0
    while text[at] != _LIST_END:
        cut = text.rfind(b",", at + 1, at + _DECODED_AT_ONCE) if at >= singly_until else -1
        if cut > 0:
            try:
                group = _ROW.decode(b"[%b]" % text[at:cut])
            except msgspec.DecodeError:  # the comma is within a string or a list
                singly_until = cut
            else:
                yield from map(bytes, group)
                at = skip_space(text, cut + 1)
                continue
        end = end_of_value(text, at)
        yield text[at:end]
        at = _after_comma(text, end)


def members(text: bytes) -> Iterator[bytes]:
    """The strings, lists and objects that an object holds, which is valid JSON; of several members
    with one key each.

    >>> list(members(b'{"a": 1, "b": {}, "a": "x"}'))
    [b'{}', b'"x"']
    """
    at = skip_space(text, 1)
    while text[at] != _OBJECT_END:
        key = KEY.match(text, at)
        assert key is not None, "it is valid"  # noqa: S101
        at = skip_space(text, skip_space(text, key.end()) + 1)
        value = _SCALAR.match(text, at) or KEY.match(text, at)
        end = value.end() if value else end_of_value(text, at)
        if text[at] in b'"[{':
            yield text[at:end]
        at = _after_comma(text, end)


def _after_comma(text: bytes, at: int) -> int:
    at = skip_space(text, at)
    return skip_space(text, at + 1) if text[at] == _COMMA else at


def key_at(buffer: bytes, at: int) -> tuple[str | None, int]:
    """The member's key at `at`, and the index of its value; None where none can be seen."""
    at = skip_space(buffer, at)
    found = KEY.match(buffer, at)
    if not found:
        return None, at
    colon = skip_space(buffer, found.end())
    if buffer[colon : colon + 1] != b":":
        return None, at
    try:
        key = _STRING.decode(found[0])
    except REFUSED:
        key = ""
    return key, skip_space(buffer, colon + 1)


def skip_space(buffer: bytes, at: int) -> int:
    """The index of the next byte that is no blank."""
    space = SPACE.match(buffer, at)
    return space.end() if space else at


class Follower:
    """Follows one object, list or string through buffer after buffer, holding none of it.

    >>> follower = Follower()
    >>> follower.feed(b'{"a": "}', 0), follower.feed(b'"} , 1', 0)
    (-1, 2)
    """

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, buffer: bytes, at: int) -> int:
        """The index after the value's end, or -1 where it continues."""
        while at < len(buffer):
            if self._escaped:
                self._escaped = False
                at += 1
            elif self._in_string:
                rest = _IN_STRING.match(buffer, at)
                at = rest.end() if rest else at
                if at == len(buffer):
                    return -1
                self._escaped = buffer[at] != _QUOTE
                self._in_string = self._escaped
                at += 1
            else:
                mark = _TO_MARK.search(buffer, at)
                if not mark:
                    return -1
                at = mark.end()
                self._in_string = mark[0] == b'"'
                self._depth += (mark[0] in _OPENING) - (mark[0] in _CLOSING)
            if self._depth <= 0 and not self._in_string:
                return at
        return -1


def _without_blanks(buffer: bytes | memoryview, end: int) -> int:
    while buffer[end - 1] in BLANK:
        end -= 1
    return end
