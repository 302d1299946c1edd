"""Untrusted text made safe to show: active or invisible characters become visible marks."""

from __future__ import annotations

from trailhound.control_characters import CONTROL_CATEGORIES, replace_control_characters
from trailhound.plural import plural

LONGEST = 400
"""The most characters of a text that are shown; the number of the others is shown."""

_HIDDEN = CONTROL_CATEGORIES | {"Co", "Cn"}
"""And what has a glyph in few fonts: characters for private use, and unassigned ones."""


def visible(text: str, longest: int = LONGEST) -> str:
    """The text on one line, with control, bidirectional and invisible characters replaced by marks.

    >>> visible("a\\x00b\\u202ec\\n"), visible("é ✓ 日本")
    ('a⟨U+0000⟩b⟨U+202E⟩c⟨U+000A⟩', 'é ✓ 日本')
    >>> visible("a" * 500).endswith("a… (100 more characters)")
    True
    """
    kept = replace_control_characters(text[:longest], _mark, _HIDDEN)
    if len(text) > longest:
        kept += f"… ({plural(len(text) - longest, 'more character')})"
    return kept


def _mark(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
