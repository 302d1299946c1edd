"""Finds misspelt fields in a Lucene query: a query on a field that no event has finds nothing, and
the engine reports no error."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_VALUES: Final = re.compile(r'"(?:\\.|[^"\\])*"|/(?:\\.|[^/\\])*/|[\[{][^\]}]*[\]}]', re.DOTALL)
"""Texts in quotes, regular expressions and ranges, in which no field is named."""
_FIELD: Final = re.compile(r"_exists_:([A-Za-z@][\w.@-]*)|(?<![\w.:*?\\@-])([A-Za-z@][\w.@-]*):")


FieldFault = Callable[[str], tuple[str, str] | None]
"""A field → what is wrong with it and what may be meant; None for one that can be searched."""


def unknown_fields(text: str, fault_of: FieldFault | None = None) -> list[str]:
    """A sentence for each field of a query that nothing can have, with the nearest name. `fault_of`
    judges a field; default: whether an event can have it.

    >>> unknown_fields('evntName:GetObject AND awsRegion:"no:field"')[0].partition("; ")[2]
    "did you mean 'eventName'?"
    """
    names = _names(text)
    if not names:
        return []
    if fault_of is None:
        # Imported here: it brings the language of rules, which most searches do not need.
        from detections.packs.detection_check import field_fault

        fault_of = field_fault
    sentences = []
    for name in names:
        if fault := fault_of(name):
            reason, hint = fault
            sentences.append(f"{reason}; {hint}" if hint.startswith("did you mean") else reason)
    return sentences


def _names(text: str) -> list[str]:
    """The fields that a query names, each once."""
    plain = _VALUES.sub('""', text)
    return list(dict.fromkeys(match[1] or match[2] for match in _FIELD.finditer(plain)))
