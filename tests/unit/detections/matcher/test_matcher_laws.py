"""Laws that hold for any text and any record, against plain Python."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from detections.matcher import SigmaMatcher
from detections.matcher.event_values import any_at, leaves, values_at
from detections.matcher.precheck import precheck

TEXT = st.text(alphabet=st.sampled_from("aAbB*?\\.éÉİ\n ı1"), max_size=12)
PATTERN = st.text(alphabet=st.sampled_from("aAb*?"), max_size=10)
KEYS = st.sampled_from(["a", "b", "a.b", "b.a", "", "c"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "B", "", "1", "true"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
RECORDS = st.dictionaries(KEYS, JSON, max_size=4)
PATHS = st.sampled_from(["a", "b", "a.b", "b.a", "a.b.a", "a.a.b", "c"])
ITEMS = st.tuples(
    PATHS,
    st.sampled_from(["", "|contains", "|startswith", "|neq"]),
    st.sampled_from(["a", "b", "1"]),
).map(lambda item: {item[0] + item[1]: item[2]})


def escaped(text: str) -> str:
    return re.sub(r"([\\*?])", r"\\\1", text)


def matches(field: str, value: Any, record: dict[str, Any]) -> bool:
    return SigmaMatcher.from_detection({"s": {field: value}}).matches(record)


@given(TEXT, TEXT)
def test_strings_compare_as_python_does_on_lowered_text(needle: str, hay: str) -> None:
    record = {"f": hay}
    low, part = hay.lower(), needle.lower()
    assert matches("f", escaped(needle), record) is (low == part)
    assert matches("f|contains", escaped(needle), record) is (part in low)
    assert matches("f|startswith", escaped(needle), record) is low.startswith(part)
    assert matches("f|endswith", escaped(needle), record) is low.endswith(part)
    assert matches("f|cased", escaped(needle), record) is (hay == needle)
    assert matches("f|cased|contains", escaped(needle), record) is (needle in hay)


@given(PATTERN, st.text(alphabet=st.sampled_from("aAb"), max_size=12))
def test_wildcards_match_as_a_shells_do(pattern: str, hay: str) -> None:
    expected = fnmatch.fnmatchcase(hay.lower(), pattern.lower())
    assert matches("f", pattern, {"f": hay}) is expected
    assert matches("f", ["nothing", pattern], {"f": hay}) is expected
    assert matches("f|cased", pattern, {"f": hay}) is fnmatch.fnmatchcase(hay, pattern)


def slow_values(node: Any, parts: list[str]) -> list[Any]:
    """The definition of a path, word for word."""
    if isinstance(node, list):
        return [value for item in node for value in slow_values(item, parts)]
    if not parts:
        return leaves(node)
    if not isinstance(node, dict):
        return []
    return [
        value
        for taken in range(1, len(parts) + 1)
        if ".".join(parts[:taken]) in node
        for value in slow_values(node[".".join(parts[:taken])], parts[taken:])
    ]


@given(PATHS, RECORDS)
def test_paths_find_what_their_definition_says(path: str, record: dict[str, Any]) -> None:
    expected = slow_values(record, path.split("."))
    assert sorted(map(repr, values_at(path)(record))) == sorted(map(repr, expected))
    seen: list[str] = []

    def note(value: Any) -> bool:
        seen.append(repr(value))
        return False

    assert not any_at(path, note)(record)
    assert sorted(seen) == sorted(map(repr, expected))


@given(ITEMS, ITEMS, RECORDS)
def test_conditions_obey_logic(
    a: dict[str, str], b: dict[str, str], record: dict[str, Any]
) -> None:
    def holds(condition: str) -> bool:
        detection = {"a": a, "b": b, "condition": condition}
        return SigmaMatcher.from_detection(detection).matches(record)

    x, y = holds("a"), holds("b")
    assert holds("not a") is not x
    assert holds("a and b") is holds("all of them") is (x and y)
    assert holds("a or b") is holds("1 of them") is (x or y)
    assert holds("not (a and b)") is holds("not a or not b")
    assert SigmaMatcher.from_detection({"list": [a, b]}).matches(record) is (x or y)


@given(PATHS, RECORDS)
def test_a_field_is_null_exactly_where_it_does_not_exist(path: str, record: dict[str, Any]) -> None:
    exists = matches(f"{path}|exists", True, record)
    assert exists is bool(values_at(path)(record))
    assert matches(f"{path}|exists", False, record) is not exists
    assert matches(path, None, record) is not exists
    assert matches(path, "*", record) is exists


@given(
    st.lists(ITEMS, min_size=2, max_size=3),
    st.sampled_from(
        ["s0 and s1", "s0 or s1", "s0 and not s1", "not s0", "not (s0 and s1)", "1 of s*"]
    ),
    RECORDS,
    st.sets(st.sampled_from(["a", "b", "c"])),
)
def test_a_precheck_never_rules_out_a_match(
    items: list[dict[str, str]], condition: str, record: dict[str, Any], known: set[str]
) -> None:
    detection = {f"s{i}": item for i, item in enumerate(items)} | {"condition": condition}
    matcher = SigmaMatcher.from_detection(detection)
    possible = precheck(matcher, known)
    view = {field: record.get(field) for field in known}
    matched = matcher.matches(record)
    assert possible is None or possible(view) or not matched
    if matcher.fields <= known:
        assert possible is not None
        assert possible(view) is matched
