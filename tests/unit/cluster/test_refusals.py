"""What replies, recorded from OpenSearch 3.8, 3.4 and AWS, are taken to mean."""

from __future__ import annotations

from typing import Any

import pytest
from opensearchpy.exceptions import (
    AuthenticationException,
    AuthorizationException,
    ConnectionTimeout,
    RequestError,
    SerializationError,
    SSLError,
    TransportError,
)
from opensearchpy.exceptions import ConnectionError as NoConnection

from trailhound.cluster.refusals import cluster_errors, from_response, redact_url
from trailhound.errors import (
    AccessDeniedError,
    ClusterBlockedError,
    ClusterBusyError,
    ClusterError,
    ClusterUnreachableError,
    RequestFailedError,
)
from trailhound.settings import Settings

URL = "https://loader:hunter2@search.example:9200"


def _reply(status: int, kind: str, reason: str) -> TransportError:
    root = {"type": kind, "reason": reason}
    return TransportError(status, kind, {"error": {"root_cause": [root], **root}, "status": status})


REPLIES: list[tuple[TransportError, type[ClusterError], str, str]] = [
    (
        _reply(
            403,
            "security_exception",
            "no permissions for [indices:data/write/bulk[s]] and User [name=loader, "
            "backend_roles=[], requestedTenant=null]",
        ),
        AccessDeniedError,
        "user loader lacks the permission indices:data/write/bulk[s]",
        "role.json",
    ),
    (
        AuthenticationException(401, "Unauthorized"),
        AccessDeniedError,
        "user and password",
        "PASSWORD",
    ),
    (
        AuthorizationException(
            403,
            "{}",
            {
                "Message": "User: arn:aws:iam::123456789012:user/x is not authorized to perform: "
                "es:ESHttpPost with an explicit deny"
            },
        ),
        AccessDeniedError,
        "lacks the permission es:ESHttpPost",
        "role.json",
    ),
    (
        AuthorizationException(403, "{}", {"message": "The request signature does not match"}),
        AccessDeniedError,
        "signature does not match",
        "role.json",
    ),
    (
        _reply(
            429,
            "cluster_block_exception",
            "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage "
            "watermark, index has read-only-allow-delete block];",
        ),
        ClusterBlockedError,
        "disk is too full",
        "free disk space",
    ),
    (
        _reply(
            403,
            "cluster_block_exception",
            "index [x] blocked by: [FORBIDDEN/5/index read-only (api)];",
        ),
        ClusterBlockedError,
        "read-only",
        "lift the block",
    ),
    (
        _reply(
            403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/7/index read (api)];"
        ),
        ClusterBlockedError,
        "cannot read: reading an index is blocked",
        "index.blocks.read",
    ),
    (
        _reply(400, "index_closed_exception", "closed"),
        ClusterBlockedError,
        "an index is closed",
        "open it",
    ),
    (
        _reply(
            400,
            "validation_exception",
            "Validation Failed: 1: this action would add [2] total shards, but this cluster "
            "currently has [1000]/[1000] maximum shards open;",
        ),
        ClusterBlockedError,
        "reached its shard limit",
        "max_shards_per_node",
    ),
    (
        _reply(503, "cluster_manager_not_discovered_exception", "null"),
        ClusterUnreachableError,
        "not ready (status 503)",
        "yellow or green",
    ),
    (
        TransportError(502, "<html>\r\n<h1>502 Bad Gateway</h1>"),
        ClusterUnreachableError,
        "502 Bad Gateway",
        "yellow or green",
    ),
    (
        _reply(429, "rejected_execution_exception", "rejected execution of coordinating operation"),
        ClusterBusyError,
        "too busy",
        "later",
    ),
    (
        _reply(500, "circuit_breaking_exception", "[parent] Data too large"),
        ClusterBusyError,
        "too busy: [parent] Data too large",
        "engine.heap_mb",
    ),
    (
        RequestError(
            400,
            "mapper_parsing_exception",
            {
                "error": {
                    "type": "mapper_parsing_exception",
                    "reason": "failed to parse",
                    "caused_by": {"type": "x", "caused_by": {"type": "y", "reason": "no date"}},
                }
            },
        ),
        RequestFailedError,
        "failed to parse: no date (status 400)",
        "",
    ),
    (TransportError(302, ""), RequestFailedError, "no reason given (status 302)", ""),
    (
        NoConnection("N/A", "[Errno 111] Connection refused", OSError()),
        ClusterUnreachableError,
        "cannot be reached: [Errno 111] Connection refused",
        "trailhound up",
    ),
    (
        ConnectionTimeout("TIMEOUT", "Read timed out. (read timeout=3)", OSError()),
        ClusterUnreachableError,
        "did not answer in time",
        "cluster.timeout",
    ),
    (
        SSLError("N/A", "[SSL: CERTIFICATE_VERIFY_FAILED] Hostname mismatch", OSError()),
        ClusterUnreachableError,
        "no TLS connection",
        "the name the certificate is for",
    ),
]


@pytest.mark.parametrize(
    ("error", "kind", "message", "hint"), REPLIES, ids=[message for _, _, message, _ in REPLIES]
)
def test_replies(error: TransportError, kind: type[ClusterError], message: str, hint: str) -> None:
    meant = from_response(error, URL)
    assert type(meant) is kind
    assert message in meant.message
    assert "https://search.example:9200" in meant.message
    assert hint in meant.hint
    assert "hunter2" not in f"{meant!r}{meant.hint}"


def test_the_status_is_kept() -> None:
    meant = from_response(_reply(404, "index_not_found_exception", "no such index [x]"))
    assert isinstance(meant, RequestFailedError)
    assert meant.status == 404
    assert "trailhound init" in meant.hint


def test_something_else_that_answers() -> None:
    error = SerializationError("Unknown mimetype, unable to deserialize: text/html")
    assert "is not an OpenSearch or Elasticsearch server" in from_response(error, URL).message


@pytest.mark.parametrize(
    "info", [None, [], "x", {"error": None}, {"error": {"root_cause": []}}, {"error": [1]}]
)
def test_odd_replies_make_an_error_all_the_same(info: Any) -> None:
    assert isinstance(from_response(TransportError(400, "odd", info)), RequestFailedError)


def test_reasons_are_one_short_line_without_controls_and_logins() -> None:
    reason = "a\x1b[31m\nb http://u:hunter2@host/ " + "x" * 5000
    message = from_response(_reply(400, "x", reason)).message
    assert message.isprintable()
    assert "hunter2" not in message
    assert len(message) < 700


@pytest.mark.parametrize("where", [URL, Settings(cluster={"hosts": [URL]})])
def test_cluster_errors_name_the_cluster(where: Settings | str) -> None:
    with (
        pytest.raises(AccessDeniedError, match=r"https://search\.example:9200"),
        cluster_errors(where),
    ):
        raise AuthenticationException(401, "Unauthorized")


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("http://a:b@h:1/p?q=s#f", "http://h:1/p"),
        ("h:9200", "http://h:9200"),
        ("u:p@h:9200", "http://h:9200"),
        ("https://[::1]:9200/", "https://[::1]:9200"),
    ],
)
def test_shown_addresses_hold_no_login(url: str, without: str) -> None:
    assert redact_url(url) == without
