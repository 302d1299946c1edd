"""The report of recorded attacks, which nobody here wrote: what was found in them is all in it."""

from __future__ import annotations

import json
from html import unescape
from pathlib import Path

from detections.history import END
from detections.span import BEGINNING, Span
from tests.helpers.trails import backfill, own_settings, prepared
from trailhound.app.detection.detection import History, rules_in_force
from trailhound.cluster.templates import Names
from trailhound.report.collect.compose import compose
from trailhound.report.collect.query import ReportWindow
from trailhound.report.event import HIGH
from trailhound.report.render.page import as_html

_EVIDENCE = {"query": {"match_all": {}}, "size": 1_000, "_source": ["evidence.event_id"]}


def techniques(folder: Path) -> dict[str, set[str]]:
    """The ids of the events of each recorded technique, by its name."""
    return {
        path.stem: {event["eventID"] for event in json.loads(path.read_bytes())}
        for path in sorted(folder.glob("*.json"))
    }


def test_the_alerts_of_every_technique_are_named(
    engine: str, namespace: str, tmp_path: Path, shared_data: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    assert backfill(settings, shared_data / "stratus").counts.indexed > 100
    pack = rules_in_force(settings)
    for _ in History(client, settings, pack, Span(BEGINNING, END)).run():
        pass
    found = compose(client, settings, ReportWindow(), rules=pack.rules)
    page = unescape(as_html(found).replace("<wbr>", ""))

    hits = client.search(index=Names(settings.prefix).alerts, body=_EVIDENCE)["hits"]["hits"]
    evidence = {hit["_id"]: set(hit["_source"]["evidence"]["event_id"]) for hit in hits}
    rows = {row.id: row for row in found.findings.all}
    assert rows.keys() == evidence.keys()
    silent = []
    for name, events in techniques(shared_data / "stratus").items():
        alerts = [alert for alert, ids in evidence.items() if ids & events]
        for alert in alerts:
            assert alert in page, name
            assert rows[alert].title in page, name
        if not alerts:
            silent.append(name)
    assert silent == []

    # Each alert is in one entry, and every event of a high one is in the attack graph.
    assert sorted(name for entry in found.findings.entries for name in entry.ids) == sorted(rows)
    high = {event for row in rows.values() if row.severity >= HIGH for event in evidence[row.id]}
    assert (found.graph.events, found.graph.events_left_out) == (len(high), 0)
    # What the report says of places and of what is recorded is what the events say.
    places = found.places
    assert places.mapped + places.inside + places.unknown == found.totals.events
    assert places.mapped == sum(spot.events for spot in found.spots)
    (gap,) = [gap for gap in found.gaps if gap.title.startswith("No data events")]
    assert "BatchGetSecretValue (" in gap.detail
    assert f"{places.mapped} of {found.totals.events} events are on the map" in page
