"""`/healthz`, `/readyz` and `/metrics` over HTTP."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ingest.telemetry.metrics import Metrics
from trailhound.errors import UsageError

_IDLE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Health:
    """`ready`: it works, or could if there were something to do. `reasons`: why it is not."""

    ready: bool
    reasons: tuple[str, ...] = ()


class Endpoint:
    """Answers at `HOST:PORT` (IPv6 in brackets; port 0 for any) until `close`."""

    def __init__(self, address: str, metrics: Metrics, health: Callable[[], Health]) -> None:
        """Raises `UsageError` where the address cannot be had."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            self._server = _Server(host, int(port), metrics, health)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot listen at {address}: {getattr(error, 'strerror', None) or error}",
                hint="give another --listen, or run.listen: null for none",
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.2,), name="endpoint", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(
        self, host: str, port: int, metrics: Metrics, health: Callable[[], Health]
    ) -> None:
        self.metrics = metrics
        self.health = health
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def handle_error(self, *_: object) -> None:
        """Nothing: a client that goes away in the middle is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _IDLE_SECONDS
    server_version = "trailhound"
    sys_version = ""

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._json(200, {"alive": True})
            case "/readyz":
                health = self.server.health()
                self._json(
                    200 if health.ready else 503,
                    {"ready": health.ready, "reasons": list(health.reasons)},
                )
            case "/metrics":
                self._answer(200, CONTENT_TYPE_PLAIN_0_0_4, self.server.metrics.exposition())
            case _:
                self._json(404, {"paths": ["/healthz", "/readyz", "/metrics"]})

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _json(self, status: int, content: dict[str, object]) -> None:
        self._answer(status, "application/json", json.dumps(content).encode() + b"\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a scrape every few seconds is no news."""
