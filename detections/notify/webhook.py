"""A signed POST to a URL.

    POST /path
    Content-Type: application/json
    Idempotency-Key: 5f1c0a…                      the message's key (`renderer.message_key`)
    X-Trailhound-Timestamp: 1740830400            seconds since 1970, at this attempt
    X-Trailhound-Signature: v1=4d1b…              hex HMAC-SHA256 of "TIMESTAMP.BODY"

Any status of 200 to 299 is a delivery. Redirects are not followed: they would send the alert to an
address that is not in the settings.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as NoAnswer

from detections.notify.channel import Session, channel_kind
from detections.notify.message import Message
from trailhound import __version__
from trailhound.errors import NotifyError, SettingsError
from trailhound.settings import AwsSettings, ChannelSettings
from trailhound.settings.secret import require_secret

TIMESTAMP: Final = "X-Trailhound-Timestamp"
SIGNATURE: Final = "X-Trailhound-Signature"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the signature header."""
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class Webhook:
    """A channel. Raises `SettingsError` for invalid settings."""

    def __init__(self, channel: ChannelSettings) -> None:
        self._name = channel.name
        self._url = require_secret(f"{channel.name}: url", channel.url, channel.url_file)
        self._secret = require_secret(
            f"{channel.name}: secret", channel.secret, channel.secret_file
        )
        try:
            parts = urlsplit(self._url)
            fits = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits or parts.scheme not in ("https", "http"):
            raise SettingsError(
                f"{channel.name}: url is not a valid URL", hint="write it as https://host/path"
            )
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise SettingsError(
                f"{channel.name}: url is not encrypted",
                hint="use https://; http:// is allowed only to this machine",
            )
        self._host = parts.hostname
        authorities = channel.ca_bundle.expanduser() if channel.ca_bundle else certifi.where()
        try:
            self._pool = urllib3.PoolManager(
                num_pools=1,
                cert_reqs="CERT_REQUIRED",
                ca_certs=str(authorities),
                timeout=urllib3.Timeout(total=channel.timeout),
                retries=False,
            )
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{channel.name}: ca_bundle cannot be used ({type(error).__name__})",
                hint="use a PEM file",
            ) from None

    def send(self, message: Message) -> None:
        body = message.document()
        now = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"trailhound/{__version__}",
            "Idempotency-Key": message.key,
            TIMESTAMP: str(now),
            SIGNATURE: signature(self._secret, now, body),
        }
        try:
            reply = self._pool.request(
                "POST", self._url, body=body, headers=headers, redirect=False, preload_content=False
            )
            status = reply.status
            reply.close()  # the content is not used, and may come without end or a byte at a time
        except (HTTPError, OSError, ValueError) as error:
            # Not the error's own text: it contains the URL with its path.
            raise NotifyError(
                f"{self._name}: {self._host} {_what_happened(error)}",
                hint="check that the receiver runs, and the authority of its certificate",
            ) from None
        if 300 <= status < 400:
            raise NotifyError(
                f"{self._name}: {self._host} answered with a redirect ({status})",
                hint="use the URL that it redirects to: redirects are not followed",
            )
        if not 200 <= status < 300:
            raise NotifyError(
                f"{self._name}: {self._host} answered with status {status}",
                hint="check the channel's url and secret, and the receiver's log",
            )


def _what_happened(error: Exception) -> str:
    if isinstance(error, SSLError):
        return "has a certificate that is not trusted, or does not use TLS"
    if isinstance(error, NoAnswer) and not isinstance(error, NewConnectionError):
        return "did not answer in time"
    if isinstance(error, NewConnectionError):
        return "cannot be reached"
    return f"closed the connection ({type(error).__name__})"


@channel_kind("webhook")
def _open(channel: ChannelSettings, _aws: AwsSettings, _session: Session) -> Webhook:
    return Webhook(channel)
