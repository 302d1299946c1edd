"""Every field that is added has its place in the mapping: without one, nobody would find it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from enrich.enricher import Enricher
from enrich.geo import GeoDatabase, packaged_city_database
from enrich.threat import ThreatLists
from enrich.view import view_of
from tests.unit.sample import trails
from trailhound.cluster.mappings import ADDED
from trailhound.sample import SampleSpec, write_sample


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Our members of each event of a sample, every source of enrichment in use."""
    folder = tmp_path_factory.mktemp("mapped")
    write_sample(folder / "trail", SampleSpec(events=3_000, seed=5))
    threats = folder / "threats.txt"
    threats.write_text("".join(f"{first}.0.0.0/8\n" for first in range(1, 224)))
    city = packaged_city_database()
    assert city is not None
    enricher = Enricher(city=GeoDatabase.open(city), threats=ThreatLists.load([(threats, None)]))
    long = {"bucketName": "b", "key": "k" * 40_000}
    events = trails.events(folder / "trail")
    events.append(events[0] | {"eventSource": "s3.amazonaws.com", "requestParameters": long})
    views = [view_of(msgspec.json.encode(event)) for event in events]
    written = [enricher.fields(view)[0] for view in views]
    return [msgspec.json.decode(b"{" + each + b'"ingested":null}}') for each in written]


def paths(value: dict[str, Any], before: str = "") -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, dict) and before + key != "geolocation.location":
            yield from paths(item, f"{before}{key}.")
        else:
            yield before + key


def test_every_field_that_is_added_is_mapped(added: list[dict[str, Any]]) -> None:
    found = {path for event in added for path in paths(event)}
    for path in found:
        mapping: dict[str, Any] = {"properties": ADDED}
        for part in path.split("."):
            mapping = mapping["properties"].get(part)
            assert mapping is not None, f"{path} is in no mapping: nobody would find it"
        assert "type" in mapping, path
    assert {"geolocation.location", "threat.indicator.ip", "user_agent.kind"} <= found
    assert "resource_incomplete" in found
