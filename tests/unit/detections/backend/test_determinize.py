"""Expressions that the engine would refuse are known beforehand, and asked for more widely."""

from __future__ import annotations

import pytest
from sigma.policy.profiles import TrustedPolicy
from sigma.types import SigmaRegularExpression

from detections.backend.determinize import too_complex
from detections.backend.regexes import translated
from tests.helpers.detections import compile_detection

FINE = [
    "a{0,3}",
    ".*a{3}b.*",
    ".*(abc|abd)x{3}.*",
    ".*[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}.*",
    ".*a.*b.*c.*d.*e.*f.*g.*",
    f".*({'|'.join(f'user{number}name' for number in range(60))}).*",
    "(.*a){15}.*",
    "()",
    "[^a-c]*x",
]
REFUSED = [
    ".*a.{16}b.*",
    ".*a.{20}b.*",
    f".*a{'.' * 18}b.*",
    r".*\"Principal\".{0,100}\*.*",
    ".*ab.{0,40}c.*",
    ".*(a|b).{0,30}(c|d).*",
    ".*[aA][dD].{5,60}[xX].*",
]
"""Each of them is an error of OpenSearch 3.8, with `max_determinized_states` at 100,000."""


@pytest.mark.parametrize("pattern", FINE)
def test_what_the_engine_takes_is_left_as_it_is(pattern: str) -> None:
    assert not too_complex(pattern)


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_the_engine_refuses_is_known(pattern: str) -> None:
    assert too_complex(pattern)


@pytest.mark.parametrize("source", ["a.{20}b", "ab.{0,40}c", '"Principal".{0,100}\\*'])
def test_counted_repetition_becomes_any_where_it_is_too_much(source: str) -> None:
    made = translated(SigmaRegularExpression(source, set(), TrustedPolicy), ())
    assert not made.exact
    assert not too_complex(made.pattern)
    assert made.pattern != ".*", "it still narrows the query"


@pytest.mark.parametrize(
    "value", ["*a????????????????????b*", "?????????????????????*a??????????????????????b"]
)
@pytest.mark.parametrize("field", ["eventName", "requestParameters.name"])
def test_many_single_wildcards_are_decided_event_by_event(value: str, field: str) -> None:
    assert compile_detection({"s": {field: value}}).post_filter is not None
