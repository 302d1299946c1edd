"""A mail server that takes what it is sent, with TLS and a login where asked for."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from tests.helpers.local_servers import answering

LOGIN, PASSWORD = "loader", "pässword"


@dataclass
class Post:
    """A mail server: what it took, and how it is to behave."""

    port: int = 0
    context: ssl.SSLContext | None = None
    refuses: tuple[str, ...] = ()
    taken: list[EmailMessage] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)


class _Session(StreamRequestHandler):
    """RFC 5321 with STARTTLS and AUTH PLAIN, as far as one client needs it."""

    post: Post

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        secure = False
        self.say("220 post.example ready")
        while line := self.rfile.readline():
            said = line.decode().rstrip("\r\n")
            self.post.heard.append(said.split(" ")[0].upper())
            match self.post.heard[-1]:
                case "EHLO":
                    more = ["250-STARTTLS"] if self.post.context and not secure else []
                    for each in ("250-post.example", *more, "250 AUTH PLAIN"):
                        self.say(each)
                case "STARTTLS":
                    assert self.post.context is not None
                    self.say("220 go on")
                    self.connection = self.post.context.wrap_socket(
                        self.connection, server_side=True
                    )
                    self.rfile = self.connection.makefile("rb")
                    self.wfile = self.connection.makefile("wb", buffering=0)
                    secure = True
                case "AUTH":
                    given = base64.b64decode(said.split(" ")[2]).decode().split("\0")[1:]
                    self.say("235 in" if given == [LOGIN, PASSWORD] else "535 no")
                case "RCPT":
                    bad = any(each in said for each in self.post.refuses)
                    self.say("550 unknown" if bad else "250 yes")
                case "DATA":
                    self.say("354 go on")
                    content = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        content += part[1:] if part.startswith(b"..") else part
                    made = message_from_bytes(content, policy=policy.default)
                    assert isinstance(made, EmailMessage)
                    self.post.taken.append(made)
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 yes")


@contextmanager
def mail_server(**behaviour: Any) -> Iterator[Post]:
    post = Post(**behaviour)
    handler = type("Session", (_Session,), {"post": post})
    server = ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    post.port = server.server_address[1]
    with answering(server):
        yield post
