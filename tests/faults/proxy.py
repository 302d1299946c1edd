"""A proxy in front of a real OpenSearch that misbehaves as networks, gateways and full queues do.

A script looks at each request and says what happens to it:

    with Proxy(engine, bulk({2: Answer(429), 3: LOSE_REPLY})) as proxy:
        ...  # proxy.url replaces the engine's

It listens on loopback alone. What it saw is in `proxy.seen`.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True, slots=True)
class Request:
    """`number` counts the bulk requests of events from 1; it is 0 for any other request."""

    method: str
    path: str
    body: bytes
    number: int = 0

    @property
    def of_events(self) -> bool:
        """Whether it brings events (and not claims, finished objects or dead letters)."""
        return self.path.startswith("/_bulk") and b"cloudtrail-" in self.body[:200]


@dataclass(frozen=True, slots=True)
class Answer:
    """Not forwarded: this status instead, as a gateway or a full queue gives it."""

    status: int
    reason: str = "the proxy says so"


@dataclass(frozen=True, slots=True)
class Say:
    """Not forwarded: this JSON instead, as a plugin that the engine does not have would say."""

    status: int
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection ends without a reply; `forwarded`: after the engine has done the work."""

    forwarded: bool


@dataclass(frozen=True, slots=True)
class Replace:
    """Forwarded and done; this status is all that comes back."""

    status: int


@dataclass(frozen=True, slots=True)
class Delay:
    """Forwarded after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Forwarded once the event is set, while other requests pass."""

    until: threading.Event


@dataclass(frozen=True, slots=True)
class BusyItems:
    """Every n-th document is not forwarded and gets a 429 of its own among the others' replies."""

    every: int


@dataclass(frozen=True, slots=True)
class LargeItems:
    """A node with memory for `most` bytes of one request: a whole one that takes more gets a 429
    for its size where `whole`, else each of its documents does.
    """

    most: int
    whole: bool

    def reason(self, request: Request) -> str | None:
        """Of the refusal; none where it is small enough."""
        size = len(request.body)
        if size <= self.most:
            return None
        kind = "coordinating" if self.whole else "primary"
        return (
            f"rejected execution of {kind} operation [coordinating_and_primary_bytes=0, "
            f"replica_bytes=0, all_bytes=0, {kind}_operation_bytes={size}, "
            f"max_{kind}_bytes={self.most}]"
        )


@dataclass(frozen=True, slots=True)
class LyingItems:
    """All are forwarded and done, and every n-th document's reply becomes a 503."""

    every: int


Fault = Answer | Say | Drop | Replace | Delay | Hold | BusyItems | LargeItems | LyingItems
Script = Callable[[Request], Fault | None]

DROP = Drop(forwarded=False)
LOSE_REPLY = Drop(forwarded=True)


class Barrier:
    """A script: the n-th bulk request of events and all later ones wait until `go` is set; `met` is
    set once one waits. However slow the machine is, a run is in its middle until then."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.met, self.go = threading.Event(), threading.Event()

    def __call__(self, request: Request) -> Fault | None:
        if request.number < self.number or self.go.is_set():
            return None
        self.met.set()
        return Hold(self.go)


def bulk(faults: Mapping[int, Fault]) -> Script:
    """The n-th bulk request of events meets a fault; every other request passes."""
    return lambda request: faults.get(request.number)


def no_point_in_time(request: Request) -> Fault | None:
    """A script: the node keeps as many points in time as it may, in OpenSearch's words."""
    if not request.path.split("?")[0].endswith("/_search/point_in_time"):
        return None
    reason = (
        "Trying to create too many Point In Time contexts. Must be less than or equal to: [300]. "
        "This limit can be set by changing the [search.max_open_pit_context] setting."
    )
    cause = {"type": "rejected_execution_exception", "reason": reason}
    return Say(429, {"error": {**cause, "root_cause": [cause]}, "status": 429})


class Proxy:
    """Stands for the engine at `upstream`, at `url`, while it is entered."""

    def __init__(self, upstream: str, script: Script) -> None:
        self.script = script
        self.seen: list[tuple[Request, Fault | None]] = []
        self._upstream = urlsplit(upstream)
        self._lock = threading.Lock()
        self._bulks = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def decide(self, method: str, path: str, body: bytes) -> tuple[Request, Fault | None]:
        """Number the request and ask the script, one request at a time."""
        with self._lock:
            request = Request(method, path, body)
            if request.of_events:
                self._bulks += 1
                request = Request(method, path, body, self._bulks)
            fault = self.script(request)
            self.seen.append((Request(method, path, b"", request.number), fault))
        return request, fault

    def connect(self) -> HTTPConnection:
        return HTTPConnection(self._upstream.hostname or "", self._upstream.port, timeout=60)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_: object) -> None:
        """Nothing: a client that goes away in the middle is part of the play."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._up: HTTPConnection | None = None

    def finish(self) -> None:
        if self._up is not None:
            self._up.close()
        super().finish()

    def log_message(self, *_: object) -> None:
        """Nothing: `seen` has the requests."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        request, fault = self.server.proxy.decide(self.command, self.path, body)
        match fault:
            case Answer(status, reason):
                self._reply(status, _refusal(status, reason))
            case Say(status, content):
                self._reply(status, json.dumps(content).encode())
            case Drop(forwarded):
                if forwarded:
                    self._forward(body)
                self._hang_up()
            case Replace(status):
                self._forward(body)
                self._reply(status, _refusal(status, "no word from the node behind"))
            case Delay(seconds):
                time.sleep(seconds)
                self._pass_on(body)
            case Hold(event):
                event.wait(240)
                self._pass_on(body)
            case BusyItems(every):
                self._with_busy_items(request, every)
            case LargeItems():
                self._with_large_items(request, body, fault)
            case LyingItems(every):
                self._with_lying_items(body, every)
            case None:
                self._pass_on(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle  # noqa: N815 - http.server's names

    def _forward(self, body: bytes) -> tuple[HTTPResponse, bytes]:
        if self._up is None:
            self._up = self.server.proxy.connect()
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        self._up.request(self.command, self.path, body, headers)
        reply = self._up.getresponse()
        return reply, reply.read()

    def _pass_on(self, body: bytes) -> None:
        reply, content = self._forward(body)
        self._reply(reply.status, content, reply.getheader("content-type"))

    def _reply(self, status: int, content: bytes, kind: str | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", kind or "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _with_busy_items(self, request: Request, every: int) -> None:
        lines = request.body.splitlines(keepends=True)
        pairs = [lines[at] + lines[at + 1] for at in range(0, len(lines), 2)]
        passed = [pair for number, pair in enumerate(pairs) if number % every]
        items: list[Any] = []
        if passed:
            _, content = self._forward(b"".join(passed))
            items = json.loads(content)["items"]
        there = iter(items)
        merged = [
            next(there) if number % every else _item(429, "rejected_execution_exception")
            for number in range(len(pairs))
        ]
        self._reply(200, json.dumps({"errors": True, "items": merged}).encode())

    def _with_large_items(self, request: Request, body: bytes, memory: LargeItems) -> None:
        reason = memory.reason(request)
        if reason is None:
            self._pass_on(body)
        elif memory.whole:
            self._reply(429, _refusal(429, reason))
        else:
            number = request.body.count(b"\n") // 2
            items = [_item(429, "es_rejected_execution_exception", reason)] * number
            self._reply(200, json.dumps({"errors": True, "items": items}).encode())

    def _with_lying_items(self, body: bytes, every: int) -> None:
        _, content = self._forward(body)
        said = [
            item if number % every else _item(503, "unavailable_shards_exception")
            for number, item in enumerate(json.loads(content)["items"])
        ]
        self._reply(200, json.dumps({"errors": True, "items": said}).encode())


def _item(status: int, kind: str, reason: str = "too much to do") -> dict[str, Any]:
    return {"create": {"status": status, "error": {"type": kind, "reason": reason}}}


def _refusal(status: int, reason: str) -> bytes:
    return json.dumps({"error": {"type": "proxy", "reason": reason}, "status": status}).encode()
