"""The client's login, signature and discretion, seen by a listener that keeps what it is sent."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opensearchpy.exceptions import TransportError

from trailhound.cluster.client import connect
from trailhound.cluster.refusals import from_response
from trailhound.errors import AccessDeniedError, SettingsError
from trailhound.settings import Settings

PASSWORD = "pass-wörd:√"
API_KEY = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="
BODY = b'{"create":{}}\n{"eventID":"1"}\n'


@dataclass
class Listener:
    """What was sent, and the status it answers with."""

    url: str
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: int = 200
    names_itself: str = ""


@pytest.fixture
def listener() -> Iterator[Listener]:
    """An HTTP server on the loopback address."""

    class Keep(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.headers.append({name.lower(): value for name, value in self.headers.items()})
            kept.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
            self.send_response(kept.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "2")
            if kept.names_itself:
                self.send_header("X-elastic-product", kept.names_itself)
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keep) as server:
        kept = Listener(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield kept
        server.shutdown()


def _settings(listener: Listener, **cluster: Any) -> Settings:
    return Settings(cluster={"hosts": [listener.url], **cluster})


def _send(settings: Settings) -> None:
    client = connect(settings)
    client.transport.perform_request("POST", "/_bulk", body=BODY, params={"filter_path": "a,b*"})


def _login(header: str) -> str:
    return base64.b64decode(header.removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    "text",
    [
        '{"errors":false,"items":[{"create":{"status":201}}]}',
        '{"errors":true,"items":[{"create":{"status":400,"error":{"reason":"\\ud800 \u00e9"}}}]}',
        '{"errors":true,"items":[{"index":{"status":201,"_seq_no":9007199254740993}}]}',
        '{"took":1,"hits":{"hits":[{"_source":{"n":123456789012345678901234567890}}]}}',
    ],
)
def test_replies_are_read_as_python_reads_them(listener: Listener, text: str) -> None:
    deserializer = connect(_settings(listener)).transport.deserializer
    assert deserializer.loads(text, "application/json; charset=UTF-8") == json.loads(text)


def test_no_login_by_default(listener: Listener) -> None:
    _send(_settings(listener))
    assert "authorization" not in listener.headers[0]
    assert listener.headers[0]["user-agent"].startswith("trailhound/")


def test_password_from_setting_file_and_address(listener: Listener, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n", encoding="utf-8")
    _send(_settings(listener, username="loader", password=PASSWORD))
    _send(_settings(listener, username="loader", password_file=file))
    address = listener.url.replace("//", "//loader:pass-w%C3%B6rd%3A%E2%88%9A@")
    _send(_settings(listener, hosts=[address]))
    logins = [_login(headers["authorization"]) for headers in listener.headers]
    assert logins == [f"loader:{PASSWORD}"] * 3


def test_an_api_key_from_setting_and_file(listener: Listener, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{API_KEY}\n", encoding="utf-8")
    _send(_settings(listener, api_key=API_KEY))
    _send(_settings(listener, api_key_file=file, auth="api_key"))
    assert [each["authorization"] for each in listener.headers] == [f"ApiKey {API_KEY}"] * 2


def test_an_api_key_goes_before_a_user_unless_basic_is_asked_for(listener: Listener) -> None:
    both = {"api_key": API_KEY, "username": "loader", "password": PASSWORD}
    _send(_settings(listener, **both))
    _send(_settings(listener, **both, auth="basic"))
    _send(_settings(listener, **both, auth="none"))
    assert listener.headers[0]["authorization"] == f"ApiKey {API_KEY}"
    assert _login(listener.headers[1]["authorization"]) == f"loader:{PASSWORD}"
    assert "authorization" not in listener.headers[2]


def test_an_api_key_is_in_no_log_and_no_message(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = _settings(listener, api_key=API_KEY)
    listener.status = 401
    with pytest.raises(TransportError) as caught:
        _send(settings)
    meant = from_response(caught.value)
    assert "API key" in meant.message
    seen = f"{caplog.text}{connect(settings)!r}{caught.value!r}{meant!r}{meant.hint}{settings!r}"
    assert API_KEY not in seen
    with pytest.raises(SettingsError) as refused:
        connect(_settings(listener, api_key=f"{API_KEY}\nx: y"))
    assert API_KEY not in f"{refused.value!r}{refused.value.hint}"


@pytest.mark.parametrize(
    ("header", "product"), [("Elasticsearch", "Elasticsearch"), ("", "OpenSearch")]
)
def test_a_message_names_the_product_that_answered(
    listener: Listener, header: str, product: str
) -> None:
    client = connect(_settings(listener))

    def refusal() -> str:
        listener.status = 500
        with pytest.raises(TransportError) as caught:
            client.info()
        return from_response(caught.value).message

    assert refusal().startswith(f"the cluster at {listener.url} refused")
    listener.status, listener.names_itself = 200, header
    client.info()
    assert refusal().startswith(f"{product} at {listener.url} refused")


@pytest.mark.parametrize(
    ("cluster", "missing"),
    [
        ({"auth": "api_key"}, "cluster.api_key"),
        ({"api_key_file": "/nonexistent"}, "api_key_file"),
        ({"api_key": "no key"}, "cluster.api_key"),
        ({"username": "loader"}, "cluster.password"),
        ({"auth": "basic"}, "cluster.username"),
        ({"username": "x", "password_file": "/nonexistent"}, "password_file"),
        ({"hosts": ["https://a"], "ca_bundle": "/nonexistent"}, "ca_bundle"),
        ({"hosts": ["https://a"], "client_cert": __file__}, "client_cert"),
        ({"hosts": ["ftp://a"]}, "ftp://a"),
        ({"hosts": ["http://a:port"]}, "http://a:port"),
    ],
)
def test_settings_that_cannot_work(cluster: dict[str, Any], missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        connect(Settings(cluster=cluster))


@pytest.mark.parametrize(
    "cluster",
    [
        {"service": "aoss"},
        {"service": "aoss", "auth": "sigv4", "hosts": ["https://search.example"]},
        {"hosts": ["https://abc123.eu-west-1.aoss.amazonaws.com"]},
        {"hosts": ["https://ABC123.us-east-1.AOSS.amazonaws.com:443/"], "auth": "sigv4"},
        {"hosts": ["abc123.us-east-1.aoss.amazonaws.com"]},
        {"hosts": ["https://u:p@abc123.us-east-1.aoss.amazonaws.com."]},
    ],
)
def test_serverless_is_refused_before_any_request(cluster: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="Serverless is not supported") as refused:
        connect(Settings(cluster=cluster))
    assert "es" in refused.value.hint
    assert "u:p" not in refused.value.message


def test_a_malformed_address_is_not_repeated_with_its_password() -> None:
    settings = Settings(cluster={"hosts": ["http://u:hunter2@h:port"]})
    with pytest.raises(SettingsError) as caught:
        connect(settings)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("cluster", "scope"),
    [
        ({"region": "eu-central-1"}, "/eu-central-1/es/aws4_request"),
        ({"region": "us-east-1", "compress": True}, "/us-east-1/es/aws4_request"),
    ],
)
def test_signature_covers_the_body_sent(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, cluster: dict[str, Any], scope: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    _send(_settings(listener, auth="sigv4", **cluster))
    headers, body = listener.headers[0], listener.bodies[0]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
    assert f"{scope}, SignedHeaders=host;" in headers["authorization"]
    assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    assert (gzip.decompress(body) if cluster.get("compress") else body) == BODY


def test_the_region_is_in_a_managed_domains_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    host = "https://search-x-abc.ap-southeast-2.es.amazonaws.com"
    client = connect(Settings(cluster={"hosts": [host], "auth": "sigv4"}))
    (connection,) = client.transport.connection_pool.connections
    assert connection.http_auth.signer.region == "ap-southeast-2"


def test_sigv4_without_credentials_says_so(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SettingsError, match="needs AWS credentials"):
        connect(_settings(listener, auth="sigv4", region="us-east-1"))


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_request_is_sent_once(listener: Listener, status: int) -> None:
    listener.status = status
    with pytest.raises(TransportError):
        _send(_settings(listener))
    assert len(listener.bodies) == 1


def test_no_log_and_no_repr_holds_a_login_or_an_event(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("opensearch", "opensearchpy.trace", "urllib3"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    address = listener.url.replace("//", "//loader:hunter2@")
    settings = _settings(listener, hosts=[address])
    _send(settings)
    listener.status = 401
    with pytest.raises(TransportError) as caught:
        _send(settings)
    meant = from_response(caught.value)
    assert isinstance(meant, AccessDeniedError)
    assert listener.url in meant.message
    seen = f"{caplog.text}{connect(settings)!r}{caught.value!r}{meant!r}"
    assert "hunter2" not in seen
    assert "eventID" not in seen
    assert base64.b64encode(b"loader:hunter2").decode() not in seen


def test_a_node_that_takes_no_connection_is_passed_for_the_next(listener: Listener) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nothing listens there
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for hosts in ([dead, listener.url], [listener.url, dead], [dead, dead, listener.url]):
            client = connect(Settings(cluster={"hosts": hosts}))
            for _ in range(4):
                client.bulk(body=BODY)
        assert len(listener.bodies) == 12, "sent once each"
        with pytest.raises(TransportError):
            connect(Settings(cluster={"hosts": [dead, dead]})).info()
