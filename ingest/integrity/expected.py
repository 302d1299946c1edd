"""The hashes that verified digests list, by object. Readers compare them with what they read."""

from __future__ import annotations

import hashlib


class ExpectedHashes:
    """SHA-256 by address, at about 150 bytes of memory each. Can be sent to another process."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, uri: str, sha256: str) -> None:
        """Note a hash, `sha256` in hexadecimal; a text that is not hexadecimal is left out."""
        try:
            self._known[_key(uri)] = bytes.fromhex(sha256)
        except ValueError:
            return

    def of(self, uri: str) -> str:
        """The hash in hexadecimal; empty where no digest lists the object."""
        return self._known.get(_key(uri), b"").hex()


def _key(uri: str) -> bytes:
    return hashlib.blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=16).digest()
