"""A signed POST to a URL.

    POST /path
    Content-Type: application/json
    Idempotency-Key: 5f1c0a…                      the message's key (`renderer.message_key`)
    X-Trailhound-Timestamp: 1740830400            seconds since 1970, at this attempt
    X-Trailhound-Signature: v1=4d1b…              hex HMAC-SHA256 of "TIMESTAMP.BODY"

Any status of 200 to 299 is a delivery.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Final

from detections.notify.channel import Session, channel_kind
from detections.notify.https_client import HttpsClient
from detections.notify.message import Message
from trailhound import __version__
from trailhound.settings import AwsSettings, ChannelSettings
from trailhound.settings.secret import require_secret

TIMESTAMP: Final = "X-Trailhound-Timestamp"
SIGNATURE: Final = "X-Trailhound-Signature"


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the signature header."""
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class Webhook:
    """A channel. Raises `SettingsError` for invalid settings."""

    def __init__(self, channel: ChannelSettings) -> None:
        name = channel.name
        url = require_secret(f"{name}: url", channel.url, channel.url_file)
        self._secret = require_secret(f"{name}: secret", channel.secret, channel.secret_file)
        self._client = HttpsClient(name, url, channel.ca_bundle, channel.timeout)

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
        self._client.request("POST", headers, body)


@channel_kind("webhook")
def _open(channel: ChannelSettings, _aws: AwsSettings, _session: Session) -> Webhook:
    return Webhook(channel)
