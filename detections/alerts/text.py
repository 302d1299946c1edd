"""Text from events as one safe line, for a chat, a mail or a terminal."""

from __future__ import annotations

import re

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line breaks of every kind, characters that change the text direction, and
lone surrogates, which no encoding accepts."""


def one_line(text: str, longest: int) -> str:
    """A single line of bounded length.

    >>> one_line("a\\nb\\x1b[2J", 4)
    'a b '
    """
    return _CONTROLS.sub(" ", text[:longest])
