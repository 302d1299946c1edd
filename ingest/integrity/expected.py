"""The hashes that verified digests list, by object: what a reader compares with what it reads."""

from __future__ import annotations

import hashlib


class ExpectedHashes:
    """SHA-256 by address; some 150 bytes of memory each. Can be sent to another process."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, uri: str, sha256: str) -> None:
        """`sha256` in hexadecimal; what is none is left out: nothing equals it."""
        try:
            self._known[_key(uri)] = bytes.fromhex(sha256)
        except ValueError:
            return

    def of(self, uri: str) -> str:
        """In hexadecimal; empty where no digest lists the object."""
        return self._known.get(_key(uri), b"").hex()


def _key(uri: str) -> bytes:
    return hashlib.blake2b(uri.encode("utf-8", "surrogatepass"), digest_size=16).digest()
