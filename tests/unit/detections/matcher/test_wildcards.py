"""Every short wildcard pattern on every short text, against the shell's rules."""

from __future__ import annotations

import re
from fnmatch import translate
from itertools import product

import pytest
from sigma.types import SigmaString

from detections.matcher.wildcards import one_of


def words(letters: str, longest: int) -> list[str]:
    return ["".join(word) for n in range(longest + 1) for word in product(letters, repeat=n)]


@pytest.mark.parametrize(("letters", "longest"), [("ab", 6), ("a\n", 3)])
def test_every_short_pattern(letters: str, longest: int) -> None:
    texts = words(letters, longest)
    for pattern in words("ab*?", 5):
        test, expected = one_of([SigmaString(pattern)]), re.compile(translate(pattern))
        for text in texts:
            assert test(text) is (expected.match(text) is not None), (pattern, text)


def test_kinds_together_are_any_of_them() -> None:
    test = one_of(map(SigmaString, ["exact", "pre*", "*post", "*in*", "a*c", "?"]))
    for text in ("EXACT", "prefix", "a post", "wine", "abc", "x"):
        assert test(text), text
    for text in ("exact1", "a pre", "postal", "i n", "cab", "xy", ""):
        assert not test(text), text
