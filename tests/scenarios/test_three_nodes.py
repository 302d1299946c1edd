"""A day on a cluster of three engine processes with one replica.

A node is killed while a daemon and a backfill write.
"""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Barrier, Proxy
from tests.helpers.detection_rules import DELETED, write_rules
from tests.helpers.installation import Hook, Installation, stamp
from tests.helpers.ports import free_address
from tests.helpers.processes import LONGEST, identity_holds, printed, start
from tests.helpers.queues import PATIENCE, until
from tests.helpers.readyz import readiness
from tests.helpers.receiver import Receiver
from tests.helpers.three_nodes import ThreeNodes, three_nodes
from tests.helpers.trails import documents, ledger, own_settings, record, write_trail
from trailhound.cluster.client import connect

FILES, EVENTS = 60, 50
"""Of the backfill: files, and events in each."""
SMALL = {"TRAILHOUND_INGEST__BATCH_BYTES": "65536"}
"""It makes some thirty requests of events, a third of them to each node."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[ThreeNodes]:
    with three_nodes() as started:
        yield started


def cluster_health(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/_cluster/health", timeout=PATIENCE) as reply:
        found: dict[str, Any] = json.loads(reply.read())
        return found


def test_a_node_is_killed_and_nothing_is_lost_or_there_twice(
    nodes: ThreeNodes, tmp_path: Path
) -> None:
    now, hook, address = datetime.now(UTC), Hook(), free_address()
    watched, export = tmp_path / "watched", tmp_path / "export"
    watched.mkdir()
    pack = write_rules(tmp_path / "rules") / "rules.yml"
    pack.write_text(pack.read_text().replace("interval: 1s", "interval: 5s"))
    settings = own_settings(
        nodes.urls[0], "three", tmp_path / "home", cluster={"hosts": nodes.urls}
    )
    content = {
        "cluster": {"hosts": nodes.urls, "timeout": 20},
        "index": {"replicas": 1},
        "ingest": {"batch_seconds": 0.2},
        "detections": {"shipped": False, "rules": [str(tmp_path / "rules")]},
        "notify": {
            "one_message_per": "alert",
            "channels": [
                {
                    "name": "hook",
                    "kind": "webhook",
                    "url": "http://127.0.0.1:1/",
                    "secret": "a-secret-of-this-test",
                    "level": "low",
                }
            ],
        },
        "run": {
            "listen": address,
            "log": "json",
            "sources": [{"watch": str(watched), "every": 0.5}],
        },
    }
    when = stamp(now - timedelta(minutes=2))
    written: set[str] = set()

    def arrive(name: str) -> None:
        """A file for the daemon: nine plain events, and one that a rule is about."""
        deletion = {"eventSource": "cloudtrail.amazonaws.com", "eventName": "DeleteTrail"}
        made = [record(eventTime=when) for _ in range(9)]
        made.append(record(eventTime=when, **deletion))
        written.update(each["eventID"] for each in made)
        write_trail(watched, made, name)

    for number in range(FILES):
        day = stamp(now - timedelta(days=number % 5))
        made = [record(eventTime=day) for _ in range(EVENTS)]
        written.update(each["eventID"] for each in made)
        write_trail(export, made, f"{number:03}")

    barrier = Barrier(4)
    with Receiver(hook) as receiver, ExitStack() as roads:
        far = [roads.enter_context(Proxy(each, barrier)).url for each in nodes.urls]
        roads.callback(barrier.go.set)
        content["notify"]["channels"][0]["url"] = f"http://127.0.0.1:{receiver.port}/hook"  # type: ignore[index]
        it = Installation(settings, tmp_path, content)
        it.trailhound("init")
        # The replicas of the indices made a moment ago are still being copied.
        until(lambda: it.json("status")["health"] == "green", "every index on two nodes")
        client = connect(settings)

        def done() -> int:
            return sum(each["state"] == "done" for each in ledger(client, settings))

        with it.daemon() as daemon:
            until(lambda: readiness(address)[0] == 200, "a daemon that is ready")
            arrive("before")
            until(lambda: done() == 1, "the first file")
            over_roads = own_settings(far[0], "three", settings.home, cluster={"hosts": far})
            given = ("backfill", export, "--json", "--config", it.file)
            backfill = start(over_roads, *given, env=SMALL)
            try:
                until(barrier.met.is_set, "a part of the backfill")
                # It goes on once every replica is there, however long that takes: a day whose one
                # copy is on the node that dies would be lost with it.
                until(lambda: cluster_health(nodes.urls[1])["status"] == "green", "every replica")
                assert backfill.poll() is None, "killed in the middle"
                nodes.kill(0)
                barrier.go.set()
                arrive("meanwhile")
                stdout, stderr = backfill.communicate(timeout=LONGEST)
            finally:
                backfill.kill()
                backfill.wait()
            assert backfill.returncode == 0, stderr.decode()
            assert identity_holds(printed(stdout))
            until(lambda: done() == FILES + 2, "all files")
            until(lambda: cluster_health(nodes.urls[1])["number_of_nodes"] == 2, "two nodes")

            def same_health() -> bool:  # asked one after the other, while replicas move
                said = it.json("status")["health"]
                return bool(said == cluster_health(nodes.urls[1])["status"])

            until(same_health, "a status that says what the cluster says")
            until(lambda: readiness(address) == (200, set()), "ready with two nodes of three")
            until(lambda: it.failed_checks() == set(), "a doctor that finds nothing")

            until(lambda: len(hook.accepted) == 2, "the messages")
            it.stop(daemon)

        assert set(documents(client, settings)) == written
        entries = ledger(client, settings)
        assert all(identity_holds(each) for each in entries)
        assert sum(each["read"] for each in entries) == FILES * EVENTS + 20
        assert not any(each["dead_lettered"] or each["filtered"] for each in entries)
        alerts = it.json("alerts", "list")["alerts"]
        assert Counter(each["rule"]["id"] for each in alerts) == {DELETED: 2}
        assert Counter(hook.accepted) == {each["id"]: 1 for each in alerts}
