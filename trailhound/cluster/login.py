"""Logins from settings: API keys, and TLS with a client certificate.

The sections `cluster` and `dashboards` have the same keys for them; `section` is the name in
messages.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Final, Protocol

import certifi
from pydantic import SecretStr

from trailhound.errors import SettingsError
from trailhound.settings.secret import read_secret

_ENCODED_KEY: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


class Login(Protocol):
    """The keys that both sections have."""

    @property
    def api_key(self) -> SecretStr | None: ...
    @property
    def api_key_file(self) -> Path | None: ...
    @property
    def ca_bundle(self) -> Path | None: ...
    @property
    def client_cert(self) -> Path | None: ...
    @property
    def client_key(self) -> Path | None: ...
    @property
    def verify_certs(self) -> bool: ...


def api_key(login: Login, section: str) -> str | None:
    """The encoded API key; None if there is none.

    Raises `SettingsError` for one that cannot be read, or that a header cannot hold.
    """
    key = read_secret(f"{section}.api_key", login.api_key, login.api_key_file)
    if key is not None and not _ENCODED_KEY.fullmatch(key):
        raise SettingsError(
            f"{section}.api_key is not an encoded API key",
            hint="give the value of `encoded`, which is Base64 of id:api_key",
        )
    return key


def tls_context(login: Login, section: str) -> ssl.SSLContext:
    """A context with the CA bundle, or else the CAs of the system and of certifi, and with the
    client certificate, if there is one.

    Raises `SettingsError` for a file that cannot be used.
    """
    bundle = _file(f"{section}.ca_bundle", login.ca_bundle)
    try:
        context = ssl.create_default_context(cafile=bundle)
    except ssl.SSLError as error:
        raise SettingsError(
            f"{section}.ca_bundle {bundle} cannot be used: {error.reason}",
            hint="it is a PEM file of the authorities to trust",
        ) from None
    if bundle is None:
        context.load_verify_locations(certifi.where())
    if not login.verify_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = _file(f"{section}.client_cert", login.client_cert)
    key = _file(f"{section}.client_key", login.client_key)
    if certificate is None:
        return context
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        raise SettingsError(
            f"{section}.client_cert {certificate} and its key cannot be used: {error.reason}",
            hint=f"both are PEM files; the key is {section}.client_key, or in the certificate's "
            "file",
        ) from None
    return context


def _file(name: str, path: Path | None) -> str | None:
    """The path of an existing PEM file; None if none is set."""
    if path is None:
        return None
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{name} {path} cannot be read: {error.strerror}", hint="check the path"
        ) from None
    if b"-----BEGIN" not in content:
        raise SettingsError(
            f"{name} {path} contains nothing in PEM format",
            hint="convert it with `openssl x509` or `openssl pkcs12`",
        )
    return str(path.expanduser())
