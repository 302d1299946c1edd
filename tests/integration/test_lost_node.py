"""Commands on a cluster that has just lost a node: a refresh asks every copy, and fails once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Fault, Proxy, Request, Say
from tests.helpers.processes import run
from tests.helpers.trails import own_settings, record, write_trail

CHECKOUT = Path(__file__).parents[2]
LOST: dict[str, Any] = {
    "_shards": {
        "total": 10,
        "successful": 7,
        "failed": 1,
        "failures": [
            {
                "shard": 0,
                "index": "day",
                "status": "SERVICE_UNAVAILABLE",
                "reason": {"type": "no_node_available_exception", "reason": "unknown node [a]"},
            }
        ],
    }
}
"""What OpenSearch answers until it knows that the node is gone."""


@pytest.fixture
def lost(engine: str, namespace: str, tmp_path: Path) -> Any:
    """Settings through a proxy, and what is left to refuse: so many refreshes."""
    left = [0]

    def script(request: Request) -> Fault | None:
        if "/_refresh" not in request.path or not left[0]:
            return None
        left[0] -= 1
        return Say(503, LOST)

    with Proxy(engine, script) as proxy:
        yield own_settings(proxy.url, namespace, tmp_path / "home"), left


def test_a_refresh_that_fails_for_a_lost_node_is_asked_again(lost: Any, tmp_path: Path) -> None:
    settings, left = lost
    made = record()
    write_trail(tmp_path / "export", [made])
    assert run(settings, "init").returncode == 0
    left[0] = 1
    read = run(settings, "backfill", tmp_path / "export", "--json")
    assert read.returncode == 0, read.stderr.decode()
    assert json.loads(read.stdout)["undetected"]["events"] == 1
    commands = [
        ("events", "--since", "2000-01-01"),
        ("event", made["eventID"]),
        ("alerts", "list"),
        ("incidents", "list"),
        ("ledger", "list"),
        ("report", "--output", str(tmp_path / "report.html")),
    ]
    for each in commands:
        left[0] = 1
        done = run(settings, *each)
        assert done.returncode == 0, (each, done.stderr.decode())
        assert not left[0], f"{each} asks for no refresh"


def test_one_module_alone_refreshes() -> None:
    named = {
        path.relative_to(CHECKOUT).as_posix()
        for folder in ("trailhound", "detections", "ingest", "dashboards", "enrich")
        for path in (CHECKOUT / folder).rglob("*.py")
        if "indices.refresh(" in path.read_text()
    }
    assert named == {"trailhound/cluster/refreshing.py"}
