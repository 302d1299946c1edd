"""A server in front of an S3 one that denies the listing of one folder, as a bucket policy can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from tests.helpers.local_servers import LocalServer, answering

_NOT_PASSED_ON = frozenset({"connection", "transfer-encoding", "content-length", "date", "server"})
_DENIED = b"<Error><Code>AccessDenied</Code><Message>no s3:ListBucket</Message></Error>"


class DenyingProxy(LocalServer):
    """Passes requests on to `behind`, but denies listings below `denied` while that is set."""

    def __init__(self, behind: str) -> None:
        super().__init__(_Handler)
        self.behind = urlsplit(behind).netloc
        self.denied = ""


class _Handler(BaseHTTPRequestHandler):
    server: DenyingProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        prefix = parse_qs(urlsplit(self.path).query).get("prefix", [""])[0]
        if self.server.denied and prefix.startswith(self.server.denied):
            return self._answer(403, {}, _DENIED)
        connection = HTTPConnection(self.server.behind)
        try:
            connection.request(self.command, self.path, body or None, dict(self.headers))
            reply = connection.getresponse()
            return self._answer(reply.status, dict(reply.getheaders()), reply.read())
        finally:
            connection.close()

    do_HEAD = do_PUT = do_GET  # noqa: N815 - http.server's names

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@contextmanager
def denying(behind: str) -> Iterator[DenyingProxy]:
    """The proxy, while the block lasts."""
    with answering(DenyingProxy(behind)) as proxy:
        yield proxy
