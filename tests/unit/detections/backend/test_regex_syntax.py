"""Expressions read as trees: of what its engine accepts, the tree finds the same texts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import pytest
import re2  # type: ignore[import-untyped]
from hypothesis import assume, example, given
from hypothesis import strategies as st
from sigma.exceptions import SigmaError
from sigma.policy.profiles import TrustedPolicy
from sigma.types import SigmaRegularExpression, SigmaRegularExpressionFlag

from detections.backend.character_sets import EVERY, both_cases, complement, joined
from detections.backend.regex_syntax import (
    Alternatives,
    Characters,
    Dialect,
    Flags,
    Node,
    Repeat,
    Sequence,
    TextEnd,
    TextStart,
    UnknownSyntaxError,
    parse,
)
from detections.backend.regexes import translated
from detections.matcher.sigma_values import value_test
from trailhound.errors import RuleError

ATOMS = [
    *"aAbkKsS1_ .\n^$é-,:#<>",
    "\u212a", "\u017f", "\\.", "\\\\", "\\n", "\\t", "\\d", "\\D", "\\w", "\\W", "\\s", "\\S",
    "\\x41", "\\u0061", "\\0", "\\101", "\\b", "\\B", "\\A", "\\Z", "\\z", "\\1", "\\12", "\\-",
    "[a-c]", "[^a-c]", "[]a]", "[^]a]", "[\\d_]", "[^\\W1]", "[a\\-c]", "[a-]", "[-a]", "[^\\s\\S]",
    "[k]", "[^k]", "[Z-a]", "[^é]", "[\\b]", "[.^$]", "[\\n-\\r]", "[[:alpha:]]", "(?#c)", "{", "}",
    "{1", "{,2}", "(?=a)", "(?!a)", "(?<=a)", "(?P<n>a)", "(?P=n)", "(?(1)a|b)", "(?>a+)", "\\pL",
]  # fmt: skip
COUNTS = ["", "", "", "*", "+", "?", "*?", "+?", "??", "*+", "{2}", "{1,2}", "{2,}", "{0}", "{2}?"]
OPENINGS = ["(", "(?:", "(?i:", "(?s:", "(?m:", "(?-i:", "(?s-i:"]


def expressions() -> st.SearchStrategy[str]:
    atom = st.tuples(st.sampled_from(ATOMS), st.sampled_from(COUNTS)).map("".join)

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        group = st.tuples(
            st.sampled_from(OPENINGS), inner, st.just(")"), st.sampled_from(COUNTS)
        ).map("".join)
        return (
            st.lists(inner, max_size=3).map("".join)
            | group
            | st.lists(inner, min_size=2, max_size=3).map("|".join)
        )

    leading = st.sampled_from(["", "", "", "(?i)", "(?s)", "(?m)", "(?im)"])
    return st.tuples(leading, st.recursive(atom, larger, max_leaves=6)).map("".join)


TEXTS = st.lists(
    st.text(alphabet="aAbBkKsSzZ1_ .\n\t\x0b\r\x00\u212a\u017féÉ-,:#{}\\^$x", max_size=5),
    min_size=4,
    max_size=12,
)


@given(expressions(), TEXTS, st.sets(st.sampled_from(SigmaRegularExpressionFlag)))
@example("(?i)[^k]", ["\u212a", "k"], set())
@example("(?i)\\w", ["\u017f", "é"], set())
@example("(?i)(?!x)[^k]", ["\u212a"], set())
@example("a{,2}", ["a", "aa", "a{,2}"], set())
@example("(^a|b)c", ["ac", "xac", "xbc"], set())
def test_the_query_misses_no_text_and_an_exact_one_finds_no_other(
    source: str, texts: list[str], flags: set[SigmaRegularExpressionFlag]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python's, of sets that may be nested some day
        try:
            value = SigmaRegularExpression(source, flags, TrustedPolicy)
            meant = value_test(value, ())
        except (SigmaError, RuleError):  # no engine accepts it
            assume(False)
            return
    made = translated(value, ())
    for text in texts:
        found = re.fullmatch(made.pattern, text, re.DOTALL) is not None
        assert found or not meant(text)
        assert found == meant(text) or not made.exact


@pytest.mark.parametrize("dialect", Dialect)
@given(source=expressions())
def test_any_text_is_a_tree_or_unknown_syntax(dialect: Dialect, source: str) -> None:
    try:
        list(leaves(parse(source, dialect)))
    except UnknownSyntaxError:
        return


@given(st.text(max_size=12))
def test_no_text_fails_in_another_way(source: str) -> None:
    for dialect in Dialect:
        try:
            parse(source, dialect)
        except UnknownSyntaxError:
            continue


def leaves(node: Node) -> Iterator[Node]:
    match node:
        case Sequence(children) | Alternatives(children):
            for child in children:
                yield from leaves(child)
        case Repeat(body):
            yield from leaves(body)
        case Characters(ranges):
            assert joined(ranges) == ranges, "sorted and disjoint"
            yield node
        case _:
            yield node


A, B = Characters(((97, 97),)), Characters(((98, 98),))


@pytest.mark.parametrize(
    ("source", "tree"),
    [
        ("", Sequence(())),
        ("a|b", Alternatives((A, B))),
        ("(a)(?:b)", Sequence((A, B))),
        ("(?i)a", Characters(((65, 65), (97, 97)))),
        ("(?i:a)", Characters(((65, 65), (97, 97)))),
        ("^a$", Sequence((TextStart(), A, TextEnd(newline=False)))),
        ("a{2,}?", Repeat(A, 2, None)),
        ("a{3}", Repeat(A, 3, 3)),
        ("[^\\n]", Characters(((0, 9), (11, EVERY[0][1])))),
        ("(?s).", Characters(EVERY)),
        ("\\Aa\\z", Sequence((TextStart(), A, TextEnd(newline=False)))),
    ],
)
def test_trees(source: str, tree: Node) -> None:
    assert parse(source, Dialect.RE2) == tree
    assert re2.compile(source)


def test_what_the_engines_read_differently() -> None:
    assert parse("a$", Dialect.PYTHON) == Sequence((A, TextEnd(newline=True)))
    assert parse("a{,2}", Dialect.PYTHON) == Repeat(A, 0, 2)
    assert parse("a{,2}", Dialect.RE2) == Sequence(
        tuple(Characters(((ord(each), ord(each)),)) for each in "a{,2}")
    )
    tab = parse("\\s", Dialect.PYTHON), parse("\\s", Dialect.RE2)
    assert [any(low <= 11 <= high for low, high in each.ranges) for each in tab] == [True, False]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "source",
    ["a**", "*a", "(a", "a)", "[a", "[b-a]", "a{3,2}", "\\q", "\\", "(?x)a", "a(?i)b", "\\pL",
     "[[:alpha:]]", "\\ud800", "(?<n>a)", "^*", "a{2}{3}", "a{4294967295}"],
)  # fmt: skip
def test_unknown_syntax_is_refused(source: str) -> None:
    with pytest.raises(UnknownSyntaxError):
        parse(source, Dialect.PYTHON)


def test_flags_of_a_group_end_with_it() -> None:
    both = Characters(((65, 65), (97, 97)))
    assert parse("(?i:a)a", Dialect.RE2) == Sequence((both, A))
    assert parse("a(?-i:a)", Dialect.RE2, Flags(ignore_case=True)) == Sequence((both, A))


RANGES = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 300)).map(lambda each: (min(each), max(each))),
    max_size=6,
).map(joined)


@given(RANGES)
def test_sets_of_characters(ranges: tuple[tuple[int, int], ...]) -> None:
    members = {code for low, high in ranges for code in range(low, high + 1)}
    assert complement(complement(ranges)) == ranges
    assert members.isdisjoint(
        code for low, high in complement(ranges) for code in range(low, min(high, 400) + 1)
    )
    letters = {chr(code) for code in members if code < 128 and chr(code).isalpha()}
    folded = {code for low, high in both_cases(ranges) for code in range(low, high + 1)}
    assert folded == members | {ord(letter.swapcase()) for letter in letters}
