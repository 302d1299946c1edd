"""The public keys with which CloudTrail's signatures are verified.

CloudTrail has its own keys in each region, and a new one every few weeks ("ListPublicKeys" of the
CloudTrail API reference). A key's fingerprint is the MD5 of its DER.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import msgspec
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ingest.sources.aws_codes import FAILURES
from trailhound.errors import SourceUnreachableError, UsageError

LOG = logging.getLogger("trailhound.integrity")
_BESIDE = timedelta(hours=2)
"""How much before and after the hours of a digest keys are asked for: it is signed after its hour
has ended."""


class KeysApi(Protocol):
    """The one call of CloudTrail's API that is needed."""

    def list_public_keys(self, **wanted: Any) -> Mapping[str, Any]:
        """A page of the keys that were in force in a span."""


class PublicKeys:
    """Keys by fingerprint: read from a file, or asked of a region when they are first needed, and
    kept."""

    def __init__(self, known: Iterable[Mapping[str, Any]] = ()) -> None:
        self._keys: dict[str, RSAPublicKey] = {}
        for each in known:
            self._add(each)

    @classmethod
    def of_file(cls, path: Path) -> PublicKeys:
        """The keys in a file that `aws cloudtrail list-public-keys` wrote. Raises `UsageError`."""
        try:
            content = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        except OSError as error:
            raise UsageError(
                f"{path} can't be read: {error.strerror}", hint="check the path"
            ) from None
        except (msgspec.MsgspecError, UnicodeDecodeError):
            content = {}
        listed = next((content[k] for k in content if k.lower() == "publickeylist"), None)
        if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
            raise UsageError(
                f"{path} holds no list of public keys",
                hint="write it by `aws cloudtrail list-public-keys --start-time … > FILE`",
            )
        made = cls(listed)
        if not made._keys:
            raise UsageError(f"{path} holds no usable public key", hint="fetch the keys again")
        return made

    def __contains__(self, fingerprint: str) -> bool:
        return fingerprint in self._keys

    def ask(self, api: KeysApi, start: datetime, end: datetime) -> None:
        """Add the keys of the region that `api` is for, for a digest's hours.

        Raises `SourceUnreachableError` where the region does not answer.
        """
        wanted: dict[str, Any] = {"StartTime": start - _BESIDE, "EndTime": end + _BESIDE}
        try:
            while True:
                page = api.list_public_keys(**wanted)
                for each in page.get("PublicKeyList") or ():
                    self._add(each)
                if not page.get("NextToken"):
                    return
                wanted["NextToken"] = page["NextToken"]
        except FAILURES as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
            raise SourceUnreachableError(
                f"CloudTrail's public keys can't be listed ({code or type(error).__name__})",
                hint="allow cloudtrail:ListPublicKeys, or give the keys: --public-keys FILE",
            ) from None

    def signs(self, fingerprint: str, signature: str, text: bytes) -> bool:
        """Whether a signature, in hexadecimal, is one of this text by this key: RSA PKCS#1 v1.5
        over SHA-256."""
        try:
            self._keys[fingerprint].verify(
                binascii.unhexlify(signature), text, padding.PKCS1v15(), SHA256()
            )
        except (InvalidSignature, ValueError):
            return False
        return True

    def _add(self, listed: Mapping[str, Any]) -> None:
        """Add a key as the API gives it (its DER as bytes) or as a file has it (in base64); PKCS#1
        or SubjectPublicKeyInfo. A key that does not have its fingerprint is left out, and named."""
        values = {name.lower(): value for name, value in listed.items()}
        named, value = str(values.get("fingerprint", "")), values.get("value", b"")
        try:
            der = base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)
            key = load_der_public_key(der)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            LOG.warning("the public key %s can't be read: left out", named)
            return
        fingerprint = hashlib.md5(der, usedforsecurity=False).hexdigest()
        if not isinstance(key, RSAPublicKey) or named not in ("", fingerprint):
            LOG.warning("the public key %s is not what its fingerprint says: left out", named)
            return
        self._keys[fingerprint] = key
