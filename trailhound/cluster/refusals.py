"""Translates opensearch-py's exceptions, and rejected items, into `ClusterError`s.

A message never holds a credential: addresses are shown without user and password, and nothing else
of a request is repeated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, OpenSearchException, SSLError, TransportError

from trailhound.errors import (
    AccessDeniedError,
    ClusterBlockedError,
    ClusterBusyError,
    ClusterError,
    ClusterUnreachableError,
    MissingIndexError,
    RequestFailedError,
    TrailhoundError,
)
from trailhound.internal_errors import internal_error
from trailhound.settings import Settings

ROLE_HINT = (
    "give it the permissions of the role shipped as trailhound/cluster/role.json "
    "(Elasticsearch: role.elasticsearch.json)"
)
UP_HINT = (
    "check the address (--url, cluster.hosts), or start the local engine with `trailhound up` and "
    "leave --url out"
)
LONGEST_REASON = 500
MEMORY_HINT: Final = (
    "try again once less runs on it; if it recurs, give it more heap (`engine.heap_mb`, of the "
    "engine of `trailhound up`) or ask for fewer days: docs/scaling.md has how much days need"
)
_NO_MEMORY: Final = "circuit_breaking_exception"
_MOST_CAUSES: Final = 50

_NO_PERMISSION = re.compile(r"no permissions for \[(.+?)\](?: and |$)")
_AWS_NO_PERMISSION = re.compile(r"not authorized to perform: ([a-z]+:\w+)")
_USER = re.compile(r"User \[name=([^,\]]+)")
_WHICH_CONNECTION = re.compile(r"^\(?<?HTTPS?Connection(?:Pool)?\(.*?\)[^:]*: ")
_SECRETS = re.compile(r"//[^/@\s]+@")

_BLOCKS: tuple[tuple[str, str, str], ...] = (
    (
        "flood-stage|FORBIDDEN/12/|TOO_MANY_REQUESTS/12/",
        "its disk is too full, so it rejects writes",
        "free disk space on the cluster's nodes; the block is lifted automatically a minute later",
    ),
    (
        "maximum shards open|maximum normal shards open",
        "it has reached its shard limit",
        "raise cluster.max_shards_per_node, or delete old days' indices",
    ),
    (
        "create-index blocked",
        "it rejects the creation of indices (often because a disk is full)",
        "free disk space on the cluster's nodes, or lift cluster.blocks.create_index",
    ),
    (
        r"FORBIDDEN/7/",
        "reading an index is blocked",
        "remove its index.blocks.read, then run the same command again",
    ),
    ("index_closed_exception|closed", "an index is closed", "open it, or leave its days out"),
    (
        "number of documents in the",
        "a shard has reached Lucene's limit of documents",
        "raise index.shards for future days",
    ),
    ("", "an index or the cluster is read-only", "lift the block, then run the same command again"),
)
"""Pattern in the reason → what is wrong, what to do. The first match decides; the last always
matches."""

MISSING_INDEX_HINT: Final = "`trailhound init` creates Trailhound's indices; check --namespace"

_TLS: tuple[tuple[str, str], ...] = (
    ("Hostname mismatch|doesn't match|IP address mismatch", "use the name the certificate is for"),
    ("CERTIFICATE_VERIFY_FAILED|certificate verify", "name its CA: cluster.ca_bundle"),
    ("WRONG_VERSION_NUMBER|record layer", "the server seems to use plain HTTP: write http://"),
    (
        "CERTIFICATE_REQUIRED|BAD_CERTIFICATE|bad certificate|certificate required|UNKNOWN_CA",
        "it requires a client certificate it trusts: cluster.client_cert and cluster.client_key",
    ),
    ("", "check cluster.ca_bundle, cluster.client_cert and cluster.client_key"),
)


def redact_url(url: str) -> str:
    """An address without user, password and query, for a message; empty for what is no address.

    >>> redact_url("https://admin:secret@search.example:9200/x?a=b")
    'https://search.example:9200/x'
    >>> redact_url("admin:secret@[search.example")
    'what is no address'
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
    except ValueError:
        return "what is no address"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"


def from_response(error: OpenSearchException, url: str = "") -> ClusterError:
    """An exception of opensearch-py as an error that says what happened and what to do.

    `url` is the cluster's address; exceptions of a client made by `connect` carry it.
    """
    where = redact_url(getattr(error, "url", "") or url) if getattr(error, "url", "") or url else ""
    product = getattr(error, "product", "") or "the cluster"
    place = f"{product} at {where}" if where else product
    if isinstance(error, NoConnection):
        return _unreachable(error, place)
    if not isinstance(error, TransportError):
        return RequestFailedError(
            f"what answers{f' at {where}' if where else ''} is not an OpenSearch or Elasticsearch "
            "server: "
            f"{_tidy(str(error))}",
            hint="check the address: --url or cluster.hosts",
        )
    status = error.status_code if isinstance(error.status_code, int) else 0
    kind, reason = _reason_of(error)
    reason = reason or "no reason given"
    if lacks_memory(reply_of(error)):
        return _too_little_memory(place, status, reason)
    for applies, make in _REPLIES:
        if applies(status, kind, reason):
            return make(place, status, reason)
    return RequestFailedError(
        f"{place} refused: {reason} (status {status})",
        hint="see the cluster's log, and run `trailhound doctor`",
        status=status,
    )


def described(error: Exception) -> str:
    """Any error in one sentence, for a log or a status: the message of ours, that of the cluster's
    in the words of `from_response`; of any other, a fault of the program, its type and where it
    came from too.

    >>> described(KeyError("seen_until"))
    "internal error (please report it): KeyError: 'seen_until'"
    """
    if isinstance(error, OpenSearchException):
        error = from_response(error)
    if isinstance(error, TrailhoundError):
        return error.message
    return internal_error(error).message


def lacks_memory(reply: object) -> bool:
    """Whether a reply, or that of one search of several, says that a node had too little memory
    for a request at that moment: with status 429, or 500 where it is found inside an aggregation.

    >>> lacks_memory({"error": {"type": "x", "caused_by": {"type": "circuit_breaking_exception"}}})
    True
    """
    if not isinstance(reply, Mapping):
        return False
    waiting: list[Any] = [reply.get("error")]
    for _ in range(_MOST_CAUSES):
        if not waiting:
            return False
        fault = waiting.pop()
        if not isinstance(fault, Mapping):
            continue
        if fault.get("type") == _NO_MEMORY:
            return True
        waiting += [fault.get("caused_by"), fault.get("reason")]
        for name in ("root_cause", "failed_shards"):
            found = fault.get(name)
            waiting += found[:_MOST_CAUSES] if isinstance(found, list) else []
    return False


def reply_of(error: TransportError) -> Any:
    """What the server replied, as `error.info` has it where there is one."""
    return error.args[2] if len(error.args) > 2 else None


def is_index_block(error: TransportError) -> bool:
    """Whether a request was rejected by a block on one index (read-only, metadata), not by a full
    disk, a block of the whole cluster or a missing permission.
    """
    kind, reason = _reason_of(error)
    return (
        kind == "cluster_block_exception" and reason.startswith("index [") and "/12/" not in reason
    )


def refused_item(index: str, status: int, kind: str, reason: str) -> ClusterError:
    """The error for a write to `index` that is rejected for a reason outside the documents.

    `kind` and `reason` are those of its item in a bulk reply.
    """
    place = f"writes to {index} are rejected"
    for applies, make in _REPLIES:
        if applies(status, kind, reason):
            error = make(place, status, reason)
            break
    else:
        error = ClusterBlockedError(f"{place}: {reason}", hint="check the cluster's health")
    hint = f"{error.hint}; nothing is lost: run the same command again, it resumes"
    return type(error)(error.message, hint=hint)


@contextmanager
def cluster_errors(where: Settings | str = "") -> Iterator[None]:
    """Turns opensearch-py's exceptions in its block into `ClusterError`s about the cluster
    `where`."""
    try:
        yield
    except OpenSearchException as error:
        url = where.hosts[0] if isinstance(where, Settings) else where
        raise from_response(error, url) from error


def _unreachable(error: NoConnection, place: str) -> ClusterError:
    cause = error.info
    message = _tidy(_WHICH_CONNECTION.sub("", str(error.error)))
    if _signing_failed(cause):
        return AccessDeniedError(
            f"the request to {place} cannot be signed: {_tidy(str(cause))}",
            hint="check the AWS credentials: aws.profile, AWS_* variables, `aws sso login`",
        )
    if isinstance(error, SSLError):
        hint = next(hint for pattern, hint in _TLS if re.search(pattern, message, re.IGNORECASE))
        return ClusterUnreachableError(f"{place}: no TLS connection: {message}", hint=hint)
    if isinstance(error, ConnectionTimeout):
        return ClusterUnreachableError(
            f"{place} did not answer in time: {message}",
            hint="check the cluster's load, or raise cluster.timeout",
        )
    return ClusterUnreachableError(f"{place} cannot be reached: {message}", hint=UP_HINT)


def _signing_failed(cause: Any) -> bool:
    """Whether botocore, which signs requests to a managed domain, raised it."""
    if not type(cause).__module__.startswith("botocore."):
        return False
    # Imported here: botocore is loaded only where requests are signed.
    from botocore.exceptions import BotoCoreError

    return isinstance(cause, BotoCoreError)


def _wrong_user(place: str, _status: int, reason: str) -> ClusterError:
    return AccessDeniedError(
        f"{place} refused the login: wrong or missing user and password, or API key"
        + (f" ({reason})" if reason and reason != "Unauthorized" else ""),
        hint="check cluster.username and TRAILHOUND_CLUSTER__PASSWORD (or cluster.password_file), "
        "or TRAILHOUND_CLUSTER__API_KEY (or cluster.api_key_file)",
    )


def _blocked(place: str, _status: int, reason: str) -> ClusterError:
    what, hint = next((what, hint) for pattern, what, hint in _BLOCKS if re.search(pattern, reason))
    verb = "read" if what.startswith("reading") else "write"
    return ClusterBlockedError(f"{place} cannot {verb}: {what} ({reason})", hint=hint)


def _no_permission(place: str, _status: int, reason: str) -> ClusterError:
    missing = _NO_PERMISSION.search(reason) or _AWS_NO_PERMISSION.search(reason)
    user = _USER.search(reason)
    who = f"user {user[1]}" if user else "this login"
    if missing:
        return AccessDeniedError(
            f"{place}: {who} lacks the permission {missing[1]}", hint=ROLE_HINT
        )
    return AccessDeniedError(f"{place} refused {who}: {reason}", hint=ROLE_HINT)


def _not_now(place: str, status: int, reason: str) -> ClusterError:
    return ClusterUnreachableError(
        f"{place} answers but is not ready (status {status}): {reason}",
        hint="wait until its health is yellow or green, then run the same command again",
    )


def _too_busy(place: str, status: int, reason: str) -> ClusterError:
    return ClusterBusyError(
        f"{place} is too busy: {reason}", hint="try again a little later", status=status
    )


def _too_little_memory(place: str, status: int, reason: str) -> ClusterError:
    return ClusterBusyError(f"{place} is too busy: {reason}", hint=MEMORY_HINT, status=status)


def _no_index(place: str, status: int, reason: str) -> ClusterError:
    return MissingIndexError(
        f"{place}: {reason}",
        hint=MISSING_INDEX_HINT,
        status=status,
    )


_Applies = Callable[[int, str, str], bool]
_Make = Callable[[str, int, str], ClusterError]
_BLOCK_KINDS = {"cluster_block_exception", "index_closed_exception"}

_REPLIES: tuple[tuple[_Applies, _Make], ...] = (
    (lambda status, _kind, _reason: status == 401, _wrong_user),
    (lambda _status, kind, _reason: kind in _BLOCK_KINDS, _blocked),
    (lambda _status, _kind, reason: "shards open" in reason, _blocked),
    (lambda status, _kind, _reason: status == 403, _no_permission),
    (lambda status, _kind, _reason: status in {502, 503, 504}, _not_now),
    (lambda status, _kind, _reason: status == 429, _too_busy),
    (lambda _status, kind, _reason: kind == "index_not_found_exception", _no_index),
)
"""The meaning of replies by status, error type and reason. The first match decides."""


def _reason_of(error: TransportError) -> tuple[str, str]:
    """Error type and reason of a reply of OpenSearch or a cloud gateway; else its text."""
    info = reply_of(error)
    reply: Any = info if isinstance(info, Mapping) else {}
    fault: Any = reply.get("error", reply)
    if not isinstance(fault, Mapping):
        return "", _tidy(str(fault))
    roots = fault.get("root_cause") or [fault]
    root = roots[0] if isinstance(roots, list) and isinstance(roots[0], Mapping) else fault
    cause: Any = fault
    while isinstance(cause.get("caused_by"), Mapping):
        cause = cause["caused_by"]
    reasons = [
        str(each)
        for each in (
            root.get("reason"),
            cause.get("reason"),
            reply.get("message") or reply.get("Message"),
        )
        if each
    ]
    kind = str(root.get("type") or "")
    return kind, _tidy(": ".join(dict.fromkeys(reasons)) or kind or str(error.error))


def _tidy(text: str) -> str:
    """One line, no control characters, no credentials of an address, of bounded length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return _SECRETS.sub("//", line)[:LONGEST_REASON]
