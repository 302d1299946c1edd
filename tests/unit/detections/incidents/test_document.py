"""What joining keeps on an alert is read again as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from detections.alerts.whose import Share
from detections.incidents.document import acted, joined, linked_alert
from detections.incidents.joining import Links

TIMES = {"first_seen": "2025-03-01T10:00:00.000Z", "last_seen": "2025-03-01T18:00:00.000Z"}
LINKS = Links(
    frozenset({"user:1:ada", "key:AKIA1"}),
    frozenset({"bucket:loot"}),
    frozenset({"role:1:Ops"}),
    frozenset({("2001:db8::1", date(2025, 3, 1)), ("192.0.2.1", date(2025, 3, 2))}),
    frozenset({"2001:db8::1"}),
    (datetime(2025, 3, 1, 12, tzinfo=UTC), datetime(2025, 3, 1, 13, tzinfo=UTC)),
    frozenset({"ada"}),
    frozenset({"111122223333"}),
    (Share("ada", 3, 1), Share("ci", 1, 0)),
)


def test_links_are_read_as_they_were_written() -> None:
    alert = linked_alert("a", {**TIMES, **joined(LINKS, "a", [("2001:db8::1", date(2025, 3, 1))])})
    assert alert.links == LINKS
    assert (alert.first.hour, alert.last.hour) == (10, 18)


def test_an_alert_of_the_last_release_has_no_shares() -> None:
    stored = joined(LINKS, "a")
    del stored["links"]["by_principal"]
    assert linked_alert("a", {**TIMES, **stored}).links.shares == ()


def test_when_somebody_acted_may_be_less_than_what_the_alert_covers() -> None:
    times = datetime(2025, 3, 1, 12, tzinfo=UTC), datetime(2025, 3, 1, 13, tzinfo=UTC)
    stored = {**TIMES, **joined(Links(acted=times), "a")}
    assert acted(stored) == times
    assert [each.hour for each in acted({**TIMES, **joined(Links(), "a")})] == [10, 18]


@pytest.mark.parametrize("document", [{}, {"first_seen": None}, {"first_seen": "yesterday"}])
def test_an_alert_without_times_is_no_fault(document: dict[str, object]) -> None:
    assert linked_alert("a", document).first.year == 1970
