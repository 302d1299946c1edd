"""Suggestions for misspelt words."""

from __future__ import annotations

from collections.abc import Iterable

_SHORTEST = 3
"""Minimum length of a word to get a suggestion: `desc` for `description`."""
_LONG = 8
"""From this length on two typing errors are allowed."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` misspells or abbreviates; None if there is none.

    >>> [nearest(each, ["level", "falsepositives", "eventName"]) for each in
    ...  ("lvl", "levle", "false_positives", "eventNam", "runbook")]
    ['level', 'level', 'falsepositives', 'eventName', None]
    """
    low = _plain(word)
    best: tuple[int, str] | None = None
    for each in known:
        other = _plain(each)
        if low == other:
            return each
        slips = _slips(low, other)
        shorter = min(len(low), len(other))
        allowed = 2 if shorter >= _LONG else 1 if shorter >= _SHORTEST else -1
        starts = len(low) >= _SHORTEST and other.startswith(low)
        if slips <= allowed or starts or _without_vowels(low) == _without_vowels(other):
            best = min(best or (slips, each), (slips, each))
    return best[1] if best else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the nearest known word.

    >>> did_you_mean("lvl", ["level"]), did_you_mean("x", ["level"], "see the docs")
    ("did you mean 'level'?", 'see the docs')
    """
    near = nearest(word, known)
    return f"did you mean {near!r}?" if near else otherwise


def _plain(word: str) -> str:
    return "".join(each for each in word.lower() if each not in "-_ ")


def _without_vowels(word: str) -> str:
    kept = "".join(each for each in word if each not in "aeiou")
    return kept if len(kept) >= _SHORTEST else word


def _slips(one: str, other: str) -> int:
    """The Damerau-Levenshtein distance."""
    if abs(len(one) - len(other)) > 2:
        return 3
    rows = [list(range(len(other) + 1))]
    for i, left in enumerate(one, 1):
        row = [i]
        for j, right in enumerate(other, 1):
            cost = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (left != right))
            if i > 1 and j > 1 and left == other[j - 2] and right == one[i - 2]:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
