"""Health and metrics as monitoring asks for them."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from contextlib import suppress
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ingest.counts import Counts
from ingest.daemon.status import DaemonStatus
from ingest.feeds.feed import FeedStatus
from ingest.telemetry import endpoint as endpoint_module
from ingest.telemetry.endpoint import Endpoint, Health
from ingest.telemetry.metrics import Metrics
from tests.helpers.queues import until
from trailhound.errors import UsageError

STATUS = DaemonStatus(
    started=1.0,
    counts=Counts(read=7, indexed=4, duplicates=1, dead_lettered=1, filtered=1),
    objects={"done": 2, "failed": 1},
    bytes=99,
    feeds=[FeedStatus('q"\n', "sqs", 5, 1.5, counters={"messages": 3})],
)
READY = Health(())


def handlers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if "process_request" in each.name]


def get(url: str, method: str = "GET") -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as reply:
            return reply.status, reply.read()
    except HTTPError as error:
        return error.code, error.read()


def has_ipv6() -> bool:
    """Whether this machine has IPv6: containers often have none."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


IPV6 = pytest.param(
    "[::1]:0", marks=pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
)


@pytest.mark.parametrize("address", ["127.0.0.1:0", IPV6])
def test_health_and_metrics(address: str) -> None:
    away = {"code": "cluster", "subject": "cluster", "message": "the cluster is away"}
    health = [Health((away,))]
    codes = [["cluster"]]
    metrics = Metrics(lambda: STATUS, lambda: codes[0], lambda: {"detections": True})
    endpoint = Endpoint(address, metrics, lambda: health[0], {"pid": 7})
    endpoint.start()
    try:
        assert get(endpoint.url + "/healthz")[0] == 200
        status, body = get(endpoint.url + "/readyz")
        assert (status, json.loads(body)) == (
            503,
            {
                "ready": False,
                "reasons": ["the cluster is away"],
                "details": [away],
                "daemon": {"pid": 7},
            },
        )
        assert b"trailhound_ready 0.0" in get(endpoint.url + "/metrics")[1]
        health[0], codes[0] = READY, []
        assert get(endpoint.url + "/readyz?x=1")[0] == 200
        assert get(endpoint.url + "/")[0] == 404
        assert get(endpoint.url + "/metrics", "HEAD") == (200, b"")
        metrics.delivered(1.0)
        values = {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(get(endpoint.url + "/metrics")[1].decode())
            for sample in family.samples
        }
    finally:
        endpoint.close()
    assert values["trailhound_events_total", "dead_lettered"] == 1
    assert values["trailhound_objects_total", "done"] == 2
    assert values["trailhound_feed_depth", 'q"\n'] == 5
    assert values["trailhound_feed_total", 'q"\n', "messages"] == 3
    assert values["trailhound_ready",] == values["trailhound_leader", "detections"] == 1
    assert values["trailhound_delivery_to_indexed_seconds_count",] == 1


def test_who_sends_nothing_keeps_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "_MOST_CONNECTIONS", 8)
    metrics = Metrics(lambda: None, tuple, dict)
    endpoint = Endpoint("127.0.0.1:0", metrics, lambda: READY)
    endpoint.start()
    port = int(endpoint.url.rpartition(":")[2])
    idle = [socket.create_connection(("127.0.0.1", port), 120) for _ in range(40)]
    try:
        for each in idle:
            with suppress(OSError):  # ended already
                each.sendall(b"GET /readyz HTTP/1.1\r\nX: ")
        assert get(endpoint.url + "/readyz")[0] == 200
        for each in idle[:30]:
            with suppress(ConnectionResetError):
                assert each.recv(1) == b"", "it was ended"
        until(lambda: len(handlers()) <= 10, "an end of all but the newest")
    finally:
        for each in idle:
            each.close()
        endpoint.close()


def test_a_connection_ends_however_slowly_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "_LONGEST_SECONDS", 0.0)
    metrics = Metrics(lambda: None, tuple, dict)
    endpoint = Endpoint("127.0.0.1:0", metrics, lambda: READY)
    endpoint.start()
    try:
        port = int(endpoint.url.rpartition(":")[2])
        slow = socket.create_connection(("127.0.0.1", port), 120)
        with slow, suppress(ConnectionResetError):
            assert slow.recv(1) == b""
    finally:
        endpoint.close()


def test_a_taken_address_is_a_sentence() -> None:
    metrics = Metrics(lambda: None, tuple, dict)
    first = Endpoint("127.0.0.1:0", metrics, lambda: READY)
    try:
        with pytest.raises(UsageError, match=r"cannot listen at 127\.0") as caught:
            Endpoint(first.url.removeprefix("http://"), metrics, lambda: READY)
        assert "--listen" in caught.value.hint
    finally:
        first.close()
