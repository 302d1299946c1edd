"""Refreshes of several indices beside each other find what one refresh would have found."""

from __future__ import annotations

from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.refreshing import refresh_ahead
from trailhound.cluster.templates import Names

DAYS = ("2025-03-01", "2025-03-02", "2025-03-03")


def found(client: OpenSearch, index: str) -> int:
    return int(client.count(index=index)["count"])


@pytest.mark.parametrize("at_once", [1, 2])  # by either way of refreshing each of the days
def test_what_was_written_is_found_afterwards(
    engine: str, namespace: str, tmp_path: Path, at_once: int
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home")
    settings = settings.model_copy(
        update={"index": settings.index.model_copy(update={"refresh_interval": "-1"})}
    )
    prepared(settings)
    client, names = connect(settings), Names(settings.prefix)
    write_trail(tmp_path / "trail", [record(eventTime=f"{day}T10:00:00Z") for day in DAYS])
    report = backfill(settings, tmp_path / "trail")
    assert report.indices == {names.day(day.replace("-", ".")) for day in DAYS}
    assert found(client, names.days) == 0

    # One that is gone meanwhile, or can't be asked, keeps no other from being refreshed.
    client.indices.close(index=names.day("2025.03.03"))
    refresh_ahead(client, [*report.indices, names.day("2025.03.04")], at_once=at_once)
    assert found(client, names.day("2025.03.01")) == 1
    assert found(client, names.day("2025.03.02")) == 1
