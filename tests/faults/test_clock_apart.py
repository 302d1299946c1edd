"""A daemon whose clock differs from the cluster's says so: its rules would miss events."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.ports import free_address
from tests.helpers.processes import start
from tests.helpers.queues import until
from tests.helpers.readyz import readiness
from tests.helpers.trails import own_settings, prepared

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
