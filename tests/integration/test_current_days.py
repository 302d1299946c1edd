"""Which daily indices the rules of a schedule ask: those of its events' time, as they are now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from detections.events.current_days import CurrentDays
from detections.events.index import EventIndex
from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.trails import own_settings, prepared
from trailhound.cluster.client import connect
from trailhound.cluster.templates import Names
from trailhound.settings import Settings

NOW = datetime.now(UTC)
LATER = "9999.12.31"


def named(settings: Settings, *back: int) -> set[str]:
    """The names of the indices of so many days ago."""
    return {Names(settings.prefix).day(f"{NOW - timedelta(days=each):%Y.%m.%d}") for each in back}


def young(days: int) -> dict[str, Any]:
    """As a schedule asks: ingested in its span, and not older than this."""
    ingested = {"range": {"event.ingested": {"gte": "2000-01-01T00:00:00Z"}}}
    oldest = (NOW - timedelta(days=days)).isoformat()
    return {"bool": {"filter": [ingested, {"range": {"@timestamp": {"gte": oldest}}}]}}


def add(client: OpenSearch, *indices: str) -> None:
    lines: list[dict[str, object]] = []
    for index in indices:
        day = index[-10:].replace(".", "-")
        event: dict[str, object] = {
            "@timestamp": f"{day}T23:59:59.999Z",  # young(N) has N days whole, at any hour
            "event": {"ingested": "2026-01-01T00:00:00Z"},
        }
        lines += [{"create": {"_index": index, "_id": index}}, event]
    reply = client.bulk(body=lines, params={"refresh": "true"})
    assert not reply["errors"], reply


def test_days_of_the_schedules_time_are_asked(settings: Settings) -> None:
    client, names = prepared(settings), Names(settings.prefix)
    days = CurrentDays(client, settings)
    index = EventIndex(client, days)
    days.look()
    assert index.holding(young(3)) == names.days, "there is no index yet"
    late = names.day(LATER)
    old, held = named(settings, 40), named(settings, 0, 1, 2)
    add(client, late, *old, *held)
    days.look()
    asked = set(index.holding(young(2)).split(","))
    assert {late, *held} <= asked, "an event of a time to come is one that is not older"
    assert not asked & old
    assert index.count(young(2)) == 3 + 1
    assert index.count({"match_all": {}}) == 5
    # A day that came since the last look is asked, too.
    (new,) = named(settings, 3)
    add(client, new)
    assert index.count(young(4)) == 4 + 1
    # Without an end in the past, and where it would be too many, all are asked.
    assert index.holding(young(400)) == names.days
    assert index.holding({"match_all": {}}) == names.days


def test_a_day_that_cannot_be_searched_is_asked_and_fails(settings: Settings) -> None:
    client = prepared(settings)
    days = CurrentDays(client, settings)
    (blocked,), (closed,) = named(settings, 0), named(settings, 1)
    add(client, blocked, closed)
    client.indices.put_settings(index=blocked, body={"index.blocks.read": True})
    client.indices.close(index=closed)
    days.look()
    assert {blocked, closed} <= set(EventIndex(client, days).holding(young(2)).split(","))
    client.indices.put_settings(index=blocked, body={"index.blocks.read": False})
    assert EventIndex(client, days).count(young(2)) == 1


def test_who_may_not_look_asks_all_days(settings: Settings, tmp_path: Path) -> None:
    client = prepared(settings)
    (today,) = named(settings, 0)
    add(client, today)

    def refuse(request: Request) -> Fault | None:
        reason = "no permissions for [cluster:monitor/state]"
        denied = {"error": {"type": "security_exception", "reason": reason}, "status": 403}
        return Say(403, denied) if request.path.startswith("/_cluster/state") else None

    with Proxy(settings.hosts[0], refuse) as proxy:
        there = own_settings(proxy.url, settings.namespace, tmp_path / "there")
        days = CurrentDays(connect(there), there)
        days.look()
        assert days.holding(young(2)) == days.expression == Names(settings.prefix).days
        assert EventIndex(connect(there), days).count(young(2)) == 1
