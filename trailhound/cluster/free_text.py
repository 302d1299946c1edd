"""Queries that a person wrote in Lucene's language, as the query bar of Dashboards takes them.

A word without a field is looked for in all fields, also in those of other types: this takes a
lenient query. A lenient query silently finds nothing for a broken regular expression, a number
that is none or an address that is none. So it is asked once more strictly, with one text field for
the words without one, only to learn whether it can be read.
"""

from __future__ import annotations

import re
from typing import Any

from trailhound.cluster.queries import Query
from trailhound.cluster.reader import IndexReader
from trailhound.errors import RequestFailedError, UsageError

_LONGEST_REASON = 200
_SEVERAL_FIELDS = re.compile(r"\*[^\s:\"]*:")
"""A name that stands for several fields, whose types may differ."""
_SAID_BEFORE = ("Failed to parse query ", "failed to create query: ")


def free_text(text: str, **options: Any) -> Query:
    """The clause. A word alone is looked for in numbers and dates too."""
    return {
        "query_string": {"query": text, "lenient": True, "analyze_wildcard": True, **options},
    }


def check_free_text(
    reader: IndexReader, text: str, field: str, *, example: str, **options: Any
) -> None:
    """Raises `UsageError` for text that can't be read. `field` is one of type keyword; `example` a
    query as it should be."""
    strict = not _SEVERAL_FIELDS.search(text)
    more = {"lenient": False, "default_field": field} if strict else {}
    try:
        reader.count(free_text(text, **options, **more))
    except RequestFailedError as error:
        if error.status != 400:
            raise
        raise UsageError(
            f"the query can't be read: {_reason(error.message)}",
            hint=f"put values in quotes, and regular expressions in Lucene's syntax: {example}",
        ) from None


def _reason(message: str) -> str:
    """What the engine says of the text, once and without how it says so.

    >>> _reason("all shards failed: failed to create query: a: b: a: b (status 400)")
    'a: b'
    """
    reason = message.removesuffix(" (status 400)")
    for words in _SAID_BEFORE:
        reason = reason.partition(words)[2] or reason
    half = len(reason) // 2
    if reason[:half].removesuffix(":") == reason[half + 1 :]:
        reason = reason[half + 1 :]
    return reason[:_LONGEST_REASON]
