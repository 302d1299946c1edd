"""Refreshes of several indices beside each other find what one refresh would have found."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from opensearchpy import OpenSearch

from tests.faults.proxy import DROP, Fault, Hold, Proxy, Request
from tests.helpers.trails import backfill, own_settings, prepared, record, write_trail
from trailhound.cluster.client import connect
from trailhound.cluster.refreshing import make_searchable, refresh_ahead
from trailhound.cluster.refusals import cluster_errors
from trailhound.cluster.templates import Names
from trailhound.errors import ClusterUnreachableError

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


def test_a_refresh_that_takes_longer_than_a_reply_may_is_waited_for(
    engine: str, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As behind those of the days of a backfill, which the engine does one after another."""
    settings = own_settings(engine, namespace, tmp_path / "home")
    index, asked, done = Names(settings.prefix).alerts, 0, threading.Event()

    def first_is_held(request: Request) -> Fault | None:
        nonlocal asked
        if "/_refresh" in request.path:
            asked += 1
            return Hold(done) if asked == 1 else None
        return None

    with Proxy(settings.hosts[0], first_is_held) as proxy:
        client = connect(own_settings(proxy.url, namespace, tmp_path / "home"), timeout=0.5)
        try:
            make_searchable(client, index)
        finally:
            done.set()
    waits = [each for each in caplog.messages if f"still refreshes {index}" in each]
    assert len(waits) == asked - 1 > 0

    # One whose connections end is away, and is not waited for.
    with Proxy(settings.hosts[0], lambda _: DROP) as proxy:
        client = connect(own_settings(proxy.url, namespace, tmp_path / "home"))
        with cluster_errors(), pytest.raises(ClusterUnreachableError, match="cannot be reached"):
            make_searchable(client, index)
        assert len(proxy.seen) == 1
