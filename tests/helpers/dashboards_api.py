"""A small HTTP server with the saved objects API of OpenSearch Dashboards.

It is no Dashboards: it speaks the API's shape (multipart import with `overwrite`, conflicts,
missing references, deep export, `osd-xsrf`, tenants, workspaces, basic login), so that the client
is tried over real HTTP where Dashboards itself cannot run. What Dashboards makes of the objects
was tried by hand in a real one: see docs/dashboards.md.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.helpers.local_servers import LocalServer, answering

Object = dict[str, Any]
Key = tuple[str, str]


@dataclass
class Api:
    """What it holds, by place (workspace, tenant), and what it was asked."""

    url: str = ""
    login: str | None = None
    api_key: str | None = None
    """Asked for instead of a user and password, as Elasticsearch has it: encoded."""
    base: str = ""
    stored: dict[tuple[str, str], dict[Key, Object]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answer: tuple[int, dict[str, str], bytes] | None = None
    """Given instead of everything else, where set."""
    unknown_kinds: frozenset[str] = frozenset()
    kibana: bool = False
    """Whether it names itself, and asks for its header, as Kibana does."""

    def take(
        self, place: tuple[str, str], objects: list[Object], *, overwrite: bool
    ) -> dict[str, Any]:
        held = self.stored.setdefault(place, {})
        new = {(each["type"], each["id"]): each for each in objects}
        errors, results = [], []
        for key, each in new.items():
            missing = [
                {"type": ref["type"], "id": ref["id"]}
                for ref in each.get("references", ())
                if (ref["type"], ref["id"]) not in held.keys() | new.keys()
            ]
            if each["type"] in self.unknown_kinds:
                errors.append(_error(each, {"type": "unsupported_type"}))
            elif missing:
                errors.append(_error(each, {"type": "missing_references", "references": missing}))
            elif key in held and not overwrite:
                errors.append(_error(each, {"type": "conflict"}))
        # With an error that can be resolved it writes nothing, and names what it would write.
        resolvable = any(each["error"]["type"] != "unsupported_type" for each in errors)
        refused = {(each["type"], each["id"]) for each in errors}
        for key, each in new.items():
            if key in refused:
                continue
            result = {"type": each["type"], "id": each["id"]}
            results.append(result | ({"overwrite": True} if key in held else {}))
            if not resolvable:
                held[key] = each
        said: dict[str, Any] = {"success": not errors, "successCount": len(results)}
        return (
            said
            | ({"errors": errors} if errors else {})
            | ({"successResults": results} if results else {})
        )

    def give(self, place: tuple[str, str], asked: dict[str, Any]) -> tuple[int, bytes]:
        held = self.stored.get(place, {})
        wanted = [(each["type"], each["id"]) for each in asked.get("objects", ())]
        missing = [{"type": kind, "id": name} for kind, name in wanted if (kind, name) not in held]
        if missing:
            said = {
                "statusCode": 400,
                "error": "Bad Request",
                "message": "Error fetching objects to export",
                "attributes": {"objects": missing},
            }
            return 400, json.dumps(said).encode()
        found = wanted or [key for key in held if key[0] in asked.get("type", ())]
        for key in found:
            found += [
                (ref["type"], ref["id"])
                for ref in held[key]["references"]
                if asked["includeReferencesDeep"] and (ref["type"], ref["id"]) not in found
            ]
        return 200, "\n".join(json.dumps(held[key]) for key in found).encode()


def _error(saved: Object, error: dict[str, Any]) -> dict[str, Any]:
    return {"type": saved["type"], "id": saved["id"], "error": error}


class _Handler(BaseHTTPRequestHandler):
    api: Api

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        """`GET /api/saved_objects/<kind>/<id>`: whether it is there."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.api.requests.append((self.path, headers))
        if self.api.answer:
            status, extra, content = self.api.answer
            self._reply(status, content, extra)
            return
        kind, name = map(unquote, self.path.rsplit("/", 2)[-2:])
        if any((kind, name) in stored for stored in self.api.stored.values()):
            self._reply(200, json.dumps({"type": kind, "id": name}).encode())
        else:
            self._reply(404, b'{"statusCode":404,"error":"Not Found","message":"not found"}')

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        self.api.requests.append((self.path, headers))
        if self.api.answer:
            status, extra, content = self.api.answer
            self._reply(status, content, extra)
            return
        login = self.api.login and base64.b64encode(self.api.login.encode()).decode()
        wanted = f"ApiKey {self.api.api_key}" if self.api.api_key else login and f"Basic {login}"
        if wanted and headers.get("authorization") != wanted:
            self._reply(401, b'{"statusCode":401,"message":"Unauthorized"}')
            return
        wanted = "kbn-xsrf" if self.api.kibana else "osd-xsrf"
        if wanted not in headers:
            said = {"message": f"Request must contain a {wanted} header."}
            self._reply(400, json.dumps(said).encode())
            return
        split = urlsplit(self.path)
        path, workspace = split.path.removeprefix(self.api.base), ""
        if path.startswith("/w/"):
            workspace, _, rest = path.removeprefix("/w/").partition("/")
            path = "/" + rest
        place = (workspace, headers.get("securitytenant", ""))
        if path == "/api/saved_objects/_import":
            overwrite = parse_qs(split.query).get("overwrite") == ["true"]
            objects = _uploaded(headers["content-type"], body)
            self._reply(
                200, json.dumps(self.api.take(place, objects, overwrite=overwrite)).encode()
            )
        elif path == "/api/saved_objects/_export":
            self._reply(*self.api.give(place, json.loads(body)))
        else:
            self._reply(404, b'{"statusCode":404,"message":"Not Found"}')

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        if self.api.kibana:
            self.send_header("kbn-name", "kibana")
        self.end_headers()
        self.wfile.write(body)


def _uploaded(content_type: str, body: bytes) -> list[Object]:
    """The objects of the one part of the form, which must be an `.ndjson` file named `file`."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    [part] = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
    assert part.get_param("name", header="content-disposition") == "file"
    assert str(part.get_filename()).endswith(".ndjson")
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return [json.loads(line) for line in content.decode().splitlines()]


@contextmanager
def serving(
    base: str = "", tls: tuple[str, str] | None = None, clients: Path | None = None
) -> Iterator[Api]:
    """The server on a free port of the loopback address; `tls` names certificate and key,
    `clients` the authorities one of which must have issued a client's certificate.
    """
    api = Api(base=base)
    handler = type("Handler", (_Handler,), {"api": api})
    server = LocalServer(handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    api.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}{base}"
    with answering(server):
        yield api
