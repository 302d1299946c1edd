"""A daemon whose clock differs from the cluster's says so: its rules would miss events."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.ports import free_address
from tests.helpers.processes import start
from tests.helpers.queues import until
from tests.helpers.readyz import readiness
from tests.helpers.trails import own_settings, prepared
from trailhound.app.health.reasons import reasons
from trailhound.app.health.shared_state import read_shared
from trailhound.cluster.client import connect
from trailhound.cluster.clock import seconds_ahead
from trailhound.state.daemons import Daemons, DaemonState

Answer = tuple[int, set[tuple[str, str]]]
READY: Answer = (200, set())
NOT_READY: Answer = (503, {("clock", "clock")})


@pytest.mark.parametrize(("seconds", "answer"), [(0, READY), (600, NOT_READY), (-600, NOT_READY)])
def test_clocks_that_are_apart_make_a_daemon_unready(
    engine: str,
    namespace: str,
    tmp_path: Path,
    seconds: int,
    answer: Answer,
) -> None:
    prepared(own_settings(engine, namespace, tmp_path / "home"))

    def script(request: Request) -> Fault | None:
        if not seconds or "/_nodes/stats/os" not in request.path:
            return None
        clock = round((time.time() + seconds) * 1000)
        return Say(200, {"nodes": {"n": {"os": {"timestamp": clock}}}})

    (tmp_path / "trail").mkdir()
    with Proxy(engine, script) as proxy:
        settings, address = own_settings(proxy.url, namespace, tmp_path), free_address()
        file = tmp_path / "trailhound.yaml"
        sources = [{"watch": str(tmp_path / "trail")}]
        file.write_text(yaml.safe_dump({"run": {"sources": sources, "listen": address}}))
        process = start(settings, "run", "--config", file)
        try:
            until(lambda: readiness(address) == answer, f"{answer}")
        finally:
            process.kill()
            process.communicate()


def test_who_asks_with_a_wrong_clock_is_told_so_and_daemons_are_found(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    """The machine that asks is two hours ahead of the cluster and of the daemon."""
    client = prepared(own_settings(engine, namespace, tmp_path / "home"))
    theirs = datetime.now(UTC) - timedelta(hours=2)

    def script(request: Request) -> Fault | None:
        if "/_nodes/stats/os" not in request.path:
            return None
        clock = round(theirs.timestamp() * 1000)
        return Say(200, {"nodes": {"n": {"os": {"timestamp": clock}}}})

    with Proxy(engine, script) as proxy:
        settings = own_settings(proxy.url, namespace, tmp_path)
        Daemons(client, settings).write(
            DaemonState(id="d", heartbeat=theirs, report={"reasons": []})
        )
        shared = read_shared(connect(settings), settings, seconds_ahead(connect(settings)))
        found = reasons(shared, settings, dict)
    assert [each.id for each in shared.daemons] == ["d"]
    assert [(each.code, each.subject) for each in found] == [("clock", "this machine")]
    assert "ahead of the cluster's" in found[0].message
