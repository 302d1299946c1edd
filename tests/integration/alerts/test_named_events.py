"""Events that alerts name are read once for all that ask, and each is the one of its time."""

from __future__ import annotations

from datetime import timedelta

from opensearchpy import OpenSearch

from detections.alerts.named_events import NamedEvents, Span
from tests.helpers.findings import START, at, emptied, event_id, put_events
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

DAY = timedelta(days=1)


def named(client: OpenSearch, settings: Settings, most: int) -> NamedEvents:
    return NamedEvents(client, Names(settings.prefix).days, most)


def spans(*seconds: int) -> dict[str, Span]:
    """The events of some seconds, each somewhere in the first minute."""
    return {event_id(second): (START, at(60)) for second in seconds}


def test_what_was_read_is_not_read_again(client: OpenSearch, settings: Settings) -> None:
    put_events(client, settings, range(3))
    events, forgetful = named(client, settings, 10), named(client, settings, 0)
    read = events.read(spans(0, 1, 2))
    assert read == forgetful.read(spans(0, 1, 2))
    assert {each["resource"]["role"][0] for each in read.values()} == {
        f"role-{second}" for second in range(3)
    }
    emptied(client, settings)
    assert forgetful.read(spans(0, 1, 2)) == {}
    assert events.read(spans(0, 1, 2)) == read
    put_events(client, settings, [3])
    assert set(events.read(spans(2, 3))) == {event_id(2), event_id(3)}
    for _ in range(2):
        events.turn()
        assert events.read(spans(0, 1, 2)) == read
    events.turn()
    assert events.read(spans(0, 1, 2)) == {}


def test_no_more_than_a_number_are_kept(client: OpenSearch, settings: Settings) -> None:
    put_events(client, settings, range(4))
    events = named(client, settings, 2)
    assert len(events.read(spans(0, 1))) == 2
    assert len(events.read(spans(1, 2, 3))) == 3
    emptied(client, settings)
    assert set(events.read(spans(0, 1, 2, 3))) == {event_id(0), event_id(1)}


def test_of_one_id_in_two_days_each_time_has_its_own(
    client: OpenSearch, settings: Settings
) -> None:
    forged = START - DAY
    put_events(client, settings, [5])
    put_events(client, settings, [5], forged, user={"name": "eve"})
    events, name = named(client, settings, 10), event_id(5)
    ours, theirs = {name: (START, at(60))}, {name: (forged, at(60, forged))}
    both, neither = {name: (forged, at(60))}, {name: (START + DAY, at(60, START + DAY))}

    def who(asked: dict[str, Span]) -> str:
        return str(events.read(asked)[name]["user"]["name"])

    for _ in range(2):  # read, then kept
        assert who(theirs) == who(both) == "eve"
        assert who(ours) == "ada"
    assert events.read(neither) == {}
    other = {event_id(9): (forged, forged)}  # widens what is searched
    assert events.read(neither | other)[name]["user"]["name"] == "eve", "the first, as none fits"
