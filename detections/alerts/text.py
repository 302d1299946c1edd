"""Text from events as one safe line, for a chat, a mail or a terminal."""

from __future__ import annotations

from trailhound.control_characters import replace_control_characters


def one_line(text: str, longest: int) -> str:
    """A single line of bounded length, without characters that act or hide, and that every encoding
    accepts.

    >>> one_line("a\\nb\\x1b[2J", 4)
    'a b '
    """
    return replace_control_characters(text[:longest], lambda _: " ")
