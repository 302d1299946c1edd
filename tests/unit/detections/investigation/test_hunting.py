"""A hunt of which some kinds of leads fail, are interrupted, or ask a cluster that is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConnectionTimeout

from detections.investigation.hunting import INTERRUPTED, Part, hunted
from detections.investigation.lead import Lead
from detections.investigation.past import Looking
from detections.span import Span
from trailhound.errors import ClusterUnreachableError, RequestFailedError

WEEK = Span(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 8, tzinfo=UTC))


def part(what: str, fault: BaseException | None = None, *, past: bool = False) -> Part:
    """A kind with a lead, after which it may fail."""

    def find(span: Span, looking: Looking) -> Iterator[Lead]:
        looking(span.since - timedelta(days=40))
        yield Lead("first", what, 3, what, "user", "")
        if fault is not None:
            raise fault

    return Part(what, find, past)


@pytest.fixture
def client() -> Iterator[OpenSearch]:
    """Of a cluster that is not there."""
    made = OpenSearch(["http://127.0.0.1:1"], max_retries=0)
    yield made
    made.close()


def test_a_kind_that_fails_keeps_the_leads_of_the_others_and_the_past_is_last(
    client: OpenSearch,
) -> None:
    said: list[tuple[str, int, int]] = []
    parts = [part("a", past=True), part("b", RequestFailedError("too long")), part("c")]
    done = hunted(client, parts, WEEK, len, lambda *each: said.append(each))
    assert [each.pattern for each in done.leads] == ["b", "c", "a"]
    assert [str(each) for each in done.not_searched] == ["b: too long"]
    assert (done.searched, done.interrupted) == (2, False)
    assert said[-1] == ("looking for a, back to 2025-01-20", 2, 3)


def test_what_is_ready_is_kept_at_an_interruption(client: OpenSearch) -> None:
    parts = [part("a"), part("b", KeyboardInterrupt()), part("c"), part("d", past=True)]
    done = hunted(client, parts, WEEK, len)
    assert [each.pattern for each in done.leads] == ["a", "b"]
    assert [each.as_json() for each in done.not_searched] == [
        {"what": what, "reason": INTERRUPTED} for what in "bcd"
    ]
    assert done.interrupted


def test_a_cluster_that_is_gone_is_asked_no_more(client: OpenSearch) -> None:
    gone = ConnectionTimeout("N/A", "timed out", Exception("no answer"))
    done = hunted(client, [part("a"), part("b", gone), part("c")], WEEK, len)
    assert [each.pattern for each in done.leads] == ["a", "b"]
    assert [each.what for each in done.not_searched] == ["b", "c"]
    with pytest.raises(ClusterUnreachableError, match="did not answer in time"):
        hunted(client, [part("b", gone), part("c")], WEEK, len)


def test_alerts_that_cannot_be_read_are_named(client: OpenSearch) -> None:
    def mark(_: object) -> None:
        raise RequestFailedError("no")

    done = hunted(client, [part("a")], WEEK, mark)
    assert [str(each) for each in done.not_searched] == ["alerts about the leads: no"]
