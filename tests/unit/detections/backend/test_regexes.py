"""Expressions for Lucene: what an expression finds, its translation matches; exact ones no more."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigma.modifiers import SigmaEndswithModifier, SigmaStartswithModifier
from sigma.policy.profiles import TrustedPolicy
from sigma.types import SigmaRegularExpression, SigmaRegularExpressionFlag

from detections.backend.regexes import translated
from detections.matcher.sigma_values import value_test

EXPRESSIONS = [
    "a", "^a", "a$", "^a$", "^$", "", "a|b", "^a|b$", "(a|b)c", "^(a|b)$", "a.c", "(?s)a.c",
    "[a-c]x",
    "[^a]", "[^a-c]$", "\\d+", "\\D", "\\w\\W", "\\s", "\\S$", "a{2}", "a{2,}", "a{0,2}b", "a+b*c?",
    "(?i)ABC", "(?i)k", "(?i)[a-b]", "(?i)[^a]$", "\\bab\\b", "^(?!a).*$", "a(?=b)", "(a)\\1",
    "(?m)^a$", "a^b", "\\Aa", "a\\Z", "\\.", "a\\|b", "\\[x\\]", "~a#@&<>\"", "x{500}", "(?i:a)b",
    "(?:a|b)+?c", "[[:alpha:]]", "é", "(?i)é", "[é-ü]", "a{,2}", "[\\s\\d]", "[^\\w]",
]  # fmt: skip
TEXTS = st.text(alphabet=st.sampled_from('abcABCkK\u212ax1. \n\t|[]é~#"^$\\'), max_size=8)


def of(source: str, flags: str = "") -> SigmaRegularExpression:
    names = {"i": SigmaRegularExpressionFlag.IGNORECASE}
    return SigmaRegularExpression(source, {names[flag] for flag in flags}, TrustedPolicy)


@pytest.mark.parametrize("source", EXPRESSIONS)
@given(text=TEXTS)
def test_no_text_is_missed(source: str, text: str) -> None:
    for modifiers in ((), (SigmaStartswithModifier,), (SigmaEndswithModifier,)):
        value = of(source)
        made = translated(value, modifiers)
        # Lucene's `.` takes a line break too; in all else the dialect is within Python's.
        found = re.fullmatch(made.pattern, text, re.DOTALL) is not None
        meant = value_test(value, modifiers)(text)
        assert found or not meant
        assert found == meant or not made.exact


def test_what_lucene_can_say_is_exact() -> None:
    for source in (
        "^Create",
        "User$",
        "(Get|List)[A-Z]\\w+",
        "\\d{1,3}(\\.\\d{1,3}){3}",
        "(?i)admin",
    ):
        assert translated(of(source), ()).exact
    for source in ("\\bx\\b", "a(?=b)", "(a)\\1", "(?i)é", "x{1,5000}"):
        assert not translated(of(source), ()).exact


def test_an_expression_too_long_for_the_engine_asks_for_any_text() -> None:
    made = translated(of("x" * 2_000), ())
    assert (made.pattern, made.exact) == (".*", False)


def test_what_counts_far_is_widened() -> None:
    made = translated(of("(a{100}){100}b"), ())
    assert not made.exact
    assert len(made.pattern) < 100
