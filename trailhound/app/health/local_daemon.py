"""The daemon of this machine, asked at its own address: known also while the cluster is not.

What daemons write about themselves is in the cluster. While that does not answer, `run.listen` is
the only place that says whether a daemon runs here, and what it waits for.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from trailhound.app.health.readiness import Reason
from trailhound.cluster.refusals import redact_url
from trailhound.settings import Settings

_ANSWER_SECONDS: Final = 2.0
_MOST_BYTES: Final = 1024 * 1024
_EVERY_ADDRESS: Final[Mapping[str, str]] = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Addresses to listen at, and the one to ask."""

State = Literal["ready", "not_ready", "none", "other", "unknown"]


@dataclass(frozen=True, slots=True)
class LocalDaemon:
    """What answers at `run.listen`. `state` is `none` if nothing listens there, `other` for a
    daemon of another cluster or namespace, `unknown` for what gives no answer, or not a daemon's.
    `message` says it in a sentence; `reasons` are those of the daemon."""

    address: str | None
    state: State
    message: str
    reasons: tuple[Reason, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether a daemon answers that may be one of these settings."""
        return self.state in ("ready", "not_ready")

    def as_dict(self) -> dict[str, Any]:
        """As `status --json` prints it."""
        return {
            "address": self.address,
            "state": self.state,
            "message": self.message,
            "reasons": [each.as_dict() for each in self.reasons],
        }


def identity(settings: Settings) -> dict[str, object]:
    """What a daemon says of itself in `/readyz`."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "cluster": [redact_url(each) for each in settings.hosts],
        "namespace": settings.namespace,
    }


def ask_daemon(settings: Settings) -> LocalDaemon:
    """The daemon that listens where these settings say. Takes 2 s if it does not answer."""
    address = settings.run.listen
    if address is None:
        message = "not known: run.listen is null, so that no daemon here can be asked"
        return LocalDaemon(None, "unknown", message)
    try:
        status, body = _get(address)
    except ConnectionRefusedError:
        return LocalDaemon(address, "none", f"none answers at {address}")
    except TimeoutError:
        message = f"not known: what listens at {address} does not answer"
        return LocalDaemon(address, "unknown", message)
    except (OSError, http.client.HTTPException) as error:
        message = f"not known: {address} cannot be asked: {error}"
        return LocalDaemon(address, "unknown", message)
    return _understood(address, status, body, settings)


def _get(address: str) -> tuple[int, bytes]:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    asked = _EVERY_ADDRESS.get(host, host)
    connection = http.client.HTTPConnection(asked, int(port), timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz", headers={"Accept": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read(_MOST_BYTES)
    finally:
        connection.close()


def _understood(address: str, status: int, body: bytes, settings: Settings) -> LocalDaemon:
    try:
        answer = json.loads(body)
        ready, found = answer["ready"], tuple(_reasons(answer["details"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        message = f"not known: what answers at {address} is not a daemon of Trailhound"
        return LocalDaemon(address, "unknown", f"{message} (status {status})")
    about = answer.get("daemon")
    if not isinstance(about, Mapping):
        who = f"a daemon of an older release at {address}, of an unknown cluster and namespace,"
    elif other := _other(about, settings):
        return LocalDaemon(address, "other", f"the one at {address} {other}")
    else:
        who = f"{about.get('host')} {about.get('pid')}"
    if ready is True and status == 200 and not found:
        return LocalDaemon(address, "ready", f"{who} runs, and is ready")
    return LocalDaemon(address, "not_ready", f"{who} runs, and is not ready", found)


def _other(about: Mapping[str, Any], settings: Settings) -> str:
    """How the daemon differs from one of these settings; empty if it does not."""
    namespace, hosts = about.get("namespace"), about.get("cluster")
    if namespace != settings.namespace:
        return f"is of the namespace {namespace}" if namespace else "is of no namespace"
    ours = {redact_url(each) for each in settings.hosts}
    if isinstance(hosts, list) and ours.isdisjoint(map(str, hosts)):
        return f"writes to {', '.join(map(str, hosts))}"
    return ""


def _reasons(details: Any) -> Iterator[Reason]:
    for each in details:
        yield Reason(str(each["code"]), str(each["subject"]), str(each["message"]))
