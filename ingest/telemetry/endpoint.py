"""`/healthz`, `/readyz` and `/metrics` over HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ingest.telemetry.metrics import Metrics
from trailhound.errors import UsageError
from trailhound.threads import SupervisedThread

_IDLE_SECONDS = 10
_LONGEST_SECONDS = 30.0
"""Of a connection, however slowly it sends or reads; there is one request in it."""
_MOST_CONNECTIONS = 64
NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Health:
    """Why the daemon is not ready: `code`, `subject` and `message` of each reason. It is ready if
    there is none."""

    details: tuple[Mapping[str, str], ...]

    @property
    def ready(self) -> bool:
        return not self.details

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons as sentences."""
        return tuple(each["message"] for each in self.details)


class Endpoint:
    """Answers at `HOST:PORT` (IPv6 in brackets; port 0 for any) until `close`."""

    def __init__(
        self,
        address: str,
        metrics: Metrics,
        health: Callable[[], Health],
        about: Mapping[str, object] = NOTHING,
    ) -> None:
        """`about` says which daemon answers, as a member of what `/readyz` answers. Raises
        `UsageError` where the address cannot be used."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        try:
            self._server = _Server(host, int(port), metrics, health, about)
        except (OSError, OverflowError) as error:
            raise UsageError(
                f"cannot listen at {address}: {getattr(error, 'strerror', None) or error}",
                hint="give another --listen, or run.listen: null for none",
            ) from None
        self._closing = threading.Event()
        self._thread = SupervisedThread(
            lambda: self._server.serve_forever(0.2), "endpoint", self._closing
        )

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    """Every connection has a thread, so those of whoever sends nothing, or a byte now and then, are
    ended: after a time, and the oldest first where there are too many."""

    daemon_threads = True

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Metrics,
        health: Callable[[], Health],
        about: Mapping[str, object],
    ) -> None:
        self.metrics = metrics
        self.health = health
        self.about = about
        if ":" in host:
            self.address_family = socket.AF_INET6
        self._since: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._since[request] = time.monotonic()
            surplus = len(self._since) - _MOST_CONNECTIONS
            oldest = [*self._since][: max(0, surplus)]
        self._end(oldest)
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Called several times a second."""
        due = time.monotonic() - _LONGEST_SECONDS
        with self._lock:
            late = [request for request, since in self._since.items() if since < due]
        self._end(late)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def _end(self, requests: Iterable[socket.socket]) -> None:
        """End connections; their threads find nothing more to read."""
        for request in requests:
            with self._lock:
                self._since.pop(request, None)
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """Do nothing: a client that disconnects is not an error here."""


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
                self._ready(_computed(self.server.health))
            case "/metrics":
                try:
                    text = self.server.metrics.exposition()
                except Exception as error:  # noqa: BLE001 - of one scrape; the next one is another
                    self._answer(500, _TEXT, f"{type(error).__name__}: {error}\n".encode())
                    return
                self._answer(200, CONTENT_TYPE_PLAIN_0_0_4, text)
            case _:
                self._json(404, {"paths": ["/healthz", "/readyz", "/metrics"]})

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _ready(self, health: Health) -> None:
        """Answer as JSON, or as lines of text where the client accepts text alone."""
        status = 200 if health.ready else 503
        if self.headers.get("Accept", "").startswith("text/plain"):
            lines = health.reasons if not health.ready else ("ready",)
            self._answer(status, _TEXT, "".join(f"{line}\n" for line in lines).encode())
            return
        self._json(
            status,
            {
                "ready": health.ready,
                "reasons": list(health.reasons),
                "details": [dict(each) for each in health.details],
                "daemon": dict(self.server.about),
            },
        )

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
        """Do nothing: scrapes come every few seconds."""


def _computed(health: Callable[[], Health]) -> Health:
    """The health, or "not ready" where it cannot be computed."""
    try:
        return health()
    except Exception as error:  # noqa: BLE001 - after any error it must not look healthy
        message = f"the health cannot be computed: {type(error).__name__}: {error}"
        return Health(({"code": "thread", "subject": "endpoint", "message": message},))
