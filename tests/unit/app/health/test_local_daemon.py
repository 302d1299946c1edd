"""What answers at `run.listen`, and what is made of it: ready only if a daemon says so."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from ingest.telemetry.endpoint import Endpoint, Health
from ingest.telemetry.metrics import Metrics
from tests.helpers.local_servers import LocalServer, answering
from tests.helpers.ports import own_port
from trailhound.app.health.local_daemon import ask_daemon, identity
from trailhound.settings import Settings, load

AWAY = {"code": "cluster", "subject": "cluster", "message": "the cluster is away"}


def at(address: str | None, **sections: Any) -> Settings:
    return load(None, {"run": {"listen": address}} | sections)


@contextmanager
def daemon(health: Callable[[], Health], **about: object) -> Iterator[str]:
    """Address of a status page."""
    metrics = Metrics(lambda: None, tuple, dict)
    endpoint = Endpoint("127.0.0.1:0", metrics, health, identity(load(None, {})) | about)
    endpoint.start()
    try:
        yield endpoint.url.removeprefix("http://")
    finally:
        endpoint.close()


@contextmanager
def server(status: int, body: bytes) -> Iterator[str]:
    """Address of another program's server."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with answering(LocalServer(Answer)) as made:
        yield f"127.0.0.1:{made.server_port}"


def test_a_daemon_that_answers() -> None:
    with daemon(lambda: Health(())) as address:
        assert ask_daemon(at(address)).state == "ready"
        assert ask_daemon(at(address, namespace="x")).state == "other"
        other = ask_daemon(at(address, cluster={"hosts": ["http://u:secret@far:9200"]}))
        assert (other.state, "secret" in other.message) == ("other", False)
    with daemon(lambda: Health((AWAY,))) as address:
        found = ask_daemon(at(address))
        assert (found.state, [each.as_dict() for each in found.reasons]) == ("not_ready", [AWAY])


def test_a_health_that_cannot_be_computed_is_not_ready() -> None:
    def fails() -> Health:
        raise KeyError("seen_until")

    with daemon(fails) as address:
        found = ask_daemon(at(address))
    assert (found.state, [each.code for each in found.reasons]) == ("not_ready", ["thread"])


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (404, b"not found", "unknown"),
        (200, b"ok", "unknown"),
        (200, b"[]", "unknown"),
        (200, b'{"ready": true}', "unknown"),
        (200, b'{"ready": true, "details": 7}', "unknown"),
        (200, b'{"ready": true, "details": [7]}', "unknown"),
        (503, json.dumps({"ready": True, "details": []}).encode(), "not_ready"),
        (200, json.dumps({"ready": "yes", "details": []}).encode(), "not_ready"),
        (200, json.dumps({"ready": True, "details": [AWAY]}).encode(), "not_ready"),
        (200, json.dumps({"ready": True, "details": []}).encode(), "ready"),
    ],
)
def test_only_a_page_that_says_so_is_ready(status: int, body: bytes, state: str) -> None:
    with server(status, body) as address:
        assert ask_daemon(at(address)).state == state


def test_who_does_not_answer_is_not_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = ask_daemon(at(f"127.0.0.1:{silent.getsockname()[1]}"))
    assert (found.state, "does not answer" in found.message) == ("unknown", True)
    assert ask_daemon(at(None)).state == "unknown"
    with own_port() as nobody:
        assert ask_daemon(at(f"127.0.0.1:{nobody}")).state == "none"
