"""A daily index that is deleted while something is written to it, with its template or without."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest
from opensearchpy import OpenSearch

from ingest.backfill.backfill import Backfill
from ingest.objects import Selection, Source, TrailObject
from ingest.sources import open_source
from tests.helpers.queues import until
from tests.helpers.trails import documents, own_settings, prepared, record, write_trail
from trailhound.app.daemon.same_days import SameDays
from trailhound.app.enrichment import load_enricher
from trailhound.cluster.initialization import init
from trailhound.cluster.templates import Names, index_marks
from trailhound.errors import ForeignTemplateError
from trailhound.settings import Settings

DAY = "2025.03.01"


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    return own_settings(engine, namespace, tmp_path / "home", ingest={"batch_seconds": 0.1})


class Interrupted:
    """A source of two objects: once the first is indexed, and before the second is read, their day
    is deleted, and the template too if that is wanted."""

    def __init__(self, source: Source, client: OpenSearch, names: Names, *, template: bool) -> None:
        self._source, self._client, self._names = source, client, names
        self._template, self._opened = template, 0
        self.ignored = source.ignored

    def objects(self, selection: Selection) -> Iterator[TrailObject]:
        items = list(self._source.objects(selection))
        assert len(items) == 2
        yield from items

    def head(self, item: TrailObject, size: int) -> bytes:
        return self._source.head(item, size)

    def open(self, item: TrailObject) -> BinaryIO:
        if item.uri.endswith("b.json.gz"):
            day, client = self._names.day(DAY), self._client
            until(lambda: bool(_count(client, day)), "the first object is indexed")
            client.indices.delete(index=day)
            if self._template:
                client.indices.delete_index_template(name=self._names.template("events"))
        return self._source.open(item)


def _count(client: OpenSearch, index: str) -> int:
    found = client.count(index=index, params={"ignore_unavailable": "true"})
    return int(found["count"]) if client.indices.refresh(index=f"{index}*") else 0


@pytest.mark.parametrize("template", [True, False], ids=["template", "day alone"])
def test_events_of_a_day_that_is_deleted_are_never_mapped_by_the_cluster(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, template: bool
) -> None:
    monkeypatch.setattr("ingest.bulk.days._KNOWN_FOR", 0.0)
    monkeypatch.setattr("ingest.bulk.days._SHARE", 0)
    client, names = prepared(settings), Names(settings.prefix)
    trail = tmp_path / "trail"
    for name in ("a", "b"):
        write_trail(trail, [record(eventTime="2025-03-01T12:00:00Z")], name)
    source = Interrupted(open_source(str(trail), settings), client, names, template=template)
    job = Backfill(client, settings, load_enricher(settings).enricher, selection=Selection())
    if template:
        with pytest.raises(ForeignTemplateError, match=f"applies to {names.day(DAY)}"):
            job.run([source])
        assert not client.indices.exists(index=names.day(DAY))
        init(client, settings)
    else:
        assert job.run([source]).counts.indexed == 2
        assert len(documents(client, settings)) == 1
        assert index_marks(client, names.day(DAY))[names.day(DAY)]


def test_health_says_that_a_day_is_gone_and_that_one_is_not_ours(settings: Settings) -> None:
    client = prepared(settings)
    day = Names(settings.prefix).day(f"{datetime.now(UTC):%Y.%m.%d}")
    same = SameDays()
    assert same.reason(client, settings) is None
    client.indices.create(index=day)
    assert same.reason(client, settings) is None
    client.indices.delete(index=day)
    for _ in range(2):
        reason = same.reason(client, settings)
        assert reason is not None
        assert (reason.code, reason.subject) == ("day", day)
        assert "was deleted since this daemon started" in reason.message
        client.indices.create(index=day, params={"ignore": 400})
    assert SameDays().reason(client, settings) is None, "another daemon has not seen the first"
    client.indices.delete(index=day)
    client.indices.create(index=day, body={"mappings": {"_meta": {"trailhound": "theirs"}}})
    reason = SameDays().reason(client, settings)
    assert reason is not None
    assert f"the index {day} was not made by Trailhound" in reason.message
