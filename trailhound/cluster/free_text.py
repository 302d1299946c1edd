"""Queries that a person wrote in Lucene's language, as the query bar of Dashboards takes them.

A word without a field is searched in all fields, including those of other types, which needs a
lenient query. A lenient query silently finds nothing for a broken regular expression or an invalid
number or address. So the query is also run strictly once, with one keyword field for words without
a field, only to find out whether it can be parsed.
"""

from __future__ import annotations

import re
from typing import Any

from trailhound.cluster.queries import Query
from trailhound.cluster.reader import IndexReader
from trailhound.errors import RequestFailedError, UsageError

_LONGEST_REASON = 200
_SEVERAL_FIELDS = re.compile(r"\*[^\s:\"]*:")
"""A pattern of field names, which can stand for fields of several types."""
_SAID_BEFORE = ("Failed to parse query ", "failed to create query: ")


def free_text(text: str, **options: Any) -> Query:
    """The clause for a text. Words without a field are searched in numbers and dates too."""
    return {
        "query_string": {"query": text, "lenient": True, "analyze_wildcard": True, **options},
    }


def check_free_text(
    reader: IndexReader, text: str, field: str, *, example: str, **options: Any
) -> None:
    """Raises `UsageError` for text that can't be parsed. `field`: a keyword field; `example`: a
    correct query, for the message."""
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
    """The reason in an engine's message, without its wrapping and repetitions.

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
