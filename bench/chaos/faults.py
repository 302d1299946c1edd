"""What stands between the daemons and the world, and fails: a road to AWS, a webhook's receiver."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

WORKS: Final = "works"
AWS_FAULTS: Final = ("refuse", "hang", "cut", "busy")
HOOK_FAULTS: Final = ("500", "503", "slow", "lost")
SECRET: Final = "chaos-SECRET-of-the-webhook"  # noqa: S105 - looked for in every log
_PATH: Final = "/chaos-SECRET-of-the-path"
_CUT_AFTER: Final = 3_000
_SLOW_SECONDS: Final = 8.0
_REFUSAL: Final = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>"
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_REFUSAL), _REFUSAL)
)


class Road:
    """A TCP proxy in front of a port of this machine.

    `mode` is `works`, or one of `AWS_FAULTS`: connections are reset, nothing is answered, replies
    are cut, every request gets a 503. Connections that are open meet it too.
    """

    def __init__(self, upstream: int) -> None:
        self.mode = WORKS
        self.port = 0
        self._upstream = upstream
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await server.serve_forever()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if self.mode == "busy":
                await reader.read(65_536)
                writer.write(_BUSY)
                await writer.drain()
            elif self.mode != "refuse":
                await self._pass_on(reader, writer)
        writer.transport.abort() if self.mode == "refuse" else writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._unless_it_hangs()
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            await asyncio.gather(
                self._pump(reader, up_writer), self._pump(up_reader, writer, replies=True)
            )
        finally:
            up_writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, replies: bool = False
    ) -> None:
        passed = 0
        while True:
            part = b""
            with contextlib.suppress(TimeoutError):
                part = await asyncio.wait_for(source.read(65_536), 1.0)
            await self._unless_it_hangs()
            if self.mode in ("refuse", "busy"):
                sink.transport.abort()
                raise OSError("refused")
            if not part:
                if source.at_eof():
                    raise OSError("ended")
                continue
            passed += len(part)
            if replies and self.mode == "cut" and passed > _CUT_AFTER:
                sink.transport.abort()
                raise OSError("cut")
            sink.write(part)
            await sink.drain()

    async def _unless_it_hangs(self) -> None:
        while self.mode == "hang":
            await asyncio.sleep(0.5)


@dataclass(frozen=True, slots=True)
class Message:
    """One that was accepted: its `key`, `kind` and the alert's id (empty for a digest)."""

    key: str
    kind: str
    alert: str
    at: float
    mode: str


class Hook:
    """The receiver of a webhook.

    `mode` is `works`, or one of `HOOK_FAULTS`: it refuses, takes its time, or accepts a message and
    gives no answer. `forged` counts messages whose signature is wrong.
    """

    def __init__(self) -> None:
        self.mode = WORKS
        self.messages: list[Message] = []
        self.refused = 0
        self.forged = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.take(self)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """With a secret in its path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{_PATH}"

    @property
    def by_key(self) -> Counter[str]:
        """How often each message about an alert was accepted."""
        return Counter(each.key for each in self.messages if each.kind == "alert")

    def take(self, request: BaseHTTPRequestHandler) -> None:
        """Handle one request."""
        body, mode = request.rfile.read(int(request.headers["content-length"])), self.mode
        if mode in ("500", "503"):
            self.refused += 1
            self._answer(request, int(mode))
            return
        if not _is_genuine(request.headers, body):
            self.forged += 1
        if mode == "slow":
            time.sleep(_SLOW_SECONDS)
        content = json.loads(body)
        alert = (content.get("alert") or {}).get("id", "")
        key = request.headers["Idempotency-Key"]
        self.messages.append(Message(key, content["kind"], alert, time.time(), mode))
        if mode == "lost":
            request.connection.close()
        else:
            self._answer(request, 200)

    def _answer(self, request: BaseHTTPRequestHandler, status: int) -> None:
        with contextlib.suppress(OSError):  # whoever waited was killed meanwhile
            request.send_response(status)
            request.send_header("Content-Length", "0")
            request.end_headers()


def _is_genuine(headers: Any, body: bytes) -> bool:
    signed = headers["X-Trailhound-Timestamp"].encode() + b"." + body
    expected = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, headers["X-Trailhound-Signature"])
