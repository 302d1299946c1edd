"""Text from events as one safe line, for a chat, a mail or a terminal."""

from __future__ import annotations

from trailhound.acting_characters import marked


def one_line(text: str, longest: int) -> str:
    """A single line of bounded length, without characters that act or hide, and that every encoding
    accepts.

    >>> one_line("a\\nb\\x1b[2J", 4)
    'a b '
    """
    return marked(text[:longest], lambda _: " ")
