"""Regular expressions in Lucene's dialect, which has no anchors, look-around or flags.

Lucene matches a whole term; all expressions here are made for that. Letters are written as classes
(`[aA]`) where case is ignored: Lucene's own flag folds ASCII on OpenSearch 2 and Unicode on 3, and
on a `flat_object` it would fold the path as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

LONGEST = 900
"""Characters of one expression; the engine allows 1,000 (`index.max_regex_length`)."""

_SPECIAL = frozenset('.?+*|(){}[]\\"#@&<>~^$-:/')


def literal(text: str, *, fold: bool) -> str:
    """`text` itself; with `fold`, in any case of its ASCII letters.

    >>> literal("a.b", fold=True)
    '[aA]\\\\.[bB]'
    """
    return "".join(_character(each, fold) for each in text)


def _character(each: str, fold: bool) -> str:
    if fold and each.isascii() and each.isalpha():
        return f"[{each.lower()}{each.upper()}]"
    return f"\\{each}" if each in _SPECIAL else each


def packed(expressions: Iterable[str]) -> Iterator[str]:
    """Alternatives joined by `|`, as few expressions as the limit of length allows."""
    group: list[str] = []
    size = 0
    for each in expressions:
        if group and size + len(each) + 1 > LONGEST:
            yield "|".join(group)
            group, size = [], 0
        group.append(each)
        size += len(each) + 1
    if group:
        yield "|".join(group)


def common_starts(texts: Sequence[str], most: int) -> list[str]:
    """At most `most` prefixes such that each of `texts` starts with one; shorter ones if there are
    many.

    >>> common_starts(["abc", "abd", "x"], 2)
    ['ab', 'x']
    """
    length = max(map(len, texts), default=0)
    starts = sorted(set(texts))
    while len(starts) > most and length > 0:
        length -= 1
        starts = sorted({each[:length] for each in starts})
    return starts
