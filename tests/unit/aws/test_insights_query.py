"""What is read of a Logs Insights query, and how its answers are put together: no row lost, none
twice, and every second that has too many rows is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trailhound.aws import query_spans
from trailhound.aws.insights_query import commands_of, limited, ordered, parsed
from trailhound.aws.logs_insights import GroupQuery, LogsInsights
from trailhound.aws.query_spans import QuerySpan
from trailhound.errors import UsageError

ASKED = QuerySpan(1_000, 1_119)
MOMENTS = st.lists(
    st.integers(0, 119).flatmap(lambda s: st.sampled_from([0, 1, 500, 999]).map(
        lambda ms: (1_000 + s) * 1_000 + ms)) | st.just(1_042_500),
    max_size=120,
)  # fmt: skip


class Client:
    """AWS's cap, pointers and both readings of the last second, without a network."""

    def __init__(self, moments: list[int], cap: int, *, whole: bool) -> None:
        self.moments, self.cap, self.whole = moments, cap, whole
        self.answers: list[dict[str, Any]] = []

    def start_query(self, **asked: Any) -> dict[str, str]:
        end = asked["endTime"] * 1_000 + (999 if self.whole else 0)
        there = [
            (moment, number)
            for number, moment in enumerate(self.moments)
            if asked["startTime"] * 1_000 <= moment <= end
        ]
        there.sort(reverse=True)
        rows = [
            [{"field": "@timestamp", "value": f"{moment}"}, {"field": "@ptr", "value": f"{number}"}]
            for moment, number in there[: self.cap]
        ]
        self.answers.append(
            {
                "status": "Complete",
                "results": rows,
                "statistics": {"recordsMatched": float(len(there)), "bytesScanned": 1.0},
            }
        )
        return {"queryId": str(len(self.answers) - 1)}

    def get_query_results(self, queryId: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        return self.answers[int(queryId)]


@given(MOMENTS, st.integers(2, 12), st.booleans())
def test_no_row_is_lost_or_twice_and_seconds_with_too_many_are_named(
    moments: list[int], cap: int, whole: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(query_spans, "ROWS", cap)
        job = LogsInsights({"r": Client(moments, cap, whole=whole)}, parsed("fields x"), at_once=1)
        result = job.run([GroupQuery("r", "g", ASKED)])
    found = [int(each.fields["@ptr"]) for each in result.rows]
    assert len(found) == len(set(found))
    assert not result.failed
    cut = {each.piece.span.first for each in result.cut}
    assert all(each.piece.span.seconds == 1 for each in result.cut)
    lost = set(range(len(moments))) - set(found)
    assert {moments[number] // 1_000 for number in lost} <= cut
    for second in cut:  # with the second after it, of which AWS may count the first instant or all
        within = (second * 1_000, second * 1_000 + (1_999 if whole else 1_000))
        assert sum(within[0] <= moment <= within[1] for moment in moments) > cap
    assert [int(each.fields["@timestamp"]) for each in result.rows] == sorted(
        (moments[number] for number in found), reverse=True
    )


@given(st.integers(0, 10_000), st.integers(2, 400), st.integers(0, 10**7))
def test_parts_of_a_time_are_all_of_it_and_apart(first: int, seconds: int, matched: int) -> None:
    span = QuerySpan(first, first + seconds - 1)
    parts = query_spans.parts(span, matched)
    assert [second for each in parts for second in range(each.first, each.last + 1)] == list(
        range(span.first, span.last + 1)
    )
    assert 2 <= len(parts) <= seconds


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("fields a|filter b = 'x|y'|sort c", ["fields", "filter", "sort"]),
        ('fields a\n# stats | limit 3\n| filter m like "a\\"|b"', ["fields", "filter"]),
        ("filter m like /(a|b)/ | stats count(*) by bin(1h)", ["filter", "stats"]),
        ("fields a / b as c | filter `x|y` = 1", ["fields", "filter"]),
        ("filter m =~ /\\/a|b/|limit 3", ["filter", "limit"]),
    ],
)
def test_pipes_in_texts_expressions_and_comments_are_none(text: str, names: list[str]) -> None:
    assert [each.name for each in commands_of(text)] == names


@pytest.mark.parametrize(
    "command", ["stats count(*)", "dedup a", "pattern @message", "unnest a into b", "diff", "new x"]
)
def test_what_parts_of_a_time_would_answer_differently_is_not_divided(command: str) -> None:
    assert not parsed(f"fields a | {command}").can_split


def test_a_limit_is_held_and_one_over_amazons_is_held_here() -> None:
    small = parsed("fields a | limit 20")
    assert (small.limit, small.can_split, small.sent_limit, small.text[-2:]) == (
        20,
        False,
        None,
        "20",
    )
    large = parsed("fields a | sort a | limit 25000")
    assert (large.text, large.sent_limit, large.can_split) == ("fields a | sort a", 10_000, True)
    assert len(limited([{"a": "1"}] * 30_000, large)) == 25_000
    for wrong in ("", "  ", "# x", "limit 20000 | fields a", "SOURCE logGroups()"):
        with pytest.raises(UsageError):
            parsed(wrong)


def test_rows_are_in_the_querys_order_or_it_is_said_why_not() -> None:
    rows = [{"n": "10", "t": "b"}, {"n": "9", "t": "a"}, {"t": "c"}, {"n": "x", "t": "d"}]
    up, said = ordered(rows, parsed("fields n, t | sort n asc, t desc"))
    assert ([each["t"] for each in up], said) == (["c", "d", "a", "b"], "")
    down, _ = ordered(rows, parsed("fields n, t | sort n desc"))
    assert [each["t"] for each in down] == ["b", "a", "d", "c"]
    same, said = ordered(rows, parsed("fields n, t"))
    assert same == rows
    assert "@timestamp is not among the fields" in said
