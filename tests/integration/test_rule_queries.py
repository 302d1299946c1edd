"""The pack's queries over all of its samples: the engine finds what the pure matcher finds."""

from __future__ import annotations

from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from detections.matcher import SigmaMatcher
from detections.packs.loading import load_paths
from detections.samples import DEFAULTS, OVERLAID
from tests.helpers.trails import backfill, own_settings, prepared, write_trail
from tests.unit.detections.packs.shipped import RULES, shipped
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.templates import Names
from trailhound.settings import DetectionSettings

AT_ONCE = 50
"""Searches of one `_msearch`."""
MOST = 10_000


def test_the_engine_finds_what_the_matcher_finds(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    events = {
        str(event): dict(event)
        for rule in shipped()
        for trails in (rule.samples.match, rule.samples.no_match)
        for trail in trails
        for event in trail[:10]
    }
    for event in events.values():  # what databases would have added is no part of a record
        for name in OVERLAID:
            event.pop(name, None)
    trail = [
        # All on one day: no query asks for the time.
        {
            **DEFAULTS,
            **event,
            "eventTime": DEFAULTS["eventTime"],
            "eventID": str(uuid5(NAMESPACE_OID, key)),
        }
        for key, event in events.items()
    ]
    settings = own_settings(engine, namespace, tmp_path)
    client = prepared(settings)
    days = Names(settings.prefix).days
    assert backfill(settings, write_trail(tmp_path, trail)).counts.indexed == len(trail)
    client.indices.refresh(index=days)
    stored = {
        hit["_id"]: hit["_source"]
        for hit in client.search(index=days, body={"size": MOST})["hits"]["hits"]
    }
    pack = load_paths([RULES], DetectionSettings())
    assert [str(fault) for fault in pack.faults if fault.stops] == []

    dialect = dialect_of(client)
    plain = [rule for rule in pack.rules if rule.events is not None]
    asked = [(rule, pack.compiled[rule.id].on(dialect)) for rule in plain]
    different = []
    for start in range(0, len(asked), AT_ONCE):
        batch = asked[start : start + AT_ONCE]
        lines: list[dict[str, object]] = []
        for _, compiled in batch:
            lines += [{"index": days}, {"size": MOST, "_source": False, "query": compiled.query}]
        replies = client.msearch(body=lines)["responses"]
        for (rule, compiled), reply in zip(batch, replies, strict=True):
            assert "error" not in reply, (rule.title, reply["error"])
            found = {hit["_id"] for hit in reply["hits"]["hits"]}
            if compiled.post_filter is not None:
                found = {each for each in found if compiled.post_filter.matches(stored[each])}
            assert rule.events is not None
            matcher = SigmaMatcher.from_rule(rule.events)
            if found != {each for each, event in stored.items() if matcher.matches(event)}:
                different.append(rule.title)
    assert different == [], different
