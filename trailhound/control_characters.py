"""Control characters: they act on whoever reads a text, or hide in it.

One table for every place where text of an event, a key or a cluster is shown.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

CONTROL_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories: controls (line breaks among them), characters without a glyph of their own
(those that turn the direction of text, join or split words, spell invisible text), lone surrogates,
and separators of lines and paragraphs."""


def replace_control_characters(
    text: str,
    mark: Callable[[str], str],
    categories: frozenset[str] = CONTROL_CATEGORIES,
    kept: str = "",
) -> str:
    """The text with `mark` instead of each character of some categories, but for those in `kept`.

    >>> replace_control_characters("a\\u202eb\\U000e0041", lambda _: " ")
    'a b '
    """
    if text.isprintable():  # no character of these categories is
        return text
    return "".join(
        mark(each) if unicodedata.category(each) in categories and each not in kept else each
        for each in text
    )


def escape_control_characters(text: str) -> str:
    """The text with every control character as Python writes it.

    >>> print(escape_control_characters("a\\x1b[2J\\u202e\\U000e0041"))
    a\\x1b[2J\\u202e\\U000e0041
    """
    return replace_control_characters(text, _escape)


def _escape(character: str) -> str:
    code = ord(character)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
