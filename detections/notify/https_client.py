"""Requests to an address of the settings: encrypted, without redirects, and named without its path.

An address may contain a secret in its path, so that errors name its host alone. Redirects are not
followed: they would send what is sent to an address that is not in the settings.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as NoAnswer

from trailhound.errors import NotifyError, SettingsError

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class HttpsClient:
    """Sends requests to one URL. `name` is what errors begin with. Raises `SettingsError` for an
    invalid or unencrypted URL, or a file of authorities that cannot be used."""

    def __init__(self, name: str, url: str, ca_bundle: Path | None, timeout: float) -> None:
        self._name = name
        self._url = url
        # The logger of connections names paths at DEBUG: they hold tokens.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        try:
            parts = urlsplit(url)
            fits = bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        if not fits or parts.scheme not in ("https", "http"):
            raise SettingsError(
                f"{name}: url is not a valid URL", hint="write it as https://host/path"
            )
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise SettingsError(
                f"{name}: url is not encrypted",
                hint="use https://; http:// is allowed only to this machine",
            )
        self._host = parts.hostname
        authorities = ca_bundle.expanduser() if ca_bundle else certifi.where()
        try:
            self._pool = urllib3.PoolManager(
                num_pools=1,
                cert_reqs="CERT_REQUIRED",
                ca_certs=str(authorities),
                timeout=urllib3.Timeout(total=timeout),
                retries=False,
            )
        except (OSError, ValueError) as error:
            raise SettingsError(
                f"{name}: ca_bundle cannot be used ({type(error).__name__})",
                hint="use a PEM file",
            ) from None

    def request(self, method: str, headers: Mapping[str, str], body: bytes | None = None) -> None:
        """Returns once the receiver has answered with a status of 200 to 299. Raises `NotifyError`
        for anything else."""
        try:
            reply = self._pool.request(
                method,
                self._url,
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
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
                hint="check its url, and its secret if it has one, and the receiver's log",
            )


def _what_happened(error: Exception) -> str:
    if isinstance(error, SSLError):
        return "has a certificate that is not trusted, or does not use TLS"
    if isinstance(error, NoAnswer) and not isinstance(error, NewConnectionError):
        return "did not answer in time"
    if isinstance(error, NewConnectionError):
        return "cannot be reached"
    return f"closed the connection ({type(error).__name__})"
